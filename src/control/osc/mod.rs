//! OSC over UDP: controllers change looks, and are told of changes. Whoever reaches the address may send.

mod address;
mod feedback;
mod mailbox;
mod message;
mod packet;

use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use tokio::net::UdpSocket;

use super::contract::{ShowCommand, ShowRequest};
use super::presets::Presets;
use super::{ApiResult, Hub};
use crate::error::{Error, Result};
use crate::metrics::{Counters, OscCounters};
use crate::style::LookPatch;
pub use address::OscAddress;
use feedback::Feedback;
use mailbox::{Mailbox, Wishes};
use message::Command;
use packet::{LARGEST_PACKET, messages};

/// How often changes are looked for while somebody is told of them.
const FEEDBACK_INTERVAL: Duration = Duration::from_millis(100);

/// A change that takes longer to be seen, because a network is loaded, keeps later ones waiting no longer.
const PATIENCE: Duration = Duration::from_secs(2);

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
    let (mut streams, counters) = (BTreeMap::new(), hub.osc());
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
                            .and_then(|command| take(command, peer, &hub, &presets, &feedback, &mut streams));
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

/// Puts a wish where its stream finds it.
fn take(
    command: Command,
    peer: SocketAddr,
    hub: &Hub,
    presets: &Presets,
    feedback: &Arc<Feedback>,
    streams: &mut BTreeMap<String, Arc<Mailbox>>,
) -> Result<(), String> {
    let (name, wish) = match command {
        Command::Subscribe(wanted) => {
            let fits = feedback.subscribe(peer, wanted);
            return if fits { Ok(()) } else { Err("no more fit who are told of changes".into()) };
        }
        Command::Stream(name, wish) => (name, wish),
    };
    // Only what there is takes up room.
    hub.member(&name).map_err(|refusal| Error::from(refusal).to_string())?;
    let mailbox = streams.entry(name).or_insert_with_key(|name| {
        let mailbox = Arc::new(Mailbox::default());
        tokio::spawn(work(name.clone(), Arc::clone(&mailbox), hub.clone(), presets.clone(), Arc::clone(feedback)));
        mailbox
    });
    mailbox.put(wish);
    Ok(())
}

/// Does what is wished of one stream, for as long as the runtime runs. It waits for the frame that shows one change before it
/// takes the next: what comes meanwhile is put together.
async fn work(name: String, mailbox: Arc<Mailbox>, hub: Hub, presets: Presets, feedback: Arc<Feedback>) {
    loop {
        let wishes = mailbox.take().await;
        if let Ok(Err(refusal)) = tokio::time::timeout(PATIENCE, apply(&name, wishes, &hub, &presets)).await {
            Counters::count(&hub.osc().refused);
            feedback.tell_all(&message::error(&name, Error::from(refusal).to_string()));
        }
    }
}

async fn apply(name: &str, wishes: Wishes, hub: &Hub, presets: &Presets) -> ApiResult<()> {
    let Wishes { preset, mut look, weights, next } = wishes;
    let stream = hub.get(name)?;
    if next {
        let has_programme = stream.show().programme.is_some();
        let (programme, playlist) =
            (has_programme.then_some(ShowCommand::Next), (!has_programme).then_some(ShowCommand::Next));
        stream.command_show(ShowRequest { playlist, programme })?;
    }
    if let Some(preset) = preset {
        stream.set_painted(presets.get(&preset)?.painted).await?;
    }
    if !weights.is_empty() {
        let mut styles = look.styles.take().unwrap_or_else(|| stream.state().look.styles);
        styles.0.extend(weights);
        look.styles = Some(styles);
    }
    if look != LookPatch::default() {
        stream.patch_look(look).await?;
    }
    Ok(())
}
