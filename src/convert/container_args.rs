//! `--container-args`: options for ffmpeg's muxer, which writes the finished film.

use std::process::Command;
use std::str::FromStr;

use serde::Serialize;

use crate::error::{Error, Result};
use crate::ffmpeg::{as_file, ffmpeg, run};
use crate::output::Container;

/// Names and values.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize)]
pub struct ContainerArgs(Vec<(String, String)>);

impl FromStr for ContainerArgs {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let is_name = |name: &str| !name.is_empty() && name.chars().all(|c| c.is_ascii_alphanumeric() || c == '_');
        let pair = |pair: &str| {
            let (name, value) = pair.split_once('=').filter(|(name, value)| is_name(name) && !value.is_empty())?;
            Some((name.to_string(), value.to_string()))
        };
        let pairs = text.split(',').map(pair).collect::<Option<Vec<_>>>();
        pairs.map(Self).ok_or_else(|| format!("`{text}` is no list such as movflags=+faststart,brand=mp42"))
    }
}

impl ContainerArgs {
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// As words of a command line.
    pub fn words(&self) -> Vec<String> {
        self.0.iter().flat_map(|(name, value)| [format!("-{name}"), value.clone()]).collect()
    }

    /// Lets ffmpeg write a tenth of a second of silence with them.
    ///
    /// # Errors
    /// The container has no such option, or not with such a value; or ffmpeg is not there.
    pub fn check(&self, container: Container) -> Result<()> {
        if self.is_empty() {
            return Ok(());
        }
        let wrong = |reason: &str| Error::usage(format!("--container-args: {reason}"));
        let muxer = container.ffmpeg_name();
        let help = run(Command::new("ffmpeg").args(["-v", "error", "-h", &format!("muxer={muxer}")]));
        let help = help.map_err(|reason| wrong(&reason))?;
        let help = String::from_utf8_lossy(&help);
        let names: Vec<_> =
            help.lines().filter_map(|line| line.trim_start().strip_prefix('-')?.split_whitespace().next()).collect();
        if let Some((name, _)) = self.0.iter().find(|(name, _)| !names.contains(&name.as_str())) {
            let container = container.name();
            let names = names.join(", ");
            return Err(wrong(&format!("ffmpeg's muxer for {container} has no option `{name}`; it has {names}")));
        }
        let folder = tempfile::tempdir().map_err(|error| Error::output(format!("temporary folder: {error}")))?;
        let sound = match container {
            Container::Mp4 | Container::Mov => "aac",
            Container::Matroska | Container::WebM => "opus",
        };
        let mut trial = ffmpeg();
        trial.args(["-f", "lavfi", "-i", "anullsrc=r=48000", "-t", "0.1"]);
        trial.args(["-c:a", sound, "-strict", "-2"]).args(self.words()).args(["-f", muxer]);
        run(trial.arg(as_file(&folder.path().join("trial")))).map(drop).map_err(|reason| wrong(&reason))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_have_values() {
        let words = |text: &str| text.parse::<ContainerArgs>().map(|args| args.words()).ok();
        assert_eq!(words("movflags=+faststart"), Some(vec!["-movflags".into(), "+faststart".into()]));
        assert_eq!(words("a=1,b=x=y").map(|words| words.len()), Some(4));
        for wrong in ["", "faststart", "=1", "a=", "a=1,", "-a=1", "a b=1"] {
            assert_eq!(words(wrong), None, "{wrong}");
        }
    }
}
