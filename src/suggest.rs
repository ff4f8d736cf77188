//! Says what was probably meant: the nearest name for an unknown one, and the place of a mistake in a TOML text.

use crate::redact::names_secret;

/// "; did you mean `x`?" for the nearest of `names`, or nothing if none is near.
pub fn did_you_mean<'a>(wanted: &str, names: impl Iterator<Item = &'a str>) -> String {
    const NEAR: f64 = 0.75;
    let wanted = wanted.replace('-', "_").to_lowercase();
    names
        .map(|name| (strsim::jaro_winkler(&wanted, name), name))
        .filter(|(likeness, _)| *likeness >= NEAR)
        .max_by(|a, b| a.0.total_cmp(&b.0))
        .map(|(_, name)| format!("; did you mean `{name}`?"))
        .unwrap_or_default()
}

/// A TOML error in `text` with its place and key, and the nearest name for an unknown one. The line itself is not told, nor a
/// value that may be a secret.
pub fn explain(error: &toml::de::Error, text: &str) -> String {
    let message = error.message().trim_end();
    let Some(span) = error.span() else { return format!("{message}{}", suggestion(message)) };
    let before = text.get(..span.start).unwrap_or(text);
    let (line, begin) = (before.matches('\n').count() + 1, before.rfind('\n').map_or(0, |at| at + 1));
    let column = before[begin..].chars().count() + 1;
    let tells_a_name =
        ["unknown field", "missing field", "duplicate key"].iter().any(|start| message.starts_with(start));
    let message = match names_secret(text[begin..].lines().next().unwrap_or_default()) && !tells_a_name {
        true => "the value cannot be used; write it as \"...\"",
        false => message,
    };
    let key = key_before(before).map(|key| format!(", `{key}`")).unwrap_or_default();
    format!("line {line}, column {column}{key}: {message}{}", suggestion(message))
}

/// The key of a value that `text` stands before.
fn key_before(text: &str) -> Option<&str> {
    let key = text.trim_end().strip_suffix('=')?.trim_end();
    let begin = key.rfind(|c: char| !c.is_ascii_alphanumeric() && !"_-".contains(c)).map_or(0, |at| at + 1);
    Some(&key[begin..]).filter(|key| !key.is_empty())
}

/// For "unknown field `widht`, expected one of `width`, `height`": the nearest of the expected names.
pub fn suggestion(message: &str) -> String {
    let mut names = message.split('`').skip(1).step_by(2);
    match names.next() {
        Some(unknown) if message.starts_with("unknown") => did_you_mean(unknown, names),
        _ => String::new(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn near_names_are_suggested_and_far_ones_are_not() {
        let names = ["starry_night", "great_wave", "mosaic"];
        assert_eq!(did_you_mean("mosiac", names.into_iter()), "; did you mean `mosaic`?");
        assert_eq!(did_you_mean("Starry-Nigt", names.into_iter()), "; did you mean `starry_night`?");
        assert_eq!(did_you_mean("xyz", names.into_iter()), "");
    }
}
