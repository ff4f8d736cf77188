//! One live stream: source, ring, stylise thread and outputs, started in this order and stopped in reverse.

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::{Arc, Mutex};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

use gstreamer as gst;
use gstreamer_video as gst_video;
use tokio::sync::Notify;

use super::by_hand::ByHand;
use super::handle::Handle;
use super::look_control::LookControl;
use super::output_keeper::OutputKeeper;
use super::report::{Started, Status};
use super::show::Show;
use super::source_control::SourceControl;
use super::source_keeper::{OnEnd, OnItemEnd, Open, SourceKeeper};
use super::source_state::{Playing, Reading, SourceState};
use crate::capture::{Pace, Reader, Source, StreamFacts, Treatment, Wiring};
use crate::config::outputs::{RtspPlan, refuse_own};
use crate::config::plan::StreamPlan;
use crate::engine::{Control, FramePainter, Inlet, Live, SoundDrive, stylise_live};
use crate::error::{Error, Result};
use crate::frame::Frame;
use crate::frame::ring::ring;
use crate::metrics::{Counters, Snapshot};
use crate::output::{Outputs, Servers, StreamFormat};
use crate::shutdown::Shutdown;
use crate::style::{Choice, Networks, PaintPlan};

/// Slots of a live ring: one is filled, one waits, one is painted.
const LIVE_SLOTS: usize = 3;

/// What of a stream outlives its runs.
#[derive(Clone, Default)]
pub struct Lasting {
    /// Outputs that were added or taken away by hand.
    pub by_hand: Arc<Mutex<ByHand>>,
    pub show: Arc<Show>,
    /// What the sound drives, also as it was set by hand.
    pub sound: Arc<SoundDrive>,
}

/// A running stream.
pub struct Stream {
    inlet: Arc<Inlet>,
    handle: Arc<Handle>,
    shutdown: Shutdown,
    threads: Vec<JoinHandle<()>>,
    last_status: (Instant, Snapshot),
}

impl Stream {
    /// Loads the network, opens the source (the one that is `set`, if any, instead of the configured one), and once its
    /// first picture is there builds everything behind it.
    ///
    /// # Errors
    /// Whatever keeps it from starting; nothing is left running then.
    pub fn start(
        plan: StreamPlan,
        set: Option<Playing>,
        servers: &Servers,
        networks: Networks,
        lasting: Lasting,
        on_end: OnEnd,
        changes: Arc<Notify>,
    ) -> Result<Self> {
        let mut configured = Playing { source: plan.source.clone(), looped: plan.looped };
        let playing = set.clone().unwrap_or_else(|| configured.clone());
        refuse_own(&playing.source, plan.outputs.outputs.iter(), plan.preview.as_ref())?;
        let painter = plan.paint.open_painter()?;

        let counters = Arc::new(Counters::default());
        let outputs = Arc::new(Outputs::default());
        let (producer, consumer) = ring(std::iter::repeat_with(Frame::default).take(LIVE_SLOTS));
        let (sound_drive, sound_outputs) = (Arc::clone(&lasting.sound), Arc::clone(&outputs));
        let sound = Box::new(move |sample: &gst::Sample, time| {
            sound_drive.hear(sample);
            sound_outputs.publish_sound(sample, time);
        });
        let (inlet, first) = Inlet::new(Pace::RealTime, vec![producer], Arc::clone(&counters), sound);
        let mut wiring = Wiring {
            templates: plan.templates.clone(),
            pace: Pace::RealTime,
            looped: plan.looped,
            sound: plan.sound,
            requested: plan.requested,
            fixed_caps: None,
            treatment: Treatment::default(),
            reader: Reader::default(),
            redirects: plan.redirects,
            enter_at: None,
            receiver: inlet.clone(),
        };
        let file = playing.stamp();
        let open = Open::start(&playing, &inlet, &wiring)?;
        let capture = &open.capture;
        let caps = capture.first_picture(&first)?;
        // From here on the output's size is settled, whatever the source does later.
        capture.fix_caps(&caps);
        wiring.fixed_caps = Some(caps.clone());
        let format = stream_format(&caps, &capture.facts())?;

        let mut frame_painter = FramePainter::new(painter, &caps)?;
        let frame_interval = Duration::from_secs(1) / format.fps;
        let (control, commands, loader) =
            Control::new(&mut frame_painter, plan.paint.clone(), networks, frame_interval)?;
        let output_keeper = OutputKeeper::new(&plan, &format, Arc::clone(&outputs), servers.clone(), lasting.by_hand)?;
        let opened = output_keeper.open(&plan.outputs).and_then(|()| capture.play());
        opened.inspect_err(|_| drop(output_keeper.finish()))?;
        // Only now: what fails before is tried again and again.
        PaintPlan::tell_backend(frame_painter.painter());
        plan.paint.note().inspect(|note| tracing::warn!("{note}"));
        let device = frame_painter.painter().network().backend().name();

        let shutdown = Shutdown::default();
        let live = Live {
            ring: consumer,
            frame_painter,
            commands,
            sound: Arc::clone(&lasting.sound),
            outputs: Arc::clone(&outputs),
            counters: Arc::clone(&counters),
            frame_interval,
        };
        let stylise = spawn("stylise", &on_end, move || stylise_live(live))?;
        let started = started(&plan, &playing.source, &format, device, output_keeper.recorder().file());
        let (source, switches, shown) = SourceControl::new(playing.source, set.clone());
        let set = set.map(|set| Playing { source: capture.this_again(set.source), ..set });
        if set.is_none() {
            configured.source = capture.this_again(configured.source);
        }
        let on_demand = output_keeper.on_demand();
        let reading = Reading {
            now: Instant::now(),
            captured: 0,
            usage: outputs.usage(),
            on_demand: plan.outputs.on_demand,
            length: None,
            file,
        };
        let show = Arc::clone(&lasting.show);
        let on_item_end: OnItemEnd = Arc::new(move |result| show.source_ended(result));
        let keeper = SourceKeeper {
            state: SourceState::new(configured, set, reading),
            switches,
            shown,
            inlet: Arc::clone(&inlet),
            wiring,
            outputs: Arc::clone(&outputs),
            on_demand,
            counters: Arc::clone(&counters),
            changes: Arc::clone(&changes),
            shutdown: shutdown.clone(),
            on_end: Arc::clone(&on_end),
            on_item_end,
        };
        let keep = spawn("source", &on_end, move || keeper.keep(open))?;
        let last_status = (Instant::now(), counters.snapshot());
        let threads = vec![loader, stylise, keep];
        let look = LookControl::new(control, Arc::clone(&changes));
        let handle =
            Handle::new(started, look, source, output_keeper, (lasting.show, lasting.sound), counters, changes);
        Ok(Self { inlet, handle: Arc::new(handle), shutdown, threads, last_status })
    }

    /// The handle that looks into it and changes it.
    pub fn handle(&self) -> Arc<Handle> {
        Arc::clone(&self.handle)
    }

    /// What runs and where to watch it; `web` is the address of the web page.
    pub fn started(&self, web: Option<String>) -> Started {
        Started { web, ..self.handle.started().clone() }
    }

    /// The frame rate since the last call, and where the time and the frames went.
    pub fn status(&mut self) -> Status {
        let (then, before) = self.last_status;
        let now = Instant::now();
        let status = self.handle.status(&before, now - then);
        self.last_status = (now, status.counts);
        status
    }

    /// Stops source, painting and outputs in this order, so that everything captured is finished.
    pub fn stop(mut self) -> Result<Status> {
        self.shutdown.give();
        self.inlet.close();
        self.handle.look().close();
        for thread in self.threads.drain(..).rev() {
            if thread.join().is_err() {
                tracing::error!("a thread of the stream panicked");
            }
        }
        let status = self.status();
        self.handle.finish().map(|()| status)
    }
}

fn stream_format(caps: &gst::Caps, facts: &StreamFacts) -> Result<StreamFormat> {
    let info = gst_video::VideoInfo::from_caps(caps).map_err(|error| Error::input(format!("{caps}: {error}")))?;
    let rate = info.fps();
    let known = rate.numer() > 0 && rate.denom() > 0;
    let fps = if known { (rate.numer() as u32).div_ceil(rate.denom() as u32) } else { 30 };
    Ok(StreamFormat { caps: caps.clone(), fps: fps.clamp(1, 240), sound: facts.sound })
}

fn started(
    plan: &StreamPlan,
    source: &Source,
    format: &StreamFormat,
    device: &'static str,
    record: Option<String>,
) -> Started {
    let Choice { network, style, mix, .. } = &plan.paint.choice;
    let picture = gst_video::VideoInfo::from_caps(&format.caps);
    Started {
        stream: plan.name.clone(),
        style: mix.to_string(),
        title: style.title.clone(),
        artist: style.artist.clone(),
        network: network.name.clone(),
        device,
        source: source.to_string(),
        picture: picture.map(|info| format!("{}x{}", info.width(), info.height())).unwrap_or_default(),
        frames_per_second: format.fps,
        sound: format.sound,
        rtsp: plan.outputs.rtsp().map(RtspPlan::url),
        cameras: plan.outputs.virtual_cameras().map(ToString::to_string).collect(),
        web: None,
        record,
    }
}

/// A thread whose panic ends this stream, and nothing else.
fn spawn(name: &'static str, on_end: &OnEnd, body: impl FnOnce() + Send + 'static) -> Result<JoinHandle<()>> {
    let (span, on_end) = (tracing::Span::current(), Arc::clone(on_end));
    let run = move || {
        let body = AssertUnwindSafe(|| span.in_scope(body));
        if catch_unwind(body).is_err() {
            on_end(Err(Error::model(format!("the thread {name} panicked; the log says where"))));
        }
    };
    let spawned = std::thread::Builder::new().name(name.into()).spawn(run);
    spawned.map_err(|error| Error::model(format!("thread {name} does not start: {error}")))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_thread_that_panics_ends_its_stream_with_an_error() {
        let (told, result) = std::sync::mpsc::channel();
        let on_end: OnEnd = Arc::new(move |result| drop(told.send(result)));
        spawn("fine", &on_end, || {}).unwrap().join().unwrap();
        assert!(result.try_recv().is_err(), "an end in good order is no news");
        spawn("stylise", &on_end, || panic!("on purpose")).unwrap().join().unwrap();
        assert!(result.recv().unwrap().unwrap_err().to_string().contains("the thread stylise panicked"));
    }
}
