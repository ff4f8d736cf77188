//! Tells those who subscribed how the streams are painted, whenever that changes.

use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use rosc::{OscMessage, OscPacket, encoder};
use tokio::net::UdpSocket;

use super::message::describe;
use crate::control::Hub;
use crate::sync::Locked;

/// Who sends nothing for so long is told nothing more.
const SUBSCRIBED_FOR: Duration = Duration::from_secs(600);

/// More are not told.
const MOST_SUBSCRIBERS: usize = 16;

/// Those who are told.
pub struct Feedback {
    socket: Arc<UdpSocket>,
    subscribers: Mutex<BTreeMap<SocketAddr, Subscriber>>,
}

struct Subscriber {
    heard: Instant,
    /// What it was told last, by address.
    told: BTreeMap<String, OscMessage>,
}

impl Feedback {
    pub fn new(socket: Arc<UdpSocket>) -> Self {
        Self { socket, subscribers: Mutex::default() }
    }

    /// Somebody wants to be told all of it, and then what changes; or no longer. False if no more fit.
    pub fn subscribe(&self, peer: SocketAddr, wanted: bool) -> bool {
        let mut subscribers = self.subscribers.locked();
        if !wanted {
            subscribers.remove(&peer);
            return true;
        }
        let fits = subscribers.len() < MOST_SUBSCRIBERS || subscribers.contains_key(&peer);
        if fits {
            subscribers.insert(peer, Subscriber { heard: Instant::now(), told: BTreeMap::new() });
        }
        fits
    }

    /// It is still there.
    pub fn heard(&self, peer: SocketAddr) {
        if let Some(subscriber) = self.subscribers.locked().get_mut(&peer) {
            subscriber.heard = Instant::now();
        }
    }

    pub fn has_any(&self) -> bool {
        !self.subscribers.locked().is_empty()
    }

    /// Tells each what it does not know yet.
    pub fn tell(&self, hub: &Hub) {
        let looks = hub.all().into_iter().map(|(name, member)| (name, member.state().look));
        let now: Vec<OscMessage> = looks.flat_map(|(name, look)| describe(&name, &look).collect::<Vec<_>>()).collect();
        let mut subscribers = self.subscribers.locked();
        subscribers.retain(|_, subscriber| subscriber.heard.elapsed() < SUBSCRIBED_FOR);
        for (peer, subscriber) in subscribers.iter_mut() {
            for message in &now {
                if subscriber.told.get(&message.addr) != Some(message) && self.send(*peer, message) {
                    subscriber.told.insert(message.addr.clone(), message.clone());
                }
            }
        }
    }

    /// Tells all of them.
    pub fn tell_all(&self, message: &OscMessage) {
        self.subscribers.locked().keys().for_each(|peer| {
            self.send(*peer, message);
        });
    }

    /// False if it could not be sent now.
    fn send(&self, peer: SocketAddr, message: &OscMessage) -> bool {
        let packet = encoder::encode(&OscPacket::Message(message.clone()));
        packet.is_ok_and(|packet| self.socket.try_send_to(&packet, peer).is_ok())
    }
}
