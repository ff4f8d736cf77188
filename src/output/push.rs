//! Pushes a live stream to a server of others over RTMP or SRT, and connects again whenever the connection is lost.

use std::fmt;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::mpsc::{Receiver, RecvTimeoutError, Sender, channel};
use std::sync::{Arc, Mutex};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

use gstreamer as gst;
use gstreamer::prelude::*;
use gstreamer_app as gst_app;

use super::{Output, Place, StreamFormat, is_full, retimed, retimed_sound, sound_caps, time_in};
use crate::back_off::BackOff;
use crate::error::{Error, Result};
use crate::gst::template::Templates;
use crate::gst::{bus, shared_clock};
use crate::redact::redact;
use crate::sync::Locked;
use crate::url::Url;

/// The wait before the first new try, and the longest one.
const BACK_OFF: (Duration, Duration) = (Duration::from_secs(1), Duration::from_secs(30));

/// A connection that has lasted so long is tried again soon when it is lost.
const LASTED_WELL_AFTER: Duration = Duration::from_secs(10);

/// How often it is looked whether the connection is lost, or the stream ends.
const LOOK: Duration = Duration::from_millis(100);

/// A connection that comes to nothing in so long is lost.
const CONNECT_PATIENCE: Duration = Duration::from_secs(15);

/// How long the last packets may take.
const FINISH_PATIENCE: gst::ClockTime = gst::ClockTime::from_seconds(2);

/// Where a stream is pushed to.
#[derive(Clone, PartialEq, Eq)]
pub struct PushPlan {
    protocol: Protocol,
    /// With its key.
    url: String,
    kbps: u32,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Protocol {
    Rtmp,
    Srt,
}

impl PushPlan {
    /// Reads `rtmp://HOST/APP/KEY`, `rtmps://...` or `srt://HOST:PORT?streamid=...`; `kbps` is the rate of the picture.
    ///
    /// # Errors
    /// Another kind of address. Nothing of it is told: one that is mistyped can have its key in any place.
    pub fn new(url: &str, kbps: u32) -> Result<Self, String> {
        let wrong = |what: &str| Err(format!("the address to push to (not shown, for its key): {what}"));
        if url.contains(|c: char| c.is_whitespace() || c.is_control()) {
            return wrong("there is a blank in it; write it as %20 if it belongs to the key");
        }
        let Some(parts) = Url::parse(url).filter(|parts| !parts.host.is_empty()) else {
            return wrong("it is none like rtmp://HOST/APP/KEY or srt://HOST:PORT");
        };
        let protocol = match parts.scheme {
            "rtmp" | "rtmps" if parts.path.trim_matches('/').contains('/') => Protocol::Rtmp,
            "rtmp" | "rtmps" => return wrong("an RTMP server wants rtmp://HOST/APP/KEY"),
            "srt" if parts.port.is_none() => return wrong("SRT has no usual port: srt://HOST:PORT"),
            "srt" if url.contains("mode=listener") || url.contains("mode=rendezvous") => {
                return wrong("only a caller pushes; for those who come themselves there is RTSP");
            }
            "srt" => Protocol::Srt,
            _ => return wrong("a stream is pushed to rtmp://, rtmps:// or srt://"),
        };
        Ok(Self { protocol, url: url.into(), kbps })
    }

    /// Both go to the same place, at whatever rate.
    pub fn is_to(&self, other: &Self) -> bool {
        self.url == other.url
    }
}

/// Without the key.
impl fmt::Display for PushPlan {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&redact(&self.url))
    }
}

impl fmt::Debug for PushPlan {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "PushPlan({self}, {} kbit/s)", self.kbps)
    }
}

/// A stream that is pushed.
pub struct Push {
    shared: Arc<Shared>,
    /// Dropped, it ends the thread.
    running: Mutex<Option<(Sender<()>, JoinHandle<()>)>>,
}

struct Shared {
    plan: PushPlan,
    connection: Mutex<Option<Connection>>,
    /// The server takes what is sent.
    is_connected: AtomicBool,
    dropped: AtomicU64,
    /// Why the connection was lost, until it is told.
    failure: Mutex<Option<Error>>,
    /// The same, until there is one again.
    trouble: Mutex<Option<Error>>,
}

/// A try: the pipeline that connects, and where it takes pictures and sound.
#[derive(Clone)]
struct Connection {
    pipeline: gst::Pipeline,
    picture: gst_app::AppSrc,
    sound: Option<gst_app::AppSrc>,
    /// Packets that came to the sink.
    taken: Arc<AtomicU64>,
}

impl Push {
    /// Begins to connect, on a thread of its own.
    ///
    /// # Errors
    /// A broken template, or an element that is not installed.
    pub fn start(plan: &PushPlan, format: &StreamFormat, templates: &Templates) -> Result<Self> {
        // What cannot be built is said now and not again and again.
        let launch = launch_text(plan, format, templates)?;
        let (connection, is_connected, dropped, failure, trouble) = Default::default();
        let shared = Arc::new(Shared { plan: plan.clone(), connection, is_connected, dropped, failure, trouble });
        let (end, ended) = channel();
        let keep = {
            let (shared, format, span) = (Arc::clone(&shared), format.clone(), tracing::Span::current());
            move || span.in_scope(|| shared.keep(&format, &launch, &ended))
        };
        let thread = std::thread::Builder::new().name("push".into()).spawn(keep);
        let thread = thread.map_err(|error| Error::output(format!("{plan}: thread push does not start: {error}")))?;
        Ok(Self { shared, running: Mutex::new(Some((end, thread))) })
    }
}

impl Shared {
    /// Connects again and again, until the stream ends.
    fn keep(&self, format: &StreamFormat, launch: &str, ended: &Receiver<()>) {
        let mut back_off = BackOff::new(BACK_OFF);
        let mut told = None;
        loop {
            let begun = Instant::now();
            let outcome = self.push(format, launch, ended);
            self.is_connected.store(false, Ordering::Relaxed);
            *self.connection.locked() = None;
            let Err(reason) = outcome else { return };
            *self.trouble.locked() = Some(Error::output(&reason));
            if begun.elapsed() > LASTED_WELL_AFTER {
                back_off.reset();
                told = None;
            }
            let wait = back_off.wait();
            // A server that is away stays the same news.
            if told.as_ref() != Some(&reason) {
                let again = "it is tried again until it works";
                *self.failure.locked() = Some(Error::output(format!("{}: {reason}; {again}", self.plan)));
                told = Some(reason);
            }
            if ended.recv_timeout(wait) != Err(RecvTimeoutError::Timeout) {
                return;
            }
        }
    }

    /// Pushes over one connection; `Ok` if the stream ends.
    fn push(&self, format: &StreamFormat, launch: &str, ended: &Receiver<()>) -> Result<(), String> {
        let connection = Connection::new(&self.plan, format, launch)?;
        let outcome = self.run(&connection, ended);
        if outcome.is_ok() && self.is_connected.load(Ordering::Relaxed) {
            connection.finish();
        }
        crate::gst::stop(&connection.pipeline);
        outcome
    }

    fn run(&self, connection: &Connection, ended: &Receiver<()>) -> Result<(), String> {
        let bus = connection.pipeline.bus().ok_or("the pipeline has no bus")?;
        let lost = || bus::wait_for_end(&bus, gst::ClockTime::ZERO).map(|end| end.err());
        let closed = || "the server closed the connection".to_string();
        if connection.pipeline.set_state(gst::State::Playing).is_err() {
            return Err(lost().flatten().unwrap_or_else(|| "the connection does not start".into()));
        }
        *self.connection.locked() = Some(connection.clone());
        let begun = Instant::now();
        while ended.recv_timeout(LOOK) == Err(RecvTimeoutError::Timeout) {
            if let Some(reason) = lost() {
                return Err(reason.unwrap_or_else(closed));
            }
            // When the second packet comes, the first has been taken.
            if connection.taken.load(Ordering::Relaxed) > 1 {
                if !self.is_connected.load(Ordering::Relaxed) {
                    tracing::info!("pushing to {}", self.plan);
                    // In this order: who sees a connection does not see why there was none before.
                    *self.trouble.locked() = None;
                    self.is_connected.store(true, Ordering::Release);
                }
            } else if begun.elapsed() > CONNECT_PATIENCE && connection.is_stuck() {
                return Err("the server does not answer; is the address right?".into());
            }
        }
        Ok(())
    }
}

impl Connection {
    fn new(plan: &PushPlan, format: &StreamFormat, launch: &str) -> Result<Self, String> {
        let pipeline = gst::parse::launch(launch).map_err(|error| error.message().to_string())?;
        let pipeline = pipeline.downcast::<gst::Pipeline>().unwrap_or_else(|_| unreachable!("it was built before"));
        pipeline.use_clock(Some(&shared_clock()));
        let named = |name: &str| pipeline.by_name(name).unwrap_or_else(|| unreachable!("it was there before"));
        let sink = named("sink");
        sink.set_property(plan.protocol.address_property(), &plan.url);
        let feed = |name: &str, caps: &gst::Caps| {
            let feed = pipeline.by_name(name)?.downcast::<gst_app::AppSrc>().ok()?;
            feed.set_caps(Some(caps));
            Some(feed)
        };
        let picture = feed("picture", &format.caps).ok_or("there is no `picture`")?;
        let sound = feed("sound", &sound_caps());
        let taken = Arc::new(AtomicU64::new(0));
        if let Some(pad) = sink.static_pad("sink") {
            let taken = Arc::clone(&taken);
            pad.add_probe(gst::PadProbeType::BUFFER | gst::PadProbeType::BUFFER_LIST, move |_, _| {
                taken.fetch_add(1, Ordering::Relaxed);
                gst::PadProbeReturn::Ok
            });
        }
        Ok(Self { pipeline, picture, sound, taken })
    }

    /// Pictures wait to be sent: while the source is silent, there is nothing to send.
    fn is_stuck(&self) -> bool {
        self.picture.current_level_buffers() > 0
    }

    /// Sends the last packets.
    fn finish(&self) {
        for feed in std::iter::once(&self.picture).chain(&self.sound) {
            let _ = feed.end_of_stream();
        }
        let _ = self.pipeline.bus().and_then(|bus| bus::wait_for_end(&bus, FINISH_PATIENCE));
    }
}

impl Protocol {
    /// Its name, and the element that connects.
    fn template(self) -> (&'static str, &'static str) {
        match self {
            Self::Rtmp => ("output/push-rtmp", "rtmp2sink"),
            Self::Srt => ("output/push-srt", "srtsink"),
        }
    }

    /// Of the sink.
    fn address_property(self) -> &'static str {
        match self {
            Self::Rtmp => "location",
            Self::Srt => "uri",
        }
    }
}

/// The pipeline as launch text; a stream without sound is pushed with silence, which video services ask for.
fn launch_text(plan: &PushPlan, format: &StreamFormat, templates: &Templates) -> Result<String> {
    let (kbps, key_interval) = (plan.kbps.to_string(), (2 * format.fps).to_string());
    let values = [("kbps", kbps.as_str()), ("key_interval", &key_interval)];
    let (template, sink) = plan.protocol.template();
    let picture = templates.load(template, &values)?;
    picture.build(&[("picture", "appsrc"), ("sink", sink)])?;
    let sound = templates.load(if format.sound { "output/push-sound" } else { "output/push-silence" }, &[])?;
    Ok(picture.join(Some(&sound), format.sound)?.0)
}

impl Output for Push {
    fn picture(&self, buffer: &gst::Buffer, time: gst::ClockTime) {
        let connection = self.shared.connection.locked();
        let Some(Connection { picture, .. }) = connection.as_ref() else { return };
        if let Some(pts) = time_in(picture, time) {
            self.shared.dropped.fetch_add(u64::from(is_full(picture)), Ordering::Relaxed);
            let _ = picture.push_buffer(retimed(buffer, pts));
        }
    }

    fn sound(&self, buffer: &gst::BufferRef, time: gst::ClockTime) {
        let connection = self.shared.connection.locked();
        let Some(sound) = connection.as_ref().and_then(|connection| connection.sound.as_ref()) else { return };
        if let Some(pts) = time_in(sound, time) {
            let _ = sound.push_buffer(retimed_sound(buffer, pts));
        }
    }

    fn place(&self) -> Place {
        Place { kind: "push", name: self.shared.plan.to_string() }
    }

    /// The server, once it takes the stream.
    fn clients(&self) -> usize {
        usize::from(self.shared.is_connected.load(Ordering::Acquire))
    }

    fn dropped(&self) -> u64 {
        self.shared.dropped.load(Ordering::Relaxed)
    }

    fn error(&self) -> Option<Error> {
        self.shared.trouble.locked().clone()
    }

    fn take_failure(&self) -> Option<Error> {
        self.shared.failure.locked().take()
    }

    fn finish(&self) -> Result<()> {
        let running = self.running.locked().take();
        if let Some((end, thread)) = running {
            drop(end);
            if thread.join().is_err() {
                tracing::error!("the thread push panicked");
            }
        }
        Ok(())
    }
}

impl Drop for Push {
    fn drop(&mut self) {
        let _ = self.finish();
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_servers_are_pushed_to_and_no_key_is_told() {
        let plan = |url| PushPlan::new(url, 2500);
        let youtube = plan("rtmp://a.rtmp.youtube.com/live2/hunter2").unwrap();
        assert_eq!(youtube.to_string(), "rtmp://a.rtmp.youtube.com/live2/***");
        assert!(!format!("{youtube:?}").contains("hunter2"));
        let srt = plan("srt://h.lan:7001?streamid=publish:hunter2&passphrase=hunter2hunter2").unwrap();
        assert_eq!(srt.to_string(), "srt://h.lan:7001?***");
        assert!(srt.is_to(&srt.clone()) && !srt.is_to(&youtube));
        for (url, says) in [
            ("h.lan/live/hunter2", "none like rtmp://"),
            ("rtmp:///live/hunter2", "none like rtmp://"),
            ("rtmp://h.lan/live", "wants rtmp://HOST/APP/KEY"),
            ("srt://h.lan", "no usual port"),
            ("srt://:7001?mode=listener&passphrase=hunter2", "none like"),
            ("srt://h.lan:7001?mode=listener&passphrase=hunter2", "only a caller pushes"),
            ("http://h.lan/hunter2?key=hunter2", "pushed to rtmp://, rtmps:// or srt://"),
            ("https://a.rtmp.youtube.com/live2/hunter2", "pushed to rtmp://"),
            ("a.rtmp.youtube.com/live2/hunter2", "none like rtmp://"),
            ("rtmp:/h.lan/live2/hunter2", "none like rtmp://"),
            ("rtmp://h.lan/hunter2", "wants rtmp://HOST/APP/KEY"),
            ("rtmp://h.lan/live2/a hunter2", "there is a blank in it"),
            ("srt:/h.lan:1?streamid=hunter2", "none like rtmp://"),
        ] {
            let refused = plan(url).unwrap_err();
            assert!(refused.contains(says) && !refused.contains("hunter2"), "{url}: {refused}");
        }
    }
}
