//! Finds the line of a config file that an error about one of its values means.

use std::path::Path;

use toml::de::{DeTable, DeValue};

use crate::error::Error;
use crate::redact::names_secret;

/// Adds file, line and key to an error about a value that stands in the config `file`. What stands elsewhere, such as in a
/// flag, is left alone.
pub fn locate(error: Error, file: Option<&Path>) -> Error {
    let Some(file) = file else { return error };
    let text = std::fs::read_to_string(file).unwrap_or_default();
    match place(&error.to_string(), &text) {
        Some(place) => error.map_text(|text| format!("config {}, {place}: {text}", file.display())),
        None => error,
    }
}

/// A value of the file.
struct Entry {
    /// Of all tables that it is in, and its own.
    keys: Vec<String>,
    /// The stream in whose entry it stands.
    stream: Option<String>,
    value: Written,
    /// Where its key stands.
    at: usize,
}

enum Written {
    Text(String),
    /// A number or a truth value, as errors write it.
    Plain(String),
}

/// Line, and key where the message does not begin with it, of the value that `message` is about.
fn place(message: &str, text: &str) -> Option<String> {
    let document = DeTable::parse(text).ok()?;
    let mut entries = Vec::new();
    gather(document.get_ref(), &[], None, &mut entries);
    entries.sort_by_key(|entry| entry.at);

    // What is suggested is not what is written.
    let about = message.split("; did you mean").next().unwrap_or_default();
    let (stream, about) = match about.strip_prefix("stream ").and_then(|rest| rest.split_once(": ")) {
        Some((stream, about)) => (Some(stream), about),
        None => (None, about),
    };
    let about = about.strip_prefix('[').and_then(|rest| rest.split_once("] ")).map_or(about, |(_, about)| about);
    let is_reached = |entry: &&Entry| match (stream, &entry.stream) {
        (Some(stream), Some(of)) => stream == of,
        _ => true,
    };
    let blamed = entries.iter().filter(is_reached).filter(|entry| entry.is_in(about));
    // What an entry of a stream says counts before what it inherits.
    let blamed = blamed.min_by_key(|entry| stream.is_some() && entry.stream.is_none())?;
    let (line, key) = (text[..blamed.at].matches('\n').count() + 1, blamed.keys.last()?);
    Some(if about.starts_with(key.as_str()) { format!("line {line}") } else { format!("line {line}, `{key}`") })
}

fn gather(table: &DeTable, above: &[String], stream: Option<&str>, entries: &mut Vec<Entry>) {
    for (key, value) in table {
        let keys: Vec<String> = above.iter().cloned().chain([key.get_ref().to_string()]).collect();
        gather_value(value.get_ref(), &keys, stream, key.span().start, entries);
    }
}

fn gather_value(value: &DeValue, keys: &[String], stream: Option<&str>, at: usize, entries: &mut Vec<Entry>) {
    let value = match value {
        DeValue::Table(table) => {
            let name = table.get("name").and_then(|name| name.get_ref().as_str()).filter(|_| keys == ["stream"]);
            return gather(table, keys, name.or(stream), entries);
        }
        DeValue::Array(values) => {
            return values.iter().for_each(|value| gather_value(value.get_ref(), keys, stream, at, entries));
        }
        DeValue::String(text) => Written::Text(text.to_string()),
        DeValue::Integer(number) => Written::Plain(number.as_str().replace('_', "")),
        DeValue::Float(number) => {
            let written = number.as_str().replace('_', "");
            Written::Plain(written.parse().map_or(written, |number: f32| number.to_string()))
        }
        DeValue::Boolean(value) => Written::Plain(value.to_string()),
        DeValue::Datetime(_) => return,
    };
    entries.push(Entry { keys: keys.to_vec(), stream: stream.map(str::to_string), value, at });
}

impl Entry {
    /// Whether a message is about it: it quotes the text, or tells key and number; a secret is told by its key alone.
    fn is_in(&self, message: &str) -> bool {
        let Some(key) = self.keys.last() else { return false };
        let begins = message.strip_prefix(key.as_str()).is_some_and(|rest| !rest.starts_with(is_of_name));
        match &self.value {
            Written::Text(text) if text.is_empty() => false,
            Written::Text(_) if names_secret(key) => begins,
            Written::Text(text) => {
                // Of a mix of styles one is quoted.
                let mut parts = text.split([',', '=']).map(str::trim);
                quoted(message).any(|word| word == text || parts.any(|part| part == word))
                    || begins && message.contains(text.as_str())
            }
            Written::Plain(value) => {
                let told = [format!("{key} = {value}"), format!("`{key}` = {value}")];
                let is_told = |told: &String| {
                    let mut places = message.match_indices(told.as_str());
                    places.any(|(at, _)| !message[at + told.len()..].starts_with(|c: char| c.is_ascii_digit()))
                };
                // A style is known by its key.
                told.iter().any(is_told)
                    || self.keys.iter().rev().nth(1).is_some_and(|table| table.starts_with("style"))
                        && quoted(message).any(|word| word == key)
            }
        }
    }
}

fn is_of_name(c: char) -> bool {
    c.is_ascii_alphanumeric() || "_-".contains(c)
}

/// The words of a message that stand in backticks.
fn quoted(message: &str) -> impl Iterator<Item = &str> {
    message.split('`').skip(1).step_by(2)
}

#[cfg(test)]
mod tests {
    use super::*;

    const TEXT: &str = "[source]\ninput = \"test\"\nfps = 0\n\
                        [paint]\nstrength = 1.50\nstyles = { waves = 0.5, stars = 2_000 }\n\
                        [output]\ncrf = 52\nrtsp = \"8554\"\nrtsp_password = \"secret\"\nrtsp_certificate = \"/tmp/a.pem\"\n\
                        [control]\nremember = true\n\
                        [[stream]]\nname = \"hall\"\n\
                        [[stream]]\nname = \"lobby\"\nsource = { fps = 0 }\n\
                        output.also = [{ type = \"push\", url = \"http://x\", kbps = 0 }]\n";

    #[test]
    fn every_kind_of_value_is_found() {
        for (message, expected) in [
            ("[source] fps = 0: 1 to 240 is possible", Some("line 3")),
            ("stream hall: [source] fps = 0: 1 to 240 is possible", Some("line 3")),
            ("stream lobby: [source] fps = 0: 1 to 240 is possible", Some("line 18")),
            ("strength = 1.5: 0 to 1 is possible", Some("line 5")),
            ("weight of style `stars` = 2000: 0 to 1000 is possible", Some("line 6, `stars`")),
            ("unknown style `waves`; did you mean `stars`?", Some("line 6, `waves`")),
            ("crf = 52: 0 (best) to 51 is possible", Some("line 8")),
            ("crf = 5: of a flag", None),
            ("rtsp: `8554` is not an address like 127.0.0.1:8554/live", Some("line 9")),
            ("rtsp: `85` is not an address; it is of a flag", None),
            ("rtsp_password is set without rtsp_user", Some("line 10")),
            ("rtsp_certificate /tmp/a.pem: there is no key in it", Some("line 11")),
            ("rtsp_certificate /tmp/b.pem: there is no key in it", None),
            ("[control] remember = true: there is no folder", Some("line 13")),
            ("[[stream]] name = `hall`: two streams have it", Some("line 15")),
            ("stream lobby: `http://x`: a stream is pushed to rtmp://", Some("line 19, `url`")),
            ("stream lobby: kbps = 0: 10 to 1000000 is possible", Some("line 19")),
            ("unknown style `moon`; did you mean `waves`?", None),
        ] {
            assert_eq!(place(message, TEXT).as_deref(), expected, "{message}");
        }
        assert_eq!(place("unknown style `b`", "[paint]\nstyle = \"a=0.5, b\"\n").as_deref(), Some("line 2, `style`"));
        assert_eq!(place("unknown style `b`", "[paint\n"), None);
    }
}
