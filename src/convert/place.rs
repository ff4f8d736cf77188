//! Where IN is read and OUT is written: pipes are refused before anything is done, and links lead to what they stand for.

use std::path::{Path, PathBuf};

use crate::error::{Error, Result};

/// More links in a row are a circle.
const MOST_LINKS: usize = 40;

/// Refuses what is neither a file nor a folder: a conversion reads IN several times, goes back in OUT to finish it, and gives
/// it its name when it is complete.
///
/// # Errors
/// IN or OUT is `-`, a pipe or a device; what to do instead.
pub fn refuse_pipes(input: &Path, output: &Path) -> Result<()> {
    if is_pipe(input) {
        return Err(Error::usage(format!(
            "{}: a pipe can be read once only, and IN is read several times: save it first (cat > in.mkv) and name that file",
            input.display()
        )));
    }
    if is_pipe(output) {
        return Err(Error::usage(format!(
            "{}: OUT is finished by going back in it, which a pipe does not allow: name a file, and send that on \
             (impasto file in.mp4 out.mkv && cat out.mkv)",
            output.display()
        )));
    }
    Ok(())
}

/// What is not there is no pipe.
fn is_pipe(path: &Path) -> bool {
    let is_other = |metadata: std::fs::Metadata| !metadata.is_file() && !metadata.is_dir();
    path.as_os_str() == "-" || std::fs::metadata(path).is_ok_and(is_other)
}

/// # Errors
/// The folder that `output` is to lie in is not there.
pub fn has_folder(output: &Path) -> Result<()> {
    let parent = output.parent().filter(|parent| !parent.as_os_str().is_empty()).unwrap_or(Path::new("."));
    match parent.is_dir() {
        true => Ok(()),
        false => Err(Error::output(format!("{}: there is no such folder", parent.display()))),
    }
}

/// The file that is written under the name `output`: what a link stands for, whether it is there yet or not.
pub fn behind_links(output: &Path) -> PathBuf {
    let mut place = output.to_path_buf();
    for _ in 0..MOST_LINKS {
        let Ok(target) = std::fs::read_link(&place) else { break };
        place = place.with_file_name("").join(target);
    }
    place
}
