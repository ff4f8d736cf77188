//! What a video call gets: Chromium opens the virtual camera with getUserMedia and hands back what it saw.

mod common;
mod vm;

use std::io::{Read, Write};
use std::net::TcpListener;
use std::path::Path;
use std::process::{Command, Stdio};
use std::time::Duration;

use serde_json::Value;

use common::*;
use vm::*;

const SIZE: (usize, usize) = (320, 180);

/// Opens the camera labelled Impasto, and posts its pixels as they are after ten frames.
const PAGE: &str = r#"<!doctype html><meta charset=utf-8><title>call</title><video muted playsinline></video><script>
const media = navigator.mediaDevices;
const report = (body) => fetch("/seen", { method: "POST", body: JSON.stringify(body) });
(async () => {
  // Names are told only to a page that has held a camera once.
  (await media.getUserMedia({ video: true })).getTracks().forEach((track) => track.stop());
  const cameras = (await media.enumerateDevices()).filter((device) => device.kind === "videoinput");
  const camera = cameras.find((camera) => camera.label.includes("Impasto"));
  const video = document.querySelector("video");
  video.srcObject = await media.getUserMedia({ video: { deviceId: { exact: camera.deviceId } } });
  await video.play();
  for (let i = 0; i < 10; i++) await new Promise((done) => video.requestVideoFrameCallback(done));
  const [width, height] = [video.videoWidth, video.videoHeight];
  const paper = new OffscreenCanvas(width, height).getContext("2d");
  paper.drawImage(video, 0, 0);
  const pixels = [...paper.getImageData(0, 0, width, height).data];
  await report({ cameras: cameras.map((camera) => camera.label), width, height, pixels });
})().catch((error) => report({ error: String(error) }));
</script>"#;

#[test]
fn chromium_shows_the_painted_webcam() {
    let found = Command::new("chromium").arg("--version").stdin(Stdio::null()).stdout(Stdio::null()).status();
    if !found.is_ok_and(|status| status.success()) {
        // Past the test harness, which keeps what passing tests print to itself.
        let _ = writeln!(std::io::stderr(), "\nSKIPPED: Chromium's view of the camera, for there is no chromium\n");
        return;
    }
    let two = ["v4l2loopback.devices=2", "v4l2loopback.video_nr=10,11", "v4l2loopback.exclusive_caps=1,1"];
    let labels = "v4l2loopback.card_label=Impasto,Webcam";
    if !inside_with("chromium_shows_the_painted_webcam", &[&two[..], &[labels]].concat()) {
        return;
    }
    // A webcam that looks at a photograph, so that what is painted can be compared.
    let photograph = "/tmp/webcam.png";
    let filter = format!("crop=iw:iw*9/16:0:0,scale={}:{}", SIZE.0, SIZE.1);
    ffmpeg(&["-i", "models/showcase/astronaut.jpg", "-vf", &filter, photograph]);
    let webcam = ["-re", "-loop", "1", "-framerate", "15", "-i", photograph, "-pix_fmt", "yuyv422", "-f", "v4l2"];
    let webcam = Command::new("ffmpeg").args(["-v", "error", "-nostdin"]).args(webcam).arg("/dev/video11").spawn();
    let _webcam = Killed(webcam.unwrap());
    drop(Reader::open("/dev/video11"));

    let config = "/tmp/call.toml";
    let text = format!("[source]\nwidth = {}\nheight = {}\nfps = 15\n", SIZE.0, SIZE.1);
    std::fs::write(config, text).unwrap();
    let args =
        ["--config", config, "--source", "camera:Webcam", "--style", "metzinger", "--rtsp", "off", "--http", "off"];
    let run = Running::start(&[&args[..], &["--camera-out"]].concat()).started();
    // Two readers in a row: the module serves one at a time.
    let mut reader = Reader::open(LOOPBACK);
    let painted = reader.frame_that("a painted picture", |frame| !frame.is_card());
    drop(reader);

    let seen = in_chromium();
    assert_eq!(seen.get("error"), None, "{seen}");
    assert_eq!((&seen["width"], &seen["height"]), (&SIZE.0.into(), &SIZE.1.into()));
    let pixels: Vec<u8> =
        seen["pixels"].as_array().unwrap().iter().map(|value| value.as_u64().unwrap() as u8).collect();
    let rgba = |x: usize, y: usize| &pixels[(y * SIZE.0 + x) * 4..][..3];
    let (mut off, mut from_photograph) = (0.0, 0.0);
    let source = image::open(photograph).unwrap().to_rgb8();
    for (x, y) in (0..SIZE.1).flat_map(|y| (0..SIZE.0).map(move |x| (x, y))) {
        let distance =
            |other: [u8; 3]| rgba(x, y).iter().zip(other).map(|(a, b)| f64::from(a.abs_diff(b))).sum::<f64>();
        off += distance(painted.rgb(x, y));
        from_photograph += distance(source.get_pixel(x as u32, y as u32).0);
    }
    let values = (SIZE.0 * SIZE.1 * 3) as f64;
    let (off, from_photograph) = (off / values, from_photograph / values);
    println!("figure: Chromium's picture is {off:.2} from the painted one, {from_photograph:.2} from the photograph");
    assert!(off < 3.0, "Chromium shows another picture than the camera: {off} of 255 apart");
    assert!(from_photograph > 10.0, "it is not painted: {from_photograph}");

    // For the README: the webcam, and what the call shows.
    let call = image::RgbaImage::from_raw(SIZE.0 as u32, SIZE.1 as u32, pixels).unwrap();
    let mut both = image::RgbImage::new(2 * SIZE.0 as u32, SIZE.1 as u32);
    image::imageops::replace(&mut both, &source, 0, 0);
    image::imageops::replace(&mut both, &image::DynamicImage::ImageRgba8(call).to_rgb8(), SIZE.0 as i64, 0);
    both.save(Path::new(env!("CARGO_TARGET_TMPDIR")).join("painted-call.png")).unwrap();
    let ended = run.interrupt();
    assert_eq!(ended.code, Some(0), "{}", ended.errors);
}

/// Opens the page in Chromium and returns what it posts.
fn in_chromium() -> Value {
    let server = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = format!("http://{}/", server.local_addr().unwrap());
    // The fake interface grants the camera; the camera is real.
    let grants = ["--use-fake-ui-for-media-stream", "--autoplay-policy=no-user-gesture-required"];
    let lean = ["--headless=new", "--no-sandbox", "--disable-gpu", "--disable-dev-shm-usage", "--disable-extensions"];
    let quiet = ["--disable-sync", "--disable-background-networking", "--disable-component-update", "--no-first-run"];
    let mut chromium = Command::new("chromium");
    chromium.args(grants).args(lean).args(quiet).args(["--user-data-dir=/tmp/profile", &address]);
    let chromium = chromium.stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::null()).spawn().unwrap();
    let _chromium = Killed(chromium);
    loop {
        let (mut client, _) = server.accept().unwrap();
        client.set_read_timeout(Some(Duration::from_secs(10))).unwrap();
        let mut request = Vec::new();
        let mut part = [0; 65536];
        let (head, body) = loop {
            let text = String::from_utf8_lossy(&request).into_owned();
            if let Some((head, body)) = text.split_once("\r\n\r\n") {
                let head = head.to_lowercase();
                let length = head.lines().find_map(|line| line.strip_prefix("content-length: ")?.parse().ok());
                if body.len() >= length.unwrap_or(0) {
                    break (head, body.to_string());
                }
            }
            match client.read(&mut part) {
                Ok(count) if count > 0 => request.extend_from_slice(&part[..count]),
                _ => break (String::new(), String::new()),
            }
        };
        if head.starts_with("post /seen") {
            return serde_json::from_str(&body).expect("JSON");
        }
        let (status, page) = if head.starts_with("get / ") { ("200 OK", PAGE) } else { ("404 Not Found", "") };
        let length = page.len();
        let head =
            format!("HTTP/1.1 {status}\r\nContent-Type: text/html\r\nContent-Length: {length}\r\nConnection: close");
        let _ = client.write_all(format!("{head}\r\n\r\n{page}").as_bytes());
    }
}
