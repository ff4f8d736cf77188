//! The WebRTC output: browsers watch with hardly any delay, and with sound. One encoder serves all, and each has a small
//! pipeline of its own.

mod encoder;
mod ice;
mod offer;
mod viewer;

use std::sync::atomic::{AtomicU64, AtomicUsize, Ordering};
use std::sync::mpsc::{Receiver, RecvTimeoutError, Sender, channel};
use std::sync::{Arc, Mutex, RwLock};
use std::thread::JoinHandle;
use std::time::Duration;

use gstreamer as gst;

use super::{Output, Place, StreamFormat, Usage, square_size};
use crate::error::{Conflict, Error, Result};
use crate::gst::template::{Template, Templates};
use crate::random;
use crate::sync::{Locked, SharedLocked};
use encoder::{Audience, Encoder, KeyFrames};
pub use ice::IceServers;
use offer::Offer;
use viewer::{News, Viewer};

/// How often those are looked for who are lost without news.
const LOOK: Duration = Duration::from_secs(1);

/// Seconds between two whole pictures that nobody asks for.
const KEY_FRAME_INTERVAL: u32 = 10;

/// How a stream is shown over WebRTC.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct WebRtcPlan {
    /// Where offers are sent.
    pub path: String,
    /// The rate of the picture.
    pub kbps: u32,
    /// At most so many watch at a time.
    pub viewers: usize,
}

/// A stream that browsers watch.
pub struct WebRtc {
    room: Arc<Room>,
    /// Told to end, the thread that sees to the viewers does.
    running: Mutex<Option<JoinHandle<()>>>,
}

/// Somebody was let in.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Admitted {
    /// What ends it again.
    pub id: String,
    /// The answer to the offer.
    pub answer: String,
}

/// Those who watch, and what they are given.
struct Room {
    plan: WebRtcPlan,
    ice: IceServers,
    templates: [Template; 2],
    format: StreamFormat,
    viewers: Arc<Viewers>,
    encoder: Mutex<Option<Encoder>>,
    key_frames: Arc<KeyFrames>,
    orders: Sender<Order>,
    /// Taken by those who watch or are being answered.
    places: AtomicUsize,
    dropped_by_encoder: AtomicU64,
    /// Why the encoder stopped, until it is told.
    failure: Mutex<Option<Error>>,
}

/// Who has been answered.
#[derive(Default)]
struct Viewers {
    list: RwLock<Vec<Arc<Viewer>>>,
    dropped: AtomicU64,
}

/// What the thread is told: by viewers, whose own threads cannot stop their pipelines, and by us.
enum Order {
    Viewer(String, News),
    /// Somebody has been answered.
    Look,
    End,
}

impl WebRtc {
    /// Gets ready; nothing runs until somebody watches.
    ///
    /// # Errors
    /// A broken template, or an element that is not installed.
    pub fn start(plan: &WebRtcPlan, ice: &IceServers, format: &StreamFormat, templates: &Templates) -> Result<Self> {
        Self::check()?;
        let (width, height) = square_size(&format.caps, u32::MAX)?;
        let values = [
            ("width", width.to_string()),
            ("height", height.to_string()),
            ("kbps", plan.kbps.to_string()),
            ("key_interval", (KEY_FRAME_INTERVAL * format.fps).to_string()),
        ];
        let values = values.each_ref().map(|(name, value)| (*name, value.as_str()));
        let templates = [templates.load("output/webrtc", &values)?, templates.load("output/webrtc-sound", &[])?];
        Encoder::check(&templates)?;
        let (orders, ordered) = channel();
        let room = Arc::new(Room {
            plan: plan.clone(),
            ice: ice.clone(),
            templates,
            format: format.clone(),
            viewers: Arc::default(),
            encoder: Mutex::default(),
            key_frames: Arc::default(),
            orders,
            places: AtomicUsize::default(),
            dropped_by_encoder: AtomicU64::default(),
            failure: Mutex::default(),
        });
        let keep = {
            let (room, span) = (Arc::clone(&room), tracing::Span::current());
            move || span.in_scope(|| room.keep(&ordered))
        };
        let thread = std::thread::Builder::new().name("webrtc".into()).spawn(keep);
        let thread = thread.map_err(|error| Error::output(format!("thread webrtc does not start: {error}")))?;
        Ok(Self { room, running: Mutex::new(Some(thread)) })
    }

    /// # Errors
    /// An element that is not installed: which package brings it.
    pub fn check() -> Result<()> {
        crate::gst::init()?;
        for (element, package) in [("nicesink", "gstreamer1.0-nice"), ("webrtcbin", "gstreamer1.0-plugins-bad")] {
            if gst::ElementFactory::find(element).is_none() {
                return Err(Error::usage(format!(
                    "WebRTC needs the GStreamer element `{element}`: sudo apt install {package}"
                )));
            }
        }
        Ok(())
    }

    /// Lets somebody watch, who sends an SDP offer. Blocks until the answer is there.
    ///
    /// # Errors
    /// It is no offer that can be answered; all places are taken.
    pub fn admit(&self, offer: &str) -> Result<Admitted> {
        let offer = Offer::parse(offer).map_err(Error::usage)?;
        let room = &self.room;
        let most = room.plan.viewers;
        let place =
            room.places.fetch_update(Ordering::AcqRel, Ordering::Acquire, |taken| (taken < most).then_some(taken + 1));
        if place.is_err() {
            return Err(Error::conflict(
                Conflict::Full,
                format!(
                    "{most} watch over WebRTC already, and no more may ([output] webrtc_viewers); there is RTSP, and the preview"
                ),
            ));
        }
        let admitted = self.answer(&offer);
        if admitted.is_err() {
            room.places.fetch_sub(1, Ordering::AcqRel);
        }
        admitted
    }

    fn answer(&self, offer: &Offer) -> Result<Admitted> {
        let room = &self.room;
        let id = random::id().map_err(|error| Error::output(format!("no id for the viewer: {error}")))?;
        let tell = {
            let (orders, id) = (room.orders.clone(), id.clone());
            move |news| drop(orders.send(Order::Viewer(id.clone(), news)))
        };
        let (viewer, answer) = Viewer::answer(id.clone(), offer, &room.ice, &room.key_frames, tell)?;
        room.viewers.list.write_locked().push(Arc::new(viewer));
        // The thread, which may rest, looks after it from now on.
        let _ = room.orders.send(Order::Look);
        Ok(Admitted { id, answer })
    }

    /// Ends what [`WebRtc::admit`] began; false if there is no such viewer. Blocks until its pipeline has stopped.
    pub fn dismiss(&self, id: &str) -> bool {
        self.room.remove(|viewer| viewer.id == id) > 0
    }
}

impl Room {
    /// Looks after the viewers until the output ends.
    fn keep(&self, ordered: &Receiver<Order>) {
        loop {
            let is_empty = self.viewers.list.read_locked().is_empty();
            let order = match is_empty {
                true => ordered.recv().map_err(|_| RecvTimeoutError::Disconnected),
                false => ordered.recv_timeout(LOOK),
            };
            match order {
                Ok(Order::Viewer(id, News::Connected)) => {
                    self.viewers
                        .list
                        .read_locked()
                        .iter()
                        .filter(|viewer| viewer.id == id)
                        .for_each(|viewer| viewer.connected());
                    self.settle();
                }
                Ok(Order::Viewer(id, News::Gone)) => drop(self.remove(|viewer| viewer.id == id)),
                Ok(Order::Look) => {}
                Err(RecvTimeoutError::Timeout) => {
                    self.remove(Viewer::is_lost);
                    self.note_failure();
                }
                Ok(Order::End) | Err(RecvTimeoutError::Disconnected) => break,
            }
        }
        self.remove(|_| true);
    }

    /// Ends the viewers that are meant; returns how many.
    fn remove(&self, is_meant: impl Fn(&Viewer) -> bool) -> usize {
        let removed: Vec<_> = self.viewers.list.write_locked().extract_if(.., |viewer| is_meant(viewer)).collect();
        self.places.fetch_sub(removed.len(), Ordering::AcqRel);
        let count = removed.len();
        drop(removed);
        if count > 0 {
            self.settle();
        }
        count
    }

    /// Starts the encoder for the first who watches, and stops it after the last.
    fn settle(&self) {
        let mut encoder = self.encoder.locked();
        let is_watched = self.viewers.list.read_locked().iter().any(|viewer| viewer.is_connected());
        if !is_watched {
            *encoder = None;
        } else if encoder.is_none() {
            match Encoder::start(&self.templates, &self.format.caps, &self.viewers, &self.key_frames) {
                Ok(started) => *encoder = Some(started),
                Err(error) => *self.failure.locked() = Some(error),
            }
        }
    }

    /// An encoder that has failed takes those who watch with it: they may come again, and it starts anew.
    fn note_failure(&self) {
        let failure = self.encoder.locked().as_ref().and_then(Encoder::failure);
        if let Some(what) = failure {
            *self.failure.locked() = Some(Error::output(format!("WebRTC: {what}; those who watched must come again")));
            self.remove(|_| true);
        }
    }
}

impl Audience for Viewers {
    fn picture(&self, packet: &gst::Buffer) {
        self.list.read_locked().iter().for_each(|viewer| viewer.picture(packet, &self.dropped));
    }

    fn sound(&self, packet: &gst::Buffer) {
        self.list.read_locked().iter().for_each(|viewer| viewer.sound(packet));
    }
}

impl Output for WebRtc {
    fn picture(&self, buffer: &gst::Buffer, time: gst::ClockTime) {
        // Whoever holds the lock starts or stops the encoder; the stylise thread does not wait for that.
        let Ok(encoder) = self.room.encoder.try_lock() else { return };
        if encoder.as_ref().is_some_and(|encoder| encoder.picture(buffer, time)) {
            self.room.dropped_by_encoder.fetch_add(1, Ordering::Relaxed);
        }
    }

    fn sound(&self, buffer: &gst::BufferRef, time: gst::ClockTime) {
        if let Ok(encoder) = self.room.encoder.try_lock()
            && let Some(encoder) = encoder.as_ref()
        {
            encoder.sound(buffer, time);
        }
    }

    fn place(&self) -> Place {
        Place { kind: "webrtc", name: self.room.plan.path.clone() }
    }

    fn clients(&self) -> usize {
        self.room.places.load(Ordering::Relaxed)
    }

    fn usage(&self) -> Usage {
        if self.clients() > 0 { Usage::Watched } else { Usage::Absent }
    }

    fn webrtc(&self) -> Option<&Self> {
        Some(self)
    }

    fn dropped(&self) -> u64 {
        let room = &self.room;
        room.dropped_by_encoder.load(Ordering::Relaxed) + room.viewers.dropped.load(Ordering::Relaxed)
    }

    fn take_failure(&self) -> Option<Error> {
        self.room.failure.locked().take()
    }

    fn finish(&self) -> Result<()> {
        let running = self.running.locked().take();
        if let Some(thread) = running {
            let _ = self.room.orders.send(Order::End);
            if thread.join().is_err() {
                tracing::error!("the thread webrtc panicked");
            }
        }
        Ok(())
    }
}

impl Drop for WebRtc {
    fn drop(&mut self) {
        let _ = self.finish();
    }
}
