//! The parts of an address such as `rtsp://me:secret@camera.lan:554/1?a`, without what may be secret.

use std::borrow::Cow;
use std::net::{IpAddr, SocketAddr, UdpSocket};

/// Where an address leads.
#[derive(Debug, PartialEq, Eq)]
pub struct Url<'a> {
    pub scheme: &'a str,
    /// A name or an IP address, as it is written: that of IPv6 in brackets.
    pub host: &'a str,
    pub port: Option<u16>,
    /// Without the slash before it.
    pub path: &'a str,
}

impl<'a> Url<'a> {
    /// None if `text` is no address, or its port no number.
    pub fn parse(text: &'a str) -> Option<Self> {
        let (scheme, rest) = text.split_once("://")?;
        let rest = rest.split(['?', '#']).next()?;
        let (authority, path) = rest.split_once('/').unwrap_or((rest, ""));
        let place = authority.rsplit_once('@').map_or(authority, |(_, place)| place);
        let (host, port) = match place.rsplit_once(':') {
            Some((host, port)) if !port.contains(']') => (host, Some(port.parse().ok()?)),
            _ => (place, None),
        };
        Some(Self { scheme, host, port, path })
    }

    /// Whether it leads to `socket` of this machine, as far as names show; `usual` is the port that its scheme has.
    pub fn leads_to(&self, socket: SocketAddr, usual: u16) -> bool {
        if self.port.unwrap_or(usual) != socket.port() {
            return false;
        }
        if self.host.eq_ignore_ascii_case("localhost") {
            return socket.ip().is_loopback() || socket.ip().is_unspecified();
        }
        let Ok(host) = self.bare_host().parse::<IpAddr>() else { return false };
        // Whoever connects to no address in particular comes to this machine.
        let is_local = host.is_loopback() || host.is_unspecified();
        host == socket.ip()
            || socket.ip().is_loopback() && is_local
            // Only addresses of this machine can be bound.
            || socket.ip().is_unspecified() && (is_local || UdpSocket::bind((host, 0)).is_ok())
    }

    /// The host without brackets.
    pub fn bare_host(&self) -> &'a str {
        self.host.trim_matches(['[', ']'])
    }
}

/// The same address with each `@` of its name and password as `%40`: others take what is behind the first one for the host.
pub fn with_escaped_password(address: &str) -> Cow<'_, str> {
    match login(address) {
        Some((scheme, login, place)) if login.contains('@') => {
            format!("{scheme}://{}@{place}", login.replace('@', "%40")).into()
        }
        _ => address.into(),
    }
}

/// The same address without name and password.
pub fn without_password(address: &str) -> Cow<'_, str> {
    login(address).map_or(address.into(), |(scheme, _, place)| format!("{scheme}://{place}").into())
}

/// The scheme, name and password, and what is behind them; none if the address has no name.
fn login(address: &str) -> Option<(&str, &str, &str)> {
    let (scheme, rest) = address.split_once("://")?;
    let end = rest.find(['/', '?', '#']).unwrap_or(rest.len());
    let at = rest[..end].rfind('@')?;
    Some((scheme, &rest[..at], &rest[at + 1..]))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn addresses_that_lead_to_this_machine() {
        let leads = |url: &str, socket: &str| Url::parse(url).unwrap().leads_to(socket.parse().unwrap(), 80);
        for here in ["http://127.0.0.1:8080", "http://LOCALHOST:8080/x", "http://[::1]:8080", "http://0.0.0.0:8080"] {
            assert!(leads(here, "127.0.0.1:8080") && leads(here, "0.0.0.0:8080"), "{here}");
        }
        assert!(leads("http://127.0.0.1/x", "127.0.0.1:80"));
        for there in ["http://127.0.0.1:8081", "http://192.0.2.7:8080", "http://camera.lan:8080", "http://127.0.0.1"] {
            assert!(!leads(there, "127.0.0.1:8080") && !leads(there, "0.0.0.0:8080"), "{there}");
        }
        assert!(leads("http://192.0.2.7:8080", "192.0.2.7:8080") && !leads("http://127.0.0.1:8080", "192.0.2.7:8080"));
    }

    #[test]
    fn a_password_with_an_at_is_escaped_or_left_out() {
        let both = |text| (with_escaped_password(text).into_owned(), without_password(text).into_owned());
        let as_it_is = |text: &str| (text.to_string(), text.to_string());
        assert_eq!(both("rtsp://me:p@w@h:1/a@b"), ("rtsp://me:p%40w@h:1/a@b".into(), "rtsp://h:1/a@b".into()));
        assert_eq!(both("http://me:p@h?x@y"), ("http://me:p@h?x@y".into(), "http://h?x@y".into()));
        for plain in ["http://h/@", "a@b@c.mp4", "http://h"] {
            assert_eq!(both(plain), as_it_is(plain));
        }
    }

    #[test]
    fn the_parts_of_an_address() {
        let parts = |text| Url::parse(text).map(|url| (url.scheme, url.host, url.port, url.path));
        assert_eq!(parts("http://h.lan"), Some(("http", "h.lan", None, "")));
        assert_eq!(parts("rtsp://me:p@w@h.lan:554/a/b?c#d"), Some(("rtsp", "h.lan", Some(554), "a/b")));
        assert_eq!(parts("http://[::1]:80?x"), Some(("http", "[::1]", Some(80), "")));
        assert_eq!(parts("http://[::1]/x"), Some(("http", "[::1]", None, "x")));
        assert_eq!(Url::parse("http://[::1]/x").map(|url| url.bare_host()), Some("::1"));
        assert_eq!([parts("clip.mp4"), parts("http://h:port/")], [None; 2]);
    }
}
