//! What there is of a playlist now: folders become the films and pictures in them.

use std::path::PathBuf;
use std::time::Duration;

use super::playlist::Item;
use crate::capture::Source;
use crate::config::ItemConfig;
use crate::control::media;
use crate::redact::redact;

/// How long a picture is shown that has no time of its own.
const PICTURE: Duration = Duration::from_secs(10);

/// May block.
pub fn list(config: Vec<ItemConfig>) -> Vec<Item> {
    config.into_iter().flat_map(of).collect()
}

fn of(config: ItemConfig) -> Vec<Item> {
    let folder = PathBuf::from(&config.source);
    if !folder.is_dir() {
        return vec![item(config.source, config.seconds, config.r#loop, None)];
    }
    let files = media::list(std::slice::from_ref(&folder));
    if files.is_empty() {
        let lacks = format!("{}: there is no film or picture in this folder", folder.display());
        return vec![item(config.source, config.seconds, config.r#loop, Some(lacks))];
    }
    files.into_iter().map(|file| item(file.source, config.seconds, config.r#loop, None)).collect()
}

fn item(source: String, seconds: Option<f64>, looped: bool, lacks: Option<String>) -> Item {
    let read = Source::parse(&source).ok();
    let title = read.as_ref().map_or_else(|| redact(&source), ToString::to_string);
    let is_picture = read.is_some_and(|source| source.is_still());
    let length = seconds.map(Duration::from_secs_f64).or(is_picture.then_some(PICTURE));
    Item { source, title, length, looped, lacks }
}
