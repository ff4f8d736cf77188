//! What is told of a parameter of the look, and what the type of one can do.

use std::fmt;
use std::str::FromStr;

use serde::{Deserialize, Deserializer};

use super::mix::Mix;
use crate::style::mask::{Mask, Unpainted};
use crate::style::share;
use crate::style::steadiness::Steadiness;
use crate::style::stroke::Stroke;

/// A parameter of the look, as the command line, the API and the page need to know it.
#[derive(Debug, Clone, Copy)]
pub struct Parameter {
    /// Its key in config and API.
    pub name: &'static str,
    /// Without the dashes.
    pub flag: &'static str,
    /// Its environment variable.
    pub env: &'static str,
    /// Its command of `impasto ctl`; empty for the styles, which have several.
    pub word: &'static str,
    /// Its label on the page.
    pub title: &'static str,
    /// What it does, in a sentence.
    pub help: &'static str,
    /// What config and API have room to say besides; may be empty.
    pub more: &'static str,
    pub kind: Kind,
    /// It says how pictures follow each other: a photograph has none of it.
    pub is_of_time: bool,
    /// It matters for styles of which this property of the API's list of styles is true; empty: for all.
    pub of_styles_with: &'static str,
    /// The number of the look that sound can drive, if it is one.
    pub driven: Option<Driven>,
    pub told: Told,
}

/// What a value is, and which are possible.
#[derive(Debug, Clone, Copy)]
pub enum Kind {
    /// Styles with weights.
    Mix,
    /// 0 to 1, or a word; `ends` is what 0 and 1 are called.
    Share { word: Option<Word>, ends: Option<[&'static str; 2]> },
    /// True or false: the words of `impasto ctl`, and what they mean.
    Switch { on: (&'static str, &'static str), off: (&'static str, &'static str) },
    /// One of these words, and what each means.
    Choice(&'static [(&'static str, &'static str)]),
    /// A text; the pattern is a regular expression.
    Text { placeholder: &'static str, pattern: &'static str },
    /// 0 to `most`, of which people choose as many as `usual`.
    Milliseconds { most: u32, usual: u32 },
}

/// A number of the look that sound can drive; each goes from 0 to 1.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Driven {
    Strength,
    Colours,
    Steadiness,
    Stroke,
    MaskFeather,
}

impl Driven {
    pub const ALL: [Self; 5] = [Self::Strength, Self::Colours, Self::Steadiness, Self::Stroke, Self::MaskFeather];

    /// How many there are.
    pub const COUNT: usize = Self::ALL.len();
}

/// A word in place of a number.
#[derive(Debug, Clone, Copy)]
pub struct Word {
    pub text: &'static str,
    /// The label of its switch on the page.
    pub title: &'static str,
    /// Streams take it, not films alone.
    pub is_live: bool,
    /// JSON's null is taken for it.
    pub is_null: bool,
}

/// When it is said of a look how this parameter of it is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Told {
    Always,
    UnlessDefault,
    /// Unless it is the default, with these words.
    As(&'static str),
    Never,
}

impl Parameter {
    /// What is left out of a declaration.
    pub(super) const PLAIN: Self = Self {
        name: "",
        flag: "",
        env: "",
        word: "",
        title: "",
        help: "",
        more: "",
        kind: Kind::Mix,
        is_of_time: false,
        of_styles_with: "",
        driven: None,
        told: Told::UnlessDefault,
    };

    /// What its value on a command line is called.
    pub fn placeholder(&self) -> String {
        match self.kind {
            Kind::Mix => "NAME[=WEIGHT],..".into(),
            Kind::Share { word: None, .. } => "0..1".into(),
            Kind::Share { word: Some(word), .. } => format!("0..1|{}", word.text),
            Kind::Switch { .. } => "BOOL".into(),
            Kind::Choice(_) => "WHICH".into(),
            Kind::Text { placeholder, .. } => placeholder.into(),
            Kind::Milliseconds { .. } => "MILLISECONDS".into(),
        }
    }

    /// All that is said of it.
    pub fn description(&self) -> String {
        match self.more {
            "" => format!("{}.", self.help),
            more => format!("{}. {more}", self.help),
        }
    }
}

/// The type of a parameter.
pub(super) trait Value: Sized + FromStr<Err: fmt::Display> {
    /// Whether null is a value, and not one that is left out.
    const TAKES_NULL: bool = false;

    /// Reads it as the command line has it.
    fn read(text: &str) -> Result<Self, String> {
        text.parse().map_err(|error: Self::Err| error.to_string())
    }

    /// # Errors
    /// It cannot be, in words that follow `name`.
    fn check(&self, name: &str, kind: Kind) -> Result<(), String>;
}

/// As `name = value: what is possible`.
fn refused(name: &str) -> impl Fn(String) -> String {
    move |what| format!("{name} = {what}")
}

impl Value for Mix {
    fn check(&self, _: &str, _: Kind) -> Result<(), String> {
        Self::check(self).map_err(|error| error.to_string())
    }
}

impl Value for f32 {
    fn read(text: &str) -> Result<Self, String> {
        share::parse(text)
    }

    fn check(&self, name: &str, _: Kind) -> Result<(), String> {
        share::check(*self).map(|_| ()).map_err(refused(name))
    }
}

/// Of these, whatever can be read can be.
macro_rules! always_good {
    ($($type:ty),*) => {
        $(impl Value for $type {
            fn check(&self, _: &str, _: Kind) -> Result<(), String> {
                Ok(())
            }
        })*
    };
}
always_good!(bool, Mask, Unpainted);

impl Value for u32 {
    fn check(&self, name: &str, kind: Kind) -> Result<(), String> {
        match kind {
            Kind::Milliseconds { most, .. } if *self > most => Err(format!("{name} = {self}: 0 to {most} is possible")),
            _ => Ok(()),
        }
    }
}

impl Value for Steadiness {
    fn check(&self, name: &str, kind: Kind) -> Result<(), String> {
        match self {
            Self::Still(firmness) => firmness.check(name, kind),
            Self::Flow => Ok(()),
        }
    }
}

impl Value for Stroke {
    const TAKES_NULL: bool = true;

    fn check(&self, name: &str, kind: Kind) -> Result<(), String> {
        match self {
            Self::Of(size) => size.check(name, kind),
            Self::Auto => Ok(()),
        }
    }
}

/// Reads a value that is given; null is none, where it is no value.
pub(super) fn given<'de, T: Value + Deserialize<'de>, D: Deserializer<'de>>(
    deserializer: D,
) -> Result<Option<T>, D::Error> {
    if T::TAKES_NULL { T::deserialize(deserializer).map(Some) } else { Option::deserialize(deserializer) }
}
