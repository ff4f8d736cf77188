//! The lists of the web page in a real browser: presets, recordings, sources, outputs.

mod common;

use common::browser::key;
use common::page::{PICTURE, Studio, wait_for_picture};
use common::*;

#[test]
fn presets_are_kept_changed_and_painted_with() {
    let studio = Studio::open(&[]);
    let Some(browser) = studio.visit() else { return };
    let names =
        || browser.value("[...document.querySelectorAll('#presets .paint span')].map((name) => name.textContent)");
    let wait_for_names = |wanted: &[&str]| until(&format!("{wanted:?}"), || names() == serde_json::json!(wanted));
    let styles = |name: &str| studio.api.wait_for_state(name, |state| state["look"]["styles"][name] == 1.0);

    let save = |name: &str| browser.press("#preset-name", &format!("{name}{}", key::ENTER));
    save("As it is");
    wait_for_names(&["As it is"]);
    // Hotkeys are the same in capitals, and leave fields alone that are written in.
    browser.click("[data-style=negative]");
    styles("negative");
    save("C P M");
    wait_for_names(&["As it is", "C P M"]);
    browser.click("#presets .paint");
    styles("same");
    browser.press("body", "U");
    styles("negative");

    let second = "#presets li:nth-child(2)";
    browser.click(&format!("{second} summary"));
    browser.press(&format!("{second} select"), "7");
    browser.wait_for("document.querySelector('#presets li:nth-child(2) kbd').textContent === '7'");
    browser.click("[data-style=same]");
    styles("same");
    browser.press("body", "7");
    styles("negative");
    browser.click(&format!("{second} summary"));
    browser.press(&format!("{second} details input"), &format!("\u{e009}a\u{e000}Night{}", key::ENTER));
    wait_for_names(&["As it is", "Night"]);
    browser.click(&format!("{second} summary"));
    browser.click(&format!("{second} [title='Move Night up']"));
    wait_for_names(&["Night", "As it is"]);

    browser.click("#preset-export");
    let exported = browser.downloaded("impasto-presets.json");
    let mut list: serde_json::Value = serde_json::from_slice(&std::fs::read(&exported).unwrap()).unwrap();
    assert_eq!((&list[0]["name"], &list[0]["key"]), (&"Night".into(), &7.into()));
    browser.click("#presets li summary");
    browser.click("[title='Delete Night']");
    wait_for_names(&["As it is"]);
    // What another machine kept, with a style that this one lacks.
    list[1]["name"] = "Elsewhere".into();
    list[1]["look"]["styles"] = serde_json::json!({"unheard_of": 1.0});
    std::fs::write(&exported, list.to_string()).unwrap();
    browser.choose_file("#preset-import", &exported);
    wait_for_names(&["As it is", "Night", "Elsewhere"]);
    browser.wait_for("/Missing: unheard_of/.test(document.querySelector('#presets li:last-child').textContent)");
    browser.press("#network", "lite");
    studio.api.wait_for_state("another network", |state| state["network"] == "lite");
    browser.assert_clean(false);
}

#[test]
fn recordings_are_played_downloaded_renamed_and_removed() {
    let studio = Studio::open(&[]);
    let Some(browser) = studio.visit() else { return };
    for file in ["first.mkv", "second.mp4"] {
        let begun = studio.api.json("POST", "/api/v1/streams/live/record", &format!(r#"{{"file": "{file}"}}"#));
        assert_eq!(begun.status, 200);
        browser.wait_for("document.querySelector('#record span').textContent === 'Stop 0:02'");
        browser.press("body", "R");
        browser.wait_for(&format!("document.querySelector('#recordings b')?.textContent === '{file}'"));
    }
    browser.wait_for("!document.querySelector('#notices p')");
    for file in ["first.mkv", "second.mp4"] {
        browser.click(&format!("[title='Play {file}']"));
        browser.wait_for("document.getElementById('player').currentTime > 0.5");
        assert_eq!(browser.value("document.getElementById('player').videoWidth"), 320);
        browser.click("#player-close");
    }
    browser.click("#recordings li:last-child a");
    let saved = browser.downloaded("first.mkv");
    until("the download is whole", || !packet_times(saved.to_str().unwrap(), "v").is_empty());

    browser.click("[title='Change first.mkv']");
    browser.press("#recordings li:last-child input", &format!("\u{e009}a\u{e000}third.mkv{}", key::ENTER));
    browser.wait_for(
        "[...document.querySelectorAll('#recordings b')].map((b) => b.textContent).join() === 'second.mp4,third.mkv'",
    );
    browser.click("[title='Change second.mp4']");
    browser.click("[title='Delete second.mp4']");
    assert_eq!(browser.value("document.querySelectorAll('#recordings li').length"), 2, "it takes a second press");
    browser.click("[title='Delete second.mp4']");
    browser.wait_for("document.querySelectorAll('#recordings li').length === 1");
    let files = std::fs::read_dir(studio.folder.path().join("recordings")).unwrap();
    assert_eq!(files.flatten().map(|file| file.file_name()).collect::<Vec<_>>(), ["third.mkv"]);
    browser.assert_clean(false);
}

#[test]
fn sources_are_chosen_from_what_there_is() {
    let studio = Studio::open(&[]);
    std::fs::create_dir(studio.folder.path().join("media")).unwrap();
    let clip = |name: &str| studio.folder.path().join(name).to_str().unwrap().to_string();
    for (name, colour) in [("media/white.mkv", "white"), ("black.mkv", "black")] {
        let colour = format!("color={colour}:s=64x64:r=15:d=2");
        ffmpeg(&["-f", "lavfi", "-i", &colour, "-c:v", "libx264", "-preset", "ultrafast", &clip(name)]);
    }
    let Some(browser) = studio.visit() else { return };
    browser.press("body", "c");
    let source = |name: &str| {
        let source = studio.api.wait_for_state(name, |state| state["source"].as_str().unwrap().ends_with(name));
        browser.wait_for("document.getElementById('source-pick').ariaBusy !== 'true'");
        source
    };
    browser.press("[data-testid=cameras]", "white.mkv");
    source("media/white.mkv");
    // The controls lie further down than the picture.
    browser.value("scrollTo(0, 0)");
    until("white is seen", || browser.screenshot(PICTURE).get_pixel(300, 100).0[0] > 240);
    // Its end is past by now: it plays in a loop.
    browser.press("#source-name", &format!("{}{}", clip("black.mkv"), key::ENTER));
    source("black.mkv");
    browser.value("scrollTo(0, 0)");
    until("black is seen", || browser.screenshot(PICTURE).get_pixel(300, 100).0[0] < 15);
    browser.press("[data-testid=cameras]", "Test picture");
    source("test picture");
    // What was set lately is offered again, also after the page was closed.
    browser.value("location.reload()");
    wait_for_picture(&browser);
    browser.wait_for(
        "[...document.querySelectorAll('#source-pick option')].some((option) => option.value.endsWith('black.mkv'))",
    );
    browser.press("[data-testid=cameras]", &clip("black.mkv"));
    source("black.mkv");

    // Looked at first, it is on air only when that is wished.
    browser.click("[data-testid=look-first]");
    browser.press("[data-testid=cameras]", "white.mkv");
    browser.wait_for("document.getElementById('source-look-picture').naturalWidth === 64");
    source("black.mkv");
    browser.click("#source-look-air");
    source("media/white.mkv");
    browser.wait_for("document.getElementById('source-look').hidden");
    browser.assert_clean(false);
    browser.press("#source-name", &format!("nothing.mkv{}", key::ENTER));
    browser.wait_for("document.getElementById('notices').textContent.includes('nothing.mkv')");
    browser.wait_for("document.getElementById('source-look').hidden");
    source("media/white.mkv");
}

#[test]
fn outputs_are_added_and_removed() {
    let studio = Studio::open(&[]);
    let Some(browser) = studio.visit() else { return };
    let port = free_port();
    let place = format!("rtsp://0.0.0.0:{port}/lan");
    browser.press("#output-kind", "RTSP");
    browser.press("#output-address", &format!("0.0.0.0:{port}/lan{}", key::ENTER));
    studio.api.wait_for_state("one more output", |state| {
        state["outputs"].as_array().unwrap().iter().any(|output| output["place"] == place.as_str())
    });
    // What is reached at any address is shown with one that can be reached.
    let shown = format!("rtsp://127.0.0.1:{port}/lan");
    browser.wait_for(&format!(
        "[...document.querySelectorAll('#outputs code')].some((code) => code.textContent === '{shown}')"
    ));
    assert_eq!(probe(&shown, "v", "stream=width"), "320");
    // What is missing is said with what cures it.
    browser.press("#output-kind", "Virtual");
    browser.press("#output-device", &format!("/dev/video99{}", key::ENTER));
    browser.wait_for("/modprobe v4l2loopback/.test(document.querySelector('#notices .problem')?.textContent)");
    // A monitor is chosen from those there are, of which this machine may have none.
    browser.press("#output-kind", "Monitor");
    browser.wait_for("!document.getElementById('output-monitor').hidden");
    browser.click("#output-form button");
    browser.wait_for("/^display: /.test(document.querySelector('#notices .problem')?.textContent)");
    browser.click(&format!("[data-output='rtsp-0.0.0.0-{port}-lan'] [title^=Remove]"));
    browser.wait_for("document.querySelectorAll('#outputs li').length === 2");
    browser.assert_clean(true);
}

#[test]
fn a_painting_that_is_dropped_or_chosen_becomes_a_style() {
    let studio = Studio::open(&[]);
    onnx::write_mood(studio.networks.path());
    let Some(browser) = studio.visit() else { return };
    let nothing = || studio.api.ask("POST", "/api/v1/styles?name=a", &[], b"a").text();
    until("the network for it is known", || nothing().contains("is no JPEG"));
    let painting = |name: &str, colour: [u8; 3]| {
        let file = studio.folder.path().join(name);
        image::RgbImage::from_pixel(16, 16, image::Rgb(colour)).save(&file).unwrap();
        file
    };
    let styles = |name: &str| studio.api.wait_for_state(name, |state| state["look"]["styles"][name] == 1.0);
    let has = |name: &str, there: bool| {
        browser.wait_for(&format!("(document.querySelector('[data-style=\"{name}\"]') !== null) === {there}"));
    };

    let red = painting("a red, painting.png", [230, 30, 20]);
    browser.drop_file_on("[data-testid=paintings]", &red);
    styles("a red_ painting");
    has("a red_ painting", true);
    browser.wait_for("!document.body.hasAttribute('data-drop') && document.body.dataset.view === 'live'");
    // Beside the tiles too; another with the same name gets a number.
    browser.drop_file_on("#gallery-title", &red);
    styles("a red_ painting 2");
    browser.choose_file("#painting", &painting("blue.png", [20, 30, 230]));
    styles("blue");
    // With the keyboard: the field is reached, and so is what removes one.
    browser.value("document.getElementById('painting').focus()");
    browser.wait_for("document.activeElement.id === 'painting'");
    let remove = "[aria-label='Remove the painting a red painting 2']";
    browser.value(&format!("document.querySelector({remove:?}).click()"));
    has("a red_ painting 2", false);

    let words = "document.getElementById('notices').textContent.includes('is no JPEG, PNG or WebP file')";
    let text = studio.folder.path().join("poem.png");
    std::fs::write(&text, "a poem").unwrap();
    browser.choose_file("#painting", &text);
    browser.wait_for(words);
    browser.wait_for("!document.getElementById('paintings').ariaBusy");
    let kept = std::fs::read_dir(studio.folder.path().join("state/paintings")).unwrap().count();
    assert_eq!(kept, 2);
    // What was refused is in the browser's log.
    browser.assert_clean(true);
}

#[test]
fn a_show_is_seen_held_and_moved() {
    let studio = Studio::open(&[]);
    let Some(browser) = studio.visit() else { return };
    assert_eq!(browser.value("document.getElementById('show').hidden"), true);
    let config = studio.folder.path().join("impasto.toml");
    let text = std::fs::read_to_string(&config).unwrap();
    let show = "[show]\nplaylist = [{ source = \"test\", seconds = 500 }, { source = \"none.mp4\" }, { source = \"showcase\", seconds = 500 }]\n\
                programme = [{ name = \"day\", seconds = 500, fade_seconds = 0, step = [{ look = { strength = 0.5 } }, { look = { strength = 0.25 } }] }]\n";
    std::fs::write(&config, text + show).unwrap();
    let row = |place: usize| format!("#show-parts li:nth-child({place})");
    let reads = |place: usize, part: &str, words: &str| {
        browser.wait_for(&format!("document.querySelector('{} {part}')?.textContent.includes('{words}')", row(place)));
    };
    reads(1, ".now", "test picture");
    reads(1, "small", "Next: none.mp4, ");
    reads(2, ".now", "day: strength 0.5");
    browser.click(&format!("{} .skip", row(1)));
    reads(1, ".now", "showcase");
    browser.wait_for("document.querySelector('#show-parts option:nth-child(2)').textContent === 'none.mp4 (missing)'");
    browser.click(&format!("{} .hold", row(2)));
    reads(2, ".hold", "Resume");
    browser.click(&format!("{} .skip", row(2)));
    studio.api.wait_for_state("the second step", |state| state["look"]["strength"] == 0.25);
    browser.click(&format!("{} .hold", row(2)));
    reads(2, ".hold", "Pause");
    browser.press("#source-name", &format!("test{}", key::ENTER));
    reads(1, ".now", "set by hand");
    browser.click(&format!("{} .hold", row(1)));
    reads(1, ".now", "showcase");
    browser.press(&format!("{} select", row(1)), "test p");
    reads(1, ".now", "test picture");
    let lists = "performance.getEntriesByType('resource').filter(({ name }) => name.endsWith('/show')).length";
    assert!(browser.value(lists).as_u64().unwrap() < 60, "lists are asked for when something changes");
    // Keys that are typed while it jumps are still the list's.
    browser.wait_for("document.activeElement.matches('#show-parts select')");
    assert_eq!(studio.api.state()["show"]["playlist"]["status"], "playing");
    browser.assert_clean(false);
}

#[test]
fn the_sound_drives_what_is_chosen() {
    let studio = Studio::open(&[]);
    let Some(browser) = studio.visit() else { return };
    let drives = || studio.api.get("/api/v1/streams/live/drives").value()["drives"].clone();
    let shown = "[...document.querySelectorAll('#drives li')].map((row) => row.id)";
    let all = ["strength", "keep_colours", "steadiness", "stroke", "mask_feather"].map(|name| format!("drive-{name}"));
    assert_eq!(browser.value(shown), serde_json::json!(all));
    assert_eq!(browser.value("document.getElementById('levels').hidden"), true);
    browser.press("#drive-strength select", "Low");
    until("it is driven", || drives()["strength"]["by"] == "low");
    browser.wait_for(
        "!document.getElementById('levels').hidden && !document.querySelector('#drive-strength .numbers').hidden",
    );
    browser.wait_for("/No sound comes/.test(document.getElementById('drives-note').textContent)");
    browser.press("#drive-strength [name=release_ms]", &format!("\u{e009}a\u{e000}50{}", key::ENTER));
    until("another number", || drives()["strength"]["release_ms"] == 50);
    // What others set is shown, too.
    let drive = r#"{"by": "high", "from": 1, "to": 0.5}"#;
    assert_eq!(studio.api.json("PUT", "/api/v1/streams/live/drives/stroke", drive).status, 200);
    browser.wait_for("document.querySelector('#drive-stroke select').value === 'high'");
    assert_eq!(browser.value("document.querySelector('#drive-stroke [name=to]').value"), "0.5");
    browser.press("#drive-strength select", "–");
    until("left to the look", || drives()["strength"].is_null());
    browser.wait_for("document.querySelector('#drive-strength .numbers').hidden");
    browser.assert_clean(false);
}

#[test]
fn what_midi_controls_do_is_listed_learnt_and_taken_back() {
    let studio = Studio::open(&[]);
    let config = studio.folder.path().join("impasto.toml");
    let text = std::fs::read_to_string(&config).unwrap();
    std::fs::write(&config, text.replace("[control]", "[control]\nmidi = \"Unheard of\"")).unwrap();
    let mut studio = studio;
    studio.lose();
    studio.restart(&[]);
    let Some(browser) = studio.visit() else { return };
    browser.wait_for("!document.getElementById('midi').hidden");
    let midi = || studio.api.get("/api/v1/midi").value();
    browser.press("#midi-target", "Strength");
    browser.click("#midi-learn");
    until("it is learnt", || midi()["learning"]["parameter"] == "strength");
    browser.wait_for(
        "/Move the knob, or press the key, for: Strength/.test(document.getElementById('midi-now').textContent)",
    );
    browser.click("#midi-learn");
    until("it is not any more", || midi()["learning"].is_null());
    // What somebody else binds is shown at once.
    let bound = studio.api.json("PUT", "/api/v1/midi/bindings/1-cc-7", r#"{"parameter": "stroke"}"#);
    assert_eq!(bound.status, 200);
    browser.wait_for("/1-cc-7Stroke/.test(document.getElementById('midi-bindings').textContent)");
    browser.click("[title='Leave 1-cc-7 alone']");
    until("it is left alone", || midi()["bindings"] == serde_json::json!([]));
    browser.wait_for("!document.querySelector('#midi-bindings li')");
    browser.assert_clean(false);
}
