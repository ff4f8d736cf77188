//! Days of the week and times of the day, as a schedule names them.

use std::fmt;
use std::str::FromStr;

use serde::{Deserialize, Serialize};

use crate::as_text::as_text;

/// A day of the week.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Day {
    Mon,
    Tue,
    Wed,
    Thu,
    Fri,
    Sat,
    Sun,
}

impl Day {
    pub const ALL: [Self; 7] = [Self::Mon, Self::Tue, Self::Wed, Self::Thu, Self::Fri, Self::Sat, Self::Sun];
}

impl fmt::Display for Day {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(["mon", "tue", "wed", "thu", "fri", "sat", "sun"][*self as usize])
    }
}

/// A time of the day: HH:MM, up to 24:00.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct TimeOfDay(u16);

impl TimeOfDay {
    /// The minutes of a day.
    pub const DAY: i32 = 24 * 60;

    /// Minutes from midnight.
    pub fn minutes(self) -> i32 {
        self.0.into()
    }
}

impl FromStr for TimeOfDay {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let digits = |part: &str| (part.len() == 2).then(|| part.parse::<u16>().ok()).flatten();
        let read = text.split_once(':').and_then(|(hours, minutes)| Some((digits(hours)?, digits(minutes)?)));
        match read {
            Some((hours, minutes)) if minutes < 60 && hours * 60 + minutes <= Self::DAY as u16 => {
                Ok(Self(hours * 60 + minutes))
            }
            _ => Err(format!("`{text}` is no time of the day like 18:30")),
        }
    }
}

as_text!(TimeOfDay);

impl fmt::Display for TimeOfDay {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:02}:{:02}", self.0 / 60, self.0 % 60)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn times_are_read_as_they_are_written() {
        for text in ["00:00", "09:05", "23:59", "24:00"] {
            assert_eq!(text.parse::<TimeOfDay>().unwrap().to_string(), text);
        }
        for text in ["", "9:00", "12:60", "24:01", "1200", "12:00:00", "-1:00", "ab:cd", "99:00"] {
            assert!(text.parse::<TimeOfDay>().is_err(), "{text}");
        }
    }
}
