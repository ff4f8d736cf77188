//! The connections of a server: who is there, who has asked for something, and how they are sent away.

use std::os::fd::{AsFd, OwnedFd};
use std::sync::{Arc, Mutex, MutexGuard};
use std::time::{Duration, Instant};

use crate::sync::Locked;
use gstreamer::glib::translate::from_glib_none;
use gstreamer_rtsp as gst_rtsp;
use gstreamer_rtsp_server as gst_rtsp_server;
use gstreamer_rtsp_server::gio;
use gstreamer_rtsp_server::prelude::*;

/// Connections that have asked for nothing yet: one more closes the oldest of them. Each takes 4 MB while its TLS begins.
const MOST_SILENT: usize = 8;

/// How long a client may take to ask for something.
const SILENCE_PATIENCE: Duration = Duration::from_secs(10);

/// A client and the socket that it came by.
#[derive(Clone)]
pub(super) struct Connection {
    client: gst_rtsp_server::RTSPClient,
    /// A descriptor of our own: the server may close its own at any time, and its number be that of another client.
    socket: Arc<OwnedFd>,
}

impl PartialEq for Connection {
    fn eq(&self, other: &Self) -> bool {
        self.client == other.client
    }
}

/// All that are open, in the order in which they came.
#[derive(Default)]
pub(super) struct Connections(Mutex<Vec<Known>>);

struct Known {
    connection: Connection,
    since: Instant,
    has_asked: bool,
}

impl Connection {
    /// Of a client whose requests are not read yet; none if it has no socket, or there are no descriptors left.
    pub(super) fn new(client: &gst_rtsp_server::RTSPClient) -> Option<Self> {
        // SAFETY: the client lives during the call, and nobody reads its requests yet, so its connection and that one's
        // socket live too; both functions return a borrowed pointer or none, and the socket gets a reference of its own.
        let socket: Option<gio::Socket> = unsafe {
            let connection = gst_rtsp_server::ffi::gst_rtsp_client_get_connection(client.as_ptr());
            match connection.is_null() {
                true => None,
                false => from_glib_none(gst_rtsp::ffi::gst_rtsp_connection_get_read_socket(connection)),
            }
        };
        let socket = Arc::new(socket?.as_fd().try_clone_to_owned().ok()?);
        Some(Self { client: client.clone(), socket })
    }

    pub(super) fn is_of(&self, client: &gst_rtsp_server::RTSPClient) -> bool {
        self.client == *client
    }

    /// Ends it as a client does that goes away. Closing it here would pull the streams away from the thread of the
    /// server that may be reading them, which then complains without end.
    pub(super) fn hang_up(&self) {
        // It may be closed already.
        let _ = rustix::net::shutdown(&self.socket, rustix::net::Shutdown::Both);
    }
}

impl Connections {
    fn lock(&self) -> MutexGuard<'_, Vec<Known>> {
        self.0.locked()
    }

    /// Takes one that has just come; where too many are silent, the oldest of those must go for it.
    pub(super) fn add(&self, connection: Connection) {
        let mut known = self.lock();
        known.push(Known { connection, since: Instant::now(), has_asked: false });
        let mut silent = known.iter().filter(|known| !known.has_asked);
        if silent.clone().count() > MOST_SILENT
            && let Some(oldest) = silent.next()
        {
            oldest.connection.hang_up();
            let oldest = oldest.connection.client.clone();
            known.retain(|known| !known.connection.is_of(&oldest));
        }
    }

    /// It has asked for something.
    pub(super) fn heard(&self, client: &gst_rtsp_server::RTSPClient) -> Option<Connection> {
        let mut known = self.lock();
        let known = known.iter_mut().find(|known| known.connection.is_of(client))?;
        known.has_asked = true;
        Some(known.connection.clone())
    }

    /// It is gone.
    pub(super) fn remove(&self, client: &gst_rtsp_server::RTSPClient) {
        self.lock().retain(|known| !known.connection.is_of(client));
    }

    /// Sends away those that have been silent for too long.
    pub(super) fn hang_up_silent(&self, now: Instant) {
        let is_late = |known: &&Known| !known.has_asked && now.duration_since(known.since) > SILENCE_PATIENCE;
        self.lock().iter().filter(is_late).for_each(|known| known.connection.hang_up());
    }

    /// Sends everybody away.
    pub(super) fn hang_up_all(&self) {
        self.lock().iter().for_each(|known| known.connection.hang_up());
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn connection() -> Connection {
        let socket = Arc::new(std::net::TcpListener::bind("127.0.0.1:0").unwrap().into());
        Connection { client: gst_rtsp_server::RTSPClient::new(), socket }
    }

    #[test]
    fn those_who_say_nothing_make_room_for_others() {
        gstreamer::init().unwrap();
        let connections = Connections::default();
        let came: Vec<_> = (0..MOST_SILENT + 2).map(|_| connection()).collect();
        let has =
            |connection: &Connection| connections.lock().iter().any(|known| known.connection.is_of(&connection.client));
        for connection in &came[..MOST_SILENT] {
            connections.add(connection.clone());
        }
        assert!(connections.heard(&came[1].client).is_some());
        connections.add(came[MOST_SILENT].clone());
        assert!(has(&came[0]), "the second one has spoken");
        connections.add(came[MOST_SILENT + 1].clone());
        assert!(!has(&came[0]) && has(&came[1]) && has(&came[2]));
        connections.remove(&came[1].client);
        assert!(connections.heard(&came[1].client).is_none());
    }
}
