//! Proves that after warm-up the live path allocates nothing per frame: appsink -> ring -> painter -> outputs, while sound
//! drives the look.
//!
//! Rust's allocator counts for each thread. What it does not see, and what is therefore excepted by name:
//! - GStreamer takes a `GstBuffer` header from its own slices for each output that gets a picture (`retimed`), and
//!   its elements (convert, encode, mux, send) have memory of their own;
//! - ONNX Runtime allocates inside `Run`, in its own arena.
//!
//! It would see this one, so painting at the picture's own size is what is tested: at another size, the scaler
//! (`fast_image_resize`) makes its filter tables anew for each picture.

mod common;

use std::alloc::{GlobalAlloc, Layout, System};
use std::cell::Cell;
use std::path::PathBuf;
use std::process::{Command, Stdio};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use common::{Killed, PATIENCE, free_port, onnx, until};
use gstreamer as gst;
use impasto::capture::{Capture, Pace, Reader, Receiver, Source, Treatment, Wiring};
use impasto::config::{Config, plan};
use impasto::engine::{Control, FramePainter, Inlet, Live, SoundDrive, stylise_live};
use impasto::error::{Error, Result};
use impasto::frame::{Frame, ring::ring};
use impasto::metrics::Counters;
use impasto::output::{
    Claim, Naming, Output, Outputs, Record, Rtsp, RtspAccess, RtspAddress, RtspServers, StreamFormat,
};
use impasto::style::look::{Band, Drive, Drives, PARAMETERS};
use impasto::style::{Mask, Networks};

/// The system's allocator, counting calls for each thread.
struct Counting;

thread_local! {
    static ALLOCATIONS: Cell<u64> = const { Cell::new(0) };
}

// SAFETY: every call goes to the system's allocator unchanged; the counter is a plain thread-local without a destructor.
unsafe impl GlobalAlloc for Counting {
    unsafe fn alloc(&self, layout: Layout) -> *mut u8 {
        ALLOCATIONS.set(ALLOCATIONS.get() + 1);
        // SAFETY: the caller keeps the contract of `alloc`.
        unsafe { System.alloc(layout) }
    }

    unsafe fn dealloc(&self, pointer: *mut u8, layout: Layout) {
        // SAFETY: `pointer` came from `alloc` above, which is the system's.
        unsafe { System.dealloc(pointer, layout) }
    }
}

#[global_allocator]
static ALLOCATOR: Counting = Counting;

/// Frames until everything has its memory.
const WARM_UP: u64 = 30;

/// Frames that are watched after that.
const WATCHED: u64 = 60;

/// Watches one thread: what it allocated between its calls of [`Watch::mark`], from one frame to the next.
#[derive(Default)]
struct Watch {
    frames: AtomicU64,
    at_warm_up: AtomicU64,
    since: AtomicU64,
}

impl Watch {
    fn mark(&self) {
        let now = ALLOCATIONS.get();
        match self.frames.fetch_add(1, Ordering::Relaxed) {
            WARM_UP => self.at_warm_up.store(now, Ordering::Relaxed),
            frames if frames > WARM_UP => {
                self.since.store(now - self.at_warm_up.load(Ordering::Relaxed), Ordering::Relaxed)
            }
            _ => {}
        }
    }

    fn frames(&self) -> u64 {
        self.frames.load(Ordering::Relaxed)
    }

    fn wait_for(&self, frames: u64) {
        until(&format!("frame {frames}"), || self.frames() >= frames);
    }
}

/// The inlet, with the thread that calls it watched.
struct WatchedInlet {
    inlet: Arc<Inlet>,
    watch: Arc<Watch>,
    /// What is heard with each picture.
    sound: (Arc<SoundDrive>, gst::Sample),
}

impl Receiver for WatchedInlet {
    fn ready(&self, caps: &gst::CapsRef) {
        self.inlet.ready(caps);
    }

    fn picture(&self, sample: &gst::Sample, time: gst::ClockTime) -> Result<gst::FlowSuccess, gst::FlowError> {
        let flow = self.inlet.picture(sample, time);
        self.sound.0.hear(&self.sound.1);
        self.watch.mark();
        flow
    }

    fn sound(&self, sample: &gst::Sample, time: gst::ClockTime) {
        self.inlet.sound(sample, time);
    }
}

/// An output that only watches the thread that publishes.
struct WatchedOutput(Arc<Watch>);

impl Output for WatchedOutput {
    fn picture(&self, _: &gst::Buffer, _: gst::ClockTime) {
        self.0.mark();
    }

    fn sound(&self, _: &gst::BufferRef, _: gst::ClockTime) {}

    fn dropped(&self) -> u64 {
        0
    }

    fn take_failure(&self) -> Option<Error> {
        None
    }

    fn finish(&self) -> Result<()> {
        Ok(())
    }
}

#[test]
fn nothing_is_allocated_per_frame() {
    let worker = Some(PathBuf::from(env!("CARGO_BIN_EXE_impasto")));
    for (worker, mask) in [(None, Mask::Off), (worker, Mask::Off), (None, Mask::Person)] {
        let (capturing, publishing) = run(worker.clone(), mask);
        let allocations = "allocations of the capture thread and of the stylise thread";
        assert_eq!((capturing, publishing), (0, 0), "{allocations}, the network in {worker:?}, mask {mask}");
    }
}

/// Runs the live path with a client, a recording and a source that falls silent; the allocations of both threads.
fn run(worker: Option<PathBuf>, mask: Mask) -> (u64, u64) {
    impasto::gst::init().unwrap();
    let folder = tempfile::tempdir().unwrap();
    let port = free_port();
    let mut config = Config::default();
    config.paint.mask = mask;
    config.runtime.mask_network = onnx::write_mask(folder.path());
    let mut paint = plan::paint_plan(&config.paint, &config.runtime).unwrap();
    paint.session.worker = worker;
    let templates = plan::templates(&config.runtime);

    let counters = Arc::new(Counters::default());
    let outputs = Arc::new(Outputs::default());
    let (producer, consumer) = ring(std::iter::repeat_with(Frame::default).take(3));
    let (inlet, first) = Inlet::new(Pace::RealTime, vec![producer], Arc::clone(&counters), Box::new(|_, _| ()));
    let (capturing, publishing) = (Arc::<Watch>::default(), Arc::<Watch>::default());
    let wave: Vec<u8> = (0..6400).map(|place| (place % 251) as u8).collect();
    let heard = gst::Sample::builder().buffer(&gst::Buffer::from_slice(wave)).build();
    let driven = PARAMETERS.iter().filter(|parameter| parameter.driven.is_some());
    let drives = Drives(driven.map(|parameter| (parameter.name.into(), Drive::by(Band::High))).collect());
    let sound = Arc::new(SoundDrive::new(&drives));
    let wiring = Wiring {
        templates: templates.clone(),
        pace: Pace::RealTime,
        looped: false,
        sound: false,
        requested: ("640x360".parse().unwrap(), 30),
        fixed_caps: None,
        reader: Reader::default(),
        redirects: true,
        enter_at: None,
        treatment: Treatment::default(),
        receiver: Arc::new(WatchedInlet {
            inlet: Arc::clone(&inlet),
            watch: Arc::clone(&capturing),
            sound: (Arc::clone(&sound), heard),
        }),
    };
    let capture = Capture::start(&Source::Showcase, &wiring).unwrap();
    let caps = first.recv_timeout(PATIENCE).unwrap();
    let frame_interval = Duration::from_millis(33);
    let mut frame_painter = FramePainter::new(paint.open_painter().unwrap(), &caps).unwrap();
    let (control, commands, loader) =
        Control::new(&mut frame_painter, paint, Networks::default(), frame_interval).unwrap();
    let format = StreamFormat { caps, fps: 30, sound: false };
    let address = format!("127.0.0.1:{port}/live");
    outputs.add(Arc::new(
        Rtsp::start(
            &RtspServers::default(),
            &RtspAddress::for_stream(&address, "live").unwrap(),
            &RtspAccess::default(),
            &format,
            4000,
            &templates,
        )
        .unwrap(),
    ));
    let claim = Claim::new(&folder.path().join("recording.mkv"), Naming::Exact).unwrap().expect("a free name");
    outputs.add(Arc::new(Record::start(claim, &format, 20, &templates).unwrap()));
    outputs.add(Arc::new(WatchedOutput(Arc::clone(&publishing))));
    let mut client = Command::new("ffmpeg");
    client.args(["-v", "quiet", "-nostdin", "-rtsp_transport", "tcp", "-i", &format!("rtsp://{address}")]);
    let client = Killed(client.args(["-f", "null", "-"]).stdin(Stdio::null()).spawn().unwrap());
    let live = Live {
        ring: consumer,
        frame_painter,
        commands,
        sound,
        outputs: Arc::clone(&outputs),
        counters: Arc::clone(&counters),
        frame_interval,
    };
    let stylise = std::thread::spawn(move || stylise_live(live));
    until("a client", || outputs.clients() > 0);
    capture.play().unwrap();
    capturing.wait_for(WARM_UP + WATCHED);
    publishing.wait_for(WARM_UP + WATCHED);
    // Silence: the last picture is held.
    drop(capture);
    publishing.wait_for(publishing.frames() + 30);
    assert!(counters.snapshot().held >= 15);
    inlet.close();
    stylise.join().unwrap();
    control.close();
    loader.join().unwrap();
    drop(client);
    outputs.finish().unwrap();
    (capturing.since.load(Ordering::Relaxed), publishing.since.load(Ordering::Relaxed))
}
