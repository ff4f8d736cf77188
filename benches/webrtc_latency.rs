//! From a painted picture to the one that Chromium shows over WebRTC on this machine, and what viewers cost:
//! `cargo bench --bench webrtc_latency`.
//!
//! Each picture carries its number as black and white blocks, which the page reads from every picture that it is about to
//! show. What is measured is what WebRTC adds to painting: convert, encode, send, receive, decode, show. Processor time is
//! that of this process, which draws and sends; Chromium's is not in it.

#[path = "../tests/common/mod.rs"]
mod common;
mod numbered;

use std::collections::HashMap;
use std::io::{BufRead, BufReader, Read, Write};
use std::net::{TcpListener, TcpStream};
use std::sync::Arc;
use std::time::{Duration, Instant, SystemTime};

use common::browser::Browser;
use gstreamer::prelude::*;
use impasto::gst::{shared_clock, template::Templates};
use impasto::metrics::{median_ms, percentile_ms};
use impasto::output::{IceServers, Output, StreamFormat, WebRtc, WebRtcPlan};
use numbered::{BITS, BLOCK, Pictures};

const FPS: u32 = 30;
const SIZE: (usize, usize) = (1280, 720);
const MEASURED: Duration = Duration::from_secs(15);

/// Watches as often as its address says, and notes which picture is shown when, in milliseconds since 1970.
const PAGE: &str = "<!doctype html><script>
  window.shown = []; window.playing = 0;
  const canvas = new OffscreenCanvas(WIDTH, BLOCK), context = canvas.getContext('2d', { willReadFrequently: true });
  function note(video, now, { expectedDisplayTime }) {
    context.drawImage(video, 0, 0, WIDTH, BLOCK, 0, 0, WIDTH, BLOCK);
    const row = context.getImageData(0, BLOCK / 2, WIDTH, 1).data;
    let number = 0;
    for (let bit = 0; bit < BITS; bit++) number |= (row[(bit * BLOCK + BLOCK / 2) * 4 + 1] > 128) << bit;
    shown.push([number, performance.timeOrigin + expectedDisplayTime]);
    video.requestVideoFrameCallback((...args) => note(video, ...args));
  }
  async function watch(isMeasured) {
    const peer = new RTCPeerConnection(), video = document.createElement('video');
    Object.assign(video, { muted: true, autoplay: true, srcObject: new MediaStream() });
    document.documentElement.append(video);
    peer.ontrack = ({ track, receiver }) => { receiver.jitterBufferTarget = 0; video.srcObject.addTrack(track); };
    video.requestVideoFrameCallback((...args) => { playing++; if (isMeasured) note(video, ...args); });
    for (const kind of ['video', 'audio']) peer.addTransceiver(kind, { direction: 'recvonly' });
    await peer.setLocalDescription();
    const answer = await fetch('/', { method: 'POST', body: peer.localDescription.sdp });
    await peer.setRemoteDescription({ type: 'answer', sdp: await answer.text() });
  }
  // Before that, videos without pictures would hold up the page.
  addEventListener('load', () => {
    for (let viewer = 0; viewer < Number(location.hash.slice(1)); viewer++) watch(viewer === 0);
  });
</script>";

fn main() {
    // `cargo test` builds and starts benches too; only `cargo bench` says --bench.
    if !std::env::args().any(|arg| arg == "--bench") {
        return;
    }
    impasto::gst::init().expect("GStreamer");
    println!(
        "{:<8} {:>7} {:>9} {:>9} {:>12} {:>8}",
        "viewers", "shown", "median ms", "95 % ms", "ms a picture", "left out"
    );
    for viewers in [0, 1, 10] {
        let (times, spent, left_out) = measure(viewers);
        let (median, late) = (median_ms(times.iter().copied()), percentile_ms(times.iter().copied(), 0.95));
        let spent = spent.as_secs_f64() * 1000.0;
        println!("{viewers:<8} {:>7} {median:>9.1} {late:>9.1} {spent:>12.2} {left_out:>8}", times.len());
    }
}

/// How late each picture is shown to the first of so many viewers, the processor time a picture takes, and how many were
/// left out because the machine was too slow.
fn measure(viewers: usize) -> (Vec<Duration>, Duration, u64) {
    let info = numbered::info(SIZE, FPS);
    let format = StreamFormat { caps: info.to_caps().expect("caps"), fps: FPS, sound: false };
    let plan = WebRtcPlan { path: "/".into(), kbps: 2500, viewers: 32 };
    let output = WebRtc::start(&plan, &IceServers::default(), &format, &Templates::default()).expect("an output");
    let output = Arc::new(output);
    let listener = TcpListener::bind("127.0.0.1:0").expect("a port");
    let address = listener.local_addr().expect("bound");
    let answering = Arc::clone(&output);
    std::thread::spawn(move || {
        for client in listener.incoming().flatten() {
            let output = Arc::clone(&answering);
            std::thread::spawn(move || answer(client, &output));
        }
    });
    let browser = Browser::open(&format!("http://{address}/#{viewers}")).expect("Chromium");

    let mut pictures = Pictures::new(&info);
    let (mut pushed, clock) = (HashMap::new(), shared_clock());
    let (begun, mut number, mut measured) = (Instant::now(), 0, None);
    loop {
        pushed.insert(number, SystemTime::now());
        output.picture(&pictures.draw(number), clock.time());
        number += 1;
        match measured {
            // All play, and have done so for a while.
            None if number % (3 * FPS) == 0 && browser.value("window.playing").as_u64() >= Some(viewers as u64) => {
                browser.value("(shown.length = 0)");
                measured = Some((Instant::now(), processor_time(), number, output.dropped()));
            }
            Some((since, before, first, dropped)) if since.elapsed() > MEASURED => {
                let (spent, left_out) = ((processor_time() - before) / (number - first), output.dropped() - dropped);
                let shown = browser.value("window.shown");
                let shown = shown.as_array().expect("a list").iter().filter_map(|pair| {
                    let pushed =
                        pushed.get(&(pair[0].as_u64()? as u32))?.duration_since(SystemTime::UNIX_EPOCH).ok()?;
                    Duration::from_secs_f64(pair[1].as_f64()? / 1000.0).checked_sub(pushed)
                });
                let times = shown.collect();
                drop(browser);
                output.finish().expect("an output");
                return (times, spent, left_out);
            }
            _ => {}
        }
        let next = begun + Duration::from_secs(1) * number / FPS;
        std::thread::sleep(next.saturating_duration_since(Instant::now()));
    }
}

fn processor_time() -> Duration {
    let used = rustix::time::clock_gettime(rustix::time::ClockId::ProcessCPUTime);
    Duration::new(used.tv_sec as u64, used.tv_nsec as u32)
}

/// The page, or the answer to an offer.
fn answer(mut client: TcpStream, output: &WebRtc) {
    let mut lines = BufReader::new(client.try_clone().expect("a socket"));
    let (mut method, mut length) = (String::new(), 0);
    loop {
        let mut line = String::new();
        match lines.read_line(&mut line) {
            Ok(2) => break,
            Ok(0) | Err(_) => return,
            Ok(_) if method.is_empty() => method = line,
            Ok(_) => {
                let line = line.to_ascii_lowercase();
                length =
                    line.strip_prefix("content-length:").and_then(|text| text.trim().parse().ok()).unwrap_or(length);
            }
        }
    }
    let mut body = vec![0; length];
    lines.read_exact(&mut body).expect("a body");
    let (kind, text) = match method.starts_with("POST") {
        true => ("application/sdp", output.admit(&String::from_utf8_lossy(&body)).expect("an answer").answer),
        false => {
            let page = PAGE.replace("WIDTH", "(BITS * BLOCK)").replace("BITS", &BITS.to_string());
            ("text/html", page.replace("BLOCK", &BLOCK.to_string()))
        }
    };
    let head =
        format!("HTTP/1.1 200 OK\r\nContent-Type: {kind}\r\nConnection: close\r\nContent-Length: {}", text.len());
    let _ = write!(client, "{head}\r\n\r\n{text}");
}
