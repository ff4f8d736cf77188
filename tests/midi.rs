//! MIDI as far as a machine without a sequencer goes: what is bound and learnt, and what a device that is not there is told as.

mod common;

use common::bars::{LOOK, Studio};
use common::*;
use serde_json::{Value, json};

const MIDI: &str = "/api/v1/midi";

/// A studio that waits for a device that nobody has.
fn studio() -> Studio {
    let studio = Studio::open(&[]);
    let config = studio.folder.path().join("impasto.toml");
    let text = std::fs::read_to_string(&config).unwrap();
    std::fs::write(&config, text.replace("[control]", "[control]\nmidi = \"Unheard of\"")).unwrap();
    studio.reopen()
}

fn midi(studio: &Studio) -> Value {
    studio.api.get(MIDI).value()
}

#[test]
fn what_is_bound_outlives_the_daemon_and_a_missing_device_never_stops_it() {
    let studio = studio();
    let api = &studio.api;
    until("why there is no device", || {
        midi(&studio)["error"].as_str().is_some_and(|error| !error.contains("looked for"))
    });
    let missing = midi(&studio);
    assert_eq!((&missing["on"], &missing["device"]), (&json!(true), &Value::Null));
    // With a sequencer there may be devices; without one, what helps is said.
    let error = missing["error"].as_str().unwrap();
    assert!(
        error.contains("modprobe snd-seq") || error.contains("usermod") || error.contains("`Unheard of`"),
        "{error}"
    );
    let errors = studio.run.errors();
    assert_eq!(errors.matches("[control] midi = Unheard of").count(), 1, "{errors}");
    api.assert_painting(15);

    let bind =
        |control: &str, target: Value| api.json("PUT", &format!("{MIDI}/bindings/{control}"), &target.to_string());
    assert_eq!(bind("1-cc-7", json!({"parameter": "strength"})).status, 200);
    assert_eq!(bind("10-note-36", json!({"preset": "dusk"})).status, 200);
    let bound = bind("1-cc-8", json!({"style": "negative"})).value();
    let controls: Vec<_> =
        bound["bindings"].as_array().unwrap().iter().map(|binding| binding["control"].clone()).collect();
    assert_eq!(controls, ["1-cc-7", "1-cc-8", "10-note-36"]);
    for (control, target, status, words) in [
        ("1-cc-9", json!({"parameter": "strenght"}), 422, "did you mean `strength`?"),
        ("1-cc-9", json!({"parameter": "styles"}), 422, "no control can set it"),
        ("1-cc-9", json!({"parameter": "strength", "preset": "dusk"}), 422, "does one thing"),
        ("1-cc-9", json!({"parametre": "strength"}), 422, "unknown field `parametre`"),
        ("1-note-9", json!({"parameter": "strength"}), 422, "it paints with a preset"),
        ("17-cc-9", json!({"parameter": "strength"}), 422, "no control such as 1-cc-7"),
        ("1-cc-9", json!({"stream": "hall", "parameter": "strength"}), 404, "there is no stream `hall`"),
    ] {
        bind(control, target).assert_problem(status, words);
    }
    api.ask("DELETE", &format!("{MIDI}/bindings/1-cc-9"), &[], b"").assert_problem(404, "nothing is bound to 1-cc-9");

    // Those who watch hear of it at once.
    let mut events = api.events();
    assert_eq!(events.next().1["midi"]["learning"], Value::Null);
    let learn = |target: Value| api.json("POST", &format!("{MIDI}/learn"), &target.to_string());
    let target = json!({"stream": "live", "parameter": "stroke"});
    assert_eq!(learn(json!({"parameter": "stroke"})).value()["learning"], target);
    until("it is told", || events.next().1["midi"]["learning"] == target);
    learn(json!({"parameter": "strok"})).assert_problem(422, "did you mean `stroke`?");
    assert_eq!(api.ask("DELETE", &format!("{MIDI}/learn"), &[], b"").value()["learning"], Value::Null);

    let server = format!("http://{}", api.address);
    let ctl = |words: &[&str]| run(&[&["ctl", "--server", &server, "midi"], words].concat());
    let told: Value = serde_json::from_str(&ctl(&["unbind", "1-cc-8"]).stdout).unwrap();
    assert_eq!(told["bindings"].as_array().unwrap().len(), 2);
    assert_eq!(ctl(&["bind", "2-cc-1", "mask_feather"]).code, 0);
    assert!(ctl(&["bind", "2-knob-1", "mask_feather"]).stderr.contains("such as 1-cc-7"));
    assert_eq!((ctl(&["learn", "--preset", "dusk"]).code, ctl(&["learn"]).code, ctl(&["cancel"]).code), (0, 2, 0));
    assert_eq!(api.json("PATCH", LOOK, r#"{"strength": 0.5}"#).status, 200);
    let studio = studio.reopen();
    let controls: Vec<_> =
        midi(&studio)["bindings"].as_array().unwrap().iter().map(|binding| binding["control"].clone()).collect();
    assert_eq!(controls, ["1-cc-7", "2-cc-1", "10-note-36"]);
    studio.close();
}

#[test]
fn it_is_off_unless_it_is_set_and_the_doctor_tells_of_devices() {
    let studio = Studio::open(&[]);
    let off = midi(&studio);
    assert_eq!((&off["on"], &off["error"]), (&json!(false), &Value::Null));
    let learn = r#"{"parameter": "strength"}"#;
    studio.api.json("POST", &format!("{MIDI}/learn"), learn).assert_problem(422, "MIDI is off: set [control] midi");
    assert!(!studio.run.errors().contains("midi"), "{}", studio.run.errors());
    let config = studio.folder.path().join("other.toml");
    std::fs::write(&config, "[control]\nmidi = \" \"\n").unwrap();
    let refused = run(&["check", config.to_str().unwrap()]);
    assert!(refused.code == 2 && refused.stderr.contains("[control] midi = \"\""), "{}", refused.stderr);
    let server = format!("http://{}", studio.api.address);
    let findings: Vec<Value> = serde_json::from_str(&run(&["ctl", "--server", &server, "doctor"]).stdout).unwrap();
    let found = findings.iter().find(|finding| finding["name"] == "MIDI").unwrap();
    assert!(found["state"] == "works" || found["cure"].as_str().is_some_and(|cure| !cure.is_empty()), "{found}");
    studio.close();
}
