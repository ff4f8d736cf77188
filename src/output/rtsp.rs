//! The RTSP server: one shared media that any number of clients watch over TCP or UDP.

use std::fmt;
use std::net::SocketAddr;
use std::path::PathBuf;
use std::str::FromStr;
use std::sync::atomic::{AtomicU64, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::thread::JoinHandle;

use gstreamer as gst;
use gstreamer::glib;
use gstreamer::prelude::*;
use gstreamer_app as gst_app;
use gstreamer_rtsp as gst_rtsp;
use gstreamer_rtsp_server as gst_rtsp_server;
use gstreamer_rtsp_server::prelude::*;
use gstreamer_video as gst_video;

use super::{Output, Place, StreamFormat, Usage, is_full, retimed, retimed_sound, sound_caps};
use crate::error::{Error, Result};
use crate::gst::shared_clock;
use crate::gst::template::Templates;

/// How often sessions that timed out are looked for.
const SESSION_CLEANUP_SECONDS: u32 = 2;

/// Where the stream is served: `127.0.0.1:8554/live`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RtspAddress {
    pub socket: SocketAddr,
    /// Begins with a slash.
    pub path: String,
}

impl FromStr for RtspAddress {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let text = text.strip_prefix("rtsp://").unwrap_or(text);
        let (socket, path) = text.split_once('/').unwrap_or((text, "live"));
        let valid = !path.is_empty() && path.chars().all(|c| c.is_ascii_alphanumeric() || "-_./".contains(c));
        let socket = socket.parse().ok().filter(|_| valid);
        let socket = socket.ok_or_else(|| format!("`{text}` is not an address like 127.0.0.1:8554/live"))?;
        Ok(Self { socket, path: format!("/{path}") })
    }
}

impl fmt::Display for RtspAddress {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "rtsp://{}{}", self.socket, self.path)
    }
}

/// Who may watch, and how it travels.
#[derive(Clone, Default)]
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

/// The part that clients who showed the password play.
const VIEWER: &str = "viewer";

/// A running RTSP server.
pub struct Rtsp {
    place: String,
    media: Arc<ActiveMedia>,
    clients: Arc<AtomicUsize>,
    dropped: AtomicU64,
    server: gst_rtsp_server::RTSPServer,
    main_loop: glib::MainLoop,
    thread: Mutex<Option<JoinHandle<()>>>,
    source: Mutex<Option<glib::SourceId>>,
    context: glib::MainContext,
}

/// The appsrcs of the media that clients watch now; empty while nobody does.
#[derive(Default)]
struct ActiveMedia {
    feeds: Mutex<Option<Feeds>>,
}

struct Feeds {
    picture: gst_app::AppSrc,
    sound: Option<gst_app::AppSrc>,
    payloader: gst::Element,
}

impl Rtsp {
    /// Starts serving.
    ///
    /// # Errors
    /// The port is taken or not allowed, the template is broken, or the certificate cannot be used.
    pub fn start(
        address: &RtspAddress,
        access: &RtspAccess,
        format: &StreamFormat,
        kbps: u32,
        templates: &Templates,
    ) -> Result<Self> {
        let launch = launch_text(format, kbps, templates)?;
        check_port(address)?;
        let context = glib::MainContext::new();
        let server = gst_rtsp_server::RTSPServer::new();
        server.set_address(&address.socket.ip().to_string());
        server.set_service(&address.socket.port().to_string());

        let factory = gst_rtsp_server::RTSPMediaFactory::new();
        factory.set_launch(&launch);
        factory.set_shared(true);
        factory.set_clock(Some(&shared_clock()));
        access.guard(&server, &factory)?;
        let media = Arc::new(ActiveMedia::default());
        {
            let (media, format) = (Arc::clone(&media), format.clone());
            factory.connect_media_configure(move |_, rtsp_media| configure(rtsp_media, &media, &format));
        }
        let mounts = server.mount_points().ok_or_else(|| Error::output("the RTSP server has no mount points"))?;
        mounts.add_factory(&address.path, factory);
        let clients = Arc::new(AtomicUsize::new(0));
        watch_clients(&server, &clients, &media);

        let source = server.attach(Some(&context)).map_err(|_| taken(address, "it is in use"))?;
        forget_lost_clients(&server, &context);
        let main_loop = glib::MainLoop::new(Some(&context), false);
        let thread = {
            let (main_loop, context) = (main_loop.clone(), context.clone());
            std::thread::Builder::new()
                .name("rtsp".into())
                .spawn(move || context.with_thread_default(|| main_loop.run()).unwrap_or(()))
                .map_err(|error| Error::output(format!("RTSP thread: {error}")))?
        };
        Ok(Self {
            place: format!("{}{}{}", access.scheme(), address.socket, address.path),
            media,
            clients,
            dropped: AtomicU64::new(0),
            server,
            main_loop,
            thread: Mutex::new(Some(thread)),
            source: Mutex::new(Some(source)),
            context,
        })
    }
}

impl RtspAccess {
    /// Before the address.
    pub fn scheme(&self) -> &'static str {
        if self.certificate.is_some() { "rtsps://" } else { "rtsp://" }
    }

    fn guard(&self, server: &gst_rtsp_server::RTSPServer, factory: &gst_rtsp_server::RTSPMediaFactory) -> Result<()> {
        if self.user.is_none() && self.certificate.is_none() {
            return Ok(());
        }
        let auth = gst_rtsp_server::RTSPAuth::new();
        auth.set_supported_methods(gst_rtsp::RTSPAuthMethod::Digest);
        let token = gst_rtsp_server::RTSPToken::builder().field("media.factory.role", VIEWER).build();
        match &self.user {
            Some((name, password)) => auth.add_digest(name, password, &token),
            None => auth.set_default_token(Some(&mut token.clone())),
        }
        let may = gst::Structure::builder(VIEWER).field("media.factory.access", true);
        factory.add_role_from_structure(&may.field("media.factory.construct", true).build());
        if let Some(file) = &self.certificate {
            let certificate = gst_rtsp_server::gio::TlsCertificate::from_file(file).map_err(|error| {
                let file = file.display();
                Error::usage(format!("rtsp_certificate {file}: {error}; it must hold a certificate and its key (PEM)"))
            })?;
            auth.set_tls_certificate(Some(&certificate));
        }
        server.set_auth(Some(&auth));
        Ok(())
    }
}

impl Output for Rtsp {
    fn picture(&self, buffer: &gst::Buffer, time: gst::ClockTime) {
        let feeds = self.media.lock();
        if let Some(pts) = feeds.as_ref().and_then(|feeds| time_in(&feeds.picture, time))
            && let Some(feeds) = feeds.as_ref()
        {
            if is_full(&feeds.picture) {
                self.dropped.fetch_add(1, Ordering::Relaxed);
            }
            let _ = feeds.picture.push_buffer(retimed(buffer, pts));
        }
    }

    fn sound(&self, buffer: &gst::BufferRef, time: gst::ClockTime) {
        let feeds = self.media.lock();
        if let Some(sound) = feeds.as_ref().and_then(|feeds| feeds.sound.as_ref())
            && let Some(pts) = time_in(sound, time)
        {
            let _ = sound.push_buffer(retimed_sound(buffer, pts));
        }
    }

    fn place(&self) -> Place {
        Place { kind: "rtsp", name: self.place.clone() }
    }

    fn clients(&self) -> usize {
        self.clients.load(Ordering::Relaxed)
    }

    fn dropped(&self) -> u64 {
        self.dropped.load(Ordering::Relaxed)
    }

    fn usage(&self) -> Usage {
        if self.clients() > 0 { Usage::Watched } else { Usage::Absent }
    }

    fn take_failure(&self) -> Option<Error> {
        None
    }

    fn finish(&self) -> Result<()> {
        let thread = self.thread.lock().unwrap_or_else(PoisonError::into_inner).take();
        let Some(thread) = thread else { return Ok(()) };
        self.server.client_filter(Some(&mut |_, _| gst_rtsp_server::RTSPFilterResult::Remove));
        if let Some(source) = self.source.lock().unwrap_or_else(PoisonError::into_inner).take()
            && let Some(source) = self.context.find_source_by_id(&source)
        {
            source.destroy();
        }
        self.main_loop.quit();
        let _ = thread.join();
        Ok(())
    }
}

impl ActiveMedia {
    fn lock(&self) -> std::sync::MutexGuard<'_, Option<Feeds>> {
        self.feeds.lock().unwrap_or_else(PoisonError::into_inner)
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

/// The server's own error does not say why; binding first does.
fn check_port(address: &RtspAddress) -> Result<()> {
    std::net::TcpListener::bind(address.socket).map(|_| ()).map_err(|error| match error.kind() {
        std::io::ErrorKind::AddrInUse => taken(address, "it is in use"),
        _ => taken(address, &error.to_string()),
    })
}

fn taken(address: &RtspAddress, why: &str) -> Error {
    Error::output(format!(
        "cannot serve RTSP on port {} of {}: {why}; choose another with --rtsp ADDR:PORT/PATH",
        address.socket.port(),
        address.socket.ip()
    ))
}

/// Prepares a media for clients: caps of the feeds, no needless delay, a key frame for each that joins.
fn configure(rtsp_media: &gst_rtsp_server::RTSPMedia, media: &Arc<ActiveMedia>, format: &StreamFormat) {
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
    without_processing_deadline(&bin);
    *media.lock() = Some(Feeds { picture, sound, payloader });
    let media = Arc::clone(media);
    rtsp_media.connect_unprepared(move |_| *media.lock() = None);
}

/// The server's sinks would add 20 ms of "processing deadline"; what they do takes microseconds.
fn without_processing_deadline(bin: &gst::Bin) {
    let Some(pipeline) = bin.parent().and_then(|parent| parent.downcast::<gst::Bin>().ok()) else {
        return;
    };
    pipeline.connect_deep_element_added(|_, _, element| {
        if element.has_property("processing-deadline") {
            element.set_property("processing-deadline", gst::ClockTime::ZERO);
        }
    });
}

/// Counts clients, and asks the encoder for a key frame when one begins to play.
fn watch_clients(server: &gst_rtsp_server::RTSPServer, clients: &Arc<AtomicUsize>, media: &Arc<ActiveMedia>) {
    let (clients, media) = (Arc::clone(clients), Arc::clone(media));
    server.connect_client_connected(move |_, client| {
        clients.fetch_add(1, Ordering::Relaxed);
        let left = Arc::clone(&clients);
        client.connect_closed(move |_| {
            left.fetch_sub(1, Ordering::Relaxed);
        });
        let media = Arc::clone(&media);
        client.connect_play_request(move |_, _| {
            let payloader = media.lock().as_ref().and_then(|feeds| feeds.payloader.static_pad("sink"));
            if let Some(pad) = payloader {
                pad.push_event(gst_video::UpstreamForceKeyUnitEvent::builder().all_headers(true).build());
            }
        });
    });
}

/// Clients over UDP that vanish without a word keep a session; when it times out, the server must be told to look.
fn forget_lost_clients(server: &gst_rtsp_server::RTSPServer, context: &glib::MainContext) {
    let Some(sessions) = server.session_pool() else {
        return;
    };
    let look = move || {
        sessions.cleanup();
        glib::ControlFlow::Continue
    };
    glib::timeout_source_new_seconds(SESSION_CLEANUP_SECONDS, None, glib::Priority::DEFAULT, look)
        .attach(Some(context));
}

/// `time` on the timeline of the media that `feed` belongs to; `None` while it is not playing.
fn time_in(feed: &gst_app::AppSrc, time: gst::ClockTime) -> Option<gst::ClockTime> {
    if feed.current_state() != gst::State::Playing {
        return None;
    }
    time.checked_sub(feed.base_time()?)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn addresses() {
        let address: RtspAddress = "127.0.0.1:8554/live".parse().unwrap();
        assert_eq!(address.to_string(), "rtsp://127.0.0.1:8554/live");
        assert_eq!("rtsp://0.0.0.0:554".parse::<RtspAddress>().unwrap().path, "/live");
        assert!("8554/live".parse::<RtspAddress>().unwrap_err().contains("127.0.0.1:8554/live"));
        assert!("127.0.0.1:8554/a b".parse::<RtspAddress>().is_err());
    }
}
