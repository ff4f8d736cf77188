//! Times and sizes as people say them.

/// "7 s", "3 min 20 s", "1 h 5 min".
pub fn time_in_words(seconds: f64) -> String {
    match seconds.round() as u64 {
        short @ 0..=9 if seconds < 10.0 && short < 10 => format!("{seconds:.1} s"),
        seconds @ 0..60 => format!("{seconds} s"),
        seconds @ 60..3600 => format!("{} min {} s", seconds / 60, seconds % 60),
        seconds => format!("{} h {} min", seconds / 3600, seconds % 3600 / 60),
    }
}

/// "812 kB", "1.2 MB".
pub fn size_in_words(bytes: u64) -> String {
    let kilo = bytes as f64 / 1e3;
    match kilo {
        ..1000.0 => format!("{:.0} kB", kilo.ceil()),
        ..1e6 => format!("{:.1} MB", kilo / 1e3),
        _ => format!("{:.1} GB", kilo / 1e6),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn times_and_sizes_read_well() {
        let texts = [0.25, 9.96, 42.4, 200.0, 3900.0].map(time_in_words);
        assert_eq!(texts, ["0.2 s", "10 s", "42 s", "3 min 20 s", "1 h 5 min"]);
        let texts = [3, 812_000, 1_240_000, 2_500_000_000].map(size_in_words);
        assert_eq!(texts, ["1 kB", "812 kB", "1.2 MB", "2.5 GB"]);
    }
}
