//! Where the HTTP server listens, and what it asks of those who come.

use std::fmt;
use std::net::{Ipv4Addr, SocketAddr};
use std::path::PathBuf;
use std::str::FromStr;

use percent_encoding::percent_decode_str;
use serde::{Deserialize, Serialize};

use super::AllowedSources;
use crate::as_text::as_text;
use crate::error::{Error, Result};
use crate::gst::template::Templates;
use crate::url::Url;

/// The port that `auto` tries first.
pub const FIRST_PORT: u16 = 8080;

/// `auto` tries so many ports before it lets the system choose one.
pub const PORTS_TRIED: u16 = 10;

/// The shortest token that guards an address that others can reach.
const SHORTEST_TOKEN: usize = 16;

/// Where to listen.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub enum HttpAddress {
    /// Port 8080 of this machine alone, or the next free one.
    #[default]
    Auto,
    /// Exactly there, or not at all.
    Named(SocketAddr),
    Off,
}

/// The HTTP server, resolved.
#[derive(Debug, Clone)]
pub struct HttpPlan {
    pub address: HttpAddress,
    /// Whoever does not show it is turned away.
    pub token: Option<String>,
    /// Names under which browsers may reach it, besides addresses and `localhost`.
    pub hosts: Vec<String>,
    /// The folder for recordings that are begun over HTTP.
    pub recordings: PathBuf,
    /// What may be set as a source over HTTP.
    pub sources: AllowedSources,
    /// Folders whose files are offered as sources.
    pub media: Vec<PathBuf>,
    /// The folder for what outlives the daemon; none if no user has one.
    pub state: Option<PathBuf>,
    /// How sources are opened that somebody looks at before they go on air.
    pub templates: Templates,
}

/// Where the moving pictures of a stream are shown over HTTP.
#[derive(Debug, Clone)]
pub struct PreviewAddress {
    pub socket: SocketAddr,
    pub stream: String,
}

impl PreviewAddress {
    /// Whether `url` leads there, as far as names of this machine show.
    pub fn is_at(&self, url: &str) -> bool {
        let Some(url) = Url::parse(url) else { return false };
        let path = percent_decode_str(url.path).decode_utf8_lossy();
        let own = format!("api/v1/streams/{}/preview", self.stream);
        url.scheme.eq_ignore_ascii_case("http") && path == own && url.leads_to(self.socket, 80)
    }
}

impl HttpPlan {
    /// # Errors
    /// An address that others can reach, without a token or with one that is easily guessed; a token that does not fit
    /// into headers and cookies.
    pub fn new(address: HttpAddress, token: &str, hosts: &[String], recordings: PathBuf) -> Result<Self> {
        if !token.chars().all(|c| c.is_ascii_alphanumeric() || "-._~+/=".contains(c)) {
            return Err(Error::usage("control: a token is made of letters, digits and -._~+/="));
        }
        if let HttpAddress::Named(socket) = address
            && !socket.ip().is_loopback()
            && token.len() < SHORTEST_TOKEN
        {
            return Err(Error::usage(format!(
                "http {socket} can be reached from other machines: it needs a token of {SHORTEST_TOKEN} characters or \
                 more in IMPASTO_TOKEN or [control] token (`openssl rand -hex 16` makes one)"
            )));
        }
        let token = (!token.is_empty()).then(|| token.to_string());
        Ok(Self {
            address,
            token,
            hosts: hosts.to_vec(),
            recordings,
            sources: AllowedSources::default(),
            media: Vec::new(),
            state: None,
            templates: Templates::default(),
        })
    }
}

impl HttpAddress {
    /// The addresses to try one after the other.
    pub fn candidates(self) -> Vec<SocketAddr> {
        let local = |port| SocketAddr::from((Ipv4Addr::LOCALHOST, port));
        match self {
            Self::Off => Vec::new(),
            Self::Named(socket) => vec![socket],
            Self::Auto => (FIRST_PORT..FIRST_PORT + PORTS_TRIED).chain([0]).map(local).collect(),
        }
    }
}

impl FromStr for HttpAddress {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        match text.strip_prefix("http://").unwrap_or(text).trim_end_matches('/') {
            "auto" => Ok(Self::Auto),
            "off" | "" => Ok(Self::Off),
            address => {
                let socket = address.replacen("localhost:", "127.0.0.1:", 1).parse();
                let advice = || format!("`{text}` is not an address like 127.0.0.1:8080, nor `auto` or `off`");
                socket.map(Self::Named).map_err(|_| advice())
            }
        }
    }
}

as_text!(HttpAddress);

impl fmt::Display for HttpAddress {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Auto => f.write_str("auto"),
            Self::Named(socket) => write!(f, "{socket}"),
            Self::Off => f.write_str("off"),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_preview_of_a_stream_is_known_by_its_address() {
        let preview = PreviewAddress { socket: "127.0.0.1:8080".parse().unwrap(), stream: "hall".into() };
        assert!(preview.is_at("http://localhost:8080/api/v1/streams/hall/preview"));
        assert!(preview.is_at("HTTP://127.0.0.1:8080/api/v1/streams/%68all/preview?which=source"));
        for other in [
            "http://localhost:8080/api/v1/streams/lobby/preview",
            "http://localhost:8081/api/v1/streams/hall/preview",
            "http://localhost:8080/api/v1/streams/hall",
            "clip.mp4",
        ] {
            assert!(!preview.is_at(other), "{other}");
        }
    }

    #[test]
    fn addresses_are_read_as_people_write_them() {
        let named = |text: &str| HttpAddress::Named(text.parse().unwrap());
        for (text, address) in [
            ("auto", HttpAddress::Auto),
            ("off", HttpAddress::Off),
            ("127.0.0.1:9000", named("127.0.0.1:9000")),
            ("http://localhost:9000/", named("127.0.0.1:9000")),
            ("[::1]:80", named("[::1]:80")),
        ] {
            assert_eq!(text.parse(), Ok(address), "{text}");
        }
        assert!("8080".parse::<HttpAddress>().unwrap_err().contains("127.0.0.1:8080"));
    }

    #[test]
    fn others_reach_it_only_with_a_token() {
        let plan = |address: &str, token: &str| HttpPlan::new(address.parse().unwrap(), token, &[], PathBuf::new());
        assert!(plan("127.0.0.1:8080", "").is_ok());
        assert!(plan("[::1]:8080", "").is_ok());
        for (address, token) in [("0.0.0.0:8080", ""), ("192.168.1.2:8080", ""), ("[::]:8080", "short")] {
            let error = plan(address, token).unwrap_err().to_string();
            assert!(error.contains("IMPASTO_TOKEN") && error.contains("16 characters"), "{error}");
        }
        assert!(plan("0.0.0.0:8080", "0123456789abcdef").is_ok());
        assert!(plan("127.0.0.1:8080", "two words").is_err());
    }
}
