//! The parts of an address such as `rtsp://me:secret@camera.lan:554/1?a`, without what may be secret.

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

    /// The host without brackets.
    pub fn bare_host(&self) -> &'a str {
        self.host.trim_matches(['[', ']'])
    }
}

#[cfg(test)]
mod tests {
    use super::*;

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
