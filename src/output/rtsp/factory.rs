//! The factory of a mount: all who come to its path watch one media, whatever address they asked by.

use gstreamer::glib;
use gstreamer_rtsp as gst_rtsp;
use gstreamer_rtsp_server as gst_rtsp_server;
use gstreamer_rtsp_server::prelude::*;
use gstreamer_rtsp_server::subclass::prelude::*;

use crate::sync::Locked;

glib::wrapper! {
    /// By itself, a shared factory builds a media, with an encoder, for every other query, and for a SETUP that comes
    /// without a DESCRIBE; and it refuses those who come while its media is being ended.
    pub struct SharedFactory(ObjectSubclass<imp::SharedFactory>) @extends gst_rtsp_server::RTSPMediaFactory;
}

impl SharedFactory {
    /// A factory that builds `launch`.
    pub fn new(launch: &str) -> Self {
        let factory: Self = glib::Object::new();
        factory.set_launch(launch);
        factory.set_shared(true);
        factory
    }
}

mod imp {
    use std::sync::Mutex;

    use super::*;

    #[derive(Default)]
    pub struct SharedFactory {
        /// The number of the media that those who come watch, and that media once it is built.
        latest: Mutex<(u64, glib::WeakRef<gst_rtsp_server::RTSPMedia>)>,
    }

    #[glib::object_subclass]
    impl ObjectSubclass for SharedFactory {
        const NAME: &'static str = "ImpastoSharedFactory";
        type Type = super::SharedFactory;
        type ParentType = gst_rtsp_server::RTSPMediaFactory;
    }

    impl ObjectImpl for SharedFactory {}

    impl RTSPMediaFactoryImpl for SharedFactory {
        /// Those with the same key share a media.
        fn gen_key(&self, _: &gst_rtsp::RTSPUrl) -> Option<glib::GString> {
            use gst_rtsp_server::RTSPMediaStatus::{Error, Unpreparing};
            let mut latest = self.latest.locked();
            let (number, media) = &mut *latest;
            if media.upgrade().is_some_and(|media| matches!(media.status(), Unpreparing | Error)) {
                *number += 1;
                media.set(None);
            }
            Some(number.to_string().into())
        }

        fn configure(&self, media: &gst_rtsp_server::RTSPMedia) {
            self.latest.locked().1.set(Some(media));
            self.parent_configure(media);
        }
    }
}
