//! RTSP servers: one for each port, with the streams that are served there at its paths.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, MutexGuard, Weak};
use std::thread::JoinHandle;
use std::time::Instant;

use gstreamer::glib;
use gstreamer::glib::translate::from_glib_none;
use gstreamer_rtsp as gst_rtsp;
use gstreamer_rtsp_server as gst_rtsp_server;
use gstreamer_rtsp_server::prelude::*;

use super::access::RtspAccess;
use super::address::RtspAddress;
use super::connections::{Connection, Connections};
use super::mount::Mount;
use crate::error::{Error, Result};
use crate::sync::Locked;

/// How often sessions that timed out, and clients that ask for nothing, are looked for.
const CLEANUP_SECONDS: u32 = 2;

/// The servers that run; clones are the same list.
#[derive(Clone, Default)]
pub struct RtspServers {
    running: Arc<Mutex<Vec<Weak<Server>>>>,
}

/// A running server; it stops when the last stream has left.
pub(super) struct Server {
    address: RtspAddress,
    access: RtspAccess,
    mounts: Arc<Mounts>,
    connections: Arc<Connections>,
    server: gst_rtsp_server::RTSPServer,
    main_loop: glib::MainLoop,
    context: glib::MainContext,
    source: Option<glib::SourceId>,
    thread: Option<JoinHandle<()>>,
}

/// What is served, by path.
#[derive(Default)]
struct Mounts(Mutex<BTreeMap<String, Arc<Mount>>>);

impl RtspServers {
    /// Serves `factory` at the address, whose clients `mount` counts.
    pub(super) fn mount(
        &self,
        address: &RtspAddress,
        access: &RtspAccess,
        factory: gst_rtsp_server::RTSPMediaFactory,
        mount: &Arc<Mount>,
    ) -> Result<Arc<Server>> {
        let mut running = self.running();
        running.retain(|server| server.strong_count() > 0);
        let known = listening_at(address, &running);
        let server = match known {
            Some(server) if server.access != *access => {
                return Err(taken(address, "another stream is served there with another password or certificate"));
            }
            Some(server) => server,
            None => {
                let server = Arc::new(Server::start(address, access)?);
                running.push(Arc::downgrade(&server));
                server
            }
        };
        access.let_in(&factory);
        let mut mounts = server.mounts.lock();
        if mounts.contains_key(&address.path) {
            return Err(taken(address, &format!("another stream is served at {}", address.path)));
        }
        mounts.insert(address.path.clone(), Arc::clone(mount));
        drop(mounts);
        server.mount_points()?.add_factory(&address.path, factory);
        Ok(server)
    }

    /// Whether the address can be served, by the server that runs there or a new one.
    ///
    /// # Errors
    /// The port is taken by another program, or not allowed.
    pub fn check(&self, address: &RtspAddress) -> Result<()> {
        match listening_at(address, &self.running()) {
            Some(_) => Ok(()),
            None => check_port(address),
        }
    }

    /// Ends what is served at `path`, and the server with its last path.
    pub(super) fn unmount(&self, server: Arc<Server>, path: &str) {
        // A server that is about to stop must have left its port before the next one looks for it.
        let _running = self.running();
        if let Ok(mount_points) = server.mount_points() {
            mount_points.remove_factory(path);
        }
        let mount = server.mounts.lock().remove(path);
        if let Some(mount) = mount {
            mount.end();
        }
        drop(server);
    }

    fn running(&self) -> MutexGuard<'_, Vec<Weak<Server>>> {
        self.running.locked()
    }
}

/// The server at this port. One that has lost it is no use to newcomers, who take the port again.
fn listening_at(address: &RtspAddress, running: &[Weak<Server>]) -> Option<Arc<Server>> {
    let mut running = running.iter().filter_map(Weak::upgrade);
    running.find(|server| server.address.socket == address.socket && server.is_listening())
}

impl Mounts {
    fn lock(&self) -> MutexGuard<'_, BTreeMap<String, Arc<Mount>>> {
        self.0.locked()
    }

    /// What is served at `path`, which may go on with the name of a track.
    fn find(&self, path: &str) -> Option<Arc<Mount>> {
        let mounts = self.lock();
        let is_below =
            |known: &str| path.strip_prefix(known).is_some_and(|rest| rest.is_empty() || rest.starts_with('/'));
        let found = mounts.iter().filter(|(known, _)| is_below(known)).max_by_key(|(known, _)| known.len());
        found.map(|(_, mount)| Arc::clone(mount))
    }

    /// The mounts that `client` watches.
    fn watched_by(&self, client: &gst_rtsp_server::RTSPClient) -> Vec<Arc<Mount>> {
        self.lock().values().filter(|mount| mount.is_watched_by(client)).cloned().collect()
    }
}

impl Server {
    fn start(address: &RtspAddress, access: &RtspAccess) -> Result<Self> {
        check_port(address)?;
        let context = glib::MainContext::new();
        let server = gst_rtsp_server::RTSPServer::new();
        server.set_address(&address.socket.ip().to_string());
        server.set_service(&address.socket.port().to_string());
        access.guard(&server)?;
        let mounts = Arc::new(Mounts::default());
        let connections = Arc::new(Connections::default());
        watch_clients(&server, &mounts, &connections);

        let source = server.attach(Some(&context)).map_err(|_| taken(address, "it is in use"))?;
        forget_lost_clients(&server, &context, Arc::clone(&connections));
        let main_loop = glib::MainLoop::new(Some(&context), false);
        let thread = {
            let (main_loop, context) = (main_loop.clone(), context.clone());
            std::thread::Builder::new()
                .name("rtsp".into())
                .spawn(move || context.with_thread_default(|| main_loop.run()).unwrap_or(()))
                .map_err(|error| Error::output(format!("RTSP thread: {error}")))?
        };
        let (address, access) = (address.clone(), access.clone());
        let (source, thread) = (Some(source), Some(thread));
        Ok(Self { address, access, mounts, connections, server, main_loop, context, source, thread })
    }

    /// False once nobody can come any more.
    pub(super) fn is_listening(&self) -> bool {
        let is_attached = self.source.as_ref().is_some_and(|source| self.context.find_source_by_id(source).is_some());
        is_attached && self.thread.as_ref().is_some_and(|thread| !thread.is_finished())
    }

    fn mount_points(&self) -> Result<gst_rtsp_server::RTSPMountPoints> {
        self.server.mount_points().ok_or_else(|| Error::output("the RTSP server has no mount points"))
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        if let Some(source) = self.source.take().and_then(|source| self.context.find_source_by_id(&source)) {
            source.destroy();
        }
        self.connections.hang_up_all();
        // From within the loop: one that has not begun to run yet would not notice.
        let main_loop = self.main_loop.clone();
        let quit = move || {
            main_loop.quit();
            glib::ControlFlow::Break
        };
        glib::idle_source_new(None, glib::Priority::DEFAULT, quit).attach(Some(&self.context));
        if let Some(thread) = self.thread.take() {
            let _ = thread.join();
        }
    }
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

/// Counts each client where it watches, and asks that encoder for a key frame when it begins to play.
fn watch_clients(server: &gst_rtsp_server::RTSPServer, mounts: &Arc<Mounts>, connections: &Arc<Connections>) {
    let (mounts, connections) = (Arc::clone(mounts), Arc::clone(connections));
    server.connect_client_connected(move |_, client| {
        let Some(connection) = Connection::new(client) else {
            return;
        };
        connections.add(connection);
        // It watches from the first request that names a path; before the media is built, because a stream that sleeps
        // must wake for it.
        let watch = {
            let (mounts, connections) = (Arc::clone(&mounts), Arc::clone(&connections));
            move |client: &gst_rtsp_server::RTSPClient, context: &gst_rtsp_server::RTSPContext| {
                let path = context.uri().map(|uri| uri.decode_path_components().join("/"));
                let mount = path.and_then(|path| mounts.find(&path));
                if let (Some(connection), Some(mount)) = (connections.heard(client), mount) {
                    mount.is_watched_through(connection);
                }
                gst_rtsp::RTSPStatusCode::Ok
            }
        };
        client.connect_pre_describe_request(watch.clone());
        client.connect_pre_setup_request(move |client, context| {
            watch(client, context);
            // The server itself would keep a media for ever whose client comes when it is ending.
            match media_asked_for().is_none_or(|media| can_be_watched(&media)) {
                true => gst_rtsp::RTSPStatusCode::Ok,
                false => gst_rtsp::RTSPStatusCode::ServiceUnavailable,
            }
        });
        let heard = Arc::clone(&connections);
        client.connect_pre_options_request(move |client, _| {
            heard.heard(client);
            gst_rtsp::RTSPStatusCode::Ok
        });
        let (left, gone) = (Arc::clone(&mounts), Arc::clone(&connections));
        client.connect_closed(move |client| {
            gone.remove(client);
            left.watched_by(client).iter().for_each(|mount| mount.is_left_by(client));
        });
        let played = Arc::clone(&mounts);
        client.connect_play_request(move |client, _| {
            played.watched_by(client).iter().for_each(|mount| mount.ask_for_key_frames());
        });
    });
}

/// The media of the request that this thread is answering.
fn media_asked_for() -> Option<gst_rtsp_server::RTSPMedia> {
    // SAFETY: the server puts a request's context on the stack of the thread that answers it, and keeps media and context
    // alive until it is answered; the media gets a reference of its own.
    unsafe {
        let context = gst_rtsp_server::ffi::gst_rtsp_context_get_current();
        if context.is_null() { None } else { from_glib_none((*context).media) }
    }
}

fn can_be_watched(media: &gst_rtsp_server::RTSPMedia) -> bool {
    use gst_rtsp_server::RTSPMediaStatus::{Prepared, Suspended};
    matches!(media.status(), Prepared | Suspended)
}

/// Clients over UDP that vanish without a word keep a session; when it times out, the server must be told to look. Those
/// that never say a word have no session.
fn forget_lost_clients(
    server: &gst_rtsp_server::RTSPServer,
    context: &glib::MainContext,
    connections: Arc<Connections>,
) {
    let Some(sessions) = server.session_pool() else {
        return;
    };
    let look = move || {
        sessions.cleanup();
        connections.hang_up_silent(Instant::now());
        glib::ControlFlow::Continue
    };
    glib::timeout_source_new_seconds(CLEANUP_SECONDS, None, glib::Priority::DEFAULT, look).attach(Some(context));
}

#[cfg(test)]
mod tests {
    use super::super::ports::free_port;
    use super::super::waiting::until;
    use super::*;

    #[test]
    fn a_path_is_found_with_the_name_of_a_track_behind_it() {
        let mounts = Mounts::default();
        for path in ["/live", "/live/two"] {
            mounts.lock().insert(path.into(), Arc::default());
        }
        let finds = |path: &str| {
            let found = mounts.find(path)?;
            mounts.lock().iter().find(|(_, mount)| Arc::ptr_eq(mount, &found)).map(|(path, _)| path.clone())
        };
        assert_eq!(finds("/live").as_deref(), Some("/live"));
        assert_eq!(finds("/live/stream=0").as_deref(), Some("/live"));
        assert_eq!(finds("/live/two/stream=0").as_deref(), Some("/live/two"));
        assert_eq!(finds("/live2"), None);
    }

    #[test]
    fn a_port_that_is_lost_is_noticed_and_taken_again() {
        crate::gst::init().unwrap();
        let port = free_port();
        let address = RtspAddress::for_stream(&format!("127.0.0.1:{port}"), "hall").unwrap();
        let servers = RtspServers::default();
        let mount = |address| {
            servers.mount(address, &RtspAccess::default(), gst_rtsp_server::RTSPMediaFactory::new(), &Arc::default())
        };
        let lost = mount(&address).unwrap();
        assert!(lost.is_listening() && servers.check(&address).is_ok());
        lost.context.find_source_by_id(lost.source.as_ref().unwrap()).unwrap().destroy();
        assert!(!lost.is_listening());
        // Its thread may be looking at the socket just now, and closes it then.
        until("the port is left", || servers.check(&address).is_ok());
        // Others of its streams may not have left it yet.
        let anew = mount(&address).unwrap();
        assert!(anew.is_listening() && !Arc::ptr_eq(&anew, &lost));
        assert!(std::net::TcpStream::connect(address.socket).is_ok());
        servers.unmount(lost, "/hall");
        assert!(std::net::TcpStream::connect(address.socket).is_ok());
        servers.unmount(anew, "/hall");
        let taken = std::net::TcpListener::bind(address.socket).unwrap();
        assert!(servers.check(&address).unwrap_err().to_string().contains("it is in use"));
        drop(taken);
    }

    #[test]
    fn streams_share_a_port_until_the_last_one_leaves_it() {
        crate::gst::init().unwrap();
        let port = free_port();
        let servers = RtspServers::default();
        let mount = |path: &str, user: Option<&str>| {
            let address = RtspAddress::for_stream(&format!("127.0.0.1:{port}"), path).unwrap();
            let access = RtspAccess { user: user.map(|name| (name.into(), "secret".into())), ..RtspAccess::default() };
            servers.mount(&address, &access, gst_rtsp_server::RTSPMediaFactory::new(), &Arc::default())
        };
        let refused = |path, user| mount(path, user).err().unwrap().to_string();
        // Again and again: a server may be stopped before it has begun to run, and its port must be free at once.
        for _ in 0..50 {
            let (hall, lobby) = (mount("hall", None).unwrap(), mount("lobby", None).unwrap());
            assert!(Arc::ptr_eq(&hall, &lobby));
            assert!(refused("hall", None).contains("another stream is served at /hall"));
            assert!(refused("attic", Some("me")).contains("another password"));
            servers.unmount(hall, "/hall");
            assert!(mount("lobby", None).is_err(), "it goes on with the others");
            servers.unmount(lobby, "/lobby");
        }
    }
}
