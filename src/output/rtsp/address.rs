//! Where a stream is served over RTSP.

use std::fmt;
use std::net::SocketAddr;

use percent_encoding::percent_decode_str;

use crate::url::Url;

/// Where the stream is served: `127.0.0.1:8554/live`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RtspAddress {
    pub socket: SocketAddr,
    /// Begins with a slash.
    pub path: String,
}

impl RtspAddress {
    /// Reads `ADDRESS:PORT/PATH`; without a path it is the name of the stream.
    ///
    /// # Errors
    /// The text is no such address.
    pub fn for_stream(text: &str, stream: &str) -> Result<Self, String> {
        let text = text.strip_prefix("rtsp://").unwrap_or(text);
        let (socket, path) = text.split_once('/').unwrap_or((text, stream));
        let valid = !path.is_empty() && path.chars().all(|c| c.is_ascii_alphanumeric() || "-_./".contains(c));
        let socket = socket.parse().ok().filter(|_| valid);
        let socket: SocketAddr =
            socket.ok_or_else(|| format!("`{text}` is not an address like 127.0.0.1:8554/live"))?;
        if socket.port() == 0 {
            return Err(format!("`{text}`: port 0 is none that clients could be told; choose one, such as 8554"));
        }
        Ok(Self { socket, path: format!("/{path}") })
    }

    /// Whether `url` leads here, over whatever transport, as far as names of this machine show.
    pub fn is_at(&self, url: &str) -> bool {
        let Some(url) = Url::parse(url) else { return false };
        let scheme = url.scheme.to_ascii_lowercase();
        let usual = if scheme.starts_with("rtsps") { 322 } else { 554 };
        let path = percent_decode_str(url.path).decode_utf8_lossy();
        // What follows is the name of a track.
        let is_path = path.strip_prefix(&self.path[1..]).is_some_and(|rest| rest.is_empty() || rest.starts_with('/'));
        scheme.starts_with("rtsp") && is_path && url.leads_to(self.socket, usual)
    }
}

impl fmt::Display for RtspAddress {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "rtsp://{}{}", self.socket, self.path)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn addresses() {
        let address = |text| RtspAddress::for_stream(text, "lobby");
        assert_eq!(address("127.0.0.1:8554/live").unwrap().to_string(), "rtsp://127.0.0.1:8554/live");
        assert_eq!(address("rtsp://0.0.0.0:554").unwrap().path, "/lobby");
        let live = address("127.0.0.1:8554/live").unwrap();
        for own in
            ["rtsp://127.0.0.1:8554/live", "RTSPT://me:pw@localhost:8554/live/", "rtspu://0.0.0.0:8554/%6cive?x=1"]
        {
            assert!(live.is_at(own), "{own}");
        }
        for other in ["rtsp://127.0.0.1:8554/live2", "rtsp://127.0.0.1/live", "http://127.0.0.1:8554/live", "live"] {
            assert!(!live.is_at(other), "{other}");
        }
        assert!(address("8554/live").unwrap_err().contains("127.0.0.1:8554/live"));
        assert!(address("127.0.0.1:8554/a b").is_err());
    }
}
