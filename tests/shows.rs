//! Shows: sources and looks that follow each other while the stream goes on.

mod common;

use std::path::Path;

use common::bars::{LOOK, Studio};
use common::http::Api;
use common::*;
use serde_json::{Value, json};

const SHOW: &str = "/api/v1/streams/live/show";

/// Films of one colour and one second, and a folder of two pictures.
fn media(folder: &Path) {
    for colour in ["red", "blue", "lime"] {
        let (picture, file) = (format!("color={colour}:s=64x36:r=20:d=1"), folder.join(format!("{colour}.mp4")));
        let codec = ["-c:v", "libx264", "-preset", "ultrafast", "-pix_fmt", "yuv420p"];
        ffmpeg(&[&["-f", "lavfi", "-i", &picture], &codec[..], &[file.to_str().unwrap()]].concat());
    }
    std::fs::create_dir(folder.join("slides")).unwrap();
    for (name, level) in [("1.png", 255), ("2.png", 0)] {
        image::RgbImage::from_pixel(64, 36, image::Rgb([level; 3])).save(folder.join("slides").join(name)).unwrap();
    }
}

/// Puts this into the config in place of its show.
fn set_show(folder: &Path, show: &str) {
    let config = folder.join("impasto.toml");
    let text = std::fs::read_to_string(&config).unwrap();
    let text = text.split("\n[show]\n").next().unwrap();
    std::fs::write(&config, format!("{text}\n[show]\n{}", show.replace("DIR", folder.to_str().unwrap()))).unwrap();
}

/// The source on air, by the name of its file.
fn source(api: &Api) -> String {
    let source = api.state()["source"].as_str().unwrap().to_string();
    source.rsplit('/').next().unwrap().to_string()
}

fn show(api: &Api) -> Value {
    api.get(SHOW).value()["playlist"].clone()
}

fn command(api: &Api, command: Value) -> Value {
    let answer = api.json("PUT", SHOW, &json!({ "playlist": command }).to_string());
    assert_eq!(answer.status, 200, "{}", answer.text());
    answer.value()["playlist"].clone()
}

/// The sources as they follow each other on the event stream, until there are so many.
fn followed(api: &Api, count: usize) -> Vec<String> {
    let (mut events, mut seen) = (api.events(), Vec::new());
    while seen.len() < count {
        let (_, event) = events.next();
        let source = [&event["streams"][0]["source"], &event["changed"]["source"]].into_iter().find_map(Value::as_str);
        seen.extend(source.map(|source| source.rsplit('/').next().unwrap().to_string()));
    }
    seen
}

#[test]
fn sources_follow_each_other_and_what_is_missing_is_skipped_and_told() {
    let studio = Studio::open(&[]);
    let (api, folder) = (&studio.api, studio.folder.path());
    media(folder);
    assert_eq!(api.get(SHOW).value(), json!({ "playlist": null, "programme": null }));
    api.json("PUT", SHOW, r#"{"playlist": "next"}"#).assert_problem(422, "no playlist");
    set_show(
        folder,
        "playlist = [{ source = \"DIR/red.mp4\" }, { source = \"DIR/none.mp4\" }, { source = \"DIR/slides\", seconds = 1 }]\n",
    );
    until("it begins without a restart", || source(api) == "red.mp4");
    // To its end, both pictures of the folder, and again.
    let seen = followed(api, 5);
    let round = ["red.mp4", "1.png", "2.png", "red.mp4"];
    assert!(seen.windows(2).all(|pair| round.windows(2).any(|known| pair == known)), "{seen:?}");
    let told = show(api);
    let titles: Vec<_> = told["items"].as_array().unwrap().iter().map(|item| item["title"].clone()).collect();
    assert_eq!(titles.len(), 4, "{told}");
    assert!(told["items"][1]["missing"].as_str().unwrap().contains("none.mp4"), "{told}");
    assert_eq!(studio.run.errors().matches("none.mp4").count(), 1, "{}", studio.run.errors());
    assert_eq!(api.state()["show"]["playlist"]["items"], Value::Null);
    assert_eq!(api.state()["counts"]["reconnects"], 0);
    std::fs::copy(folder.join("blue.mp4"), folder.join("none.mp4")).unwrap();
    until("it is there in a later round", || source(api) == "none.mp4");

    // A longer time than it has: in a loop; held, moved and shown on command.
    set_show(
        folder,
        "playlist = [{ source = \"DIR/red.mp4\", seconds = 500, loop = true }, { source = \"DIR/blue.mp4\", seconds = 500, loop = true },\n\
         { source = \"DIR/lime.mp4\", seconds = 500, loop = true }]\n",
    );
    until("the first of the new list", || source(api) == "red.mp4");
    api.assert_painting(45);
    assert_eq!((source(api), show(api)["next"].clone()), ("red.mp4".into(), json!(folder.join("blue.mp4"))));
    command(api, json!({ "jump": 2 }));
    until("the third", || source(api) == "lime.mp4");
    api.json("PUT", SHOW, r#"{"playlist": {"jump": 3}}"#).assert_problem(422, "the playlist has 3");
    api.json("PUT", SHOW, r#"{"playlist": "stop"}"#).assert_problem(422, "unknown variant `stop`");
    assert_eq!(command(api, json!("pause"))["status"], "paused");
    command(api, json!("next"));
    until("the first again", || source(api) == "red.mp4");
    let paused = show(api);
    assert_eq!((&paused["status"], &paused["next_unix_s"]), (&json!("paused"), &Value::Null));
    assert!(command(api, json!("resume"))["next_unix_s"].is_i64());
    let server = format!("http://{}", api.address);
    let ctl = |words: &[&str]| {
        let told = run(&[&["ctl", "--server", &server, "show"], words].concat());
        assert_eq!(told.code, 0, "{}", told.stderr);
        serde_json::from_str::<Value>(&told.stdout).unwrap()
    };
    ctl(&["playlist", "jump", "2"]);
    until("the second", || source(api) == "blue.mp4");
    assert_eq!(ctl(&[])["playlist"]["on_air"]["place"], 1);
    // What is on air stays when the list changes around it.
    let since = show(api)["on_air"]["since_unix_s"].clone();
    set_show(folder, "playlist = [{ source = \"test\" }, { source = \"DIR/blue.mp4\", seconds = 400, loop = true }]\n");
    until("the list is another one", || show(api)["items"].as_array().is_some_and(|items| items.len() == 2));
    assert_eq!((&show(api)["on_air"]["since_unix_s"], source(api)), (&since, "blue.mp4".into()));
    set_show(folder, "");
    until("without a list, the configured source", || source(api) == "test picture");
    assert_eq!(api.get("/api/v1/config").value()["error"], Value::Null);
    assert!(studio.run.interrupt().events.iter().all(|event| event["event"] != "started"), "the stream ran on");
}

#[test]
fn a_source_set_by_hand_stays_until_the_playlist_is_resumed_and_the_item_on_air_survives_a_restart() {
    let studio = Studio::open(&[]);
    let (api, folder) = (&studio.api, studio.folder.path());
    media(folder);
    let list = "playlist = [{ source = \"DIR/red.mp4\", seconds = 500, loop = true }, { source = \"DIR/blue.mp4\", seconds = 500, loop = true }]\n";
    set_show(folder, list);
    until("it begins", || source(api) == "red.mp4");
    command(api, json!("next"));
    until("the second", || source(api) == "blue.mp4");
    let set = |source: &Path, looped: bool| {
        api.json("POST", "/api/v1/streams/live/source", &json!({ "source": source, "loop": looped }).to_string()).status
    };
    assert_eq!(set(&folder.join("away.mp4"), true), 422);
    assert_eq!(show(api)["status"], "playing", "what was refused changes nothing");
    assert_eq!(set(&folder.join("lime.mp4"), false), 200);
    let by_hand = show(api);
    assert_eq!((&by_hand["status"], &by_hand["on_air"]), (&json!("by-hand"), &Value::Null));
    until("it is over, and the configured source is back", || source(api) == "test picture");
    assert_eq!(show(api)["status"], "by-hand");
    command(api, json!("resume"));
    until("what was on air before", || source(api) == "blue.mp4");

    // A changed config starts the stream anew: the playlist goes on where it was.
    let config = folder.join("impasto.toml");
    let text = std::fs::read_to_string(&config).unwrap();
    std::fs::write(&config, text.replace("fps = 15", "fps = 20").replace("[control]", "[control]\nremember = true"))
        .unwrap();
    api.wait_for_state("the stream starts anew", |state| state["nominal_fps"] == 20 && state["status"] == "running");
    until("the item is back", || source(api) == "blue.mp4");
    let studio = studio.reopen();
    until("the first one after a start that remembers nothing", || source(&studio.api) == "red.mp4");
    command(&studio.api, json!("next"));
    until("the second", || source(&studio.api) == "blue.mp4");
    let studio = studio.reopen();
    until("the item that was on air is remembered", || source(&studio.api) == "blue.mp4");
    assert!(!studio.run.errors().contains("red.mp4"), "{}", studio.run.errors());

    // Nothing is there any more: the last picture is held, and all comes back by itself.
    let (api, folder) = (&studio.api, studio.folder.path());
    for file in ["red.mp4", "blue.mp4"] {
        std::fs::rename(folder.join(file), folder.join(format!("{file}.away"))).unwrap();
    }
    set_show(folder, &list.replace("500, loop = true", "1"));
    until("nothing is left", || show(api)["status"] == "waiting");
    let held = || api.state()["counts"]["held"].as_u64().unwrap();
    let before = held();
    until("the last picture is held", || held() > before + 10);
    assert!(
        studio.run.errors().contains("the last picture is held, and all is tried again"),
        "{}",
        studio.run.errors()
    );
    std::fs::rename(folder.join("blue.mp4.away"), folder.join("blue.mp4")).unwrap();
    until("it comes back", || show(api)["status"] == "playing" && source(api) == "blue.mp4");
    studio.close();
}

#[test]
fn looks_follow_each_other_what_is_missing_is_shown_and_a_schedule_chooses_the_programme() {
    let studio = Studio::open(&[]);
    let config = studio.folder.path().join("impasto.toml");
    let text = std::fs::read_to_string(&config).unwrap();
    std::fs::write(&config, text.replace("[control]", "[control]\nremember = true")).unwrap();
    let studio = studio.reopen();
    let (api, folder) = (&studio.api, studio.folder.path());
    let bright = studio.bar();
    let programme = || api.get(SHOW).value()["programme"].clone();
    let command = |command: Value| {
        let answer = api.json("PUT", SHOW, &json!({ "programme": command }).to_string());
        assert_eq!(answer.status, 200, "{}", answer.text());
        answer.value()["programme"].clone()
    };
    let on_air = |place: usize| until(&format!("step {place}"), || programme()["on_air"]["place"] == place);
    let steps = "programme = [{ name = \"day\", seconds = 400, fade_seconds = 0, step = [{ look = { styles = \"negative\" } }, \
                 { look = { styles = \"unheard_of\" } }, { preset = \"later\" }, { look = { styles = \"same\", strength = 0.5 } }] }]\n";
    set_show(folder, steps);
    until("it begins without a restart", || studio.bar().abs_diff(255 - bright) < 5);
    assert_eq!((&programme()["name"], &programme()["next"]), (&json!("day"), &json!("unheard_of")));
    command(json!("next"));
    on_air(3);
    let missing: Vec<_> =
        programme()["items"].as_array().unwrap().iter().map(|item| item["missing"].to_string()).collect();
    assert!(missing[1].contains("unknown style") && missing[2].contains("no preset `later`"), "{missing:?}");
    assert_eq!((api.state()["look"]["strength"].clone(), studio.bar()), (json!(0.5), bright));
    assert_eq!(api.state()["undo"], 0, "there is nothing of one's own to undo");
    let preset = json!({"look": {"styles": "negative", "strength": 0.25, "fade_ms": 0}});
    assert_eq!(api.json("PUT", "/api/v1/presets/later", &preset.to_string()).status, 200);
    command(json!({ "jump": 2 }));
    on_air(2);
    assert_eq!(
        (api.state()["look"]["strength"].clone(), programme()["items"][2]["missing"].clone()),
        (json!(0.25), Value::Null)
    );

    // Ten minutes of a cross-fade: it has just begun; what is changed by hand comes within its own time.
    let applied = || api.get("/api/v1/config").value()["applied"].as_u64().unwrap();
    let taken = applied();
    set_show(folder, &steps.replace("fade_seconds = 0", "fade_seconds = 600"));
    until("the change is taken", || applied() > taken);
    let before = studio.bar();
    command(json!({ "jump": 3 }));
    on_air(3);
    api.assert_painting(15);
    assert!(studio.bar().abs_diff(before) < 10, "{before}, then {}", studio.bar());
    assert_eq!(api.json("PATCH", LOOK, r#"{"fade_ms": 0}"#).status, 200);
    until("it is painted at once", || studio.bar() == bright);

    // Two are on at a time: the later one wins, and that is told.
    let all_day = |name: &str| format!("[[show.schedule]]\nprogramme = \"{name}\"\nfrom = \"00:00\"\nto = \"24:00\"\n");
    let night = "[[show.programme]]\nname = \"night\"\nwalk = [\"negative\"]\nfade_seconds = 0\n";
    let day = "[[show.programme]]\nname = \"day\"\nwalk = [\"same\"]\nfade_seconds = 0\n";
    set_show(folder, &format!("time_zone = \"Europe/Berlin\"\n{day}{night}{}{}", all_day("day"), all_day("night")));
    until("the later one", || programme()["name"] == "night" && studio.bar().abs_diff(255 - bright) < 5);
    assert!(api.get(SHOW).value()["notes"][0].as_str().unwrap().contains("the later one wins"));
    assert!(
        studio.run.errors().contains("`night` (every day, 00:00 to 24:00) lies over `day`"),
        "{}",
        studio.run.errors()
    );
    set_show(
        folder,
        "programme = [{ name = \"day\", walk = [\"same\", \"negative\"], seconds = 500 }]\ntime_zone = \"Mars\"\n",
    );
    until("a mistake is told", || {
        api.get("/api/v1/config").value()["error"].as_str().is_some_and(|error| error.contains("no such time zone"))
    });
    assert_eq!(programme()["name"], "night", "and changes nothing");

    set_show(folder, &steps.replace("fade_seconds = 0", "fade_seconds = 1"));
    until("the first one", || programme()["name"] == "day");
    command(json!({ "jump": 2 }));
    on_air(2);
    let studio = studio.reopen();
    until("the step that was on air is remembered", || {
        studio.api.get(SHOW).value()["programme"]["on_air"]["place"] == 2
    });
    assert_eq!(studio.api.state()["look"]["strength"], 0.25);
    studio.close();
}
