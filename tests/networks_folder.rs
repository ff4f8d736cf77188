//! The folder of networks while the daemon runs: what comes, changes and goes there is known, and the stream goes on.

mod common;

use std::path::Path;

use common::http::Api;
use common::onnx::{self, PICTURE};
use common::page::Studio;
use common::until;
use serde_json::{Value, json};

const LOOK: &str = "/api/v1/streams/live/look";

fn knows(api: &Api, style: &str) -> bool {
    let styles = api.get("/api/v1/styles").value();
    styles.as_array().unwrap().iter().any(|known| known["name"] == style)
}

fn paint(api: &Api, look: &Value) {
    let painted = api.json("PATCH", LOOK, &look.to_string());
    assert_eq!(painted.status, 200, "{}", painted.text());
}

/// The middle of the painted picture's first bar, which is white in the test picture.
fn brightness(api: &Api) -> u8 {
    let painted = api.preview("painted");
    painted.get_pixel(painted.width() / 20, painted.height() / 4).0[0]
}

/// A network of one style, for values from -1 to 1.
fn manifest(name: &str, style: &str) -> String {
    onnx::manifest(name).replace("[0, 255]", "[-1, 1]").replace("\"same\"", &format!("\"{style}\""))
}

fn negative() -> Vec<u8> {
    onnx::network(&[onnx::node("Neg", &["image"], &["painted"], &[])], &PICTURE, &PICTURE)
}

#[test]
fn a_network_is_known_when_it_comes_painted_anew_when_it_changes_and_gone_when_it_goes() {
    let (networks, elsewhere) = (onnx::networks(), tempfile::tempdir().unwrap());
    let own = onnx::write(elsewhere.path(), "own", &onnx::identity(), &manifest("own", "mine"));
    let args = ["--source", "test", "--rtsp", "off", "--size", "160x96", "--threads", "1", "--fade-ms", "0"];
    let folder = networks.path().to_str().unwrap();
    let (run, api) = Api::start(&[&args[..], &["--models", folder, "--network", own.to_str().unwrap()]].concat());
    assert!(knows(&api, "mine") && knows(&api, "negative"), "the one given by path is listed with those of the folder");

    let mut events = api.events();
    assert_eq!(events.next().0, "state");
    onnx::write(networks.path(), "later", &onnx::identity(), &manifest("later", "fresh"));
    while events.next().0 != "styles" {}
    assert!(knows(&api, "fresh"));
    paint(&api, &json!({"styles": {"fresh": 1}}));
    until("the picture is as it came", || brightness(&api) > 240);

    // Another network under the same name, with the same manifest and with another.
    let put = |onnx: &[u8]| {
        // As a download does it: whole, at once.
        let new = networks.path().join("later.part");
        std::fs::write(&new, onnx).unwrap();
        std::fs::rename(new, networks.path().join("later.onnx")).unwrap();
    };
    put(&negative());
    until("the picture is its negative", || brightness(&api) < 15);
    let backwards = manifest("later", "fresh").replace("\"painted\"\nrange = [-1, 1]", "\"painted\"\nrange = [1, -1]");
    std::fs::write(networks.path().join("later.toml"), &backwards).unwrap();
    until("it is the negative of the negative", || brightness(&api) > 240);

    // What cannot be used leaves what paints as it is.
    put(b"<html>moved</html>");
    until("it is told", || run.errors().contains("this is a web page"));
    api.assert_painting(5);
    std::fs::write(networks.path().join("later.toml"), "name = \"later\"\nwhat").unwrap();
    until("its styles are not offered", || !knows(&api, "fresh"));
    assert!(run.errors().contains("left out: "), "{}", run.errors());
    paint(&api, &json!({"strength": 0.9}));
    assert_eq!(api.get(LOOK).value()["styles"], json!({"fresh": 1.0}));

    for name in ["later.toml", "later.onnx"] {
        std::fs::remove_file(networks.path().join(name)).unwrap();
    }
    api.assert_painting(5);
    paint(&api, &json!({"styles": {"negative": 1}}));
    api.json("PATCH", LOOK, r#"{"styles": {"fresh": 1}}"#).assert_problem(422, "unknown style `fresh`");

    // The folder itself may go, and come back.
    let away = networks.path().with_extension("away");
    std::fs::rename(networks.path(), &away).unwrap();
    until("it is told", || run.errors().contains("the networks stay as they were"));
    api.assert_painting(5);
    add_style(&away);
    std::fs::rename(&away, networks.path()).unwrap();
    until("it is followed again", || knows(&api, "after"));
    assert_eq!(run.interrupt().code, Some(0));
}

fn add_style(folder: &Path) {
    onnx::write(folder, "after", &onnx::identity(), &manifest("after", "after"));
}

#[test]
fn the_page_shows_a_style_that_comes() {
    let studio = Studio::open(&[]);
    let Some(browser) = studio.visit() else { return };
    add_style(studio.networks.path());
    browser.wait_for("document.querySelector('[data-style=after]') !== null");
    browser.wait_for("[...document.querySelectorAll('#network option')].some((option) => option.value === 'after')");
    browser.click("[data-style=after]");
    studio.api.wait_for_state("it paints", |state| state["look"]["styles"]["after"] == 1.0);
    std::fs::remove_file(studio.networks.path().join("after.toml")).unwrap();
    browser.wait_for("!document.querySelector('[data-style=after]')");
    browser.click("[data-style=negative]");
    studio.api.wait_for_state("another paints", |state| state["look"]["styles"]["negative"] == 1.0);
    browser.assert_clean(false);
}
