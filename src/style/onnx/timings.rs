//! Remembers which backend was the fastest, in this process and in a file of the cache: measuring takes a second or more.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::sync::Mutex;

use serde::{Deserialize, Serialize};
use sha2::{Digest, Sha256};

use super::library;
use super::options::SessionOptions;
use super::provider::Backend;
use crate::hex::hex;
use crate::machine;
use crate::style::geometry::Size;
use crate::style::manifest::Manifest;
use crate::sync::Locked;

/// The file keeps so many; beyond that it begins anew.
const MOST: usize = 500;

/// What paints, and how that was found.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub(super) struct Measured {
    pub backend: Backend,
    /// For people: how fast it is, and each other one with its time or why it does not run.
    pub reasons: Vec<String>,
}

/// Everything that the times depend on, in words.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Key(String);

/// What is remembered of one measurement.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
struct Entry {
    backend: Backend,
    reasons: Vec<String>,
}

type Entries = BTreeMap<String, Entry>;

/// What this process knows; `None` until the file was read.
static KNOWN: Mutex<Option<Entries>> = Mutex::new(None);

impl Key {
    pub fn new(manifest: &Manifest, size: Size, options: &SessionOptions, library: &Path) -> Self {
        let network = manifest
            .sha256
            .clone()
            .unwrap_or_else(|| hex(&Sha256::digest(std::fs::read(manifest.model_path()).unwrap_or_default())));
        let version = library::version(library).unwrap_or_default();
        let SessionOptions { device, precision, spin, .. } = options;
        let threads = options.thread_count();
        Self(format!(
            "{network} {size} {device:?} {precision:?} threads={threads} spin={spin} {} {version} {}",
            library.display(),
            processor()
        ))
    }
}

/// What was measured before under the same conditions.
pub(super) fn recall(key: &Key) -> Option<Measured> {
    let mut known = KNOWN.locked();
    let entry = known.get_or_insert_with(|| file().map(|file| read(&file)).unwrap_or_default()).get(&key.0)?;
    Some(Measured { backend: entry.backend, reasons: entry.reasons.clone() })
}

pub(super) fn remember(key: &Key, measured: &Measured) {
    let mut known = KNOWN.locked();
    let entries = known.get_or_insert_default();
    let entry = Entry { backend: measured.backend, reasons: measured.reasons.clone() };
    if let Some(file) = file() {
        // Another process may have measured meanwhile.
        let mut all = read(&file);
        if all.len() >= MOST {
            all.clear();
        }
        all.insert(key.0.clone(), entry.clone());
        if let Err(error) = write(&file, &all) {
            tracing::debug!("{}: {error}; the next start measures the devices again", file.display());
        }
    }
    entries.insert(key.0.clone(), entry);
}

fn file() -> Option<PathBuf> {
    Some(library::cache_folder()?.join("devices.json"))
}

/// What the file holds; one that is damaged counts as empty and is replaced by the next measurement.
fn read(file: &Path) -> Entries {
    let Ok(text) = std::fs::read(file) else { return Entries::new() };
    serde_json::from_slice(&text).unwrap_or_else(|error| {
        tracing::warn!("{}: {error}; the devices are measured again", file.display());
        Entries::new()
    })
}

fn write(file: &Path, entries: &Entries) -> std::io::Result<()> {
    crate::atomic_file::replace(file, &serde_json::to_vec_pretty(entries)?)
}

/// The flags tell two processors apart that a virtual machine gives one name.
fn processor() -> String {
    let sets = Sha256::digest(machine::instruction_sets());
    format!("{} {}", machine::processor(), hex(&sets[..2]))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_damaged_file_counts_as_empty_and_is_replaced() {
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join("cache/devices.json");
        assert!(read(&file).is_empty());
        let entry = Entry { backend: Backend::CPU, reasons: vec!["9.6 ms a picture".into()] };
        let entries = Entries::from([("a network".to_string(), entry)]);
        write(&file, &entries).unwrap();
        assert_eq!(read(&file), entries);
        std::fs::write(&file, "{\"a network\": {").unwrap();
        assert!(read(&file).is_empty());
        write(&file, &entries).unwrap();
        assert_eq!(read(&file), entries);
    }
}
