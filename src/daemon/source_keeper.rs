//! Keeps the source of a live stream running: does with the capture what [`SourceState`] decides.

use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::mpsc::Receiver;
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use tokio::sync::Notify;

use super::file_watch::Stamp;
use super::source_control::{Shown, Switch, Wanted};
use super::source_state::{Origin, Playing, Reading, SourceState, Step};
use crate::capture::{Capture, End, Wiring};
use crate::engine::{Feed, Inlet};
use crate::error::Error;
use crate::metrics::Counters;
use crate::output::Outputs;
use crate::shutdown::Shutdown;
use crate::sync::Locked;

/// Called when the source was played to its end, or the stream failed and does not come back by itself.
pub type OnEnd = Arc<dyn Fn(Result<(), Error>) + Send + Sync>;

/// Called when an item of the playlist was played to its end, or failed.
pub type OnItemEnd = Arc<dyn Fn(Result<(), String>) + Send + Sync>;

/// How often the end of the source is looked for.
const POLL: Duration = Duration::from_millis(100);

/// How long a source that shall take over may take to its first picture.
const SWITCH_PATIENCE: Duration = Duration::from_secs(10);

/// A capture, and the feed through which its pictures come.
pub struct Open {
    pub capture: Capture,
    pub feed: Arc<Feed>,
}

impl Open {
    /// Opens a source that takes over with its first picture. A recorded one waits there for [`Capture::play`].
    ///
    /// # Errors
    /// As [`Capture::start`].
    pub fn start(playing: &Playing, inlet: &Arc<Inlet>, wiring: &Wiring) -> Result<Self, Error> {
        let feed = inlet.feed();
        let wiring = Wiring { looped: playing.looped, receiver: feed.clone(), ..wiring.clone() };
        Ok(Self { capture: Capture::start(&playing.source, &wiring)?, feed })
    }
}

/// The thread body that owns the capture of a live stream.
pub struct SourceKeeper {
    pub state: SourceState,
    pub shown: Arc<Mutex<Shown>>,
    pub switches: Receiver<Switch>,
    pub inlet: Arc<Inlet>,
    pub wiring: Wiring,
    pub outputs: Arc<Outputs>,
    /// The source may be released while nobody watches.
    pub on_demand: Arc<AtomicBool>,
    pub counters: Arc<Counters>,
    /// Notified when another source plays, or none does.
    pub changes: Arc<Notify>,
    pub shutdown: Shutdown,
    pub on_end: OnEnd,
    pub on_item_end: OnItemEnd,
}

impl SourceKeeper {
    /// Watches over `open` and what follows it until shutdown, or until a source that cannot come back ends.
    pub fn keep(mut self, open: Open) {
        let mut open = Some(open);
        while !self.shutdown.is_given() {
            if let Ok(switch) = self.switches.try_recv() {
                self.switch(switch, &mut open);
            }
            let step = match self.state.note(self.reading(open.as_ref()), fastrand::f64()) {
                Step::Stay => self.wait(open.as_ref()),
                step => step,
            };
            if let Some(result) = self.take(step, &mut open) {
                return (self.on_end)(result);
            }
            self.show_trouble();
        }
    }

    fn reading(&self, open: Option<&Open>) -> Reading {
        let captured = self.counters.captured.load(Ordering::Relaxed);
        let on_demand = self.on_demand.load(Ordering::Relaxed);
        let length = open.and_then(|open| open.capture.round());
        let playing = self.state.playing();
        // What plays once has been read by its end; a picture has none.
        let is_endless = playing.looped || open.is_some_and(|open| open.capture.is_still());
        let file = playing.stamp().filter(|_| is_endless);
        Reading { now: Instant::now(), captured, usage: self.outputs.usage(), on_demand, length, file }
    }

    /// What plays is open since then; `file` is what it was before.
    fn opened(&mut self, file: Option<Stamp>) {
        self.state.opened(Reading { file, ..self.reading(None) });
    }

    /// Waits a moment for the end of the capture, or for shutdown.
    fn wait(&mut self, open: Option<&Open>) -> Step {
        let Some(Open { capture, .. }) = open else {
            self.shutdown.sleep(POLL);
            return Step::Stay;
        };
        let Some(end) = capture.wait_for_end(POLL) else { return Step::Stay };
        if self.shutdown.is_given() {
            return Step::Stay;
        }
        let is_recorded = !self.state.playing().source.is_live() || capture.facts().duration.is_some();
        self.state.ended(end, is_recorded, self.reading(None), fastrand::f64())
    }

    /// Does what was decided; says how the stream ends if it ends with this.
    fn take(&mut self, mut step: Step, open: &mut Option<Open>) -> Option<Result<(), Error>> {
        match step {
            Step::Stay => return None,
            Step::Renew => {
                self.renew(open);
                return None;
            }
            _ => {}
        }
        loop {
            *open = None;
            let source = &self.state.playing().source;
            match step {
                Step::Stay | Step::Renew => return None,
                Step::Rest => {
                    tracing::info!("nobody watches: {source} is released");
                    self.outputs.rest(true);
                    return None;
                }
                Step::Lose(reason) => {
                    if let Some(reason) = reason {
                        tracing::warn!("{reason}; trying again until it is back");
                    }
                    Counters::count(&self.counters.reconnects);
                    return None;
                }
                Step::End(result) => return Some(result),
                Step::Over(result) => {
                    (self.on_item_end)(result);
                    return None;
                }
                Step::Wake => {
                    self.outputs.rest(false);
                    tracing::info!("{source} is opened");
                }
                Step::GoBack(result) => {
                    match result {
                        Ok(()) => tracing::info!("it is over: the source is {source} again"),
                        Err(reason) => {
                            let error = Error::input(format!("{reason}; the source is {source} again"));
                            self.shown.locked().given_up.push(error);
                        }
                    }
                    self.show_source(None);
                }
                Step::Open => {}
            }
            let file = self.state.playing().stamp();
            match self.open(self.state.playing()) {
                Ok(opened) => {
                    *open = Some(opened);
                    self.opened(file);
                    return None;
                }
                Err(error) => {
                    let end = End::Failed(error.to_string());
                    step = self.state.ended(end, false, self.reading(None), fastrand::f64());
                }
            }
        }
    }

    /// `set`: somebody asked for it so.
    fn show_source(&self, set: Option<Playing>) {
        let mut shown = self.shown.locked();
        shown.source.clone_from(&self.state.playing().source);
        shown.set = set;
        self.changes.notify_one();
    }

    fn show_trouble(&self) {
        let (mut shown, trouble) = (self.shown.locked(), self.state.trouble());
        if shown.trouble.as_deref() != trouble {
            shown.trouble = trouble.map(Into::into);
            self.changes.notify_one();
        }
    }

    fn open(&self, playing: &Playing) -> Result<Open, Error> {
        let open = Open::start(playing, &self.inlet, &self.wiring)?;
        open.capture.play()?;
        Ok(open)
    }

    /// Opens a source while the one before plays on, until the first picture of the new one. If none comes, the one before
    /// stays.
    fn take_over(&self, playing: &Playing, open: &mut Option<Open>) -> Result<(), Error> {
        let new = self.open(playing)?;
        let waited = self.wait_for_picture(playing, &new);
        if waited.is_ok() {
            *open = Some(new);
        } else {
            // Closed first: from then on it cannot take over.
            drop(new);
            if let Some(Open { feed, .. }) = open {
                feed.show();
            }
        }
        waited
    }

    /// Goes over to the source that was wished for.
    fn switch(&mut self, Switch { wanted, reply }: Switch, open: &mut Option<Open>) {
        let (mut playing, origin) = match wanted {
            Wanted::Configured(playing) if self.state.configure(&playing) => {
                // It is opened when the playlist is over.
                let _ = reply.send(Ok(()));
                return;
            }
            Wanted::Configured(playing) if self.is_set_to(&playing) => {
                // It plays on, as what the stream goes back to.
                self.state.adopt();
                self.show_source(None);
                let _ = reply.send(Ok(()));
                return;
            }
            Wanted::Configured(playing) => (playing, Origin::Configured),
            Wanted::Set(playing) => (playing, Origin::Set),
            Wanted::Listed(playing) => (playing, Origin::Listed),
            Wanted::Back | Wanted::Held if !self.state.is_listed() => {
                // Somebody has set another one meanwhile.
                let _ = reply.send(Ok(()));
                return;
            }
            Wanted::Back => (self.state.configured().clone(), Origin::Configured),
            Wanted::Held => {
                self.state.hold();
                *open = None;
                let _ = reply.send(Ok(()));
                return;
            }
        };
        let (file, set) = (playing.stamp(), (origin == Origin::Set).then(|| playing.clone()));
        let outcome = self.take_over(&playing, open).map(|()| {
            self.outputs.rest(false);
            tracing::info!("the source is now {}", playing.source);
            if let Some(Open { capture, .. }) = open {
                playing.source = capture.this_again(playing.source);
            }
            self.state.switched(playing, origin, Reading { file, ..self.reading(None) });
            self.show_source(set);
        });
        // Nobody may be waiting any more.
        let _ = reply.send(outcome);
    }

    /// Somebody has set just that, and it plays.
    fn is_set_to(&self, playing: &Playing) -> bool {
        self.shown.locked().set.as_ref().is_some_and(|set| set.is_as_asked(playing))
    }

    /// Shows the file that plays as it is by now.
    fn renew(&mut self, open: &mut Option<Open>) {
        let (playing, file) = (self.state.playing().clone(), self.state.playing().stamp());
        match self.take_over(&playing, open) {
            Ok(()) => {
                tracing::info!("{} was written anew: it is shown from its beginning", playing.source);
                self.opened(file);
            }
            Err(error) => {
                let reason = format!(
                    "it was written anew, but cannot be shown, and what it was before plays on as long as it can: {error}"
                );
                tracing::warn!("{reason}");
                self.state.not_renewed(reason, Reading { file, ..self.reading(None) });
            }
        }
    }

    fn wait_for_picture(&self, playing: &Playing, open: &Open) -> Result<(), Error> {
        let (begun, mut advice) = (Instant::now(), playing.source.advice());
        while begun.elapsed() < SWITCH_PATIENCE && !self.shutdown.is_given() {
            if open.feed.is_shown() {
                return Ok(());
            }
            match open.capture.wait_for_end(POLL) {
                Some(End::Failed(reason)) => return Err(Error::input(reason)),
                Some(End::Finished) => {
                    advice.clear();
                    break;
                }
                None => {}
            }
        }
        // The end of a short file may be seen before its picture.
        if open.feed.is_shown() {
            return Ok(());
        }
        Err(Error::input(format!("{}: no picture came{advice}; what played before stays", playing.source)))
    }
}
