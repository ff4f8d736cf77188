//! The RTSP output: one shared media that any number of clients watch over TCP or UDP.

mod connections;
mod factory;
#[cfg(test)]
#[path = "../../../tests/common/ports.rs"]
mod ports;
mod server;

use std::fmt;
use std::net::SocketAddr;
use std::path::PathBuf;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard};

use gstreamer as gst;
use gstreamer::glib;
use gstreamer::prelude::*;
use gstreamer_app as gst_app;
use gstreamer_rtsp_server as gst_rtsp_server;
use gstreamer_rtsp_server::prelude::*;
use gstreamer_video as gst_video;
use percent_encoding::percent_decode_str;

use super::{Output, Place, StreamFormat, Usage, is_full, retimed, retimed_sound, sound_caps, time_in};
use crate::error::{Error, Result};
use crate::gst::template::Templates;
use crate::gst::{bus, shared_clock};
use crate::sync::Locked;
use crate::url::Url;
use connections::Connection;
use factory::SharedFactory;
pub use server::RtspServers;
use server::Server;

/// Where the stream is served: `127.0.0.1:8554/live`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RtspAddress {
    pub socket: SocketAddr,
    /// Begins with a slash.
    pub path: String,
}

impl RtspAddress {
    /// Reads `ADDRESS:PORT/PATH`; without a path it is the name of the stream.
    ///
    /// # Errors
    /// The text is no such address.
    pub fn for_stream(text: &str, stream: &str) -> Result<Self, String> {
        let text = text.strip_prefix("rtsp://").unwrap_or(text);
        let (socket, path) = text.split_once('/').unwrap_or((text, stream));
        let valid = !path.is_empty() && path.chars().all(|c| c.is_ascii_alphanumeric() || "-_./".contains(c));
        let socket = socket.parse().ok().filter(|_| valid);
        let socket: SocketAddr =
            socket.ok_or_else(|| format!("`{text}` is not an address like 127.0.0.1:8554/live"))?;
        if socket.port() == 0 {
            return Err(format!("`{text}`: port 0 is none that clients could be told; choose one, such as 8554"));
        }
        Ok(Self { socket, path: format!("/{path}") })
    }

    /// Whether `url` leads here, over whatever transport, as far as names of this machine show.
    pub fn is_at(&self, url: &str) -> bool {
        let Some(url) = Url::parse(url) else { return false };
        let scheme = url.scheme.to_ascii_lowercase();
        let usual = if scheme.starts_with("rtsps") { 322 } else { 554 };
        let path = percent_decode_str(url.path).decode_utf8_lossy();
        // What follows is the name of a track.
        let is_path = path.strip_prefix(&self.path[1..]).is_some_and(|rest| rest.is_empty() || rest.starts_with('/'));
        scheme.starts_with("rtsp") && is_path && url.leads_to(self.socket, usual)
    }
}

impl fmt::Display for RtspAddress {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "rtsp://{}{}", self.socket, self.path)
    }
}

/// Who may watch, and how it travels.
#[derive(Clone, Default, PartialEq, Eq)]
pub struct RtspAccess {
    /// Name and password that clients must show (digest); none lets everybody watch.
    pub user: Option<(String, String)>,
    /// PEM file with certificate and key: the server then speaks TLS (rtsps://).
    pub certificate: Option<PathBuf>,
}

impl fmt::Debug for RtspAccess {
    /// Without the password.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let user = self.user.as_ref().map(|(name, _)| name);
        f.debug_struct("RtspAccess").field("user", &user).field("certificate", &self.certificate).finish()
    }
}

impl RtspAccess {
    /// Before the address.
    pub fn scheme(&self) -> &'static str {
        if self.certificate.is_some() { "rtsps://" } else { "rtsp://" }
    }
}

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
}

/// What a server has at one path.
#[derive(Default)]
struct Mount {
    /// One of each media that clients watch now: a second one is built while the first one is being ended.
    feeds: Mutex<Vec<Feeds>>,
    watchers: Mutex<Vec<Connection>>,
    /// Why a media stopped working, until it is told.
    failure: Mutex<Option<String>>,
}

/// Where a media takes pictures and sound.
struct Feeds {
    media: glib::WeakRef<gst_rtsp_server::RTSPMedia>,
    picture: gst_app::AppSrc,
    sound: Option<gst_app::AppSrc>,
    payloader: gst::Element,
    /// It has had a picture, so no client waits for the first one.
    is_prepared: Arc<AtomicBool>,
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
        let factory = SharedFactory::new(&launch_text(format, kbps, templates)?);
        factory.set_clock(Some(&shared_clock()));
        let mount = Arc::new(Mount::default());
        {
            let (mount, format) = (Arc::clone(&mount), format.clone());
            factory.connect_media_configure(move |_, rtsp_media| configure(rtsp_media, &mount, &format));
        }
        let server = servers.mount(address, access, factory.upcast(), &mount)?;
        Ok(Self {
            place: format!("{}{}{}", access.scheme(), address.socket, address.path),
            path: address.path.clone(),
            mount,
            dropped: AtomicU64::new(0),
            servers: servers.clone(),
            server: Mutex::new(Some(server)),
            told_lost: AtomicBool::default(),
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

impl Mount {
    fn feeds(&self) -> MutexGuard<'_, Vec<Feeds>> {
        self.feeds.locked()
    }

    fn watchers(&self) -> MutexGuard<'_, Vec<Connection>> {
        self.watchers.locked()
    }

    fn is_watched_by(&self, client: &gst_rtsp_server::RTSPClient) -> bool {
        self.watchers().iter().any(|watcher| watcher.is_of(client))
    }

    /// One that asks twice counts once.
    fn is_watched_through(&self, connection: Connection) {
        let mut watchers = self.watchers();
        if !watchers.contains(&connection) {
            watchers.push(connection);
        }
    }

    fn is_left_by(&self, client: &gst_rtsp_server::RTSPClient) {
        self.watchers().retain(|watcher| !watcher.is_of(client));
    }

    /// No picture will come any more. A client whose media is being built waits for one, on a thread of the server.
    fn end(&self) {
        for feeds in self.feeds().iter().filter(|feeds| !feeds.is_prepared.load(Ordering::Relaxed)) {
            gst::element_error!(feeds.picture, gst::ResourceError::NotFound, ("the stream has ended"));
        }
        self.dismiss_clients();
    }

    /// Closes the connections of all who watch.
    fn dismiss_clients(&self) {
        let watchers = std::mem::take(&mut *self.watchers());
        watchers.iter().for_each(Connection::hang_up);
    }

    /// Asks each encoder for a picture that can be shown without those before it.
    fn ask_for_key_frames(&self) {
        for pad in self.feeds().iter().filter_map(|feeds| feeds.payloader.static_pad("sink")) {
            pad.push_event(gst_video::UpstreamForceKeyUnitEvent::builder().all_headers(true).build());
        }
    }
}

/// The media as launch text, checked by building it once: a broken template is said at the start, not to the
/// first client.
fn launch_text(format: &StreamFormat, kbps: u32, templates: &Templates) -> Result<String> {
    let (kbps, key_interval) = (kbps.to_string(), format.fps.to_string());
    let picture = templates.load("output/rtsp", &[("kbps", &kbps), ("key_interval", &key_interval)])?;
    picture.build(&[("picture", "appsrc"), ("pay0", "rtph264pay")])?;
    if !format.sound {
        return Ok(format!("( {} )", picture.text()));
    }
    let sound = templates.load("output/rtsp-sound", &[])?;
    sound.build(&[("sound", "appsrc"), ("pay1", "rtpopuspay")])?;
    Ok(format!("( {} {} )", picture.text(), sound.text()))
}

/// Prepares a media for clients: caps of the feeds, no needless delay, a key frame for each that joins.
fn configure(rtsp_media: &gst_rtsp_server::RTSPMedia, mount: &Arc<Mount>, format: &StreamFormat) {
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

#[cfg(test)]
mod tests {
    use std::io::{Read, Write};

    use super::ports::free_port;
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
            client.set_read_timeout(Some(std::time::Duration::from_secs(10))).unwrap();
            write!(client, "{method} rtsp://127.0.0.1:{port}/{path} RTSP/1.0\r\nCSeq: 1\r\n\r\n").unwrap();
            client
        };
        let _waits = ask("DESCRIBE", "lobby");
        while lobby.usage() != Usage::Watched || lobby.mount.feeds().is_empty() {
            std::thread::sleep(std::time::Duration::from_millis(10));
        }
        lobby.finish().unwrap();
        let mut answer = [0; 15];
        ask("OPTIONS", "hall").read_exact(&mut answer).expect("an answer");
        assert_eq!(&answer, b"RTSP/1.0 200 OK");
        hall.finish().unwrap();
    }

    #[test]
    fn addresses() {
        let address = |text| RtspAddress::for_stream(text, "lobby");
        assert_eq!(address("127.0.0.1:8554/live").unwrap().to_string(), "rtsp://127.0.0.1:8554/live");
        assert_eq!(address("rtsp://0.0.0.0:554").unwrap().path, "/lobby");
        let live = address("127.0.0.1:8554/live").unwrap();
        for own in
            ["rtsp://127.0.0.1:8554/live", "RTSPT://me:pw@localhost:8554/live/", "rtspu://0.0.0.0:8554/%6cive?x=1"]
        {
            assert!(live.is_at(own), "{own}");
        }
        for other in ["rtsp://127.0.0.1:8554/live2", "rtsp://127.0.0.1/live", "http://127.0.0.1:8554/live", "live"] {
            assert!(!live.is_at(other), "{other}");
        }
        assert!(address("8554/live").unwrap_err().contains("127.0.0.1:8554/live"));
        assert!(address("127.0.0.1:8554/a b").is_err());
    }
}
