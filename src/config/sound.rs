//! What the sound of a stream's source drives, as written.

use serde::{Deserialize, Serialize};

use super::SourceConfig;
use crate::error::{Error, Result};
use crate::style::look::Drives;

/// The table `[sound]`.
#[derive(Debug, Clone, PartialEq, Default, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct SoundConfig {
    pub drives: Drives,
}

impl SoundConfig {
    /// # Errors
    /// A parameter that cannot be driven, numbers that cannot be, or a source whose sound is not to be had.
    pub fn check(&self, source: &SourceConfig) -> Result<()> {
        self.drives.check().map_err(|error| error.map_text(|text| format!("[sound] drives: {text}")))?;
        if !self.drives.0.is_empty() && !source.sound {
            return Err(Error::usage("[sound] drives: they take the sound of the source: set [source] sound = true"));
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::super::Config;

    #[test]
    fn drives_are_written_for_all_streams_or_for_one() {
        let text = "[sound.drives.strength]\nby = \"low\"\nfrom = 1.0\nto = 0.25\n\
                    [[stream]]\nname = \"hall\"\n\
                    [[stream]]\nname = \"lobby\"\nsound.drives = { stroke = { by = \"high\", release_ms = 50 } }\n";
        let streams = Config::parse(text).unwrap().streams();
        let [hall, lobby] = streams.as_slice() else { panic!("{streams:?}") };
        assert_eq!((hall.sound.drives.0["strength"].from, hall.sound.drives.0["strength"].attack_ms), (1.0, 30));
        assert_eq!(lobby.sound.drives.0.keys().collect::<Vec<_>>(), ["stroke"]);
        for (text, words) in [
            ("[sound]\ndrives = { strenght = { by = \"low\" } }", "did you mean `strength`?"),
            ("[sound]\ndrives = { strength = { by = \"low\", too = 1 } }", "unknown field `too`"),
            ("[sound]\ndrives = { strength = { by = \"low\", to = 2 } }", "[sound] drives: `strength`: to = 2: 0 to 1"),
            ("[source]\nsound = false\n[sound]\ndrives = { strength = { by = \"low\" } }", "set [source] sound = true"),
        ] {
            let read = Config::parse(text).map(|config| config.streams().remove(0));
            let checked = read
                .and_then(|stream| stream.sound.check(&stream.source).map_err(|error| error.to_string()))
                .expect_err(text);
            assert!(checked.contains(words), "{text}: {checked}");
        }
    }
}
