//! Files that are there whole, as they were before or as they are now, whatever happens meanwhile; and reading what may be no file.

use std::fs::File;
use std::io::{self, Read, Write};
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

/// Writes `bytes` in the place of a file that is there, or of the one that a link leads to; who may read it stays.
///
/// # Errors
/// As [`replace`], and where there is no such file.
pub fn change(file: &Path, bytes: &[u8]) -> io::Result<()> {
    let file = file.canonicalize()?;
    let mut part = tempfile::NamedTempFile::new_in(file.parent().unwrap_or(Path::new("/")))?;
    part.write_all(bytes)?;
    part.as_file().set_permissions(file.metadata()?.permissions())?;
    part.as_file().sync_all()?;
    part.persist(file)?;
    Ok(())
}

/// Opens a file that is one: whoever opens a pipe may wait for ever.
///
/// # Errors
/// It is not there, cannot be read, or is a folder, a pipe or a device.
pub fn open(file: &Path) -> io::Result<File> {
    if !file.metadata()?.is_file() {
        return Err(io::Error::new(io::ErrorKind::InvalidInput, "it is no file but a folder, a pipe or a device"));
    }
    File::open(file)
}

/// Reads all of a file.
///
/// # Errors
/// As [`open`].
pub fn read(file: &Path) -> io::Result<Vec<u8>> {
    let mut bytes = Vec::new();
    open(file)?.read_to_end(&mut bytes)?;
    Ok(bytes)
}

/// As [`read`], as text.
///
/// # Errors
/// It is no text in UTF-8, too.
pub fn read_text(file: &Path) -> io::Result<String> {
    String::from_utf8(read(file)?).map_err(|error| io::Error::new(io::ErrorKind::InvalidData, error))
}
