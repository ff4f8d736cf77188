//! `impasto bench`: where the time of a frame goes, as medians over a fixed number of frames.

use std::sync::Arc;
use std::time::{Duration, Instant};

use clap::Args;
use gstreamer as gst;
use gstreamer_video as gst_video;
use serde::Serialize;

use super::{PaintArgs, print_json, say, tell};
use crate::capture::{Capture, Pace, Reader, Source, Treatment, Wiring};
use crate::config::Config;
use crate::config::plan::{self, templates};
use crate::engine::{FramePainter, Inlet, Worker, stylise_in_order};
use crate::error::{Error, Result};
use crate::frame::Frame;
use crate::frame::ring::ring;
use crate::machine;
use crate::metrics::{Counters, median_ms, percentile_ms};
use crate::style::painter::StageTimes;
use crate::style::tensor::{PixelOrder, Pixels, PixelsMut};
use crate::style::{PaintPlan, Size};
use crate::sync::Locked;

/// Frames that are painted before the measurement.
const WARM_UP: usize = 5;

const AFTER_HELP: &str = "\
Examples:
  impasto bench
  impasto bench --picture 640x360 --threads 1 --json
  impasto bench --network mosaic.onnx --frames 10";

#[derive(Debug, Args)]
#[command(after_help = AFTER_HELP)]
pub struct BenchArgs {
    /// Size of the picture
    #[arg(long, value_name = "WIDTHxHEIGHT", default_value = "1280x720")]
    picture: Size,
    /// Frames to measure
    #[arg(long, value_name = "N", default_value_t = 50)]
    frames: usize,
    /// Measure the network in a worker process, as `impasto run` runs it
    #[arg(long)]
    isolate: bool,
    /// Print JSON
    #[arg(long)]
    json: bool,
    #[command(flatten)]
    paint: PaintArgs,
}

/// All times in milliseconds a frame.
#[derive(Debug, Serialize)]
struct Report {
    machine: String,
    network: String,
    device: &'static str,
    threads: usize,
    picture: String,
    frames: usize,
    /// The network alone.
    inference_ms: Spread,
    /// Pixels to tensor and back, scaling included.
    tensor_ms: Spread,
    /// From the capture's callback to the painted buffer: ring, tensor passes, inference.
    whole_ms: Spread,
    /// What the whole path adds to inference: ring, tensor passes, hand-over.
    added_ms: f64,
}

#[derive(Debug, Serialize)]
struct Spread {
    median: f64,
    p95: f64,
}

impl BenchArgs {
    pub fn run(self) -> Result<()> {
        let mut config = Config::default();
        self.paint.apply(&mut config);
        crate::gst::init()?;
        config.runtime.isolate = self.isolate;
        let session = plan::isolated_session_options(&config.runtime);
        let plan = PaintPlan { session, ..plan::paint_plan(&config.paint, &config.runtime)? };
        plan.note().inspect(|note| tell(&format!("note: {note}")));
        let (bare, device) = self.bare(&plan)?;
        let whole = self.whole_path(&plan, &config)?;
        let report = Report {
            machine: machine(),
            network: plan.choice.network.name.clone(),
            device,
            threads: plan.session.thread_count(),
            picture: self.picture.to_string(),
            frames: self.frames,
            inference_ms: spread(bare.iter().map(|times| times.inference)),
            tensor_ms: spread(bare.iter().map(|times| times.before + times.after)),
            added_ms: median_ms(whole.iter().map(|(latency, inference)| latency.saturating_sub(*inference))),
            whole_ms: spread(whole.iter().map(|(latency, _)| *latency)),
        };
        if self.json {
            return print_json(&report);
        }
        say!("{} on {}, {} threads, {}", report.network, report.device, report.threads, report.machine)?;
        say!("{} frames of {}, milliseconds a frame (median, 95th percentile)", report.frames, report.picture)?;
        say!("inference    {:8.2} {:8.2}", report.inference_ms.median, report.inference_ms.p95)?;
        say!("tensor passes{:8.2} {:8.2}", report.tensor_ms.median, report.tensor_ms.p95)?;
        say!("whole path   {:8.2} {:8.2}", report.whole_ms.median, report.whole_ms.p95)?;
        say!("added to inference by ring, passes and hand-over: {:.2}", report.added_ms)
    }

    /// Paints one picture again and again on this thread.
    fn bare(&self, plan: &PaintPlan) -> Result<(Vec<StageTimes>, &'static str)> {
        let mut painter = plan.open_painter()?;
        let (width, height) = (self.picture.width, self.picture.height);
        let source: Vec<u8> = (0..width * height * 4).map(|index| (index * 31 % 251) as u8).collect();
        let mut painted = vec![0; source.len()];
        let mut times = Vec::with_capacity(self.frames);
        for number in 0..WARM_UP + self.frames {
            let no_picture = || Error::usage("a picture without pixels");
            let source = Pixels::packed(&source, width, height, PixelOrder::Bgrx).ok_or_else(no_picture)?;
            let mut painted =
                PixelsMut::packed(&mut painted, width, height, PixelOrder::Bgrx).ok_or_else(no_picture)?;
            let stage_times = painter.paint(&source, &mut painted)?;
            if number >= WARM_UP {
                times.push(stage_times);
            }
        }
        PaintPlan::tell_backend(&painter);
        Ok((times, painter.network().backend().name()))
    }

    /// Sends test pictures through capture, ring and frame painter; (latency, inference) of each.
    fn whole_path(&self, plan: &PaintPlan, config: &Config) -> Result<Vec<(Duration, Duration)>> {
        let counters = Arc::new(Counters::default());
        // One slot: the next picture is captured when this one is painted, so that no waiting is measured.
        let (producer, consumer) = ring([Frame::default()]);
        let sound = Box::new(|_: &gst::Sample, _| {});
        let (inlet, first) = Inlet::new(Pace::Unlimited, vec![producer], Arc::clone(&counters), sound);
        let wiring = Wiring {
            templates: templates(&config.runtime),
            pace: Pace::Unlimited,
            looped: false,
            sound: false,
            requested: (self.picture, 30),
            fixed_caps: None,
            treatment: Treatment::default(),
            reader: Reader::default(),
            redirects: true,
            enter_at: None,
            receiver: inlet.clone(),
        };
        let capture = Capture::start(&Source::Showcase, &wiring)?;
        let caps = first.recv().map_err(|_| Error::input("the showcase delivers no picture"))?;
        gst_video::VideoInfo::from_caps(&caps).map_err(Error::input)?;
        let frame_painter = FramePainter::new(plan.open_painter()?, &caps)?;

        let measured = std::sync::Mutex::new(Vec::with_capacity(self.frames));
        let publish = |_: gst::Buffer, frame: &Frame| {
            let latency = frame.captured_at.map(|captured_at: Instant| captured_at.elapsed()).unwrap_or_default();
            let mut measured = measured.locked();
            if frame.sequence >= WARM_UP as u64 {
                measured.push((latency, counters.last_inference()));
            }
            if measured.len() >= self.frames {
                inlet.close();
            }
            Ok(())
        };
        let worker = Worker { ring: consumer, frame_painter };
        stylise_in_order(vec![worker], &counters, &publish, &|| inlet.close())?;
        drop(capture);
        Ok(measured.into_inner().unwrap_or_else(std::sync::PoisonError::into_inner))
    }
}

fn spread(times: impl Iterator<Item = Duration> + Clone) -> Spread {
    Spread { median: median_ms(times.clone()), p95: percentile_ms(times, 0.95) }
}

/// The processor and the number of its cores.
fn machine() -> String {
    format!("{} ({} cores)", machine::processor(), machine::cores())
}
