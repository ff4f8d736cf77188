//! The page plays the stream over WebRTC in a real browser, falls back to the preview, and costs nothing unseen.

mod common;

use common::http::clients_of;
use common::page::{Studio, inverted, settled, wait_to_see};
use common::*;
use serde_json::json;

const PLAYS: &str = "!document.getElementById('video').hidden && document.getElementById('video').videoWidth === 320";

/// How many pictures the browser has shown.
fn shown(browser: &common::browser::Browser) -> u64 {
    let shown = browser.value("document.getElementById('video').getVideoPlaybackQuality().totalVideoFrames");
    shown.as_u64().expect("a count")
}

/// The page is seen, or not, as far as it can tell.
fn set_hidden(browser: &common::browser::Browser, hidden: bool) {
    browser.value(&format!(
        "(Object.defineProperty(document, 'hidden', {{ value: {hidden}, configurable: true }}), \
         document.dispatchEvent(new Event('visibilitychange')))"
    ));
}

#[test]
fn the_page_plays_the_stream_and_falls_back_to_the_preview() {
    let studio = Studio::open(&[]);
    let Some(browser) = studio.visit() else { return };
    let api = &studio.api;
    browser.press("body", "c");
    browser.wait_for(PLAYS);
    let (before, begun) = (shown(&browser), browser.value("document.getElementById('video').currentTime"));
    until("pictures are decoded", || shown(&browser) >= before + 20);
    assert!(browser.value("document.getElementById('video').currentTime").as_f64() > begun.as_f64());
    api.wait_for_state("video alone is sent", |state| {
        clients_of(state, "webrtc") == 1 && clients_of(state, "preview") == 0
    });
    // The picture is that of the stream, in its colours.
    let same = settled(&browser);
    browser.click("[data-style=negative]");
    wait_to_see("the negative", &browser, &inverted(&same), 0.02, 0.98);
    browser.wait_for("document.getElementById('sound').hidden");

    // A page that nobody sees costs nothing, and comes back.
    set_hidden(&browser, true);
    api.wait_for_state("nobody watches", |state| clients_of(state, "webrtc") + clients_of(state, "preview") == 0);
    set_hidden(&browser, false);
    browser.wait_for(PLAYS);

    // Without WebRTC there is the preview; with it again, the video.
    let outputs = "/api/v1/streams/live/outputs";
    assert_eq!(api.ask("DELETE", &format!("{outputs}/webrtc"), &[], b"").status, 200);
    browser.wait_for("document.getElementById('video').hidden");
    api.wait_for_state("the preview is looked at", |state| clients_of(state, "preview") == 1);
    wait_to_see("the negative still", &browser, &inverted(&same), 0.02, 0.98);
    assert_eq!(api.json("POST", outputs, &json!({ "type": "webrtc" }).to_string()).status, 200);
    browser.wait_for(PLAYS);
    browser.assert_clean(true);

    // Where no connection comes about, the preview stays.
    browser
        .value("(RTCPeerConnection.prototype.setRemoteDescription = () => Promise.reject(new Error('on purpose')), 0)");
    set_hidden(&browser, true);
    set_hidden(&browser, false);
    api.wait_for_state("the preview is looked at", |state| {
        clients_of(state, "preview") == 1 && clients_of(state, "webrtc") == 0
    });
    wait_to_see("the negative in the preview", &browser, &inverted(&same), 0.02, 0.98);
    assert_eq!(browser.value("document.getElementById('video').hidden"), true);
}

#[test]
fn a_stream_with_sound_is_heard_when_it_is_wished() {
    let folder = tempfile::tempdir().unwrap();
    let clip = folder.path().join("clip.mkv");
    flash_and_beep(&clip, 4);
    let studio = Studio::open(&["--source", clip.to_str().unwrap(), "--loop"]);
    let Some(browser) = studio.visit() else { return };
    browser.wait_for("document.getElementById('sound').checkVisibility()");
    assert_eq!(browser.value("document.getElementById('video').muted"), true);
    browser.press("body", "a");
    browser
        .wait_for("!document.getElementById('video').muted && document.getElementById('sound').ariaPressed === 'true'");
    // The beeps come out of the track that the video plays.
    browser.value(
        "((media) => { const audio = new AudioContext(); const meter = audio.createAnalyser(); \
         audio.createMediaStreamSource(media).connect(meter); const samples = new Float32Array(meter.fftSize); \
         window.loudest = () => { meter.getFloatTimeDomainData(samples); return Math.max(...samples); }; \
         return audio.resume(); })(document.getElementById('video').srcObject), 0",
    );
    until("a beep", || browser.value("window.loudest()").as_f64().is_some_and(|loudest| loudest > 0.1));
    until("and silence", || browser.value("window.loudest()").as_f64().is_some_and(|loudest| loudest < 0.01));
    browser.assert_clean(true);
}
