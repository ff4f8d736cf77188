//! The RTSP output: one shared media that any number of clients watch over TCP or UDP.

mod access;
mod address;
mod connections;
mod factory;
mod mount;
#[cfg(test)]
#[path = "../../../tests/common/ports.rs"]
mod ports;
mod server;
#[cfg(test)]
#[path = "../../../tests/common/waiting.rs"]
mod waiting;

use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, Mutex};

use gstreamer as gst;
use gstreamer::prelude::*;
use gstreamer_rtsp_server::prelude::*;

use super::{Output, Place, StreamFormat, Usage, is_full, retimed, retimed_sound, time_in};
use crate::error::{Error, Result};
use crate::gst::shared_clock;
use crate::gst::template::Templates;
use crate::sync::Locked;
pub use access::RtspAccess;
pub use address::RtspAddress;
use factory::SharedFactory;
use mount::{Mount, configure};
pub use server::RtspServers;
use server::Server;

/// A stream that is served at one path of a server.
pub struct Rtsp {
    place: String,
    path: String,
    mount: Arc<Mount>,
    dropped: AtomicU64,
    servers: RtspServers,
    server: Mutex<Option<Arc<Server>>>,
    /// It was told that nobody can come any more.
    told_lost: AtomicBool,
    factory: SharedFactory,
    /// What the factory builds once there is sound.
    launch_with_sound: String,
}

impl Rtsp {
    /// Starts serving, on the server that runs at this port or on a new one.
    ///
    /// # Errors
    /// The port is taken or not allowed, the path is taken, the template is broken, or the certificate cannot be used.
    pub fn start(
        servers: &RtspServers,
        address: &RtspAddress,
        access: &RtspAccess,
        format: &StreamFormat,
        kbps: u32,
        templates: &Templates,
    ) -> Result<Self> {
        let [silent, launch_with_sound] = launch_texts(format, kbps, templates)?;
        let factory = SharedFactory::new(if format.sound { &launch_with_sound } else { &silent });
        factory.set_clock(Some(&shared_clock()));
        let mount = Arc::new(Mount::default());
        {
            let (mount, format) = (Arc::clone(&mount), format.clone());
            factory.connect_media_configure(move |_, rtsp_media| configure(rtsp_media, &mount, &format));
        }
        let server = servers.mount(address, access, factory.clone().upcast(), &mount)?;
        Ok(Self {
            place: format!("{}{}{}", access.scheme(), address.socket, address.path),
            path: address.path.clone(),
            mount,
            dropped: AtomicU64::new(0),
            servers: servers.clone(),
            server: Mutex::new(Some(server)),
            told_lost: AtomicBool::default(),
            factory,
            launch_with_sound,
        })
    }
}

impl Output for Rtsp {
    fn picture(&self, buffer: &gst::Buffer, time: gst::ClockTime) {
        let mut missed = false;
        for feeds in self.mount.feeds().iter() {
            if let Some(pts) = time_in(&feeds.picture, time) {
                missed |= is_full(&feeds.picture);
                let _ = feeds.picture.push_buffer(retimed(buffer, pts));
            }
        }
        if missed {
            self.dropped.fetch_add(1, Ordering::Relaxed);
        }
    }

    fn sound_begins(&self) {
        // A media that is watched takes no other stream: the next one has it.
        self.factory.set_launch(&self.launch_with_sound);
    }

    fn sound(&self, buffer: &gst::BufferRef, time: gst::ClockTime) {
        for sound in self.mount.feeds().iter().filter_map(|feeds| feeds.sound.as_ref()) {
            if let Some(pts) = time_in(sound, time) {
                let _ = sound.push_buffer(retimed_sound(buffer, pts));
            }
        }
    }

    fn place(&self) -> Place {
        Place { kind: "rtsp", name: self.place.clone() }
    }

    fn clients(&self) -> usize {
        self.mount.watchers().len()
    }

    fn dropped(&self) -> u64 {
        self.dropped.load(Ordering::Relaxed)
    }

    fn usage(&self) -> Usage {
        // A SETUP without a DESCRIBE builds the media, which waits for pictures, before its client is known.
        let is_built = || self.mount.feeds().iter().any(|feeds| feeds.media.upgrade().is_some());
        if self.clients() > 0 || is_built() { Usage::Watched } else { Usage::Absent }
    }

    fn take_failure(&self) -> Option<Error> {
        if let Some(what) = self.mount.failure.locked().take() {
            // What has failed gives no more pictures: those who come again get another media.
            self.mount.dismiss_clients();
            return Some(Error::output(format!("{}: {what}; its clients must come again", self.place)));
        }
        (self.has_failed() && !self.told_lost.swap(true, Ordering::Relaxed)).then(|| {
            Error::output(format!("{}: the port is lost, and nobody can come any more; it is taken again", self.place))
        })
    }

    fn has_failed(&self) -> bool {
        self.server.locked().as_ref().is_some_and(|server| !server.is_listening())
    }

    fn finish(&self) -> Result<()> {
        let server = self.server.locked().take();
        if let Some(server) = server {
            self.servers.unmount(server, &self.path);
        }
        Ok(())
    }
}

impl Drop for Rtsp {
    /// Its path is free again, however it ends: the server may go on with others.
    fn drop(&mut self) {
        let _ = self.finish();
    }
}

/// The media as launch text, without and with sound, checked by building it once: a broken template is said at the start, not
/// to the first client.
fn launch_texts(format: &StreamFormat, kbps: u32, templates: &Templates) -> Result<[String; 2]> {
    let (kbps, key_interval) = (kbps.to_string(), format.fps.to_string());
    let picture = templates.load("output/rtsp", &[("kbps", &kbps), ("key_interval", &key_interval)])?;
    picture.build(&[("picture", "appsrc"), ("pay0", "rtph264pay")])?;
    let sound = templates.load("output/rtsp-sound", &[])?;
    sound.build(&[("sound", "appsrc"), ("pay1", "rtpopuspay")])?;
    Ok([format!("( {} )", picture.text()), format!("( {} {} )", picture.text(), sound.text())])
}

#[cfg(test)]
mod tests {
    use std::io::{Read, Write};

    use gstreamer_rtsp_server::RTSPMediaStatus;

    use super::mount::Feeds;
    use super::ports::free_port;
    use super::waiting::{PATIENCE, until};
    use super::*;

    #[test]
    fn a_client_that_waits_when_the_stream_ends_keeps_nobody_waiting() {
        crate::gst::init().unwrap();
        let port = free_port();
        let caps = gst::Caps::builder("video/x-raw").field("format", "BGRx").field("width", 64).field("height", 64);
        let format = StreamFormat { caps: caps.build(), fps: 30, sound: false };
        let servers = RtspServers::default();
        let serve = |path: &str| {
            let address = RtspAddress::for_stream(&format!("127.0.0.1:{port}"), path).unwrap();
            Rtsp::start(&servers, &address, &RtspAccess::default(), &format, 1000, &Templates::default()).unwrap()
        };
        let (hall, lobby) = (serve("hall"), serve("lobby"));
        let ask = |method: &str, path: &str| {
            let mut client = std::net::TcpStream::connect(("127.0.0.1", port)).unwrap();
            client.set_read_timeout(Some(PATIENCE)).unwrap();
            write!(client, "{method} rtsp://127.0.0.1:{port}/{path} RTSP/1.0\r\nCSeq: 1\r\n\r\n").unwrap();
            client
        };
        let _waits = ask("DESCRIBE", "lobby");
        until("a media is built", || lobby.usage() == Usage::Watched && !lobby.mount.feeds().is_empty());
        lobby.finish().unwrap();
        let mut answer = [0; 15];
        ask("OPTIONS", "hall").read_exact(&mut answer).expect("an answer");
        assert_eq!(&answer, b"RTSP/1.0 200 OK");
        hall.finish().unwrap();
    }

    #[test]
    fn a_client_that_sets_up_what_has_failed_is_refused_and_nothing_is_kept_for_it() {
        crate::gst::init().unwrap();
        let port = free_port();
        let caps = gst::Caps::builder("video/x-raw").field("format", "BGRx").field("width", 64).field("height", 64);
        let caps = caps.field("framerate", gst::Fraction::new(30, 1)).build();
        let format = StreamFormat { caps, fps: 30, sound: false };
        let address = RtspAddress::for_stream(&format!("127.0.0.1:{port}"), "hall").unwrap();
        let servers = RtspServers::default();
        let hall =
            Rtsp::start(&servers, &address, &RtspAccess::default(), &format, 1000, &Templates::default()).unwrap();
        let wait_for = |what: &str, is_there: &dyn Fn() -> bool| {
            until(what, || {
                hall.picture(&gst::Buffer::from_slice([0; 64 * 64 * 4]), shared_clock().time());
                is_there()
            });
        };

        let client = std::net::TcpStream::connect(("127.0.0.1", port)).unwrap();
        client.set_read_timeout(Some(PATIENCE)).unwrap();
        let ask = |request: &str| {
            let url = format!("rtsp://127.0.0.1:{port}/hall");
            write!(&client, "{}\r\n\r\n", request.replace("URL", &url)).unwrap();
        };
        let answer = || {
            let mut answer = [0; 2048];
            let length = (&client).read(&mut answer).expect("an answer");
            String::from_utf8_lossy(&answer[..length]).into_owned()
        };
        ask("DESCRIBE URL RTSP/1.0\r\nCSeq: 1");
        let is_prepared = |feeds: &Feeds| feeds.is_prepared.load(Ordering::Relaxed);
        wait_for("it is described", &|| hall.mount.feeds().iter().any(is_prepared));
        let described = answer();
        assert!(described.starts_with("RTSP/1.0 200 OK"), "{described}");
        let media = hall.mount.feeds()[0].media.clone();
        gst::element_error!(hall.mount.feeds()[0].picture, gst::ResourceError::Failed, ("the encoder fails"));
        let status = || media.upgrade().map(|media| media.status());
        wait_for("it has failed", &|| status() == Some(RTSPMediaStatus::Error));
        ask("SETUP URL/stream=0 RTSP/1.0\r\nCSeq: 2\r\nTransport: RTP/AVP/TCP;unicast;interleaved=0-1");
        let refused = answer();
        assert!(refused.starts_with("RTSP/1.0 503"), "{refused}");
        drop(client);
        wait_for("the media is gone", &|| media.upgrade().is_none());
        hall.finish().unwrap();
    }
}
