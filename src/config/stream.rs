//! One of several streams as written: what its entry does not say is taken from the top-level tables.

use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};
use toml::{Table, Value};

use super::{OutputConfig, PaintConfig, ShowConfig, SoundConfig, SourceConfig};
use crate::error::{Error, Result};

/// The longest name: it is a part of addresses and a label of metrics.
const LONGEST_NAME: usize = 64;

/// An entry `[[stream]]`.
#[derive(Debug, Clone, PartialEq, Default, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct StreamConfig {
    pub name: String,
    #[serde(default)]
    pub source: SourceConfig,
    #[serde(default)]
    pub paint: PaintConfig,
    #[serde(default)]
    pub output: OutputConfig,
    #[serde(default)]
    pub show: ShowConfig,
    #[serde(default)]
    pub sound: SoundConfig,
}

impl StreamConfig {
    /// # Errors
    /// A name that does not fit into addresses.
    pub fn check_name(&self) -> Result<()> {
        let name = &self.name;
        let fits = |c: char| c.is_ascii_alphanumeric() || "-_".contains(c);
        match name.chars().all(fits) && (1..=LONGEST_NAME).contains(&name.len()) {
            true => Ok(()),
            false => {
                let possible = format!("1 to {LONGEST_NAME} letters, digits, - and _ are possible");
                Err(Error::usage(format!("[[stream]] name = `{name}`: {possible}")))
            }
        }
    }
}

/// Gives each stream the keys of the top-level tables that its own entry leaves out; both were checked when they were
/// read.
pub(super) fn inherit(streams: &mut [StreamConfig], written: &Table) -> Result<(), String> {
    let entries = written.get("stream").and_then(Value::as_array);
    for (stream, entry) in streams.iter_mut().zip(entries.into_iter().flatten()) {
        stream.source = section(written, entry, "source")?;
        stream.paint = section(written, entry, "paint")?;
        stream.output = section(written, entry, "output")?;
        stream.show = section(written, entry, "show")?;
        stream.sound = section(written, entry, "sound")?;
    }
    Ok(())
}

fn section<T: DeserializeOwned>(written: &Table, entry: &Value, name: &str) -> Result<T, String> {
    let table = |value: Option<&Value>| value.and_then(Value::as_table).cloned().unwrap_or_default();
    let (mut keys, own) = (table(written.get(name)), table(entry.get(name)));
    // Two names of one key.
    if own.keys().any(|key| key == "style" || key == "styles") {
        keys.retain(|key, _| key != "style" && key != "styles");
    }
    keys.extend(own);
    keys.try_into().map_err(|error: toml::de::Error| error.to_string())
}

#[cfg(test)]
mod tests {
    use super::super::Config;
    use crate::style::Stroke;

    #[test]
    fn what_an_entry_does_not_say_is_inherited() {
        let text = "[source]\ninput = \"test\"\nfps = 15\n[paint]\nstyle = \"a\"\nstrength = 0.5\nstroke = 1\n\
                    [[stream]]\nname = \"hall\"\n\
                    [[stream]]\nname = \"lobby\"\nsource = { fps = 25 }\npaint.styles = { b = 1.0 }\npaint.stroke = \"auto\"\n\
                    [stream.output]\nrtsp = \"off\"\n";
        let streams = Config::parse(text).unwrap().streams();
        let [hall, lobby] = streams.as_slice() else { panic!("{streams:?}") };
        assert_eq!((hall.name.as_str(), hall.source.fps, hall.paint.styles.to_string()), ("hall", 15, "a".into()));
        assert_eq!((lobby.source.input.as_str(), lobby.source.fps), ("test", 25));
        assert_eq!((lobby.paint.styles.to_string(), lobby.paint.strength), ("b".into(), 0.5));
        assert_eq!([hall.paint.stroke, lobby.paint.stroke], [Stroke::Of(1.0), Stroke::Auto]);
        assert_eq!((hall.output.rtsp.as_str(), lobby.output.rtsp.as_str()), ("127.0.0.1:8554", "off"));

        let alone = Config::parse("[source]\ninput = \"test\"\n").unwrap().streams();
        assert_eq!((alone.len(), alone[0].name.as_str(), alone[0].source.input.as_str()), (1, "live", "test"));
    }

    #[test]
    fn mistakes_in_an_entry_come_with_line_and_suggestion() {
        for (text, words) in [
            ("[[stream]]\nname = \"a\"\nsorce.input = \"test\"\n", ["line 3", "did you mean `source`?"]),
            ("[[stream]]\nname = \"a\"\n[stream.paint]\nstrenght = 1\n", ["line 4", "did you mean `strength`?"]),
            ("[[stream]]\nname = \"a\"\nruntime.threads = 1\n", ["line 3", "unknown field `runtime`"]),
            ("[source]\n[[stream]]\nsource.input = \"test\"\n", ["line 2", "missing field `name`"]),
            ("[[streem]]\nname = \"a\"\n", ["line 1", "did you mean `stream`?"]),
        ] {
            let error = Config::parse(text).unwrap_err();
            assert!(words.iter().all(|word| error.contains(word)), "{text}: {error}");
        }
    }
}
