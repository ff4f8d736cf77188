//! Environment variables that name files and folders.

use std::path::PathBuf;

/// What the variable of that name says; an empty one says nothing.
pub fn path(name: &str) -> Option<PathBuf> {
    std::env::var_os(name).filter(|value| !value.is_empty()).map(PathBuf::from)
}
