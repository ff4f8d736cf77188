//! What a source shows before it goes on air: small JPEG pictures of a capture of its own, while somebody looks.

use std::sync::mpsc::{Receiver as ChannelReceiver, SyncSender, TryRecvError, sync_channel};
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use gstreamer as gst;

use crate::capture::{Capture, End, Pace, Reader, Receiver, Source, Treatment, Wiring};
use crate::error::{Error, Result};
use crate::gst::template::Templates;
use crate::output::{Output, Preview, PreviewOf, StreamFormat, Viewer};
use crate::style::Size;
use crate::sync::Locked;

/// How long a source may take to its first picture.
const PATIENCE: Duration = Duration::from_secs(10);

/// How often the end of a source that shows nothing is looked for.
const POLL: Duration = Duration::from_millis(50);

/// Large and fast enough to choose by.
const REQUESTED: (Size, u32) = (Size::new(640, 360), 15);

/// A source that somebody looks at; it is closed with this.
pub struct LookedAt {
    /// Closing may wait for a device or a server: that is not for the threads that answer.
    capture: Option<Capture>,
}

/// Takes the pictures of the capture.
struct Eye {
    templates: Templates,
    state: Mutex<State>,
}

enum State {
    /// No picture has come: whoever waits for one gets a viewer.
    Waiting(SyncSender<Result<(Viewer, gst::Caps)>>),
    Open(Preview),
    Failed,
}

impl LookedAt {
    /// Opens the source, and waits for its first picture; may block.
    ///
    /// # Errors
    /// It cannot be opened, or shows nothing.
    pub fn open(source: &str, templates: &Templates, redirects: bool) -> Result<(Viewer, Self)> {
        let source = Source::parse(source)?;
        let (first, comes) = sync_channel(1);
        let eye = Arc::new(Eye { templates: templates.clone(), state: Mutex::new(State::Waiting(first)) });
        let wiring = Wiring {
            templates: templates.clone(),
            pace: Pace::RealTime,
            looped: true,
            sound: false,
            requested: REQUESTED,
            fixed_caps: None,
            treatment: Treatment::default(),
            reader: Reader::default(),
            redirects,
            enter_at: None,
            receiver: eye,
        };
        let capture = Capture::start(&source, &wiring)?;
        let (viewer, caps) = capture.play().and_then(|()| first_picture(&capture, &source, &comes))?;
        capture.fix_caps(&caps);
        Ok((viewer, Self { capture: Some(capture) }))
    }
}

impl Drop for LookedAt {
    fn drop(&mut self) {
        let capture = self.capture.take();
        drop(std::thread::Builder::new().name("look".into()).spawn(move || drop(capture)));
    }
}

fn first_picture(
    capture: &Capture,
    source: &Source,
    comes: &ChannelReceiver<Result<(Viewer, gst::Caps)>>,
) -> Result<(Viewer, gst::Caps)> {
    let begun = Instant::now();
    while begun.elapsed() < PATIENCE {
        match comes.try_recv() {
            Ok(first) => return first,
            Err(TryRecvError::Disconnected) => break,
            Err(TryRecvError::Empty) => {}
        }
        match capture.wait_for_end(POLL) {
            Some(End::Failed(reason)) => return Err(Error::input(reason)),
            // Its only picture may have come just before.
            Some(End::Finished) => break,
            None => {}
        }
    }
    let nothing = || Error::input(format!("{source}: no picture came{}", source.advice()));
    comes.try_recv().unwrap_or_else(|_| Err(nothing()))
}

impl Receiver for Eye {
    fn picture(&self, sample: &gst::Sample, time: gst::ClockTime) -> Result<gst::FlowSuccess, gst::FlowError> {
        let (Some(buffer), Some(caps)) = (sample.buffer_owned(), sample.caps_owned()) else {
            return Ok(gst::FlowSuccess::Ok);
        };
        let mut state = self.state.locked();
        if let State::Waiting(first) = &*state {
            let format = StreamFormat { caps: caps.clone(), fps: REQUESTED.1, sound: false };
            let preview = Preview::new(&format, &self.templates);
            let viewer = preview.as_ref().map(|preview| (preview.view(PreviewOf::Painted), caps)).map_err(Clone::clone);
            // Nobody may be waiting any more.
            let _ = first.send(viewer);
            *state = preview.map_or(State::Failed, State::Open);
        }
        if let State::Open(preview) = &*state {
            preview.picture(&buffer, time);
        }
        Ok(gst::FlowSuccess::Ok)
    }

    fn sound(&self, _: &gst::Sample, _: gst::ClockTime) {}
}
