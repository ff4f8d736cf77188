//! What a server has at one path: the media that clients watch, and who they are.

use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, MutexGuard};

use gstreamer as gst;
use gstreamer::glib;
use gstreamer::prelude::*;
use gstreamer_app as gst_app;
use gstreamer_rtsp_server as gst_rtsp_server;
use gstreamer_rtsp_server::prelude::*;
use gstreamer_video as gst_video;

use super::connections::Connection;
use crate::gst::bus;
use crate::output::{StreamFormat, sound_caps};
use crate::sync::Locked;

/// What a server has at one path.
#[derive(Default)]
pub(super) struct Mount {
    /// One of each media that clients watch now: a second one is built while the first one is being ended.
    feeds: Mutex<Vec<Feeds>>,
    watchers: Mutex<Vec<Connection>>,
    /// Why a media stopped working, until it is told.
    pub(super) failure: Mutex<Option<String>>,
}

/// Where a media takes pictures and sound.
pub(super) struct Feeds {
    pub(super) media: glib::WeakRef<gst_rtsp_server::RTSPMedia>,
    pub(super) picture: gst_app::AppSrc,
    pub(super) sound: Option<gst_app::AppSrc>,
    pub(super) payloader: gst::Element,
    /// It has had a picture, so no client waits for the first one.
    pub(super) is_prepared: Arc<AtomicBool>,
}

impl Mount {
    pub(super) fn feeds(&self) -> MutexGuard<'_, Vec<Feeds>> {
        self.feeds.locked()
    }

    pub(super) fn watchers(&self) -> MutexGuard<'_, Vec<Connection>> {
        self.watchers.locked()
    }

    pub(super) fn is_watched_by(&self, client: &gst_rtsp_server::RTSPClient) -> bool {
        self.watchers().iter().any(|watcher| watcher.is_of(client))
    }

    /// One that asks twice counts once.
    pub(super) fn is_watched_through(&self, connection: Connection) {
        let mut watchers = self.watchers();
        if !watchers.contains(&connection) {
            watchers.push(connection);
        }
    }

    pub(super) fn is_left_by(&self, client: &gst_rtsp_server::RTSPClient) {
        self.watchers().retain(|watcher| !watcher.is_of(client));
    }

    /// No picture will come any more. A client whose media is being built waits for one, on a thread of the server.
    pub(super) fn end(&self) {
        for feeds in self.feeds().iter().filter(|feeds| !feeds.is_prepared.load(Ordering::Relaxed)) {
            gst::element_error!(feeds.picture, gst::ResourceError::NotFound, ("the stream has ended"));
        }
        self.dismiss_clients();
    }

    /// Closes the connections of all who watch.
    pub(super) fn dismiss_clients(&self) {
        let watchers = std::mem::take(&mut *self.watchers());
        watchers.iter().for_each(Connection::hang_up);
    }

    /// Asks each encoder for a picture that can be shown without those before it.
    pub(super) fn ask_for_key_frames(&self) {
        for pad in self.feeds().iter().filter_map(|feeds| feeds.payloader.static_pad("sink")) {
            pad.push_event(gst_video::UpstreamForceKeyUnitEvent::builder().all_headers(true).build());
        }
    }
}

/// Prepares a media for clients: caps of the feeds, no needless delay, a key frame for each that joins.
pub(super) fn configure(rtsp_media: &gst_rtsp_server::RTSPMedia, mount: &Arc<Mount>, format: &StreamFormat) {
    let element = rtsp_media.element();
    let Ok(bin) = element.downcast::<gst::Bin>() else {
        return;
    };
    let feed = |name: &str| bin.by_name(name).and_then(|element| element.downcast::<gst_app::AppSrc>().ok());
    let (Some(picture), Some(payloader)) = (feed("picture"), bin.by_name("pay0")) else {
        return;
    };
    picture.set_caps(Some(&format.caps));
    let sound = feed("sound");
    if let Some(sound) = &sound {
        sound.set_caps(Some(&sound_caps()));
    }
    if let Some(pipeline) = bin.parent().and_then(|parent| parent.downcast::<gst::Pipeline>().ok()) {
        without_processing_deadline(&pipeline);
        note_failure(&pipeline, mount);
    }
    let is_prepared = Arc::new(AtomicBool::default());
    let prepared = Arc::clone(&is_prepared);
    rtsp_media.connect_prepared(move |_| prepared.store(true, Ordering::Relaxed));
    let mut feeds = mount.feeds();
    // One that was never prepared is not unprepared either.
    feeds.retain(|feeds| feeds.media.upgrade().is_some());
    feeds.push(Feeds { media: rtsp_media.downgrade(), picture, sound, payloader, is_prepared });
    drop(feeds);
    let mount = Arc::clone(mount);
    rtsp_media.connect_unprepared(move |ended| {
        mount.feeds().retain(|feeds| feeds.media.upgrade().is_some_and(|media| media != *ended));
    });
}

/// Remembers the first error of a media, which the server itself keeps quiet about.
fn note_failure(pipeline: &gst::Pipeline, mount: &Arc<Mount>) {
    let (Some(bus), mount) = (pipeline.bus(), Arc::clone(mount)) else {
        return;
    };
    bus.enable_sync_message_emission();
    bus.connect_sync_message(Some("error"), move |_, message| {
        if let gst::MessageView::Error(error) = message.view() {
            mount.failure.locked().get_or_insert_with(|| bus::describe(error));
        }
    });
}

/// The server's sinks would add 20 ms of "processing deadline"; what they do takes microseconds.
fn without_processing_deadline(pipeline: &gst::Pipeline) {
    pipeline.connect_deep_element_added(|_, _, element| {
        if element.has_property("processing-deadline") {
            element.set_property("processing-deadline", gst::ClockTime::ZERO);
        }
    });
}
