//! The look of a running stream: changes, cross-fades, strength, colours, steadiness, size, and what must not stop it.

mod common;

use std::sync::Arc;
use std::sync::mpsc::{Receiver, Sender, channel};
use std::thread::JoinHandle;
use std::time::Duration;

use common::onnx;
use common::{PATIENCE, assert_rising, packet_times, probe, until};
use gstreamer as gst;
use gstreamer_video as gst_video;
use impasto::config::plan::{self, StreamPlan};
use impasto::config::{Config, PaintConfig, RuntimeConfig};
use impasto::control::contract::SourceRequest;
use impasto::control::{ApiError, Stream as _};
use impasto::engine::{Control, FramePainter, Live, stylise_live};
use impasto::error::{Conflict, Error, Result};
use impasto::frame::Frame;
use impasto::frame::ring::{Producer, ring};
use impasto::metrics::Counters;
use impasto::output::{Output, Outputs};
use impasto::style::look::Mix;
use impasto::style::{Look, LookPatch, Networks, PaintSize, Size, Steadiness, Stroke};

const FRAME: Duration = Duration::from_millis(100);

/// An output that hands over what it gets.
struct Collector(Sender<(gst::ClockTime, gst::Buffer)>);

impl Output for Collector {
    fn picture(&self, buffer: &gst::Buffer, time: gst::ClockTime) {
        let _ = self.0.send((time, buffer.clone()));
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

/// The live engine with its control, fed frame by frame.
struct Studio {
    control: Control,
    ring: Option<Producer<Frame>>,
    shown: Receiver<(gst::ClockTime, gst::Buffer)>,
    threads: Vec<JoinHandle<()>>,
    counters: Arc<Counters>,
    info: gst_video::VideoInfo,
    fed: u64,
    last_shown: gst::ClockTime,
    _networks: tempfile::TempDir,
}

impl Studio {
    fn open(styles: &str, (width, height): (u32, u32)) -> Self {
        Self::with(PaintConfig { styles: styles.parse().unwrap(), ..PaintConfig::default() }, (width, height), FRAME)
    }

    fn with(paint: PaintConfig, (width, height): (u32, u32), frame_interval: Duration) -> Self {
        impasto::gst::init().unwrap();
        let networks = onnx::networks();
        let runtime = RuntimeConfig { models: networks.path().into(), threads: 1, ..RuntimeConfig::default() };
        let plan = plan::paint_plan(&paint, &runtime).unwrap();
        let info = gst_video::VideoInfo::builder(gst_video::VideoFormat::Bgrx, width, height).build().unwrap();
        let mut frame_painter = FramePainter::new(plan.open_painter().unwrap(), &info.to_caps().unwrap()).unwrap();
        let all = Networks::new(plan::catalog(&runtime).unwrap());
        let (control, commands, loader) = Control::new(&mut frame_painter, plan, all, frame_interval).unwrap();
        let (sender, shown) = channel();
        let outputs = Arc::new(Outputs::default());
        outputs.add(Arc::new(Collector(sender)));
        let counters = Arc::new(Counters::default());
        let (producer, consumer) = ring((0..3).map(|_| Frame::default()));
        // Held frames would come between the fed ones.
        let frame_interval = PATIENCE;
        let (sound, counted) = (Arc::default(), Arc::clone(&counters));
        let live = Live { ring: consumer, frame_painter, commands, sound, outputs, counters: counted, frame_interval };
        let stylise = std::thread::spawn(move || stylise_live(live));
        let threads = vec![stylise, loader];
        Self {
            control,
            ring: Some(producer),
            shown,
            threads,
            counters,
            info,
            fed: 0,
            last_shown: gst::ClockTime::ZERO,
            _networks: networks,
        }
    }

    /// A time far ahead of the clock, so that frames which are held while the test thinks come before the next one.
    fn time(&self) -> gst::ClockTime {
        gst::ClockTime::from_seconds(1_000_000_000) + gst::ClockTime::from_mseconds(self.fed * FRAME.as_millis() as u64)
    }

    fn feed(&mut self, picture: Vec<u8>) {
        let time = self.time();
        let ring = self.ring.as_mut().expect("open until the end");
        let mut slot = ring.acquire().expect("the engine runs");
        let buffer = gst::Buffer::from_mut_slice(picture);
        slot.picture = Some(gst_video::VideoFrame::from_buffer_readable(buffer, &self.info).expect("a whole picture"));
        slot.pts = time;
        slot.sequence = self.fed;
        ring.submit(slot);
        self.fed += 1;
    }

    /// Feeds one picture and waits for what becomes of it.
    fn paint(&mut self, picture: &[u8]) -> Vec<u8> {
        let time = self.time();
        self.feed(picture.to_vec());
        loop {
            let (shown_at, buffer) = self.shown.recv_timeout(PATIENCE).expect("every frame is shown");
            self.note(shown_at);
            if shown_at == time {
                return buffer.map_readable().unwrap().to_vec();
            }
        }
    }

    fn note(&mut self, shown_at: gst::ClockTime) {
        assert!(shown_at > self.last_shown, "times rise: {shown_at} after {}", self.last_shown);
        self.last_shown = shown_at;
    }

    /// Carries out a command: paints `picture` until the answer is there. Returns it, and the paintings by number.
    fn paint_until(
        &mut self,
        answer: impasto::engine::Answer,
        picture: &[u8],
    ) -> (Result<impasto::engine::Applied>, Vec<(u64, Vec<u8>)>) {
        let waiting = std::thread::spawn(move || answer.wait());
        let mut painted = Vec::new();
        while !waiting.is_finished() {
            let number = self.fed;
            painted.push((number, self.paint(picture)));
        }
        (waiting.join().unwrap(), painted)
    }

    /// Changes the look and paints until it is there.
    fn change(&mut self, patch: LookPatch, picture: &[u8]) {
        let answer = self.control.patch_look(&patch).unwrap();
        self.paint_until(answer, picture).0.unwrap();
    }
}

impl Drop for Studio {
    fn drop(&mut self) {
        self.control.close();
        // A ring without a producer ends the engine.
        self.ring = None;
        let ended = self.threads.drain(..).all(|thread| thread.join().is_ok());
        assert!(ended || std::thread::panicking(), "a thread of the engine panicked");
    }
}

fn styles(text: &str) -> Option<Mix> {
    Some(text.parse().unwrap())
}

/// Every pixel has this grey.
fn grey(size: (u32, u32), value: u8) -> Vec<u8> {
    (0..size.0 * size.1).flat_map(|_| [value, value, value, 255]).collect()
}

/// Any colours at all.
fn confetti(size: (u32, u32), seed: u64) -> Vec<u8> {
    let mut random = fastrand::Rng::with_seed(seed);
    (0..size.0 * size.1).flat_map(|_| [random.u8(..), random.u8(..), random.u8(..), 255]).collect()
}

fn level(picture: &[u8]) -> u8 {
    assert!(picture.chunks(4).all(|pixel| pixel == &picture[..4]), "one grey everywhere");
    picture[0]
}

#[test]
fn within_a_network_the_weights_cross_fade() {
    let (size, fade_ms) = ((64, 48), Some(400));
    let mut studio = Studio::open("same", size);
    assert_eq!(level(&studio.paint(&grey(size, 200))), 200);
    let answer = studio.control.patch_look(&LookPatch { styles: styles("negative"), fade_ms, ..Default::default() });
    let levels: Vec<u8> = (0..6).map(|_| level(&studio.paint(&grey(size, 200)))).collect();
    assert_eq!(levels, [164, 128, 91, 55, 55, 55], "a quarter of the way each frame, in one network");
    assert_eq!(answer.unwrap().wait().unwrap().frame, Some(1), "the first frame after the command shows it");
    // A mix that stays.
    studio.change(
        LookPatch { styles: styles("same=3,negative=1"), fade_ms: Some(0), ..Default::default() },
        &grey(size, 200),
    );
    assert_eq!(level(&studio.paint(&grey(size, 200))), 164);
    let painting = studio.control.painting();
    assert_eq!(painting.look.styles, "same=0.75,negative=0.25".parse().unwrap());
    assert_eq!(painting.network, "pair");
}

#[test]
fn strokes_go_by_the_size_that_is_painted_and_fade() {
    // In large strokes, the style is a negative.
    let (size, small) = ((2560, 1440), PaintSize::Box(Size::new(640, 360)));
    let mut studio = Studio::open("waves", size);
    let picture = grey(size, 200);
    assert_eq!(level(&studio.paint(&picture)), 55);
    let answer = studio.control.set_size(small).unwrap();
    studio.paint_until(answer, &picture).0.unwrap();
    assert_eq!(level(&studio.paint(&picture)), 200, "painted at 360p");
    let with = |stroke, fade_ms| LookPatch { stroke: Some(stroke), fade_ms: Some(fade_ms), ..Default::default() };
    studio.change(with(Stroke::Of(0.5), 0), &picture);
    assert!(level(&studio.paint(&picture)).abs_diff(127) <= 1);
    let answer = studio.control.set_size(PaintSize::Native).unwrap();
    studio.paint_until(answer, &picture).0.unwrap();
    assert!(level(&studio.paint(&picture)).abs_diff(127) <= 1, "by hand it stays as it is");

    studio.change(with(Stroke::Of(0.0), 0), &picture);
    assert_eq!(level(&studio.paint(&picture)), 200);
    let answer = studio.control.patch_look(&with(Stroke::Auto, 400)).unwrap();
    let levels: Vec<u8> = (0..5).map(|_| level(&studio.paint(&picture))).collect();
    assert_eq!(levels, [164, 128, 91, 55, 55], "a quarter of the way each frame");
    answer.wait().unwrap();
    // What has one size is painted so.
    studio.change(LookPatch { styles: styles("waves=0.5,still=0.5"), ..with(Stroke::Of(1.0), 0) }, &picture);
    assert!(level(&studio.paint(&picture)).abs_diff(127) <= 1);
}

#[test]
fn between_networks_the_pictures_cross_fade_and_the_old_one_paints_meanwhile() {
    let size = (64, 48);
    let mut studio = Studio::open("plain", size);
    let picture = grey(size, 200);
    // A fade begins at the frame before.
    assert_eq!(level(&studio.paint(&picture)), 200);
    let patch = LookPatch { styles: styles("flipped"), fade_ms: Some(400), ..Default::default() };
    let answer = studio.control.patch_look(&patch).unwrap();
    let (applied, painted) = studio.paint_until(answer, &picture);
    let first = applied.unwrap().frame.expect("frames were flowing");
    for (number, painted) in &painted {
        match number.checked_sub(first) {
            None => assert_eq!(level(painted), 200, "frame {number} is painted by the old network"),
            // From 200 to 55 in four frames.
            Some(after) => assert!(level(painted).abs_diff([164, 128, 91, 55][after.min(3) as usize]) <= 1),
        }
    }
    let rest: Vec<u8> = (0..5).map(|_| level(&studio.paint(&picture))).collect();
    assert_eq!(rest.last(), Some(&55));
    // There and back at once.
    studio.change(LookPatch { styles: styles("plain"), fade_ms: Some(0), ..Default::default() }, &picture);
    assert_eq!(level(&studio.paint(&picture)), 200);
}

#[test]
fn a_style_that_does_not_load_leaves_the_old_one_painting() {
    let size = (64, 48);
    let mut studio = Studio::open("negative", size);
    let before = studio.control.painting();
    let answer = studio.control.patch_look(&LookPatch { styles: styles("lost"), ..Default::default() }).unwrap();
    let (outcome, painted) = studio.paint_until(answer, &grey(size, 200));
    let error = outcome.unwrap_err();
    assert!(error.to_string().contains("broken.onnx: this is a web page, not an ONNX network"), "{error}");
    assert!(painted.iter().all(|(_, picture)| level(picture) == 55));
    assert_eq!(studio.control.painting(), before);
    for (styles, message) in [
        ("negatve", "unknown style `negatve`; did you mean `negative`?"),
        ("same,plain", "only styles of one network can be mixed"),
    ] {
        let error = studio.control.patch_look(&LookPatch { styles: self::styles(styles), ..Default::default() });
        let error = error.expect_err(styles);
        assert!(error.to_string().contains(message), "{error}");
    }
    assert_eq!(level(&studio.paint(&grey(size, 200))), 55);
}

#[test]
fn strength_0_is_the_source_to_the_last_bit() {
    let size = (102, 58);
    for paint_size in [PaintSize::Native, PaintSize::Box(Size::new(40, 40))] {
        for style in ["negative", "flipped"] {
            let (styles, strength) = (style.parse().unwrap(), 0.0);
            let steadiness = Steadiness::Still(1.0);
            let paint = PaintConfig { styles, strength, steadiness, size: paint_size, ..PaintConfig::default() };
            let mut studio = Studio::with(paint, size, FRAME);
            for (seed, keep_colours) in [(1, false), (2, true), (3, false)] {
                let patch = LookPatch { keep_colours: Some(keep_colours), ..Default::default() };
                studio.change(patch, &confetti(size, 0));
                let source = confetti(size, seed);
                assert_eq!(studio.paint(&source), source, "{style} at {paint_size}");
            }
            studio
                .change(LookPatch { strength: Some(0.5), fade_ms: Some(0), ..Default::default() }, &confetti(size, 0));
            assert_ne!(studio.paint(&confetti(size, 4)), confetti(size, 4));
        }
    }
}

#[test]
fn kept_colours_keep_the_chroma_and_paint_the_luminance() {
    let size = (128, 96);
    let mut studio = Studio::open("flipped", size);
    studio.change(LookPatch { keep_colours: Some(true), fade_ms: Some(0), ..Default::default() }, &grey(size, 0));
    // BT.709, full range.
    let chroma = |pixel: &[u8]| {
        let [blue, green, red] = [0, 1, 2].map(|place| f64::from(pixel[place]));
        let luminance = 0.2126 * red + 0.7152 * green + 0.0722 * blue;
        [(blue - luminance) / 1.8556, (red - luminance) / 1.5748]
    };
    let mut worst = 0.0f64;
    for seed in 0..8 {
        let source = confetti(size, seed);
        let painted = studio.paint(&source);
        for (before, after) in source.chunks(4).zip(painted.chunks(4)) {
            let apart = chroma(before).into_iter().zip(chroma(after)).map(|(before, after)| (before - after).abs());
            worst = apart.fold(worst, f64::max);
        }
    }
    eprintln!("chroma is off by {worst:.2} of 255 at most");
    assert!(worst <= 2.0, "{worst}");
    // Colours with room to move take the luminance of the negative.
    let muted: Vec<u8> = (0..size.0 * size.1).flat_map(|_| [90, 120, 140, 255]).collect();
    let painted = studio.paint(&muted);
    let luminance =
        |pixel: &[u8]| 0.0722 * f64::from(pixel[0]) + 0.7152 * f64::from(pixel[1]) + 0.2126 * f64::from(pixel[2]);
    assert!((luminance(&painted) - (255.0 - luminance(&muted))).abs() < 1.0);
}

/// A still scene of smooth and busy parts, as one grey per pixel.
fn scene(size: (u32, u32)) -> Vec<f32> {
    let at = |x: u32, y: u32| {
        let smooth = 70.0 + x as f32 * 0.25 + y as f32 * 0.2;
        let busy = if (x / 5 + y / 7).is_multiple_of(2) && y > size.1 / 2 { 40.0 } else { 0.0 };
        smooth + busy
    };
    (0..size.1).flat_map(|y| (0..size.0).map(move |x| (x, y))).map(|(x, y)| at(x, y)).collect()
}

/// The scene through a sensor with this much noise (standard deviation), independent in every colour.
fn with_noise(scene: &[f32], deviation: f32, random: &mut fastrand::Rng) -> Vec<u8> {
    let mut normal = || (0..12).map(|_| random.f32()).sum::<f32>() - 6.0;
    let mut byte = |value: f32| (value + deviation * normal()).round().clamp(0.0, 255.0) as u8;
    scene.iter().flat_map(|&value| [byte(value), byte(value), byte(value), 255]).collect()
}

#[test]
fn steadiness_holds_a_still_scene_despite_noise() {
    let size = (320, 240);
    let still = scene(size);
    let flicker = |steadiness: f32, deviation: f32| {
        let (styles, paint) = ("negative".parse().unwrap(), PaintConfig::default());
        let mut studio =
            Studio::with(PaintConfig { styles, steadiness: Steadiness::Still(steadiness), ..paint }, size, FRAME);
        let mut random = fastrand::Rng::with_seed(7);
        let painted: Vec<_> = (0..60).map(|_| studio.paint(&with_noise(&still, deviation, &mut random))).collect();
        let changes = painted[30..].windows(2).flat_map(|pair| pair[0].iter().zip(&pair[1]));
        let sum: u64 = changes.map(|(before, after)| u64::from(before.abs_diff(*after))).sum();
        sum as f64 / (29 * size.0 * size.1 * 3) as f64
    };
    for deviation in [2.0, 5.0] {
        let [free, half, full] = [0.0, 0.5, 1.0].map(|steadiness| flicker(steadiness, deviation));
        eprintln!("noise {deviation}: flicker {free:.2}, at steadiness 0.5 {half:.2}, at 1 {full:.2} levels a frame");
        assert!(half < 0.5 * free && full < 0.15 * free, "noise {deviation}: {free} {half} {full}");
    }
}

#[test]
fn a_moving_edge_leaves_no_trail() {
    let size = (320, 240);
    let background = scene(size);
    // A bar of this contrast goes to the right; returns the greatest and the mean difference behind it.
    let trail = |contrast: f32, speed: u32, deviation: f32, steadiness: f32| {
        let paint = |steadiness: f32| {
            let (styles, paint) = ("negative".parse().unwrap(), PaintConfig::default());
            Studio::with(PaintConfig { styles, steadiness: Steadiness::Still(steadiness), ..paint }, size, FRAME)
        };
        let (mut held, mut free) = (paint(steadiness), paint(0.0));
        let mut random = fastrand::Rng::with_seed(9);
        let (mut worst, mut sum, mut count) = (0u8, 0i64, 0i64);
        for frame in 0..40 {
            let edge = 20 + frame * speed;
            let mut with_bar = background.clone();
            for (place, value) in with_bar.iter_mut().enumerate() {
                let x = place as u32 % size.0;
                *value += if (edge..edge + 40).contains(&x) { contrast } else { 0.0 };
            }
            let source = with_noise(&with_bar, deviation, &mut random);
            let (held, free) = (held.paint(&source), free.paint(&source));
            for (place, (held, free)) in held.chunks(4).zip(free.chunks(4)).enumerate() {
                let x = place as u32 % size.0;
                if frame >= 10 && (edge.saturating_sub(60)..edge).contains(&x) {
                    for colour in 0..3 {
                        worst = worst.max(held[colour].abs_diff(free[colour]));
                        sum += i64::from(held[colour]) - i64::from(free[colour]);
                        count += 1;
                    }
                }
            }
        }
        (worst, sum as f64 / count as f64)
    };
    for (contrast, speed) in [(60.0, 1), (60.0, 4), (-30.0, 3), (15.0, 4)] {
        let (worst, _) = trail(contrast, speed, 0.0, 1.0);
        let (noisy_worst, bias) = trail(contrast, speed, 4.0, 1.0);
        eprintln!(
            "edge of {contrast} at {speed} px a frame, steadiness 1: behind it {worst} off at most without noise; \
             with noise {noisy_worst} off at most, {bias:.2} on average"
        );
        assert!(worst <= 4, "contrast {contrast} at speed {speed}: a trail of {worst}");
        assert!(bias.abs() <= 1.0, "contrast {contrast} at speed {speed}: a trail of {bias} on average");
    }
}

#[test]
fn size_mirror_and_pause_change_live_without_a_lost_frame() {
    let size = (320, 180);
    let mut studio = Studio::open("negative", size);
    let source: Vec<u8> = scene(size).iter().flat_map(|&grey| [grey as u8, 20, grey as u8 / 2, 255]).collect();
    let native = studio.paint(&source);

    let answer = studio.control.set_size(PaintSize::Box(Size::new(80, 45))).unwrap();
    let (applied, painted) = studio.paint_until(answer, &source);
    let first = applied.unwrap().frame.unwrap();
    assert!(painted.iter().all(|(number, picture)| (*number < first) == (*picture == native)), "one clean change");
    let small = studio.paint(&source);
    assert_eq!(small.len(), native.len(), "the output keeps its size");
    assert_eq!(studio.control.painting().bounding_box.as_deref(), Some("80x45"));
    let answer = studio.control.set_size(PaintSize::Native).unwrap();
    studio.paint_until(answer, &source).0.unwrap();
    assert_eq!(studio.paint(&source), native);

    let answer = studio.control.set_mirrored(true);
    studio.paint_until(answer, &source).0.unwrap();
    let mirrored = studio.paint(&source);
    for (row, straight) in mirrored.chunks(size.0 as usize * 4).zip(native.chunks(size.0 as usize * 4)) {
        assert!(row.chunks(4).eq(straight.chunks(4).rev()));
    }

    let answer = studio.control.set_paused(true);
    assert_eq!(studio.paint_until(answer, &source).0.unwrap().frame, None);
    assert_eq!(studio.paint(&grey(size, 9)), mirrored, "the output goes on with the last frame");
    let answer = studio.control.patch_look(&LookPatch { strength: Some(0.0), fade_ms: Some(0), ..Default::default() });
    assert_eq!(studio.paint_until(answer.unwrap(), &source).0.unwrap().frame, None, "answered though nothing moves");
    let answer = studio.control.set_paused(false);
    studio.paint_until(answer, &grey(size, 9)).0.unwrap();
    assert_eq!(level(&studio.paint(&grey(size, 9))), 9);

    let png = image::load_from_memory(&studio.control.snapshot().unwrap()).unwrap().into_rgb8();
    assert_eq!((png.dimensions(), png.get_pixel(5, 5).0), (size, [9, 9, 9]));
    assert_eq!(studio.counters.snapshot().unpainted, 0);
}

#[test]
fn auto_steps_down_until_the_deadline_is_met() {
    let size = (640, 360);
    let paint = PaintConfig { styles: Mix::only("negative"), size: PaintSize::Auto, ..PaintConfig::default() };
    // No machine is that fast: it must go down to the smallest size, and stay there.
    let mut studio = Studio::with(paint, size, Duration::from_nanos(100));
    let source = grey(size, 200);
    for frame in 0.. {
        assert_eq!(level(&studio.paint(&source)), 55, "frame {frame}");
        if studio.control.painting().bounding_box.as_deref() == Some("160x90") {
            break;
        }
        assert!(frame < 100_000, "{:?}", studio.control.painting());
    }
    assert_eq!(studio.control.painting().size, PaintSize::Auto);
    // A size that the user asks for ends it.
    let answer = studio.control.set_size(PaintSize::Native).unwrap();
    studio.paint_until(answer, &source).0.unwrap();
    for _ in 0..50 {
        studio.paint(&source);
    }
    assert_eq!(studio.control.painting().bounding_box, None);
}

fn resident_megabytes() -> f64 {
    let status = std::fs::read_to_string("/proc/self/status").unwrap();
    let line = status.lines().find_map(|line| line.strip_prefix("VmRSS:")).unwrap();
    line.trim().trim_end_matches(" kB").parse::<f64>().unwrap() / 1024.0
}

#[test]
fn ten_thousand_random_changes_do_no_harm() {
    const CHANGES: usize = 10_000;
    let size = (64, 48);
    let mut studio = Studio::open("same", size);
    let pictures: Vec<Vec<u8>> = (0..8).map(|seed| confetti(size, seed)).collect();
    let mut random = fastrand::Rng::with_seed(42);
    let mut answers = Vec::new();
    let (mut applied, mut overtaken, mut refused, mut memory) = (0, 0, 0, Vec::new());
    for number in 0..CHANGES {
        let control = studio.control.clone();
        let answer = match random.u8(..20) {
            0 => Ok(control.set_mirrored(random.bool())),
            1 => Ok(control.set_paused(random.u8(..4) == 0)),
            2 => control.set_size(match random.u8(..3) {
                0 => PaintSize::Native,
                1 => PaintSize::Auto,
                _ => PaintSize::Box(Size::new(random.usize(8..64), random.usize(8..48))),
            }),
            _ => {
                let mixes =
                    ["same", "negative", "same=0.3,negative=0.7", "waves", "plain", "flipped", "lost", "nobody"];
                let impossible = Mix([("same".to_string(), -1.0)].into());
                let mix = |random: &mut fastrand::Rng| match mixes.get(random.usize(..=mixes.len())) {
                    Some(text) => text.parse().unwrap(),
                    None => impossible.clone(),
                };
                let part = |random: &mut fastrand::Rng| random.bool().then(|| random.f32() * 1.05);
                control.patch_look(&LookPatch {
                    styles: random.bool().then(|| mix(&mut random)),
                    strength: part(&mut random),
                    keep_colours: random.bool().then(|| random.bool()),
                    steadiness: part(&mut random).map(Steadiness::Still),
                    stroke: part(&mut random).map(Stroke::Of),
                    fade_ms: Some(random.u32(..8) * 100),
                    ..LookPatch::default()
                })
            }
        };
        match answer {
            Ok(answer) => answers.push(answer),
            Err(_) => refused += 1,
        }
        studio.feed(pictures[number % pictures.len()].clone());
        while let Ok((time, _)) = studio.shown.try_recv() {
            studio.note(time);
        }
        if number % 1000 == 999 {
            // Every command is answered: carried out, or refused with a reason.
            for answer in answers.drain(..) {
                match studio.paint_until(answer, &pictures[0]).0 {
                    Ok(_) => applied += 1,
                    // How many there is time for before the next comes is the machine's affair.
                    Err(error) if error.to_string().contains("took its place") => overtaken += 1,
                    Err(_) => refused += 1,
                }
            }
            memory.push(resident_megabytes());
        }
    }
    let picture = &pictures[0];
    assert_eq!(applied + overtaken + refused, CHANGES);
    eprintln!(
        "{applied} changes carried out, {overtaken} overtaken, {refused} refused; \
         resident MB after each thousand: {memory:.0?}"
    );
    assert!(applied > 0 && applied + overtaken > CHANGES / 3);
    let (early, late) = (memory[2..4].iter().sum::<f64>() / 2.0, memory[8..].iter().sum::<f64>() / 2.0);
    assert!(late < early * 1.1 + 4.0, "memory grows: {memory:?}");

    // And it paints as told.
    for answer in [studio.control.set_mirrored(false), studio.control.set_paused(false)] {
        studio.paint_until(answer, picture).0.unwrap();
    }
    let answer = studio.control.set_size(PaintSize::Native).unwrap();
    studio.paint_until(answer, picture).0.unwrap();
    let answer = studio.control.set_look(Look { styles: Mix::only("negative"), fade_ms: 0, ..Look::default() });
    studio.paint_until(answer.unwrap(), picture).0.unwrap();
    assert_eq!(level(&studio.paint(&grey(size, 200))), 55);
}

#[test]
fn a_running_stream_takes_every_command() {
    impasto::gst::init().unwrap();
    let networks = onnx::networks();
    let folder = tempfile::tempdir().unwrap();
    let mut config = Config::default();
    config.source.input = "test".into();
    config.output.rtsp = "off".into();
    config.paint.styles = Mix::only("same");
    config.runtime.models = networks.path().into();
    config.runtime.isolate = false;
    let plan = StreamPlan::new(&config.streams()[0], &config.runtime).unwrap();
    let (on_end, ended) = std::sync::mpsc::channel();
    let on_end = std::sync::Arc::new(move |result| drop(on_end.send(result)));
    let (servers, all) = (Default::default(), Networks::new(plan::catalog(&config.runtime).unwrap()));
    let start = impasto::daemon::Stream::start;
    let stream = start(plan, None, &servers, all, Default::default(), on_end, Default::default()).unwrap();
    let handle = stream.handle();
    let runtime = tokio::runtime::Builder::new_current_thread().build().unwrap();

    let file = folder.path().join("painted.mkv");
    runtime.block_on(handle.start_recording(&file)).unwrap();
    let error = runtime.block_on(handle.start_recording(&folder.path().join("other.mkv"))).unwrap_err();
    assert!(
        matches!(&error, ApiError::Conflict(Conflict::Recording, what) if what.contains("is in progress; stop it first")),
        "{error:?}"
    );

    let paint = |style: &str| {
        let look = Look { styles: Mix::only(style), ..Look::default() };
        let changed = runtime.block_on(handle.set_look(look)).unwrap();
        assert!(changed.frame.is_some());
    };
    paint("flipped");
    // Another share of the threads loads the same network again; commands that follow find it.
    handle.look().set_threads(Some(1));
    ["plain", "flipped"].into_iter().for_each(paint);
    let clip = folder.path().join("white.mp4");
    let source = "color=white:s=320x240:r=25:d=60";
    common::ffmpeg(&["-f", "lavfi", "-i", source, "-c:v", "libx264", "-preset", "ultrafast", clip.to_str().unwrap()]);
    let set = |file: &std::path::Path| {
        let wanted = SourceRequest { source: file.to_str().unwrap().into(), r#loop: true };
        runtime.block_on(handle.set_source(wanted))
    };
    let error = set(&folder.path().join("missing.mp4")).unwrap_err();
    assert!(matches!(&error, ApiError::Failed(error) if error.to_string().contains("missing.mp4")), "{error:?}");
    set(&clip).unwrap();
    // White becomes black as soon as the new source's pictures are painted.
    until("the new source is seen", || {
        let picture = runtime.block_on(handle.snapshot()).unwrap();
        let picture = image::load_from_memory(&picture).unwrap().into_rgb8();
        assert_eq!(picture.dimensions(), (640, 360), "the output keeps its size");
        picture.get_pixel(320, 180).0.iter().all(|&colour| colour < 8)
    });

    let stop = || runtime.block_on(handle.stop_recording());
    assert_eq!(stop().unwrap().file, file.display().to_string());
    assert_eq!(stop().unwrap_err(), ApiError::Conflict(Conflict::NotRecording, "no recording is in progress".into()));
    let file = file.to_str().unwrap();
    assert_rising(&packet_times(file, "v"));
    assert_eq!(probe(file, "v", "stream=width,height"), "640,360");
    assert!(ended.try_recv().is_err(), "the stream goes on");
    stream.stop().unwrap();
}

#[test]
fn flags_of_the_look_are_checked_before_anything_starts() {
    for (flags, message) in [
        (&["--style", "starry_nigt"][..], "unknown style `starry_nigt`; did you mean `starry_night`?"),
        (&["--style", "photo=-1"], "weight of style `photo` = -1: 0 to 1000 is possible"),
        (&["--strength", "1.5"], "1.5: 0 to 1 is possible"),
        (&["--strength", "inf"], "inf: 0 to 1 is possible"),
        (&["--steadiness", "nan"], "`nan` is neither a number from 0 to 1 nor `flow`"),
        (&["--stroke", "1.5"], "`1.5` is neither a number from 0 to 1 nor `auto`"),
        (&["--stroke", "nan"], "`nan` is neither a number from 0 to 1 nor `auto`"),
        (&["--stroke", "big"], "`big` is neither a number from 0 to 1 nor `auto`"),
        (&["--fade-ms", "60001"], "fade_ms = 60001: 0 to 60000 is possible"),
        (&["--size", "huge"], "`huge` is not a size like 640x360"),
    ] {
        let finished = common::run(&[&["run", "--source", "test", "--rtsp", "off", "--duration", "1"], flags].concat());
        assert_eq!(finished.code, 2, "{flags:?}: {}", finished.stderr);
        assert!(finished.stderr.contains(message), "{flags:?}: {}", finished.stderr);
    }
    let finished = common::run(&[
        "run",
        "--source",
        "test",
        "--rtsp",
        "off",
        "--duration",
        "1",
        "--style",
        "photo=0.5,starry_night=0.5",
        "--strength",
        "0.8",
        "--keep-colours",
        "--steadiness",
        "0.5",
        "--stroke",
        "0.5",
        "--json",
    ]);
    assert_eq!(finished.code, 0, "{}", finished.stderr);
    assert!(finished.stdout.contains("photo=0.5,starry_night=0.5"), "{}", finished.stdout);
}
