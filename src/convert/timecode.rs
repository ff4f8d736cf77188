//! Timecode, as cameras count their frames: HH:MM:SS:FF, or HH:MM:SS;FF where minutes leave numbers out to follow NTSC.

/// The timecode so many frames after `text`, at `rate` frames a second; `None` if it is none.
pub fn later(text: &str, rate: f64, frames: u64) -> Option<String> {
    let parts: Vec<u64> = text.split([':', ';', '.']).map(|part| part.parse().ok()).collect::<Option<_>>()?;
    let [hours, minutes, seconds, frame] = *parts.as_slice() else { return None };
    let is_drop = text.contains([';', '.']);
    let nominal = rate.round() as u64;
    if nominal == 0 || frame >= nominal {
        return None;
    }
    // The first numbers of each minute but every tenth.
    let left_out = if is_drop { nominal / 15 } else { 0 };
    let (a_minute, ten_minutes) = (60 * nominal - left_out, 600 * nominal - 9 * left_out);
    let minutes = hours * 60 + minutes;
    let number = (minutes * 60 + seconds) * nominal + frame - left_out * (minutes - minutes / 10);
    let number = number + frames;
    let (tens, rest) = (number / ten_minutes, number % ten_minutes);
    let passed = if rest < 60 * nominal { 0 } else { 1 + (rest - 60 * nominal) / a_minute };
    let number = number + left_out * (9 * tens + passed);
    let (seconds, frame) = (number / nominal, number % nominal);
    let mark = if is_drop { ';' } else { ':' };
    let (hours, minutes, seconds) = (seconds / 3600 % 24, seconds / 60 % 60, seconds % 60);
    Some(format!("{hours:02}:{minutes:02}:{seconds:02}{mark}{frame:02}"))
}

#[cfg(test)]
mod tests {
    use super::later;

    #[test]
    fn timecode_goes_on_as_cameras_count() {
        for (text, rate, frames, expected) in [
            ("01:02:03:04", 25.0, 30, "01:02:04:09"),
            ("23:59:59:24", 25.0, 1, "00:00:00:00"),
            ("00:00:59;29", 29.97, 1, "00:01:00;02"),
            ("00:09:59;29", 29.97, 1, "00:10:00;00"),
            ("00:00:00;00", 29.97, 1798 + 1800, "00:02:00;02"),
            ("00:00:00;00", 29.97, 17982, "00:10:00;00"),
            ("00:00:59;59", 59.94, 1, "00:01:00;04"),
            ("01:00:00:00", 29.97, 30, "01:00:01:00"),
        ] {
            assert_eq!(later(text, rate, frames).as_deref(), Some(expected), "{text} + {frames}");
        }
        assert_eq!(["", "1:2:3", "00:00:00:30", "a:b:c:d"].map(|text| later(text, 30.0, 1)), [const { None }; 4]);
    }
}
