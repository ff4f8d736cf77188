//! MIDI messages, as far as controllers of looks send and take them: control changes, and notes that are struck.

use std::fmt;
use std::str::FromStr;

use serde::{Deserialize, Serialize};

use crate::as_text::as_text;

/// The upper half of the first byte.
const NOTE_ON: u8 = 0x90;
const CONTROL_CHANGE: u8 = 0xb0;

/// The largest number of seven bits: that of a control, of a note, and a value.
pub const MOST: u8 = 127;

/// A knob, a fader, a button or a key of a device, written as `CHANNEL-cc-NUMBER` or `CHANNEL-note-NUMBER`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct Control {
    /// 1 to 16.
    pub channel: u8,
    pub kind: Kind,
    /// 0 to 127.
    pub number: u8,
}

/// What a control sends.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Kind {
    /// Control changes.
    Change,
    Note,
}

impl Kind {
    fn word(self) -> &'static str {
        match self {
            Self::Change => "cc",
            Self::Note => "note",
        }
    }
}

/// Reads one message: the control, and its value or velocity, 1 to 127 for a note. None for what says nothing to looks, a note that
/// is let go, and what is no message.
pub fn read(bytes: &[u8]) -> Option<(Control, u8)> {
    let &[status, number @ 0..=MOST, value @ 0..=MOST] = bytes else { return None };
    let kind = match status & 0xf0 {
        CONTROL_CHANGE => Kind::Change,
        // Without a velocity it is let go.
        NOTE_ON if value > 0 => Kind::Note,
        _ => return None,
    };
    Some((Control { channel: (status & 0x0f) + 1, kind, number }, value))
}

/// The message that shows a value, 0 to 127, at a control.
pub fn write(control: Control, value: u8) -> [u8; 3] {
    let Control { channel, kind, number } = control;
    let status = match kind {
        Kind::Change => CONTROL_CHANGE,
        Kind::Note => NOTE_ON,
    };
    [status | (channel.wrapping_sub(1) & 0x0f), number, value.min(MOST)]
}

impl FromStr for Control {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let read = || {
            let mut parts = text.splitn(3, '-');
            let channel = parts.next()?.parse().ok().filter(|channel| (1..=16).contains(channel))?;
            let word = parts.next()?;
            let kind = [Kind::Change, Kind::Note].into_iter().find(|kind| kind.word() == word)?;
            let number = parts.next()?.parse().ok().filter(|number| *number <= MOST)?;
            Some(Self { channel, kind, number })
        };
        read().ok_or_else(|| {
            format!(
                "`{text}` is no control such as 1-cc-7 or 10-note-36: the channel is 1 to 16, the number 0 to {MOST}"
            )
        })
    }
}

as_text!(Control);

impl fmt::Display for Control {
    /// As [`FromStr`] reads it.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}-{}-{}", self.channel, self.kind.word(), self.number)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn control_changes_and_struck_notes_are_read_and_all_else_is_not() {
        for (bytes, control, value) in [
            ([0xb0, 7, 127], "1-cc-7", 127),
            ([0xbf, 0, 0], "16-cc-0", 0),
            ([0x99, 36, 100], "10-note-36", 100),
            ([0x90, 127, 1], "1-note-127", 1),
        ] {
            assert_eq!(
                read(&bytes).map(|(control, value)| (control.to_string(), value)),
                Some((control.into(), value))
            );
            let control: Control = control.parse().unwrap();
            assert_eq!(write(control, value), bytes);
        }
        for bytes in [
            &[][..],
            &[0xb0],
            &[0xb0, 7],
            &[0xb0, 7, 128],
            &[0xb0, 200, 1],
            &[0xb0, 7, 1, 1],
            &[0x90, 36, 0],
            &[0x80, 36, 64],
            &[0xe0, 0, 64],
            &[0xf8],
            &[0xf0, 1, 0xf7],
            &[7, 7, 7],
        ] {
            assert_eq!(read(bytes), None, "{bytes:?}");
        }
    }

    #[test]
    fn what_is_no_control_is_refused_in_words() {
        for text in ["", "1", "1-cc", "0-cc-7", "17-cc-7", "1-cc-128", "1-knob-7", "1-cc-7-8", "a-cc-7", "1-cc--7"] {
            assert!(text.parse::<Control>().unwrap_err().contains("such as 1-cc-7"), "{text}");
        }
    }

    proptest! {
        #[test]
        fn no_bytes_do_harm_and_what_is_read_is_written_again(bytes in proptest::collection::vec(any::<u8>(), 0..5)) {
            if let Some((control, value)) = read(&bytes) {
                prop_assert_eq!(&write(control, value)[..], &bytes[..]);
                prop_assert_eq!(control.to_string().parse::<Control>(), Ok(control));
            }
        }
    }
}
