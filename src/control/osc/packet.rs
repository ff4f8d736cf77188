//! Packets as they come from anybody: taken apart into messages, within limits.

use rosc::{OscMessage, OscPacket};

/// A larger packet is refused unread: what controllers send fits into one of Ethernet's.
pub const LARGEST_PACKET: usize = 8 * 1024;

/// More bundles in one packet are refused unread: each may lie in the one before.
const MOST_BUNDLES: usize = 16;

/// How a bundle begins.
const BUNDLE: &[u8] = b"#bundle\0";

/// The messages of a packet, whatever bundles they lie in; none if it is no packet.
pub fn messages(bytes: &[u8]) -> Option<Vec<OscMessage>> {
    let bundles = bytes.windows(BUNDLE.len()).filter(|window| *window == BUNDLE).count();
    if bytes.len() > LARGEST_PACKET || bundles > MOST_BUNDLES {
        return None;
    }
    let (rest, packet) = rosc::decoder::decode_udp(bytes).ok()?;
    let mut messages = Vec::new();
    collect(packet, &mut messages);
    rest.is_empty().then_some(messages)
}

fn collect(packet: OscPacket, messages: &mut Vec<OscMessage>) {
    match packet {
        OscPacket::Message(message) => messages.push(message),
        OscPacket::Bundle(bundle) => bundle.content.into_iter().for_each(|packet| collect(packet, messages)),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;
    use rosc::{OscBundle, OscTime, OscType, encoder};

    fn message(addr: &str) -> OscPacket {
        OscPacket::Message(OscMessage { addr: addr.into(), args: vec![OscType::Float(0.5)] })
    }

    fn nested(depth: usize) -> Vec<u8> {
        let timetag = OscTime { seconds: 0, fractional: 1 };
        let bundle = |inner| OscPacket::Bundle(OscBundle { timetag, content: vec![inner, message("/b")] });
        encoder::encode(&(0..depth).fold(message("/a"), |inner, _| bundle(inner))).unwrap()
    }

    #[test]
    fn messages_are_found_in_bundles_and_hostile_packets_refused() {
        assert_eq!(messages(&nested(0)).unwrap().len(), 1);
        assert_eq!(messages(&nested(5)).unwrap().len(), 6);
        let deep = [BUNDLE, &[0, 0, 0, 0, 0, 0, 0, 1]].concat().repeat(1000);
        for hostile in [nested(17), nested(150), deep, vec![0; 65_000], nested(3)[..50].to_vec(), vec![]] {
            assert_eq!(messages(&hostile), None, "{} bytes", hostile.len());
        }
    }

    proptest! {
        #[test]
        fn no_packet_does_harm(bytes in proptest::collection::vec(any::<u8>(), 0..600), cut in 0usize..400, place in 0usize..400) {
            messages(&bytes);
            // One that was right once.
            let mut packet = nested(6);
            packet.truncate(packet.len().saturating_sub(cut));
            for (at, byte) in bytes.iter().take(4).enumerate() {
                if let Some(old) = packet.get_mut(place + at) {
                    *old = *byte;
                }
            }
            messages(&packet);
        }
    }
}
