//! Ports for servers of tests; the unit tests of the library read this file too.

use std::net::{TcpListener, UdpSocket};
use std::sync::atomic::{AtomicU32, Ordering};

/// A port that nobody listens at, over TCP or UDP, and that nobody else is given: one that the system chose could be
/// chosen again before the program under test takes it, for a listener of another test or a connection to anywhere.
/// These lie below those that systems choose from (32768 and above on Linux) and are given out in turn.
pub fn free_port() -> u16 {
    const FIRST: u32 = 10_240;
    const COUNT: u32 = 32_768 - FIRST;
    static NEXT: AtomicU32 = AtomicU32::new(0);
    // Each test program begins elsewhere, for those that run at the same time.
    let first = std::process::id().wrapping_mul(127);
    (0..COUNT)
        .map(|_| (FIRST + first.wrapping_add(NEXT.fetch_add(1, Ordering::Relaxed)) % COUNT) as u16)
        .find(|port| TcpListener::bind(("127.0.0.1", *port)).is_ok() && UdpSocket::bind(("127.0.0.1", *port)).is_ok())
        .expect("a free port")
}
