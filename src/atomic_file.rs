//! Files that are there whole, as they were before or as they are now, whatever happens meanwhile.

use std::io::{self, Write};
use std::path::Path;

/// Writes `bytes` beside `file` and renames them into its place; its folder is made if it is missing. Only the user
/// who runs this may read it.
///
/// # Errors
/// The folder cannot be made or written to, or is full: what was there before is left.
pub fn replace(file: &Path, bytes: &[u8]) -> io::Result<()> {
    let folder = file.parent().unwrap_or(Path::new("."));
    std::fs::create_dir_all(folder)?;
    let mut part = tempfile::NamedTempFile::new_in(folder)?;
    part.write_all(bytes)?;
    // Otherwise a power cut may leave the new name with nothing behind it.
    part.as_file().sync_all()?;
    part.persist(file)?;
    Ok(())
}
