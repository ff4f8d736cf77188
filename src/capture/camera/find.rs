//! Which camera is meant: by index, path, name or stable id; and the same one again after it was away.

use std::fmt;
use std::path::{Path, PathBuf};

use super::system::{self, Node};
use crate::error::{Error, Result};

/// Which camera to take.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Which {
    /// The first that is no loopback device.
    Any,
    Index(u32),
    /// `/dev/video0`, or a link to it.
    Path(PathBuf),
    /// Its name or its stable id, or a part of either.
    Name(String),
    /// The one that was opened before, wherever it is now.
    Known(Identity),
}

/// What tells a camera from others when its `/dev/videoN` has changed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Identity {
    card: String,
    bus: String,
    id: Option<String>,
}

impl Which {
    /// Reads what follows `camera:`.
    pub fn parse(text: &str) -> Self {
        match text.parse() {
            Ok(index) => Self::Index(index),
            Err(_) if text.starts_with('/') => Self::Path(text.into()),
            Err(_) => Self::Name(text.into()),
        }
    }
}

impl fmt::Display for Which {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Any => f.write_str("camera"),
            Self::Index(index) => write!(f, "camera:{index}"),
            Self::Path(path) => write!(f, "camera:{}", path.display()),
            Self::Name(name) => write!(f, "camera:{name}"),
            Self::Known(identity) => write!(f, "camera:{identity}"),
        }
    }
}

impl fmt::Display for Identity {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.card)
    }
}

impl From<&Node> for Identity {
    fn from(node: &Node) -> Self {
        Self { card: node.card.clone(), bus: node.bus.clone(), id: node.id.clone() }
    }
}

/// The nodes that frames can be read from.
pub fn cameras() -> Vec<Node> {
    system::nodes().into_iter().filter(|node| node.captures).collect()
}

/// True if there is a camera to take without being asked: a loopback device is none, it may be our own output.
pub fn is_any_there() -> bool {
    cameras().iter().any(|node| !node.is_loopback())
}

/// Finds the camera that is meant.
///
/// # Errors
/// There is none, several fit, or it may not be opened; says which ones there are.
pub fn find(which: &Which) -> Result<Node> {
    let cameras = cameras();
    choose(which, &cameras).map_err(|what| {
        let closed = unreadable(which);
        let advice = match closed.first() {
            Some(path) => format!("{}: {}", path.display(), system::permission_advice(path)),
            None => format!("cameras found: {}; `impasto devices` lists them", names(&cameras)),
        };
        Error::input(format!("{which}: {what}; {advice}"))
    })
}

/// The device that is meant, whether or not frames can be read from it now.
pub fn path_of(which: &Which) -> Option<PathBuf> {
    choose(which, &system::nodes()).ok().map(|node| node.path)
}

fn choose(which: &Which, cameras: &[Node]) -> Result<Node, String> {
    let only = |found: Vec<&Node>, none: String| match found.as_slice() {
        [one] => Ok((*one).clone()),
        [] => Err(none),
        several => Err(format!("several cameras fit: {}", names_of(several.iter().copied()))),
    };
    match which {
        Which::Any => {
            let first = cameras.iter().find(|node| !node.is_loopback());
            first.cloned().ok_or_else(|| "no camera found; plug one in, or choose another source with --source".into())
        }
        Which::Index(index) => only(
            cameras.iter().filter(|node| node.index == *index).collect(),
            format!("no camera at {}", system::place(*index)),
        ),
        Which::Path(path) => {
            let target = std::fs::canonicalize(path).unwrap_or_else(|_| path.clone());
            let none = format!("no camera at {}", path.display());
            only(cameras.iter().filter(|node| node.path == target).collect(), none)
        }
        Which::Name(name) => {
            let wanted = name.to_lowercase();
            let is = |node: &&Node| node.card.to_lowercase() == wanted || node.id.as_ref() == Some(name);
            let has = |node: &&Node| {
                let id = node.id.as_deref().unwrap_or_default();
                node.card.to_lowercase().contains(&wanted) || id.to_lowercase().contains(&wanted)
            };
            let exact: Vec<_> = cameras.iter().filter(is).collect();
            let found = if exact.is_empty() { cameras.iter().filter(has).collect() } else { exact };
            only(found, format!("no camera is named `{name}`"))
        }
        Which::Known(identity) => {
            let Identity { card, bus, id } = identity;
            let by_id = cameras.iter().find(|node| id.is_some() && node.id == *id);
            let in_place = cameras.iter().find(|node| node.card == *card && node.bus == *bus);
            // A camera without an id that was plugged in elsewhere: only its name is left.
            let moved = |node: &&Node| id.is_none() && node.id.is_none() && node.card == *card;
            match by_id.or(in_place) {
                Some(node) => Ok(node.clone()),
                None => only(cameras.iter().filter(moved).collect(), format!("{card} is away")),
            }
        }
    }
}

/// Nodes that may be meant but cannot be opened for want of permission.
pub fn unreadable(which: &Which) -> Vec<PathBuf> {
    let meant = |index: u32, path: &Path| match which {
        Which::Index(wanted) => index == *wanted,
        Which::Path(wanted) => std::fs::canonicalize(wanted).is_ok_and(|wanted| wanted == path),
        _ => true,
    };
    let paths = system::paths().into_iter().filter(|(index, path)| meant(*index, path) && system::is_denied(path));
    paths.map(|(_, path)| path).collect()
}

fn names(cameras: &[Node]) -> String {
    if cameras.is_empty() { "none".into() } else { names_of(cameras.iter()) }
}

fn names_of<'a>(cameras: impl Iterator<Item = &'a Node>) -> String {
    let names: Vec<_> = cameras.map(|node| format!("camera:{} {}", node.index, node.card)).collect();
    names.join(", ")
}

#[cfg(test)]
mod tests {
    use super::*;

    fn node(index: u32, card: &str, bus: &str, id: Option<&str>) -> Node {
        Node {
            index,
            path: format!("/dev/video{index}").into(),
            card: card.into(),
            driver: "uvcvideo".into(),
            bus: bus.into(),
            id: id.map(Into::into),
            captures: true,
            outputs: false,
        }
    }

    fn two() -> Vec<Node> {
        vec![
            node(0, "Integrated Camera", "usb-1", None),
            node(2, "HD Pro Webcam C920", "usb-2", Some("usb-046d_C920_77")),
        ]
    }

    fn chosen(which: &str, cameras: &[Node]) -> Result<u32, String> {
        choose(&Which::parse(which), cameras).map(|node| node.index)
    }

    #[test]
    fn by_index_path_name_part_and_id() {
        assert_eq!(chosen("2", &two()), Ok(2));
        assert_eq!(chosen("/dev/video0", &two()), Ok(0));
        assert_eq!(chosen("integrated camera", &two()), Ok(0));
        assert_eq!(chosen("c920", &two()), Ok(2));
        assert_eq!(chosen("usb-046d_C920_77", &two()), Ok(2));
        assert_eq!(chosen("7", &two()), Err("no camera at /dev/video7".into()));
        let error = chosen("cam", &[node(0, "Cam A", "1", None), node(1, "Cam B", "2", None)]).unwrap_err();
        assert_eq!(error, "several cameras fit: camera:0 Cam A, camera:1 Cam B");
    }

    #[test]
    fn a_loopback_device_is_never_taken_unasked() {
        let loopback = Node { driver: "v4l2 loopback".into(), ..node(0, "Impasto", "platform", None) };
        assert!(choose(&Which::Any, std::slice::from_ref(&loopback)).unwrap_err().contains("no camera found"));
        let both = [loopback, node(4, "Webcam", "usb-1", None)];
        assert_eq!(choose(&Which::Any, &both).unwrap().index, 4);
        assert_eq!(chosen("Impasto", &both), Ok(0), "asked for by name, it is one like any other");
    }

    #[test]
    fn a_camera_is_known_again_under_another_number_and_never_mistaken() {
        let known = |node: &Node| Which::Known(Identity::from(node));
        let [plain, with_id] = [&two()[0], &two()[1]];
        let moved = [node(5, "HD Pro Webcam C920", "usb-9", Some("usb-046d_C920_77"))];
        assert_eq!(choose(&known(with_id), &moved).unwrap().index, 5);
        let twin = [node(2, "HD Pro Webcam C920", "usb-9", Some("usb-046d_C920_78"))];
        assert_eq!(choose(&known(with_id), &twin).unwrap_err(), "HD Pro Webcam C920 is away");
        let elsewhere = [node(3, "Integrated Camera", "usb-7", None)];
        assert_eq!(choose(&known(plain), &elsewhere).unwrap().index, 3);
        assert!(choose(&known(plain), &[node(0, "Other", "usb-3", None)]).is_err());
    }
}
