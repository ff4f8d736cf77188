//! Where OSC messages are taken.

use std::fmt;
use std::net::{Ipv4Addr, SocketAddr};
use std::str::FromStr;

use serde::{Deserialize, Serialize};

use crate::as_text::as_text;

/// ADDRESS:PORT, or a port of this machine alone; none is `off`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct OscAddress(pub Option<SocketAddr>);

impl FromStr for OscAddress {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        if text == "off" {
            return Ok(Self(None));
        }
        let local = |port| SocketAddr::from((Ipv4Addr::LOCALHOST, port));
        let socket = text.parse().map(local).or_else(|_| text.replacen("localhost:", "127.0.0.1:", 1).parse());
        socket
            .map(|socket| Self(Some(socket)))
            .map_err(|_| format!("`{text}` is no address like 127.0.0.1:9000, nor `off`"))
    }
}

as_text!(OscAddress);

impl fmt::Display for OscAddress {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.0 {
            Some(socket) => write!(f, "{socket}"),
            None => f.write_str("off"),
        }
    }
}
