//! What daemon and worker say to each other: a request, then its answer, each one packet of a Unix socket.

use std::io::{self, IoSlice, IoSliceMut};
use std::mem::MaybeUninit;
use std::os::fd::{BorrowedFd, OwnedFd};
use std::path::PathBuf;
use std::time::Duration;

use rustix::net::{
    RecvAncillaryBuffer, RecvAncillaryMessage, RecvFlags, SendAncillaryBuffer, SendAncillaryMessage, SendFlags,
    recvmsg, send, sendmsg,
};
use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};

use super::super::inspect::NetworkInfo;
use super::super::options::SessionOptions;
use super::super::timings::Measured;
use crate::style::manifest::Manifest;

/// No packet is longer: a manifest takes a few thousand bytes, and the socket's buffers hold this much.
pub const LONGEST: usize = 128 * 1024;

/// The request to run; all others are JSON.
pub const RUN: u8 = b'R';

/// The same, for a picture that has nothing to do with those before.
pub const RUN_ANEW: u8 = b'A';

/// The first byte of the answer to it, which the time in nanoseconds follows; an [`Answer`] otherwise.
pub const RAN: u8 = b'T';

/// The tensors of a size: input and output.
pub const TENSORS: usize = 2;

/// What the daemon asks for, besides runs.
#[derive(Debug, Serialize, Deserialize)]
pub enum Request {
    /// Load the network; the first request, answered with `Done`. With it comes the memory of what says the style, where the
    /// network has an input for it.
    Open {
        manifest: Box<Manifest>,
        /// Where the manifest was read from: its network lies beside it.
        path: PathBuf,
        options: SessionOptions,
        /// What was found to be the fastest by another session.
        measured: Option<Measured>,
    },
    /// Load the network and tell what it says of itself; answered with `Inspected`.
    Inspect { path: PathBuf, library: Option<PathBuf> },
    /// Load the encoder of this network; answered with `Done`. With it comes the memory of a painting's picture and of its
    /// vector.
    OpenEncoder { manifest: Box<Manifest>, path: PathBuf, library: Option<PathBuf> },
    /// Make the vector of the picture; answered with `Done`.
    Encode,
    /// Make the tensors of this width and height and try the network; answered with `Prepared` and their memory.
    Prepare { size: [usize; 2], border: usize },
}

#[derive(Debug, Serialize, Deserialize)]
pub enum Answer {
    Done,
    /// The width and height that the network paints, what runs it, and how long the last try took.
    Prepared {
        painted: [usize; 2],
        measured: Option<Measured>,
        tried: Duration,
    },
    Inspected(NetworkInfo),
    /// The request was not carried out; the text says why.
    Failed(String),
}

/// Sends a packet with the files of `tensors`.
pub fn tell(socket: BorrowedFd, message: &impl Serialize, tensors: &[BorrowedFd]) -> io::Result<()> {
    let text = serde_json::to_vec(message)?;
    if text.len() > LONGEST {
        return Err(io::Error::new(io::ErrorKind::InvalidInput, "it is too long for a worker process"));
    }
    let mut space = [MaybeUninit::uninit(); rustix::cmsg_space!(ScmRights(TENSORS))];
    let mut files = SendAncillaryBuffer::new(&mut space);
    if !tensors.is_empty() {
        files.push(SendAncillaryMessage::ScmRights(tensors));
    }
    sendmsg(socket, &[IoSlice::new(&text)], &mut files, SendFlags::NOSIGNAL)?;
    Ok(())
}

/// Sends a short packet; nothing is allocated.
pub fn send_bytes(socket: BorrowedFd, bytes: &[u8]) -> io::Result<()> {
    send(socket, bytes, SendFlags::NOSIGNAL)?;
    Ok(())
}

/// Waits for a packet, which is written into `buffer` ([`LONGEST`] bytes), and takes the files that come with it into
/// `tensors`. Its length; 0 when the other side is gone.
pub fn receive(socket: BorrowedFd, buffer: &mut [u8], tensors: &mut [Option<OwnedFd>; TENSORS]) -> io::Result<usize> {
    let mut space = [MaybeUninit::uninit(); rustix::cmsg_space!(ScmRights(TENSORS))];
    let mut files = RecvAncillaryBuffer::new(&mut space);
    let received = rustix::io::retry_on_intr(|| {
        recvmsg(socket, &mut [IoSliceMut::new(buffer)], &mut files, RecvFlags::CMSG_CLOEXEC)
    });
    let length = match received {
        Ok(received) => received.bytes,
        // It went with a packet of ours unread.
        Err(rustix::io::Errno::CONNRESET) => 0,
        Err(error) => return Err(error.into()),
    };
    for message in files.drain() {
        if let RecvAncillaryMessage::ScmRights(received) = message {
            tensors.iter_mut().zip(received).for_each(|(tensor, file)| *tensor = Some(file));
        }
    }
    Ok(length)
}

/// Reads the JSON of a packet.
pub fn parse<T: DeserializeOwned>(packet: &[u8]) -> io::Result<T> {
    Ok(serde_json::from_slice(packet)?)
}
