//! The factory of a mount: all who come to its path watch one media, whatever address they asked by.

use gstreamer::glib;
use gstreamer_rtsp as gst_rtsp;
use gstreamer_rtsp_server as gst_rtsp_server;
use gstreamer_rtsp_server::prelude::*;
use gstreamer_rtsp_server::subclass::prelude::*;

glib::wrapper! {
    /// By itself, a shared factory builds a media, with an encoder, for every other query, and for a SETUP that comes
    /// without a DESCRIBE.
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
    use super::*;

    #[derive(Default)]
    pub struct SharedFactory;

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
            Some("all".into())
        }
    }
}
