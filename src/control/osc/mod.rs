//! OSC over UDP: controllers change looks, and are told of changes. Whoever reaches the address may send.

mod address;
mod feedback;
mod message;
mod packet;

use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use tokio::net::UdpSocket;

use super::Hub;
use super::desk::Desk;
use super::presets::Presets;
use crate::error::{Error, Result};
use crate::metrics::{Counters, OscCounters};
pub use address::OscAddress;
use feedback::Feedback;
use message::Command;
use packet::{LARGEST_PACKET, messages};

/// How often changes are looked for while somebody is told of them.
const FEEDBACK_INTERVAL: Duration = Duration::from_millis(100);

/// Opens the address.
///
/// # Errors
/// It is taken, or not one of this machine.
pub async fn open(address: SocketAddr) -> Result<UdpSocket> {
    if !address.ip().is_loopback() {
        tracing::warn!(
            "[control] osc = {address}: whoever reaches this address changes looks, for OSC knows no passwords"
        );
    }
    let failed = |error| Error::output(format!("[control] osc = {address}: {error}; choose another address, or `off`"));
    UdpSocket::bind(address).await.map_err(failed)
}

/// Takes messages to the streams of `hub` for as long as the runtime runs.
pub async fn serve(socket: UdpSocket, hub: Hub, presets: Presets) {
    let socket = Arc::new(socket);
    let feedback = Arc::new(Feedback::new(Arc::clone(&socket)));
    let counters = hub.osc();
    let (refusals, told) = (hub.osc(), Arc::clone(&feedback));
    let refused = move |stream: &str, what: String| {
        Counters::count(&refusals.refused);
        told.tell_all(&message::error(stream, what));
    };
    let mut desk = Desk::new(hub.clone(), presets, Arc::new(refused));
    let mut tick = tokio::time::interval(FEEDBACK_INTERVAL);
    // One byte more, to see what is too long.
    let mut bytes = vec![0; LARGEST_PACKET + 1];
    loop {
        tokio::select! {
            received = socket.recv_from(&mut bytes) => match received {
                Ok((length, peer)) => {
                    feedback.heard(peer);
                    let Some(messages) = messages(&bytes[..length]) else {
                        Counters::count(&counters.malformed);
                        continue;
                    };
                    for message in messages {
                        let taken = message::read(&message)
                            .and_then(|command| take(command, peer, &mut desk, &feedback));
                        count(&counters, &taken);
                        if let Err(what) = taken {
                            tracing::debug!("OSC from {peer}: {what}");
                            let stream = message::stream_of(&message).filter(|name| hub.member(name).is_ok());
                            feedback.tell_all(&message::error(stream.unwrap_or("osc"), what));
                        }
                    }
                }
                Err(error) => {
                    tracing::debug!("an OSC packet was not received: {error}");
                    tokio::time::sleep(FEEDBACK_INTERVAL).await;
                }
            },
            _ = tick.tick(), if feedback.has_any() => feedback.tell(&hub),
        }
    }
}

fn count(counters: &OscCounters, taken: &Result<(), String>) {
    Counters::count(if taken.is_ok() { &counters.taken } else { &counters.refused });
}

/// Takes a command of `peer`.
fn take(command: Command, peer: SocketAddr, desk: &mut Desk, feedback: &Feedback) -> Result<(), String> {
    match command {
        Command::Subscribe(wanted) if feedback.subscribe(peer, wanted) => Ok(()),
        Command::Subscribe(_) => Err("no more fit who are told of changes".into()),
        Command::Stream(name, wish) => desk.put(&name, wish),
    }
}
