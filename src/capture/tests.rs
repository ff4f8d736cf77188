//! Captures as their receiver sees them: what loops has no seam, and what is closed leaves nothing behind.

use std::path::Path;
use std::process::Command;
use std::sync::Condvar;

use gstreamer::glib;

use super::*;
use crate::sync::Locked;

const PATIENCE: Duration = Duration::from_secs(60);

/// Notes when pictures and sound are to be shown.
#[derive(Default)]
struct Times {
    pictures: Mutex<Vec<gst::ClockTime>>,
    sound: Mutex<Vec<(gst::ClockTime, gst::ClockTime)>>,
    came: Condvar,
}

impl Receiver for Times {
    fn picture(&self, _: &gst::Sample, time: gst::ClockTime) -> Result<gst::FlowSuccess, gst::FlowError> {
        self.pictures.locked().push(time);
        self.came.notify_all();
        Ok(gst::FlowSuccess::Ok)
    }

    fn sound(&self, sample: &gst::Sample, time: gst::ClockTime) {
        let duration = sample.buffer().and_then(gst::BufferRef::duration).unwrap_or_default();
        self.sound.locked().push((time, duration));
    }
}

impl Times {
    /// Waits for so many pictures, and returns the milliseconds from each to the next.
    fn steps(&self, count: usize) -> Vec<f64> {
        let pictures = self.pictures.locked();
        let (pictures, waited) = self
            .came
            .wait_timeout_while(pictures, PATIENCE, |pictures| pictures.len() < count)
            .unwrap_or_else(std::sync::PoisonError::into_inner);
        assert!(!waited.timed_out(), "{} of {count} pictures came", pictures.len());
        pictures.windows(2).map(|pair| (pair[1].nseconds() as f64 - pair[0].nseconds() as f64) / 1e6).collect()
    }
}

fn wiring(looped: bool, receiver: Arc<dyn Receiver>) -> Wiring {
    Wiring {
        templates: Templates::default(),
        pace: Pace::RealTime,
        looped,
        sound: true,
        requested: (Size::new(64, 36), 30),
        fixed_caps: None,
        treatment: Treatment::default(),
        reader: Reader::default(),
        redirects: true,
        enter_at: None,
        receiver,
    }
}

/// `frames` frames at 25 a second, and sound of the same length where the container has a codec for it here.
fn clip(file: &Path, frames: u32, codecs: &[&str]) {
    let seconds = f64::from(frames) / 25.0;
    let (picture, sound) = (format!("testsrc2=s=64x36:r=25:d={seconds}"), format!("sine=440:r=48000:d={seconds}"));
    let inputs = ["-v", "error", "-y", "-f", "lavfi", "-i", &picture, "-f", "lavfi", "-i", &sound];
    let made = Command::new("ffmpeg").args(inputs).args(codecs).arg(file).status();
    assert!(made.is_ok_and(|status| status.success()), "ffmpeg {codecs:?}");
}

#[test]
fn a_loop_has_no_seam() {
    crate::gst::init().unwrap();
    let folder = tempfile::tempdir().unwrap();
    let h264 = ["-c:v", "libx264", "-preset", "ultrafast", "-pix_fmt", "yuv420p"];
    // With pictures that are stored out of order, the last of which wait in the decoder when the file is read.
    let reordered = ["-c:v", "libx264", "-pix_fmt", "yuv420p", "-bf", "2", "-c:a", "aac"];
    // A field of these waits until the next one is there.
    let fields = ["-c:v", "libx264", "-pix_fmt", "yuv420p", "-bf", "0", "-flags", "+ilme+ildct", "-top", "1"];
    let cases: [(&str, Vec<&str>); 8] = [
        ("silent.mp4", [&h264[..], &["-an"]].concat()),
        ("sound.mp4", [&h264[..], &["-c:a", "aac"]].concat()),
        ("reordered.mp4", reordered.to_vec()),
        ("reordered.mkv", reordered.to_vec()),
        ("pcm.mkv", [&h264[..], &["-c:a", "pcm_s16le"]].concat()),
        ("vp8.webm", vec!["-c:v", "libvpx", "-c:a", "libopus"]),
        ("mjpeg.avi", vec!["-c:v", "mjpeg", "-c:a", "pcm_s16le"]),
        ("fields.mkv", [&fields[..], &["-c:a", "pcm_s16le"]].concat()),
    ];
    for (name, codecs) in cases {
        let file = folder.path().join(name);
        clip(&file, 10, &codecs);
        let times = Arc::new(Times::default());
        let capture = Capture::start(&Source::File(file), &wiring(true, times.clone())).unwrap();
        capture.play().unwrap();
        let steps = times.steps(65);
        let worst = steps.iter().map(|step| (step - 40.0).abs()).fold(0.0, f64::max);
        let sound = times.sound.locked().clone();
        let ends = |(time, duration): &(gst::ClockTime, gst::ClockTime)| (*time + *duration).nseconds() as f64;
        let gaps = sound.windows(2).map(|pair| (pair[1].0.nseconds() as f64 - ends(&pair[0])) / 1e6);
        let widest = gaps.map(f64::abs).fold(0.0, f64::max);
        eprintln!("{name}: pictures are off by {worst:.1} ms, sound by {widest:.1} ms");
        assert!(worst < 40.0, "{name}: the seam is off by a frame or more: {steps:?}");
        assert_eq!(sound.is_empty(), name == "silent.mp4");
        assert!(widest < 50.0, "{name}: sound is missing or doubled for {widest} ms");
        assert_eq!(capture.wait_for_end(Duration::ZERO), None, "{name}");
    }
}

#[test]
fn what_cannot_begin_again_by_itself_plays_to_its_end_at_its_pace() {
    crate::gst::init().unwrap();
    let folder = tempfile::tempdir().unwrap();
    let h264 = ["-c:v", "libx264", "-preset", "ultrafast", "-pix_fmt", "yuv420p", "-c:a", "aac"];
    for (name, codecs) in [("clip.ts", &h264[..]), ("clip.mjpeg", &["-c:v", "mjpeg", "-an"])] {
        let file = folder.path().join(name);
        clip(&file, 25, codecs);
        let times = Arc::new(Times::default());
        let capture = Capture::start(&Source::File(file), &wiring(true, times.clone())).unwrap();
        capture.play().unwrap();
        let steps = times.steps(24);
        assert!(steps.iter().all(|step| (step - 40.0).abs() < 1.0), "{name}: {steps:?}");
        assert_eq!(capture.wait_for_end(PATIENCE), Some(End::Finished), "{name}");
    }
}

#[test]
fn a_capture_that_is_closed_or_fails_leaves_nothing_behind() {
    crate::gst::init().unwrap();
    let folder = tempfile::tempdir().unwrap();
    let (file, damaged) = (folder.path().join("clip.mp4"), folder.path().join("damaged.mp4"));
    clip(&file, 10, &["-c:v", "libx264", "-pix_fmt", "yuv420p", "-c:a", "aac"]);
    std::fs::write(&damaged, &std::fs::read(&file).unwrap()[..2000]).unwrap();
    let dead = |capture: &Capture| -> glib::WeakRef<gst::Pipeline> { capture.pipeline.downgrade() };
    let (still, moving) = (folder.path().join("still.png"), folder.path().join("moving.gif"));
    let picture = image::RgbaImage::new(16, 16);
    picture.save(&still).unwrap();
    let mut gif = image::codecs::gif::GifEncoder::new(std::fs::File::create(&moving).unwrap());
    gif.encode_frames((0..3).map(|_| image::Frame::new(picture.clone()))).unwrap();
    drop(gif);
    for source in [Source::Test, Source::Showcase, Source::File(file), Source::File(still), Source::File(moving)] {
        let times = Arc::new(Times::default());
        let capture = Capture::start(&source, &wiring(true, times.clone())).unwrap();
        capture.play().unwrap();
        times.steps(15);
        let pipeline = dead(&capture);
        drop(capture);
        assert_gone(&source, &pipeline, &times);
    }
    // What fails may do so at once or a moment later.
    for source in [Source::File(damaged), Source::Url("http://127.0.0.1:9/none".into())] {
        let times = Arc::new(Times::default());
        let started = Capture::start(&source, &wiring(false, times.clone()));
        let pipeline = started.as_ref().ok().map(dead);
        if let Ok(capture) = started {
            // Whether it says so is not the question here.
            let _ = capture.wait_for_end(Duration::from_secs(5));
        }
        assert_gone(&source, &pipeline.unwrap_or_default(), &times);
    }
}

/// The pipeline and its hold on the receiver go, as soon as threads that were about to seek have come to rest.
fn assert_gone(source: &Source, pipeline: &glib::WeakRef<gst::Pipeline>, times: &Arc<Times>) {
    let begun = std::time::Instant::now();
    while pipeline.upgrade().is_some() || Arc::strong_count(times) > 1 {
        assert!(begun.elapsed() < Duration::from_secs(20), "{source} is still there");
        std::thread::sleep(Duration::from_millis(10));
    }
}
