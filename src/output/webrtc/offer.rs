//! An SDP offer of somebody who wants to watch, read strictly and written anew: webrtcbin ends the process at some that are
//! no good, so nothing reaches it that was not understood here.

use std::fmt::Write;
use std::net::IpAddr;

/// Lines of media in an offer, and candidates: browsers send two, and one for each address and network.
const MOST_MEDIA: usize = 16;
const MOST_CANDIDATES: usize = 32;

/// What is sent: constrained baseline. A level says what one can decode, and ours is whatever the picture needs.
const PROFILE: &str = "42e01f";

/// What is needed of an offer to answer it.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Offer {
    media: Vec<Media>,
    transport: Transport,
    candidates: Vec<String>,
}

/// One `m=` line.
#[derive(Debug, PartialEq, Eq)]
struct Media {
    /// `video`, `audio`, ..., with the protocol and the first format, to be refused with.
    kind: String,
    protocol: String,
    format: String,
    mid: String,
    /// What is sent for it; none for what is refused.
    sent: Option<Sent>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Sent {
    codec: Codec,
    payload_type: u8,
    /// Where packets are sent again that were lost.
    retransmission: Option<u8>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Codec {
    H264,
    Opus,
}

/// How the other side is reached, and who it is.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
struct Transport {
    ufrag: String,
    password: String,
    /// Of its certificate: `sha-256 AB:CD:...`
    fingerprint: String,
    setup: String,
}

/// A section of an SDP: the session, or one of its media.
type Section<'a> = Vec<(char, &'a str)>;

impl Offer {
    /// # Errors
    /// What keeps it from being answered, in words.
    pub(super) fn parse(text: &str) -> Result<Self, String> {
        let mut sections: Vec<Section> = vec![Vec::new()];
        for line in text.lines().filter(|line| !line.is_empty()) {
            let (kind, value) = line.split_once('=').ok_or("this is no SDP offer: its lines are like `v=0`")?;
            let kind = match kind.as_bytes() {
                [kind] => char::from(*kind),
                _ => return Err("this is no SDP offer: its lines are like `v=0`".into()),
            };
            if kind == 'm' {
                sections.push(Vec::new());
            }
            sections.last_mut().into_iter().for_each(|section| section.push((kind, value)));
        }
        let (session, media) = sections.split_first().ok_or("this is no SDP offer: it is empty")?;
        if session.first() != Some(&('v', "0")) {
            return Err("this is no SDP offer: it does not begin with `v=0`".into());
        }
        if media.len() > MOST_MEDIA {
            return Err(format!("the offer has {} lines of media; {MOST_MEDIA} are possible", media.len()));
        }
        let mut read = Vec::new();
        for section in media {
            read.push(Media::read(section)?);
        }
        let mids: Vec<_> = read.iter().map(|media| &media.mid).collect();
        if (1..mids.len()).any(|place| mids[..place].contains(&mids[place])) {
            return Err("two media of the offer have the same `a=mid`".into());
        }
        // One of each, the first that can be sent.
        for codec in [Codec::H264, Codec::Opus] {
            let of_codec = read.iter_mut().filter(|media| media.sent.is_some_and(|sent| sent.codec == codec));
            of_codec.skip(1).for_each(|media| media.sent = None);
        }
        if !read.iter().any(|media| media.sent.is_some_and(|sent| sent.codec == Codec::H264)) {
            return Err(
                "the offer has no video to receive that is H264/90000 with packetization-mode=1 and a baseline \
                        profile (42....)"
                    .into(),
            );
        }
        let sent: Vec<_> = (0..read.len()).filter(|place| read[*place].sent.is_some()).collect();
        let bundle = attributes(session, "group:BUNDLE").next().unwrap_or_default();
        let is_bundled = |place: &usize| bundle.split_whitespace().any(|mid| mid == read[*place].mid);
        if sent.len() > 1 && !sent.iter().all(is_bundled) {
            return Err("video and audio of the offer must be in one `a=group:BUNDLE`".into());
        }
        let transport = Transport::read(&media[sent[0]], session)?;
        let candidates = media.iter().flat_map(|section| attributes(section, "candidate:")).filter_map(candidate);
        let candidates = candidates.take(MOST_CANDIDATES).collect();
        Ok(Self { media: read, transport, candidates })
    }

    /// The payload type of a codec, if it is sent.
    pub(super) fn payload_type(&self, codec: Codec) -> Option<u8> {
        self.sent().find(|(_, sent)| sent.codec == codec).map(|(_, sent)| sent.payload_type)
    }

    fn sent(&self) -> impl Iterator<Item = (&Media, Sent)> {
        self.media.iter().filter_map(|media| Some((media, media.sent?)))
    }

    /// The same with nothing in it but what was understood.
    pub(super) fn to_sdp(&self) -> String {
        let mids = self.sent().map(|(media, _)| media.mid.as_str()).collect::<Vec<_>>().join(" ");
        let mut sdp = format!("v=0\r\no=- 1 1 IN IP4 0.0.0.0\r\ns=-\r\nt=0 0\r\na=group:BUNDLE {mids}\r\n");
        let Transport { ufrag, password, fingerprint, setup } = &self.transport;
        for (number, (media, sent)) in self.sent().enumerate() {
            let (kind, payload) = (&media.kind, sent.payload_type);
            let again = sent.retransmission.map(|again| format!(" {again}")).unwrap_or_default();
            let _ = write!(
                sdp,
                "m={kind} 9 UDP/TLS/RTP/SAVPF {payload}{again}\r\nc=IN IP4 0.0.0.0\r\na=ice-ufrag:{ufrag}\r\n\
                 a=ice-pwd:{password}\r\na=fingerprint:{fingerprint}\r\na=setup:{setup}\r\na=mid:{}\r\na=recvonly\r\n\
                 a=rtcp-mux\r\n",
                media.mid
            );
            let _ = match sent.codec {
                Codec::H264 => write!(
                    sdp,
                    "a=rtpmap:{payload} H264/90000\r\na=rtcp-fb:{payload} nack\r\na=rtcp-fb:{payload} nack pli\r\n\
                     a=rtcp-fb:{payload} ccm fir\r\na=fmtp:{payload} \
                     level-asymmetry-allowed=1;packetization-mode=1;profile-level-id={PROFILE}\r\n"
                ),
                Codec::Opus => write!(
                    sdp,
                    "a=rtpmap:{payload} OPUS/48000/2\r\na=fmtp:{payload} minptime=10;stereo=1;useinbandfec=1\r\n"
                ),
            };
            if let Some(again) = sent.retransmission {
                let _ = write!(sdp, "a=rtpmap:{again} rtx/90000\r\na=fmtp:{again} apt={payload}\r\n");
            }
            if number == 0 {
                sdp.extend(self.candidates.iter().map(|line| format!("a=candidate:{line}\r\n")));
            }
        }
        sdp
    }

    /// The answer to [`Offer::to_sdp`] as one to the offer itself: what is not sent is refused in its place.
    pub(super) fn complete(&self, answer: &str) -> String {
        // webrtcbin forgets what it was offered.
        let profiled = |line: &str| match line.starts_with("a=fmtp:") && line.contains("packetization-mode") {
            true => format!("{line};profile-level-id={PROFILE}\r\n"),
            false => format!("{line}\r\n"),
        };
        let answer: String = answer.lines().map(profiled).collect();
        let mut sections = answer.split("m=");
        let mut complete = sections.next().unwrap_or_default().to_string();
        for media in &self.media {
            if media.sent.is_some() {
                complete += &sections.next().map(|section| format!("m={section}")).unwrap_or_default();
                continue;
            }
            let Media { kind, protocol, format, mid, .. } = media;
            let _ =
                write!(complete, "m={kind} 0 {protocol} {format}\r\nc=IN IP4 0.0.0.0\r\na=inactive\r\na=mid:{mid}\r\n");
        }
        complete
    }
}

impl Media {
    fn read(section: &Section) -> Result<Self, String> {
        let line = section.first().map_or("", |(_, value)| value);
        let mut words = line.split(' ');
        let mut word = || words.next().filter(|word| is_token(word, 1..=40)).map(String::from);
        let parts = (word(), word(), word(), word());
        let (Some(kind), Some(_port), Some(protocol), Some(format)) = parts else {
            return Err(format!("the offer has a line of media that is none: `{}`", short(line)));
        };
        let mid = attributes(section, "mid:").next().filter(|mid| is_token(mid, 1..=40));
        let mid = mid.ok_or("a media of the offer has no `a=mid`")?.to_string();
        let receives = !["sendonly", "inactive"].iter().any(|way| section.contains(&('a', way)));
        let is_usual = protocol.ends_with("RTP/SAVPF") && section.contains(&('a', "rtcp-mux"));
        let sent = match kind.as_str() {
            "video" if receives && is_usual => h264(section),
            "audio" if receives && is_usual => payload_type(section, "OPUS/48000/2", |_| true)
                .map(|payload_type| Sent { codec: Codec::Opus, payload_type, retransmission: None }),
            _ => None,
        };
        Ok(Self { kind, protocol, format, mid, sent })
    }
}

impl Transport {
    /// What a media says, or the session for all.
    fn read(media: &Section, session: &Section) -> Result<Self, String> {
        let value = |name: &str| attributes(media, name).chain(attributes(session, name)).next().map(str::to_string);
        let ufrag = value("ice-ufrag:").filter(|ufrag| is_ice(ufrag, 4..=256));
        let password = value("ice-pwd:").filter(|password| is_ice(password, 22..=256));
        let (Some(ufrag), Some(password)) = (ufrag, password) else {
            return Err("the offer has no `a=ice-ufrag` and `a=ice-pwd` of letters, digits, + and /".into());
        };
        let fingerprint = value("fingerprint:").filter(|fingerprint| is_fingerprint(fingerprint));
        let fingerprint = fingerprint.ok_or("the offer has no `a=fingerprint` by SHA-256")?;
        let setup = value("setup:").filter(|setup| ["actpass", "active", "passive"].contains(&setup.as_str()));
        let setup = setup.ok_or("the offer has no `a=setup:actpass`")?;
        Ok(Self { ufrag, password, fingerprint, setup })
    }
}

/// The values of the attributes whose names begin so.
fn attributes<'a>(section: &'a Section, name: &'a str) -> impl Iterator<Item = &'a str> {
    section.iter().filter(|(kind, _)| *kind == 'a').filter_map(move |(_, value)| value.strip_prefix(name))
}

/// H.264 as it is sent, constrained baseline before any other.
fn h264(section: &Section) -> Option<Sent> {
    let with_profile = |profile: &str| {
        payload_type(section, "H264/90000", |settings| {
            let value = |name: &str| settings.split(';').find_map(|pair| pair.trim().strip_prefix(name));
            value("packetization-mode=") == Some("1")
                && value("profile-level-id=").is_some_and(|id| id.to_ascii_lowercase().starts_with(profile))
        })
    };
    let payload_type_of = with_profile(&PROFILE[..4]).or_else(|| with_profile(&PROFILE[..2]))?;
    let retransmission = payload_type(section, "rtx/90000", |settings| {
        settings.trim().strip_prefix("apt=") == Some(payload_type_of.to_string().as_str())
    });
    Some(Sent { codec: Codec::H264, payload_type: payload_type_of, retransmission })
}

/// The first payload type of a codec whose settings suit.
fn payload_type(section: &Section, codec: &str, suits: impl Fn(&str) -> bool) -> Option<u8> {
    let settings_of = |payload: &str| {
        attributes(section, "fmtp:").find_map(|line| line.strip_prefix(payload)?.strip_prefix(' ')).unwrap_or_default()
    };
    attributes(section, "rtpmap:").find_map(|line| {
        let (payload, name) = line.split_once(' ')?;
        let number: u8 = payload.parse().ok().filter(|number| *number < 128)?;
        (name.trim().eq_ignore_ascii_case(codec) && suits(settings_of(payload))).then_some(number)
    })
}

/// A candidate with an address, as plainly as it can be written. Names, which browsers hide addresses behind, are not looked
/// up: who has them comes to ours.
fn candidate(line: &str) -> Option<String> {
    let words: Vec<&str> = line.split(' ').collect();
    let [foundation, "1", transport, priority, address, port, "typ", kind, ..] = words.as_slice() else { return None };
    let is_good = is_ice(foundation, 1..=32)
        && transport.eq_ignore_ascii_case("udp")
        && ["host", "srflx", "prflx", "relay"].contains(kind);
    let (priority, address, port): (u32, IpAddr, u16) =
        (priority.parse().ok()?, address.parse().ok()?, port.parse().ok()?);
    is_good.then(|| format!("{foundation} 1 UDP {priority} {address} {port} typ {kind}"))
}

fn is_ice(text: &str, length: std::ops::RangeInclusive<usize>) -> bool {
    length.contains(&text.len()) && text.bytes().all(|b| b.is_ascii_alphanumeric() || b"+/".contains(&b))
}

fn is_token(text: &str, length: std::ops::RangeInclusive<usize>) -> bool {
    length.contains(&text.len()) && text.bytes().all(|b| b.is_ascii_alphanumeric() || b"+/-_.{}*".contains(&b))
}

fn is_fingerprint(text: &str) -> bool {
    let Some((hash, bytes)) = text.split_once(' ') else { return false };
    let is_byte = |byte: &str| byte.len() == 2 && byte.bytes().all(|b| b.is_ascii_hexdigit());
    hash.eq_ignore_ascii_case("sha-256") && bytes.split(':').count() == 32 && bytes.split(':').all(is_byte)
}

/// The beginning of a line, to be shown.
fn short(line: &str) -> String {
    line.chars().take(40).collect()
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    /// As Chromium writes it, shortened.
    fn chromium() -> String {
        let transport = format!(
            "c=IN IP4 0.0.0.0\na=ice-ufrag:RVRc\na=ice-pwd:/v60EWJ2UgCLaS6xPenJssmH\na=fingerprint:sha-256 {}\na=setup:actpass\n",
            vec!["A7"; 32].join(":")
        );
        format!(
            "v=0\no=- 6632758902130327664 2 IN IP4 127.0.0.1\ns=-\nt=0 0\na=group:BUNDLE 0 1 2\n\
             m=video 9 UDP/TLS/RTP/SAVPF 96 102 103 104 108 109\n{transport}\
             a=candidate:31 1 udp 2113937151 848c5978-6a86-4990-91bb-b61466e27d9c.local 44092 typ host generation 0\n\
             a=candidate:32 1 udp 2113937151 192.0.2.7 44093 typ host generation 0 network-cost 999\n\
             a=mid:0\na=recvonly\na=rtcp-mux\na=rtpmap:96 VP8/90000\na=rtpmap:102 H264/90000\n\
             a=fmtp:102 level-asymmetry-allowed=1;packetization-mode=1;profile-level-id=42001f\n\
             a=rtpmap:103 rtx/90000\na=fmtp:103 apt=102\na=rtpmap:104 H264/90000\n\
             a=fmtp:104 level-asymmetry-allowed=1;packetization-mode=0;profile-level-id=42e01f\n\
             a=rtpmap:108 H264/90000\n\
             a=fmtp:108 level-asymmetry-allowed=1;packetization-mode=1;profile-level-id=42e01f\n\
             a=rtpmap:109 rtx/90000\na=fmtp:109 apt=108\n\
             m=application 9 UDP/DTLS/SCTP webrtc-datachannel\n{transport}a=mid:1\na=sctp-port:5000\n\
             m=audio 9 UDP/TLS/RTP/SAVPF 111 0\n{transport}a=mid:2\na=sendrecv\na=rtcp-mux\na=rtpmap:111 opus/48000/2\n\
             a=fmtp:111 minptime=10;useinbandfec=1\na=rtpmap:0 PCMU/8000\n"
        )
        .replace('\n', "\r\n")
    }

    #[test]
    fn a_browsers_offer_is_answered_with_what_can_be_sent() {
        let offer = Offer::parse(&chromium()).unwrap();
        assert_eq!([Codec::H264, Codec::Opus].map(|codec| offer.payload_type(codec)), [Some(108), Some(111)]);
        let sdp = offer.to_sdp();
        for line in
            ["m=video 9 UDP/TLS/RTP/SAVPF 108 109", "a=fmtp:109 apt=108", "a=group:BUNDLE 0 2", "a=ice-ufrag:RVRc"]
        {
            assert!(sdp.contains(&format!("{line}\r\n")), "{line}: {sdp}");
        }
        assert!(sdp.contains("192.0.2.7") && !sdp.contains(".local"), "names are not looked up: {sdp}");
        assert!(!sdp.contains("application") && !sdp.contains("VP8"), "{sdp}");
        assert_eq!(Offer::parse(&sdp).unwrap().to_sdp(), sdp, "what was written is understood");
        // Each line of media of the offer has one in the answer, in its place.
        let answer = "v=0\r\nm=video 9 A\r\na=fmtp:108 packetization-mode=1\r\nm=audio 9 B\r\n";
        let refused =
            "m=application 0 UDP/DTLS/SCTP webrtc-datachannel\r\nc=IN IP4 0.0.0.0\r\na=inactive\r\na=mid:1\r\n";
        assert_eq!(
            offer.complete(answer),
            format!(
                "v=0\r\nm=video 9 A\r\na=fmtp:108 packetization-mode=1;profile-level-id=42e01f\r\n{refused}m=audio 9 B\r\n"
            )
        );
    }

    #[test]
    fn what_cannot_be_answered_is_refused_in_words() {
        let good = chromium();
        for (offer, says) in [
            (String::new(), "does not begin with `v=0`"),
            ("hello".into(), "lines are like `v=0`"),
            ("{\"type\": \"offer\"}".into(), "lines are like `v=0`"),
            ("v=0\r\n".into(), "no video to receive that is H264/90000"),
            (good.replace("H264", "VP9"), "no video to receive that is H264/90000"),
            (good.replace("packetization-mode=1", "packetization-mode=0"), "no video to receive"),
            (good.replace("a=recvonly", "a=sendonly"), "no video to receive"),
            (good.replace("a=mid:0\r\n", ""), "no `a=mid`"),
            (good.replace("a=mid:0", "a=mid:2"), "the same `a=mid`"),
            (good.replace("a=mid:0", &format!("a=mid:{}", "x".repeat(300))), "no `a=mid`"),
            (good.replace("BUNDLE 0 1 2", "BUNDLE 0 1"), "in one `a=group:BUNDLE`"),
            (good.replace("a=ice-ufrag:RVRc\r\n", ""), "no `a=ice-ufrag`"),
            (good.replace("RVRc", "R V c"), "no `a=ice-ufrag`"),
            (good.replace("/v60EWJ2UgCLaS6xPenJssmH", "short"), "no `a=ice-ufrag`"),
            (good.replace("sha-256", "sha-1"), "no `a=fingerprint`"),
            (good.replace("setup:actpass", "setup:holdconn"), "no `a=setup:actpass`"),
            (good.replace("m=audio 9 UDP/TLS/RTP/SAVPF 111 0", "m=audio"), "a line of media that is none: `audio`"),
            (good.clone() + &"m=audio 9 RTP/AVP 0\r\n".repeat(40), "43 lines of media"),
        ] {
            let refused = Offer::parse(&offer).unwrap_err();
            assert!(refused.contains(says), "{says}: {refused}");
        }
    }

    proptest! {
        /// Whatever is done to an offer: what comes through has only characters of an SDP, and is understood again.
        #[test]
        fn nothing_that_was_not_understood_comes_through(
            at in 0..2000_usize, length in 0..40_usize, put in "[\\PC\r\n\0]{0,40}",
        ) {
            let good = chromium();
            let (at, end) = (at.min(good.len()), (at + length).min(good.len()));
            let changed = format!("{}{put}{}", &good[..at], &good[end..]);
            if let Ok(offer) = Offer::parse(&changed) {
                let sdp = offer.to_sdp();
                prop_assert!(sdp.bytes().all(|b| b.is_ascii_graphic() || b" \r\n".contains(&b)), "{:?}", sdp);
                prop_assert_eq!(Offer::parse(&sdp).map(|again| again.to_sdp()), Ok(sdp));
            }
        }
    }
}
