//! What a look says of the mask: which part of the picture is painted, and what is seen beside it.

use std::fmt;
use std::str::FromStr;
use std::sync::Arc;

use serde::{Deserialize, Serialize};

use crate::as_text::as_text;

/// Which part of the picture is painted.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Mask {
    /// All of it.
    #[default]
    Off,
    /// People.
    Person,
    /// What is around them.
    Background,
}

impl Mask {
    const WORDS: [(&str, Self); 3] = [("off", Self::Off), ("person", Self::Person), ("background", Self::Background)];
}

impl FromStr for Mask {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let known = Self::WORDS.iter().find(|(word, _)| *word == text);
        known.map(|(_, mask)| *mask).ok_or_else(|| format!("`{text}` is neither off, person nor background"))
    }
}

impl fmt::Display for Mask {
    /// As [`FromStr`] reads it.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(Self::WORDS.iter().find(|(_, mask)| mask == self).map_or("", |(word, _)| word))
    }
}

/// Before the name of a style that is seen beside the others.
const STYLE: &str = "style:";

/// What is seen beside the part that is painted.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub enum Unpainted {
    #[default]
    Source,
    /// The source, out of focus.
    Blur,
    /// Red, green and blue.
    Colour([u8; 3]),
    /// The source, painted too, in this style of the same network.
    Style(Arc<str>),
}

impl Unpainted {
    /// The style that is seen there.
    pub fn style(&self) -> Option<&str> {
        match self {
            Self::Style(name) => Some(name),
            _ => None,
        }
    }
}

impl FromStr for Unpainted {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let colour = |text: &str| -> Option<[u8; 3]> {
            let digits = text
                .strip_prefix('#')
                .filter(|digits| digits.len() == 6 && digits.bytes().all(|digit| digit.is_ascii_hexdigit()))?;
            let [_, red, green, blue] = u32::from_str_radix(digits, 16).ok()?.to_be_bytes();
            Some([red, green, blue])
        };
        match text {
            "source" => Ok(Self::Source),
            "blur" => Ok(Self::Blur),
            _ => {
                let style =
                    || text.strip_prefix(STYLE).filter(|name| !name.is_empty()).map(|name| Self::Style(name.into()));
                let refused = || format!("`{text}` is neither source, blur nor a colour like #336699, nor {STYLE}NAME");
                colour(text).map(Self::Colour).or_else(style).ok_or_else(refused)
            }
        }
    }
}

impl fmt::Display for Unpainted {
    /// As [`FromStr`] reads it.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Source => f.write_str("source"),
            Self::Blur => f.write_str("blur"),
            Self::Colour([red, green, blue]) => write!(f, "#{red:02x}{green:02x}{blue:02x}"),
            Self::Style(name) => write!(f, "{STYLE}{name}"),
        }
    }
}

as_text!(Unpainted);

/// The same as the painter takes it.
#[derive(Debug, Clone, PartialEq)]
pub struct MaskAmounts {
    /// How much of the painting is seen in people, and around them: 0 to 1.
    pub person: f32,
    pub background: f32,
    /// How soft the edge is: 0 to 1.
    pub feather: f32,
    pub unpainted: Unpainted,
}

impl MaskAmounts {
    /// Where `is_inverted`, the other part is painted.
    pub fn new(mask: Mask, is_inverted: bool, feather: f32, unpainted: Unpainted) -> Self {
        let [person, background] = match (mask, is_inverted) {
            (Mask::Off, _) => [1.0, 1.0],
            (Mask::Person, false) | (Mask::Background, true) => [1.0, 0.0],
            (Mask::Background, false) | (Mask::Person, true) => [0.0, 1.0],
        };
        Self { person, background, feather, unpainted }
    }

    /// People have to be found.
    pub fn is_on(&self) -> bool {
        self.person < 1.0 || self.background < 1.0
    }

    /// The way from one to another, each number by `mix`.
    pub fn between(from: &Self, to: &Self, mix: impl Fn(f32, f32) -> f32) -> Self {
        Self {
            person: mix(from.person, to.person),
            background: mix(from.background, to.background),
            feather: mix(from.feather, to.feather),
            // What goes away keeps what is seen beside it to the end.
            unpainted: if to.is_on() { &to.unpainted } else { &from.unpainted }.clone(),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_written_is_read_again() {
        for text in ["source", "blur", "#336699", "#00ff00", "style:great_wave"] {
            let unpainted: Unpainted = text.parse().unwrap();
            assert_eq!(unpainted.to_string(), text);
            assert_eq!(serde_json::to_string(&unpainted).unwrap(), format!("\"{text}\""));
        }
        for text in ["", "#12345", "#1234567", "#12345g", "336699", "#+12345", "red", "style:"] {
            assert!(text.parse::<Unpainted>().unwrap_err().contains("neither source, blur nor a colour"), "{text}");
        }
        for mask in [Mask::Off, Mask::Person, Mask::Background] {
            assert_eq!(mask.to_string().parse(), Ok(mask));
            assert_eq!(serde_json::to_string(&mask).unwrap(), format!("\"{mask}\""));
        }
    }

    #[test]
    fn a_mask_fades_from_one_part_to_the_other() {
        let amounts = |mask, is_inverted| MaskAmounts::new(mask, is_inverted, 0.0, Unpainted::Source);
        assert_eq!(amounts(Mask::Person, true), amounts(Mask::Background, false));
        assert!(!amounts(Mask::Off, true).is_on() && amounts(Mask::Background, true).is_on());
        let half = |from: f32, to: f32| f32::midpoint(from, to);
        let between = MaskAmounts::between(&amounts(Mask::Off, false), &amounts(Mask::Person, false), half);
        assert_eq!((between.person, between.background), (1.0, 0.5));
    }
}
