//! Every parameter of the look, as it is declared: in config, flags, environment, API, its schema, `impasto ctl` and the page.
//! `IMPASTO_WRITE_FORMATS=1 cargo test --release --test look_parameters` writes them into `config/default.toml`.

mod common;

use std::path::Path;

use common::bars::{LOOK, Studio};
use common::{Finished, finish, impasto, onnx, page, project};
use impasto::cli::PaintArgs;
use impasto::style::look::{Kind, PARAMETERS, Parameter};
use impasto::style::{Look, LookPatch};
use serde_json::{Value, json};

/// Values that are not the default: as the command line has them, and as JSON has them.
fn good(parameter: &Parameter) -> Vec<(&'static str, Value)> {
    match parameter.kind {
        Kind::Mix => {
            vec![("negative", json!({"negative": 1.0})), ("negative=1,same=3", json!({"negative": 0.25, "same": 0.75}))]
        }
        Kind::Share { word, .. } => {
            let word = word.filter(|word| word.is_live).map(|word| (word.text, json!(word.text)));
            [("0.25", json!(0.25))].into_iter().chain(word).collect()
        }
        Kind::Switch { .. } => vec![("true", json!(true)), ("false", json!(false))],
        Kind::Choice(words) => words.iter().skip(1).map(|(word, _)| (*word, json!(word))).collect(),
        Kind::Text { .. } => vec![("blur", json!("blur")), ("#336699", json!("#336699"))],
        Kind::Milliseconds { .. } => vec![("250", json!(250))],
    }
}

/// A value that cannot be, as the command line has it and as TOML and JSON do, and words of the refusals of both.
fn bad(parameter: &Parameter) -> (&'static str, &'static str, [&'static str; 2]) {
    match parameter.kind {
        Kind::Mix => ("a=-1", "\"a=-1\"", ["weight of style `a` = -1: 0 to 1000 is possible"; 2]),
        Kind::Share { word: None, .. } => ("1.5", "1.5", ["1.5: 0 to 1 is possible"; 2]),
        Kind::Share { .. } => ("1.5", "1.5", ["`1.5` is neither a number from 0 to 1 nor", "1.5: 0 to 1 is possible"]),
        Kind::Switch { .. } => ("maybe", "\"maybe\"", ["possible values: true, false", "expected a boolean"]),
        Kind::Choice(_) => ("maybe", "\"maybe\"", ["possible values: ", "unknown variant `maybe`"]),
        Kind::Text { .. } => ("maybe", "\"maybe\"", ["`maybe` is neither"; 2]),
        Kind::Milliseconds { .. } => ("4000000", "4000000", ["4000000: 0 to 60000 is possible"; 2]),
    }
}

fn change(parameter: &Parameter, text: &str) -> LookPatch {
    LookPatch::read(parameter.name, text).unwrap_or_else(|error| panic!("{}: {error}", parameter.name))
}

/// What was printed, whatever the width of the terminal.
fn unwrapped(finished: &Finished) -> String {
    finished.stdout.split_whitespace().collect::<Vec<_>>().join(" ")
}

/// As a key in a config.
fn written(parameter: &Parameter, value: &Value) -> String {
    let value = toml::Value::try_from(value).expect("a value of TOML");
    format!("[paint]\n{} = {value}\n", parameter.name)
}

/// Reads flags with a config, as `impasto run` and `impasto file` do.
fn look_of(args: &[&str], config: &Path) -> Look {
    let command = <PaintArgs as clap::Args>::augment_args(clap::Command::new("impasto").no_binary_name(true));
    let matches = command.try_get_matches_from(args).unwrap_or_else(|error| panic!("{args:?}: {error}"));
    let flags = <PaintArgs as clap::FromArgMatches>::from_arg_matches(&matches).expect("flags");
    flags.config(Some(config)).expect("a config").paint.look()
}

#[test]
fn each_is_a_key_of_the_config_a_flag_and_a_variable() {
    let folder = tempfile::tempdir().expect("a folder");
    let networks = onnx::networks();
    onnx::write_mask(networks.path());
    let config = folder.path().join("impasto.toml");
    let [photo, painted] = ["photo.png", "painted.png"].map(|name| folder.path().join(name));
    image::RgbImage::from_pixel(32, 24, image::Rgb([200, 100, 50])).save(&photo).expect("a picture");
    let paint = |text: &str, env: Option<(&str, &str)>, flag: Option<String>| {
        std::fs::write(&config, text).expect("written");
        let mut command = impasto();
        command
            .arg("file")
            .args([&photo, &painted])
            .args(["--overwrite", "--network", "pair"])
            .arg("--config")
            .arg(&config);
        finish(command.arg("--models").arg(networks.path()).envs(env).args(flag))
    };
    let help = unwrapped(&common::run(&["file", "--help"]));
    for parameter in PARAMETERS {
        let Parameter { name, flag, env, .. } = parameter;
        let flag = |text: &str| format!("--{flag}={text}");
        assert_eq!(*env, format!("IMPASTO_{}", parameter.flag.to_uppercase().replace('-', "_")), "{name}");
        assert!(help.contains(&format!("[env: {env}=]")) && help.contains(parameter.help), "{name}: {help}");
        for (text, value) in good(parameter) {
            std::fs::write(&config, written(parameter, &value)).expect("written");
            let expected = Look::default().patched(&change(parameter, text));
            let normal = |look: Look| Look { styles: look.styles.normalised(), ..look };
            assert_eq!(normal(look_of(&[], &config)), normal(expected.clone()), "{name}: {text} in the config");
            std::fs::write(&config, "").expect("written");
            assert_eq!(look_of(&[&flag(text)], &config), expected, "{name}: {text} as a flag");
            for done in [
                paint(&written(parameter, &value), None, None),
                paint("", Some((env, text)), None),
                paint("", None, Some(flag(text))),
            ] {
                assert_eq!(done.code, 0, "{name}: {text}: {done:?}");
            }
        }
        let (text, value, [words, words_of_config]) = bad(parameter);
        let refusals = [
            (paint(&format!("[paint]\n{name} = {value}\n"), None, None), words_of_config),
            (paint("", Some((env, text)), None), words),
            (paint("", None, Some(flag(text))), words),
        ];
        for (refused, words) in refusals {
            assert!(refused.code == 2 && refused.stderr.contains(words), "{name}: {words}: {refused:?}");
        }
    }
}

#[test]
fn each_is_a_part_of_the_api_and_a_word_of_ctl() {
    let studio = Studio::open(&[]);
    onnx::write_mask(studio.networks.path());
    let api = &studio.api;
    let document = api.get("/api/v1/openapi.json").value();
    let schema = &document["components"]["schemas"]["Look"]["properties"];
    let of_photo = document["paths"]["/api/v1/paint"]["post"]["parameters"].as_array().expect("a list").clone();
    let plain = serde_json::to_value(Look::default()).expect("JSON");
    let ctl = |args: &[&str]| finish(impasto().args(["ctl", "--server", &api.address]).args(args));
    assert_eq!(schema.as_object().expect("properties").len(), PARAMETERS.len());
    for (place, parameter) in PARAMETERS.iter().enumerate() {
        let Parameter { name, word, .. } = parameter;
        let about = &schema[name];
        assert_eq!((&about["x-place"], &about["x-word"]), (&json!(place), &json!(word)), "{name}");
        assert_eq!((&about["default"], &about["title"]), (&plain[name], &json!(parameter.title)), "{name}");
        assert!(about["description"].as_str().is_some_and(|text| text.starts_with(parameter.help)), "{name}");
        assert_eq!(of_photo.iter().any(|about| about["name"] == *name), !parameter.is_of_time, "{name}");
        for (text, value) in good(parameter) {
            let sent = json!({ *name: value }).to_string();
            let change = api.json("PATCH", LOOK, &sent);
            assert_eq!((change.status, &change.value()["look"][name]), (200, &value), "{name}: {}", change.text());
            api.json("PATCH", LOOK, r#"{"styles": "same"}"#);
            if word.is_empty() {
                continue;
            }
            let spoken = match parameter.kind {
                Kind::Switch { on, off } => {
                    if value == true {
                        on.0
                    } else {
                        off.0
                    }
                }
                _ => text,
            };
            api.json("PATCH", LOOK, &json!({ *name: plain[name] }).to_string());
            let done = ctl(&[word, spoken]);
            let look: Value = serde_json::from_str(&done.stdout).unwrap_or_else(|error| panic!("{done:?}: {error}"));
            assert_eq!((done.code, &look["look"][name]), (0, &value), "{name}: {done:?}");
        }
        let (text, value, [words, words_of_api]) = bad(parameter);
        let mut words_of_ctl = words;
        api.json("PATCH", LOOK, &format!(r#"{{"{name}": {value}}}"#)).assert_problem(422, words_of_api);
        if let Kind::Switch { .. } = parameter.kind {
            words_of_ctl = "possible values: ";
        }
        if !word.is_empty() {
            let refused = ctl(&[word, text]);
            assert!(refused.code == 2 && refused.stderr.contains(words_of_ctl), "{name}: {refused:?}");
            assert!(unwrapped(&ctl(&[word, "--help"])).contains(parameter.help), "{name}");
        }
        let before = api.get(LOOK).value();
        assert_eq!(before, api.state()["look"], "what is refused changes nothing");
    }
    studio.close();
}

#[test]
fn each_has_a_control_on_the_page() {
    let studio = page::Studio::open(&[]);
    let Some(browser) = studio.visit() else { return };
    for parameter in PARAMETERS.iter().filter(|parameter| !parameter.word.is_empty()) {
        let part = format!("document.querySelector('#{}-part')", parameter.word);
        assert_eq!(browser.value(&format!("{part}.innerText.length > 0 || {part}.hidden")), true, "{}", parameter.name);
        assert_eq!(browser.value(&format!("{part}.textContent.includes({:?})", parameter.title)), true, "{part}");
        let is_live_only = browser.value(&format!("{part}.classList.contains('live-only')"));
        assert_eq!(is_live_only, parameter.is_of_time, "{}", parameter.name);
    }
    browser.assert_clean(false);
}

/// The lines of `config/default.toml` that are made of the declarations.
fn keys() -> String {
    let plain = toml::Table::try_from(Look::default()).expect("TOML");
    let entry = |parameter: &Parameter| {
        let mut lines = vec![String::from("#")];
        for word in parameter.description().split(' ') {
            if lines.last().is_some_and(|line| line.len() + 1 + word.len() > 120) {
                lines.push("#".into());
            }
            lines.last_mut().expect("a line").extend([" ", word]);
        }
        format!("{}\n{} = {}\n", lines.join("\n"), parameter.name, plain[parameter.name])
    };
    PARAMETERS.iter().map(entry).collect()
}

#[test]
fn each_is_written_in_the_config_that_is_shipped() {
    let file = project("config/default.toml");
    let shipped = std::fs::read_to_string(&file).expect("readable");
    let (before, rest) = shipped.split_once("[paint]\n").expect("[paint]");
    let (_, after) = rest.split_once("# A network of").expect("a network");
    let made = format!("{before}[paint]\n{}# A network of{after}", keys());
    if std::env::var_os("IMPASTO_WRITE_FORMATS").is_some() {
        std::fs::write(&file, &made).expect("written");
    } else {
        assert!(made == shipped, "IMPASTO_WRITE_FORMATS=1 writes it anew; [paint] should say:\n{}", keys());
    }
}
