//! Servers that help to find a way to viewers in other networks.

use std::fmt;

use gstreamer as gst;
use gstreamer::glib;
use gstreamer::prelude::*;

use crate::redact::redact;
use crate::url::Url;

/// None by default: all who watch are then in networks of this machine.
#[derive(Clone, Default, PartialEq, Eq)]
pub struct IceServers {
    /// Tells under which address this machine is seen: `stun://HOST:PORT`.
    stun: Option<String>,
    /// Passes on what finds no other way: `turn://USER:PASSWORD@HOST:PORT`.
    turn: Option<String>,
}

impl IceServers {
    /// Reads addresses; empty ones are none.
    ///
    /// # Errors
    /// Which one is wrong, without its password.
    pub fn new(stun: &str, turn: &str) -> Result<Self, String> {
        let read = |name: &str, text: &str, schemes: &[&str], example: &str| {
            let text = text.trim();
            let is_good = Url::parse(text).is_some_and(|url| schemes.contains(&url.scheme) && !url.host.is_empty());
            match text {
                "" => Ok(None),
                text if is_good => Ok(Some(text.to_string())),
                _ => Err(format!("{name} (not shown, for its password) is no address like {example}")),
            }
        };
        let stun = read("stun", stun, &["stun"], "stun://HOST:3478")?;
        let turn = read("turn", turn, &["turn", "turns"], "turn://USER:PASSWORD@HOST:3478")?;
        Ok(Self { stun, turn })
    }

    /// Tells webrtcbin.
    pub(super) fn set_on(&self, webrtc: &gst::Element) {
        webrtc.set_property("stun-server", &self.stun);
        webrtc.set_property("turn-server", &self.turn);
        let ice = webrtc.property::<glib::Object>("ice-agent");
        ice.set_property("ice-tcp", false);
        let agent = ice.property::<glib::Object>("agent");
        // Routers are not asked to open ports; those who are gone without a word are missed.
        for (name, wanted) in [("upnp", false), ("keepalive-conncheck", true)] {
            if agent.find_property(name).is_some() {
                agent.set_property(name, wanted);
            }
        }
    }
}

impl fmt::Debug for IceServers {
    /// Without the password.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let shown = |url: &Option<String>| url.as_deref().map(redact);
        f.debug_struct("IceServers").field("stun", &shown(&self.stun)).field("turn", &shown(&self.turn)).finish()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn servers_are_read_and_their_passwords_are_never_told() {
        assert_eq!(IceServers::new("", " "), Ok(IceServers::default()));
        let both = IceServers::new("stun://stun.lan:3478", "turn://me:hunter2@turn.lan").unwrap();
        let told = format!("{both:?}");
        assert!(told.contains("turn.lan") && !told.contains("hunter2"), "{told}");
        for (stun, turn) in
            [("stun.lan", ""), ("turn://stun.lan", ""), ("", "me:hunter2@turn.lan"), ("", "turn://me:hunter2@")]
        {
            let refused = IceServers::new(stun, turn).unwrap_err();
            assert!(refused.contains("is no address like") && !refused.contains("hunter2"), "{refused}");
        }
    }
}
