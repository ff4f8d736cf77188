//! Follows the folders that networks and paintings lie in: what is put there, replaced or taken away is known within two seconds.

use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};
use std::time::{Duration, SystemTime};

use tokio::sync::mpsc::UnboundedSender;
use tokio::task::{JoinError, spawn_blocking};

use super::Event;
use crate::error::Result;
use crate::paintings::Gallery;
use crate::picture;
use crate::style::Networks;

/// How often the folders are looked at; files that stay the same for so long are whole. Looking also works where the system
/// tells of no changes: on network disks, and when another folder takes the place of one.
const LOOK_INTERVAL: Duration = Duration::from_millis(500);

/// The files of networks and paintings: when each was written, and its length.
type Found = BTreeMap<PathBuf, (Option<SystemTime>, u64)>;

/// Reads the manifests again and hangs the paintings whenever such files have changed, and tells it, for as long as the runtime runs.
pub fn follow(networks: Networks, gallery: Gallery, events: UnboundedSender<Event>) {
    let folders = networks.now().folders().into_iter().chain(gallery.folder().map(Path::to_path_buf)).collect();
    tokio::spawn(async move {
        // It ends when a thread for it cannot be had any more: the daemon stops.
        let _ = follow_folders(networks, gallery, folders, &events).await;
    });
}

async fn follow_folders(
    networks: Networks,
    gallery: Gallery,
    folders: BTreeSet<PathBuf>,
    events: &UnboundedSender<Event>,
) -> Result<(), JoinError> {
    let look = |folders: BTreeSet<PathBuf>| spawn_blocking(move || files(&folders));
    let mut known = look(folders.clone()).await?;
    let mut before = known.clone();
    while !events.is_closed() {
        tokio::time::sleep(LOOK_INTERVAL).await;
        let now = look(folders.clone()).await?;
        if now == before && now != known {
            known.clone_from(&now);
            let (networks, gallery) = (networks.clone(), gallery.clone());
            match spawn_blocking(move || networks.read_again(|catalog| gallery.hang(catalog))).await? {
                Ok(()) => drop(events.send(Event::Networks)),
                Err(error) => tracing::warn!("the networks stay as they were: {error}"),
            }
        }
        before = now;
    }
    Ok(())
}

fn files(folders: &BTreeSet<PathBuf>) -> Found {
    let entries = folders.iter().filter_map(|folder| folder.read_dir().ok()).flatten().flatten();
    let paths = entries.map(|entry| entry.path());
    let is_network = |path: &Path| path.extension().is_some_and(|ending| ending == "toml" || ending == "onnx");
    paths
        .filter(|path| is_network(path) || picture::is_named_so(path))
        .map(|path| {
            // What is gone by now, or a link to nothing, is told by its name alone.
            let file = path.metadata().ok();
            let found = file.map_or((None, 0), |file| (file.modified().ok(), file.len()));
            (path, found)
        })
        .collect()
}
