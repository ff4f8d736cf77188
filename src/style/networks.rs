//! The networks of a daemon: its catalog as it is now, which follows the models folder.

use std::sync::{Arc, Mutex};

use super::catalog::Catalog;
use super::manifest::Manifest;
use crate::error::Result;
use crate::sync::Locked;

/// The catalog as it is now; clones are the same.
#[derive(Clone, Default)]
pub struct Networks {
    now: Arc<Mutex<Arc<Catalog>>>,
}

impl Networks {
    pub fn new(catalog: Catalog) -> Self {
        Self { now: Arc::new(Mutex::new(Arc::new(catalog))) }
    }

    pub fn now(&self) -> Arc<Catalog> {
        Arc::clone(&self.now.locked())
    }

    /// Adds a network that lies elsewhere, if it is not known yet.
    pub fn add(&self, network: &Manifest) {
        let mut now = self.now.locked();
        if now.at(&network.path).is_none() {
            Arc::make_mut(&mut now).add(network.clone());
        }
    }

    /// Reads all manifests again, and has the paintings hung that are styles.
    ///
    /// # Errors
    /// The folder cannot be read; what was known stays.
    pub fn read_again(&self, hang: impl Fn(&mut Catalog)) -> Result<()> {
        loop {
            // Without the lock: the folder may lie on a slow disk.
            let known = self.now();
            let mut read = known.read_again()?;
            hang(&mut read);
            let mut now = self.now.locked();
            // Unless one was added meanwhile.
            if Arc::ptr_eq(&now, &known) {
                *now = Arc::new(read);
                return Ok(());
            }
        }
    }
}
