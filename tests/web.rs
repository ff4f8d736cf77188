//! The web page in a real browser: what its controls change is seen in the picture, and it outlives the daemon.

mod common;

use common::browser::{Browser, key};
use common::page::{PICTURE, Studio, difference, inverted, settled, wait_for_picture, wait_to_see};
use common::*;
use image::{GenericImageView, RgbImage};

#[test]
fn its_controls_change_the_picture() {
    let studio = Studio::open(&[]);
    let Some(browser) = studio.visit() else { return };
    let look = || studio.api.state()["look"].clone();

    // The picture alone, as it comes.
    browser.press("body", "c");
    browser.wait_for("document.querySelector('.handle').hidden");
    let same = settled(&browser);
    let negative = inverted(&same);
    assert!(difference(&same, &negative, 0.0, 1.0) > 60.0, "the test picture cannot tell the styles apart");

    // A style by a click, and back by the keyboard.
    browser.click("[data-style=negative]");
    wait_to_see("the negative", &browser, &negative, 0.02, 0.98);
    browser.wait_for("document.querySelector('[data-style=negative]').ariaPressed === 'true'");
    browser.press("[data-style=same]", key::ENTER);
    wait_to_see("the picture as it is", &browser, &same, 0.02, 0.98);
    browser.press("[data-style=same]", key::RIGHT);
    browser.wait_for("document.activeElement.dataset.style === 'negative'");
    browser.click("[data-style=negative]");

    // Original and painted, by pointer and keyboard.
    browser.press("body", "c");
    wait_to_see("the original at the left", &browser, &same, 0.02, 0.45);
    wait_to_see("the negative at the right", &browser, &negative, 0.55, 0.98);
    browser.drag(PICTURE, 0.5, 0.8);
    wait_to_see("more of the original", &browser, &same, 0.02, 0.75);
    browser.press("#live-split .handle", key::HOME);
    wait_to_see("nothing of it", &browser, &negative, 0.05, 0.98);
    browser.press("body", "c");

    // A mix, and its weights: the same and its negative, half and half, are grey.
    browser.click(".tile:has([data-style=same]) .add");
    studio
        .api
        .wait_for_state("a mix", |state| state["look"]["styles"] == serde_json::json!({"negative": 0.5, "same": 0.5}));
    wait_to_see("grey", &browser, &RgbImage::from_pixel(same.width(), same.height(), image::Rgb([128; 3])), 0.02, 0.98);
    browser.press("#mix li:last-child input", key::END);
    wait_to_see("the heavier one", &browser, &same, 0.02, 0.98);
    browser.click("#mix li:last-child button");
    wait_to_see("the one that is left", &browser, &negative, 0.02, 0.98);

    // Sliders and switches.
    browser.press("#strength", key::HOME);
    wait_to_see("the source, at strength 0", &browser, &same, 0.02, 0.98);
    browser.press("#steadiness", key::END);
    browser.press("#fade", key::RIGHT);
    browser.click("#colours");
    studio.api.wait_for_state("the look of the sliders", |_| {
        let look = look();
        look["strength"] == 0.0 && look["steadiness"] == 1.0 && look["fade_ms"] == 100 && look["keep_colours"] == true
    });

    // Strokes, where there are some to choose: large ones are a negative here.
    assert_eq!(browser.value("document.getElementById('stroke-part').hidden"), true);
    browser.click("[data-style=waves]");
    browser
        .wait_for("!document.getElementById('stroke-part').hidden && document.getElementById('stroke-auto').checked");
    browser.press("#strength", key::END);
    browser.click("#colours");
    wait_to_see("small strokes", &browser, &same, 0.02, 0.98);
    browser.press("#stroke", key::END);
    wait_to_see("large strokes", &browser, &negative, 0.02, 0.98);
    studio.api.wait_for_state("the stroke of the slider", |_| look()["stroke"] == 1.0);
    browser.wait_for("!document.getElementById('stroke-auto').checked");
    browser.click("#stroke-auto");
    wait_to_see("small strokes again", &browser, &same, 0.02, 0.98);
    studio.api.wait_for_state("the stroke by the size of the picture", |_| look()["stroke"] == "auto");
    browser.wait_for("document.querySelector('#stroke-part output').textContent === 'auto'");

    // The other network.
    browser.click("[data-style=great_wave]");
    studio.api.wait_for_state("the other network", |state| state["network"] == "lite");

    // Mirror, size, pause.
    browser.press("body", "m");
    studio.api.wait_for_state("a mirrored picture", |state| state["mirrored"] == true);
    browser.press("#size", "320x180");
    studio.api.wait_for_state("a size", |state| state["size"] == "320x180");
    browser.press("body", "p");
    browser.wait_for("document.getElementById('link').textContent === 'Paused'");
    browser.click("#pause");
    studio.api.wait_for_state("it goes on", |state| state["paused"] == false);

    // Snapshot and recording.
    browser.press("body", "s");
    assert_eq!(image::open(browser.downloaded(".png")).unwrap().dimensions(), (320, 180));
    browser.click("#record");
    studio.api.wait_for_state("a recording", |state| state["recording"].is_string());
    studio.api.assert_painting(5);
    browser.wait_for("document.querySelector('#record span').textContent.startsWith('Stop 0:0')");
    browser.click("#record");
    studio.api.wait_for_state("no recording", |state| state["recording"].is_null());
    let files: Vec<_> = std::fs::read_dir(studio.folder.path().join("recordings")).unwrap().flatten().collect();
    assert!(!packet_times(files[0].path().to_str().unwrap(), "v").is_empty());

    // A refusal is told in the daemon's words, and the picture goes on.
    browser.press("#source-name", &format!("/no/such/clip.mp4{}", key::ENTER));
    browser.wait_for("/no\\/such\\/clip\\.mp4/.test(document.querySelector('#notices .problem')?.textContent)");
    studio.api.assert_painting(3);

    // Figures and outputs.
    browser.wait_for("document.querySelectorAll('#charts canvas').length === 3");
    browser.wait_for("Number(document.querySelector('#charts b').textContent) > 0");
    let rtsp = studio.api.state()["outputs"][0]["place"].clone();
    assert_eq!(browser.value("document.querySelector('#outputs code').textContent"), rtsp);

    // A phone: nothing is wider than its window.
    browser.resize(360, 740);
    browser.wait_for("innerWidth === 360 && document.documentElement.scrollWidth === 360");
    let wide = "[...document.querySelectorAll('button, input, select')].filter((e) => !e.closest('.tiles') && \
                e.getBoundingClientRect().right > 360).map((e) => e.outerHTML)";
    assert_eq!(browser.value(wide), serde_json::json!([]));
    // The refused source is the one request that failed.
    browser.assert_clean(true);
}

/// What axe-core finds serious on the page as it is shown.
fn serious(browser: &Browser) -> serde_json::Value {
    browser.value(
        "axe.run().then(({violations}) => violations.filter(({impact}) => ['serious', 'critical'].includes(impact)) \
         .map(({id, nodes}) => `${id}: ${nodes.map(({html}) => html).join(' ')}`))",
    )
}

#[test]
fn nothing_serious_is_in_the_way_of_those_who_do_not_see_or_point() {
    let folder = std::path::Path::new(env!("CARGO_TARGET_TMPDIR")).join("axe");
    std::fs::create_dir_all(&folder).unwrap();
    let axe = folder.join("node_modules/axe-core/axe.min.js");
    if !axe.is_file() {
        let fetched = std::process::Command::new("npm")
            .args(["install", "--no-save", "--no-audit", "--no-fund", "--prefix", ".", "axe-core@4"])
            .current_dir(&folder)
            .output();
        if !fetched.is_ok_and(|fetched| fetched.status.success()) {
            eprintln!("SKIPPED: axe-core cannot be fetched with npm");
            return;
        }
    }
    let studio = Studio::open(&[]);
    let preset = r#"{"look": {"styles": "negative"}, "key": 1}"#;
    assert_eq!(studio.api.json("PUT", "/api/v1/presets/Night", preset).status, 200);
    assert_eq!(studio.api.json("POST", "/api/v1/streams/live/record", "{}").status, 200);
    studio.api.assert_painting(5);
    let Some(browser) = studio.visit() else { return };
    browser.press("body", "r");
    browser.wait_for("document.querySelectorAll('#presets li, #recordings li, #outputs li').length === 4");
    browser.value(&format!("(() => {{ {} }})(), 0", std::fs::read_to_string(axe).unwrap()));
    browser.value("document.querySelectorAll('details').forEach((details) => (details.open = true))");
    let none = serde_json::json!([]);
    for (width, scheme) in [(1280, "light"), (1280, "dark"), (390, "light"), (390, "dark")] {
        browser.resize(width, 800);
        browser.prefer(&[("prefers-color-scheme", scheme), ("prefers-reduced-motion", "reduce")]);
        assert_eq!(serious(&browser), none, "{width} {scheme}");
        browser.wait_for(&format!("document.documentElement.scrollWidth <= {width}"));
    }
    assert_eq!(browser.value("getComputedStyle(document.getElementById('painted')).transitionDuration"), "0s");
    browser.wait_for("!document.querySelector('#notices p')");
    browser.click("[title^='Play ']");
    assert_eq!(serious(&browser), none, "a recording is played");
    browser.click("#player-close");
    browser.click("[data-goto=photo]");
    assert_eq!(serious(&browser), none, "the photo tab");
}

#[test]
fn a_photograph_waits_for_the_daemon() {
    let mut studio = Studio::open(&[]);
    let Some(browser) = studio.visit() else { return };
    studio.lose();
    browser.wait_for("document.body.dataset.link === 'lost'");
    browser.drop_file(&project("models/showcase/chelsea.jpg"));
    browser.wait_for("/does not answer/.test(document.querySelector('#notices .problem')?.textContent)");
    studio.restart(&[]);
    browser.wait_for("document.getElementById('photo-after').naturalWidth > 0");
    browser.wait_for("!document.getElementById('photo-save').disabled");
    browser.assert_clean(true);
}

#[test]
fn it_comes_back_with_the_daemon() {
    let mut studio = Studio::open(&[]);
    let Some(browser) = studio.visit() else { return };
    browser.press("body", "c");
    browser.wait_for("document.querySelector('.handle').hidden");
    let same = settled(&browser);
    browser.assert_clean(false);

    studio.lose();
    browser.wait_for("document.body.dataset.link === 'lost'");
    studio.restart(&["--style", "negative"]);
    wait_for_picture(&browser);
    wait_to_see("the picture of the new daemon", &browser, &inverted(&same), 0.02, 0.98);

    // With a token now: it is asked for, and kept by the browser.
    studio.lose();
    let config = studio.folder.path().join("impasto.toml");
    let text = std::fs::read_to_string(&config).unwrap();
    std::fs::write(&config, text.replace("[control]", "[control]\ntoken = \"0123456789abcdef\"")).unwrap();
    studio.restart(&[]);
    browser.wait_for("document.getElementById('token-dialog').open");
    browser.press("#token", &format!("wrong{}", key::ENTER));
    browser.wait_for("/not the token/.test(document.getElementById('notices').textContent)");
    browser.press("#token", &format!("\u{e009}a\u{e000}0123456789abcdef{}", key::ENTER));
    wait_for_picture(&browser);
    wait_to_see("the picture behind the token", &browser, &same, 0.02, 0.98);
    browser.assert_clean(true);
}

#[test]
fn a_dropped_photograph_is_painted() {
    let studio = Studio::open(&[]);
    let Some(browser) = studio.visit() else { return };
    let original = project("models/showcase/chelsea.jpg");
    browser.drop_file(&original);
    let painted = "!document.getElementById('photo-save').disabled && !document.getElementById('photo-split').ariaBusy";
    browser.wait_for(painted);
    let same = browser.screenshot("#photo-split");
    browser.click("[data-style=negative]");
    until("the original at the left, the negative at the right", || {
        let seen = browser.screenshot("#photo-split");
        difference(&seen, &same, 0.02, 0.45) < 8.0 && difference(&seen, &inverted(&same), 0.55, 0.98) < 8.0
    });
    browser.click("#photo-save");
    let saved = image::open(browser.downloaded("chelsea-painted.jpg")).unwrap().into_rgb8();
    let original = image::open(original).unwrap().into_rgb8();
    assert!(difference(&saved, &inverted(&original), 0.0, 1.0) < 8.0);
    // Another network, for the photograph alone.
    browser.press("#network", "single");
    until("what that one paints", || difference(&browser.screenshot("#photo-split"), &same, 0.02, 0.98) < 8.0);
    browser.click("[data-style=negative]");
    browser.wait_for("document.getElementById('network').value === 'pair'");
    // The live picture is painted as before.
    assert_eq!(studio.api.state()["look"]["styles"], serde_json::json!({"same": 1.0}));
    assert_eq!(studio.api.state()["network"], "pair");
    browser.assert_clean(false);

    // What is no photograph is refused in words.
    let text = studio.folder.path().join("notes.txt");
    std::fs::write(&text, "no photograph").unwrap();
    browser.drop_file(&text);
    browser.wait_for("/JPEG, PNG or WebP/.test(document.querySelector('#notices .problem')?.textContent)");
    browser.wait_for("!document.getElementById('drop').hidden");
    browser.assert_clean(true);
}

#[test]
fn several_streams_are_chosen_from_a_list_and_a_bad_config_is_told() {
    let studio = Studio::open(&[]);
    let Some(browser) = studio.visit() else { return };
    browser.press("body", "c");
    browser.wait_for("document.querySelector('.handle').hidden");
    let same = settled(&browser);
    let listed = "document.getElementById('stream').checkVisibility()";
    assert_eq!(browser.value(listed), false);

    let file = studio.folder.path().join("impasto.toml");
    let one = std::fs::read_to_string(&file).unwrap();
    let lobby = "[[stream]]\nname = \"lobby\"\npaint.styles = \"negative\"\noutput.rtsp = \"off\"\n";
    let two = format!("{one}[[stream]]\nname = \"live\"\n{lobby}");
    std::fs::write(&file, &two).unwrap();
    studio.api.wait_for_status("lobby", "running");
    browser.wait_for(&format!("{listed} && document.getElementById('stream').length === 2"));

    // An answer that comes when another stream is chosen belongs to the one that was asked.
    browser.value(
        "window.fetch = ((real) => async (address, request) => { const answer = await real(address, request); \
         if (request?.method === 'PATCH') { window.held = true; await new Promise((go) => (window.go = go)); } \
         return answer; })(window.fetch), 0",
    );
    browser.click("#mirror");
    browser.wait_for("window.held === true");
    browser.press("#stream", "lobby");
    wait_to_see("the other stream", &browser, &inverted(&same), 0.02, 0.98);
    browser.value("(window.held = false, window.go(), 0)");
    browser.wait_for("document.getElementById('mirror').ariaBusy !== 'true'");
    assert_eq!(browser.value("document.getElementById('mirror').ariaPressed"), "false");
    assert_eq!(studio.api.state()["mirrored"], true);
    assert_eq!(studio.api.json("PATCH", "/api/v1/streams/live", r#"{"mirrored": false}"#).status, 200);

    std::fs::write(&file, two.replace("negative", "negativ")).unwrap();
    browser.wait_for("/did you mean `negative`/.test(document.getElementById('config').textContent)");
    std::fs::write(&file, &two).unwrap();
    browser.wait_for("document.getElementById('config').hidden");

    // Its stream goes, and the page goes over to one that is left.
    std::fs::write(&file, one).unwrap();
    browser.wait_for(&format!("!({listed})"));
    wait_to_see("the stream that is left", &browser, &same, 0.02, 0.98);
    browser.assert_clean(true);
}
