//! The HTTP server: API, metrics and web page, for many clients of whom any may be slow or ill-meaning.
//!
//! It runs on threads of its own. Everything that a client could make grow has a bound with a name.

mod body;
mod connections;
mod drives;
mod events;
mod exposition;
mod guard;
mod midi;
mod openapi;
mod pages;
mod paintings;
mod photo;
mod presets;
mod preview;
mod problem;
mod qr;
mod recordings;
mod routes;
mod session;
mod show;
mod whep;

use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use hyper_util::rt::{TokioIo, TokioTimer};
use hyper_util::service::TowerToHyperService;
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::{OwnedSemaphorePermit, Semaphore};
use tokio_io_timeout::TimeoutStream;

use super::address::{FIRST_PORT, HttpAddress, HttpPlan};
use super::midi::Midi;
use super::presets::Presets;
use super::recordings::Recordings;
use super::{ApiError, ApiResult, Hub};
use crate::error::{Error, Result};
use crate::paintings::Gallery;
use crate::style::Networks;
use crate::style::onnx::SessionOptions;

use connections::{Connection, Places};

/// Connections at a time. One more closes the one that has kept the server waiting longest, or is not taken.
const MOST_CONNECTIONS: usize = 256;

/// Those of one address, for which its own make room: behind a proxy, all clients have one.
const MOST_OF_ONE_ADDRESS: usize = 192;

/// Event streams and previews at a time; more are refused, so that commands always find a connection.
const MOST_LONG_ANSWERS: usize = 128;

/// Sources that are looked at before they go on air at a time: each is decoded.
const MOST_LOOKED_AT: usize = 4;

/// The longest request line with headers.
const LARGEST_HEAD: usize = 16 * 1024;

/// A connection is closed if a whole request head does not come within this time, the wait for it included.
const HEAD_PATIENCE: Duration = Duration::from_secs(20);

/// A client that takes nothing of its answer for so long is gone.
const WRITE_PATIENCE: Duration = Duration::from_secs(30);

/// What the handlers share.
#[derive(Clone)]
pub struct Context {
    hub: Hub,
    networks: Networks,
    gallery: Gallery,
    plan: Arc<HttpPlan>,
    feed: events::Feed,
    photo: Arc<photo::Photo>,
    presets: Presets,
    midi: Midi,
    recordings: Arc<Recordings>,
    long_answers: Arc<Semaphore>,
    looks: Arc<Semaphore>,
    sessions: Arc<session::Sessions>,
}

impl Context {
    /// Takes the place of one long answer until the permit is dropped.
    fn long_answer(&self) -> ApiResult<OwnedSemaphorePermit> {
        let full =
            || ApiError::Busy(format!("{MOST_LONG_ANSWERS} event streams and previews are open, and no more fit"));
        Arc::clone(&self.long_answers).try_acquire_owned().map_err(|_| full())
    }

    /// Takes the places of one who looks at a source that is not on air.
    fn look_at_a_source(&self) -> ApiResult<[OwnedSemaphorePermit; 2]> {
        let full =
            || ApiError::Busy(format!("{MOST_LOOKED_AT} sources are looked at before they go on air, and no more fit"));
        Ok([self.long_answer()?, Arc::clone(&self.looks).try_acquire_owned().map_err(|_| full())?])
    }
}

/// Opens the address of the plan; none if the server is off. `auto` takes the next free port and says so.
///
/// # Errors
/// A named address is taken or not one of this machine.
pub async fn open(plan: &HttpPlan) -> Result<Option<TcpListener>> {
    let mut failure = None;
    for candidate in plan.address.candidates() {
        match TcpListener::bind(candidate).await {
            Ok(listener) => {
                if let Some(error) = failure {
                    let address = address_of(&listener);
                    tracing::warn!(
                        "port {FIRST_PORT}: {error}; the web page is at http://{address} (choose with --http)"
                    );
                }
                return Ok(Some(listener));
            }
            Err(error) => failure = failure.or(Some(error)),
        }
    }
    match (plan.address, failure) {
        (HttpAddress::Off, _) | (_, None) => Ok(None),
        (address, Some(error)) => Err(Error::output(format!(
            "cannot serve HTTP at {address}: {error}; choose another with --http ADDR:PORT, or --http off"
        ))),
    }
}

/// Where a listener listens.
pub fn address_of(listener: &TcpListener) -> SocketAddr {
    listener.local_addr().unwrap_or(SocketAddr::from(([0, 0, 0, 0], 0)))
}

/// Answers on `listener` with the streams of `hub`, photographs painted with `networks` on `session`'s device, the paintings
/// of `gallery`, the presets and what MIDI controls do, for as long as the runtime runs.
pub async fn serve(
    listener: TcpListener,
    hub: Hub,
    (networks, gallery, presets, midi): (Networks, Gallery, Presets, Midi),
    session: SessionOptions,
    plan: HttpPlan,
) {
    let context = Context {
        feed: events::Feed::start(hub.clone(), networks.clone(), presets.clone(), midi.clone()),
        hub,
        photo: Arc::new(photo::Photo::new(session)),
        presets,
        midi,
        recordings: Arc::new(Recordings::new(plan.recordings.clone())),
        networks,
        gallery,
        plan: Arc::new(plan),
        long_answers: Arc::new(Semaphore::new(MOST_LONG_ANSWERS)),
        looks: Arc::new(Semaphore::new(MOST_LOOKED_AT)),
        sessions: Arc::new(session::Sessions::new(address_of(&listener).port())),
    };
    let service = TowerToHyperService::new(routes::router(context));
    let places = Places::new(MOST_CONNECTIONS, MOST_OF_ONE_ADDRESS, Duration::ZERO);
    loop {
        let (socket, peer) = match listener.accept().await {
            Ok(accepted) => accepted,
            Err(error) => {
                // Out of file handles, mostly: others must be closed first.
                tracing::debug!("a connection was not accepted: {error}");
                tokio::time::sleep(Duration::from_millis(100)).await;
                continue;
            }
        };
        let connection = Connection::new(peer.ip());
        let Some(place) = places.take(&connection) else {
            tracing::debug!("{peer}: all places are taken");
            continue;
        };
        let service = service.clone();
        tokio::spawn(async move {
            tokio::select! {
                ended = answer(socket, &connection, service) => {
                    if let Err(error) = ended {
                        tracing::debug!("a connection broke off: {error}");
                    }
                }
                () = connection.closed() => tracing::debug!("{peer}: closed for another"),
            }
            drop(place);
        });
    }
}

/// Answers the requests of one connection.
async fn answer(
    socket: TcpStream,
    connection: &Arc<Connection>,
    service: TowerToHyperService<axum::Router>,
) -> hyper::Result<()> {
    // Events and previews are small pieces that must not wait for each other.
    let _ = socket.set_nodelay(true);
    let mut socket = TimeoutStream::new(socket);
    socket.set_write_timeout(Some(WRITE_PATIENCE));
    hyper::server::conn::http1::Builder::new()
        .timer(TokioTimer::new())
        .header_read_timeout(HEAD_PATIENCE)
        .max_buf_size(LARGEST_HEAD)
        .serve_connection(TokioIo::new(Box::pin(socket)), connection.service(service))
        .await
}
