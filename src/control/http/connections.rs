//! Who is connected. Places are few, and fewer for one address; whoever has kept the server waiting longest makes room.

use std::convert::Infallible;
use std::net::IpAddr;
use std::pin::Pin;
use std::sync::{Arc, Mutex, MutexGuard};
use std::task::{Context, Poll};
use std::time::{Duration, Instant};

use crate::sync::Locked;
use axum::Router;
use axum::body::{Body, Bytes, HttpBody};
use hyper::body::{Frame, Incoming, SizeHint};
use hyper::service::Service;
use hyper::{Request, Response};
use hyper_util::service::TowerToHyperService;
use tokio::sync::Notify;

/// A connection of a client.
pub struct Connection {
    peer: IpAddr,
    /// Since when the client is awaited, for a request or the next part of one; none while it is being answered.
    waits_since: Mutex<Option<Instant>>,
    close: Notify,
}

/// So many connections at a time. Clones are the same places.
#[derive(Clone)]
pub struct Places {
    most: usize,
    most_of_one_address: usize,
    /// Who has kept the server waiting for less stays.
    least_wait: Duration,
    taken: Arc<Mutex<Vec<Arc<Connection>>>>,
}

/// Held by a connection, and free again when it is dropped.
pub struct Place {
    places: Places,
    connection: Arc<Connection>,
}

impl Connection {
    pub fn new(peer: IpAddr) -> Arc<Self> {
        Arc::new(Self { peer, waits_since: Mutex::new(Some(Instant::now())), close: Notify::new() })
    }

    /// Returns when it has to make room.
    pub async fn closed(&self) {
        self.close.notified().await;
    }

    fn waits_since(&self) -> MutexGuard<'_, Option<Instant>> {
        self.waits_since.locked()
    }

    fn wait(&self) {
        self.waits_since().get_or_insert_with(Instant::now);
    }

    fn answer(&self) {
        *self.waits_since() = None;
    }

    /// Asks `router`, and sees who waits for whom meanwhile. Requests carry the connection along.
    pub fn service(
        self: &Arc<Self>,
        router: TowerToHyperService<Router>,
    ) -> impl Service<Request<Incoming>, Response = Response<Body>, Error = Infallible, Future: Send> + use<> {
        let connection = Arc::clone(self);
        hyper::service::service_fn(move |mut request: Request<Incoming>| {
            connection.answer();
            request.extensions_mut().insert(Arc::clone(&connection));
            let (asked, answered) = (Arc::clone(&connection), Arc::clone(&connection));
            let answer =
                router.call(request.map(|body| Watched { body: Body::new(body), connection: asked, is_answer: false }));
            async move {
                let response = answer.await?;
                Ok(response.map(|body| Body::new(Watched { body, connection: answered, is_answer: true })))
            }
        })
    }
}

impl Places {
    pub fn new(most: usize, most_of_one_address: usize, least_wait: Duration) -> Self {
        Self { most, most_of_one_address, least_wait, taken: Arc::default() }
    }

    /// Takes a place; if all are taken, that of the connection that has kept the server waiting longest, which is closed.
    /// None if nobody has waited long enough, or all are being answered.
    pub fn take(&self, connection: &Arc<Connection>) -> Option<Place> {
        let mut taken = self.taken();
        let of_address = taken.iter().filter(|known| known.peer == connection.peer).count();
        let is_crowd = of_address >= self.most_of_one_address;
        if is_crowd || taken.len() >= self.most {
            let may_go = taken.iter().enumerate().filter(|(_, known)| !is_crowd || known.peer == connection.peer);
            let waited = may_go.filter_map(|(index, known)| Some(((*known.waits_since())?, index)));
            let (_, index) = waited.min().filter(|(since, _)| since.elapsed() >= self.least_wait)?;
            taken.swap_remove(index).close.notify_one();
        }
        taken.push(Arc::clone(connection));
        Some(Place { places: self.clone(), connection: Arc::clone(connection) })
    }

    fn taken(&self) -> MutexGuard<'_, Vec<Arc<Connection>>> {
        self.taken.locked()
    }
}

impl Drop for Place {
    fn drop(&mut self) {
        self.places.taken().retain(|known| !Arc::ptr_eq(known, &self.connection));
    }
}

/// A body on its way from the client, who is awaited, or to it.
struct Watched {
    body: Body,
    connection: Arc<Connection>,
    is_answer: bool,
}

impl HttpBody for Watched {
    type Data = Bytes;
    type Error = axum::Error;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, axum::Error>>> {
        let polled = Pin::new(&mut self.body).poll_frame(context);
        match polled.is_pending() && !self.is_answer {
            true => self.connection.wait(),
            false => self.connection.answer(),
        }
        polled
    }

    fn is_end_stream(&self) -> bool {
        self.body.is_end_stream()
    }

    fn size_hint(&self) -> SizeHint {
        self.body.size_hint()
    }
}

impl Drop for Watched {
    /// Once all of the answer is sent, the next request is awaited.
    fn drop(&mut self) {
        if self.is_answer {
            self.connection.wait();
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn connect(address: u8, waited_s: u64) -> Arc<Connection> {
        let connection = Connection::new(IpAddr::from([10, 0, 0, address]));
        *connection.waits_since() = Some(Instant::now() - Duration::from_secs(waited_s));
        connection
    }

    #[tokio::test]
    async fn the_longest_wait_makes_room() {
        let places = Places::new(3, 3, Duration::ZERO);
        let (short, long, busy) = (connect(1, 1), connect(2, 9), connect(3, 99));
        busy.answer();
        let held: Vec<_> = [&short, &long, &busy].map(|known| places.take(known).expect("a place")).into();
        let fourth = places.take(&connect(4, 0)).expect("the place of the one that waited longest");
        long.closed().await;
        let fifth = places.take(&connect(5, 0)).expect("that of the next one");
        short.closed().await;
        drop(held);
        assert_eq!(places.taken().len(), 2, "those that were closed take nobody else's place along");
        drop((fourth, fifth));
        assert!(places.taken().is_empty());
    }

    #[test]
    fn those_who_are_answered_stay() {
        let places = Places::new(2, 2, Duration::from_secs(1));
        let all = [connect(1, 5), connect(2, 5)];
        let _held = all.each_ref().map(|known| {
            known.answer();
            places.take(known).expect("a place")
        });
        assert!(places.take(&connect(3, 0)).is_none());
        all[0].wait();
        assert!(places.take(&connect(3, 0)).is_none(), "it has waited for a moment only");
        *all[0].waits_since() = Some(Instant::now() - Duration::from_secs(2));
        assert!(places.take(&connect(3, 0)).is_some());
    }

    #[tokio::test]
    async fn one_address_makes_room_among_its_own() {
        let places = Places::new(9, 2, Duration::ZERO);
        let (other, first, second) = (connect(1, 99), connect(2, 5), connect(2, 9));
        let _held = [&other, &first, &second].map(|known| places.take(known).expect("a place"));
        let _third = places.take(&connect(2, 0)).expect("the place of the second");
        second.closed().await;
        assert_eq!(places.taken().len(), 3);
    }
}
