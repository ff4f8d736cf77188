//! From a painted picture to the decoded one at a client on this machine: `cargo bench --bench rtsp_latency`.
//!
//! Each picture carries its number as black and white blocks, which a GStreamer client reads after decoding. What is
//! measured is what serving adds to painting: convert, encode, send, receive, decode.

mod numbered;

use std::collections::HashMap;
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use gstreamer as gst;
use gstreamer::prelude::*;
use gstreamer_app as gst_app;
use gstreamer_video as gst_video;
use gstreamer_video::prelude::*;
use impasto::gst::{shared_clock, template::Templates};
use impasto::metrics::{median_ms, percentile_ms};
use impasto::output::{Output, Rtsp, RtspAccess, RtspAddress, RtspServers, StreamFormat};
use numbered::{BITS, BLOCK, Pictures};

const FPS: u32 = 30;
const WARM_UP: u32 = 60;
const MEASURED: u32 = 300;

/// When each picture was pushed.
type Pushed = Arc<Mutex<HashMap<u32, Instant>>>;

fn main() {
    // `cargo test` builds and starts benches too; only `cargo bench` says --bench.
    if !std::env::args().any(|arg| arg == "--bench") {
        return;
    }
    impasto::gst::init().expect("GStreamer");
    println!("{:<10} {:<5} {:>7} {:>9} {:>9} {:>7}", "picture", "over", "frames", "median ms", "95 % ms", "lost");
    for (width, height) in [(640, 360), (1280, 720)] {
        for transport in ["tcp", "udp"] {
            let times = measure(width, height, transport);
            let (median, late) = (median_ms(times.iter().copied()), percentile_ms(times.iter().copied(), 0.95));
            let lost = MEASURED as usize - times.len();
            let size = format!("{width}x{height}");
            println!("{size:<10} {transport:<5} {:>7} {median:>9.2} {late:>9.2} {lost:>7}", times.len());
        }
    }
}

fn measure(width: usize, height: usize, transport: &str) -> Vec<Duration> {
    let info = numbered::info((width, height), FPS);
    let format = StreamFormat { caps: info.to_caps().expect("caps"), fps: FPS, sound: false };
    let port =
        std::net::TcpListener::bind("127.0.0.1:0").and_then(|socket| socket.local_addr()).expect("a port").port();
    let address = format!("127.0.0.1:{port}/live");
    let server = Rtsp::start(
        &RtspServers::default(),
        &RtspAddress::for_stream(&address, "live").expect("valid"),
        &RtspAccess::default(),
        &format,
        4000,
        &Templates::default(),
    )
    .expect("a server");

    let (pushed, measured) = (Pushed::default(), Arc::<Mutex<Vec<Duration>>>::default());
    let client = client(&address, transport, &pushed, &measured);
    client.set_state(gst::State::Playing).expect("a client");

    let clock = shared_clock();
    let begun = Instant::now();
    let mut pictures = Pictures::new(&info);
    let mut number = 0;
    // Nobody counts before the first picture has come through.
    while number < WARM_UP + MEASURED || begun.elapsed() < Duration::from_secs(2) {
        let buffer = pictures.draw(number);
        pushed.lock().expect("plain values").insert(number, Instant::now());
        server.picture(&buffer, clock.time());
        number += 1;
        let next = begun + Duration::from_secs(1) * number / FPS;
        std::thread::sleep(next.saturating_duration_since(Instant::now()));
    }
    client.set_state(gst::State::Null).expect("a client");
    server.finish().expect("a server");
    Arc::try_unwrap(measured).map_or_else(
        |shared| shared.lock().expect("plain values").clone(),
        |own| own.into_inner().expect("plain values"),
    )
}

/// A client that decodes the stream as soon as it comes.
fn client(address: &str, transport: &str, pushed: &Pushed, measured: &Arc<Mutex<Vec<Duration>>>) -> gst::Pipeline {
    let text = format!(
        "rtspsrc location=rtsp://{address} protocols={transport} latency=0 ! rtph264depay \
         ! avdec_h264 max-threads=1 ! appsink name=sink sync=false"
    );
    let pipeline = gst::parse::launch(&text).expect("elements").downcast::<gst::Pipeline>().expect("a pipeline");
    let sink = pipeline.by_name("sink").and_then(|sink| sink.downcast::<gst_app::AppSink>().ok()).expect("a sink");
    let (pushed, measured) = (Arc::clone(pushed), Arc::clone(measured));
    let new_sample = move |sink: &gst_app::AppSink| {
        let now = Instant::now();
        let sample = sink.pull_sample().map_err(|_| gst::FlowError::Eos)?;
        if let Some(number) = number_in(&sample)
            && (WARM_UP..WARM_UP + MEASURED).contains(&number)
            && let Some(then) = pushed.lock().expect("plain values").get(&number)
        {
            measured.lock().expect("plain values").push(now - *then);
        }
        Ok(gst::FlowSuccess::Ok)
    };
    sink.set_callbacks(gst_app::AppSinkCallbacks::builder().new_sample(new_sample).build());
    pipeline
}

/// The number in a decoded picture, read from the middle of each block of its luma.
fn number_in(sample: &gst::Sample) -> Option<u32> {
    let info = gst_video::VideoInfo::from_caps(sample.caps()?).ok()?;
    let frame = gst_video::VideoFrameRef::from_buffer_ref_readable(sample.buffer()?, &info).ok()?;
    let (luma, stride) = (frame.plane_data(0).ok()?, frame.plane_stride()[0] as usize);
    let bit = |bit: usize| u32::from(luma[stride * BLOCK / 2 + bit * BLOCK + BLOCK / 2] > 128) << bit;
    Some((0..BITS).map(bit).sum())
}
