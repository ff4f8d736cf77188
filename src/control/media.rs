//! The files of the media folders, to be chosen as sources.

use std::path::{Path, PathBuf};

use super::contract::MediaFile;

/// More are not listed.
const MOST_LISTED: usize = 1000;

/// How deep folders are looked into.
const DEEPEST: usize = 4;

/// What a source can be by its ending.
const ENDINGS: &[&str] = &[
    "mp4", "m4v", "mov", "mkv", "webm", "avi", "ts", "mts", "mpg", "mpeg", "ogv", "gif", "jpg", "jpeg", "png", "webp",
];

/// Films and pictures in `folders` and the folders in them, by name; hidden ones and links are left out. May block.
pub fn list(folders: &[PathBuf]) -> Vec<MediaFile> {
    let mut found = Vec::new();
    folders.iter().for_each(|folder| collect(folder, folder, 1, &mut found));
    found.sort_by(|a, b| a.name.cmp(&b.name));
    found
}

fn collect(folder: &Path, root: &Path, depth: usize, found: &mut Vec<MediaFile>) {
    // A folder that is away, or not ours to read, has nothing to choose from.
    for entry in std::fs::read_dir(folder).into_iter().flatten().flatten() {
        let (path, is_hidden) = (entry.path(), entry.file_name().as_encoded_bytes().starts_with(b"."));
        let Ok(kind) = entry.file_type() else { continue };
        if is_hidden || found.len() >= MOST_LISTED {
            continue;
        }
        let ending = path.extension().map(|ending| ending.to_string_lossy().to_lowercase());
        if kind.is_dir() && depth < DEEPEST {
            collect(&path, root, depth + 1, found);
        } else if kind.is_file() && ending.is_some_and(|ending| ENDINGS.contains(&ending.as_str())) {
            let source = std::path::absolute(&path).ok().and_then(|path| path.into_os_string().into_string().ok());
            let name = path.strip_prefix(root).ok().and_then(Path::to_str).map(str::to_string);
            found.extend(name.zip(source).map(|(name, source)| MediaFile { name, source }));
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn films_and_pictures_are_found_in_folders_and_nothing_else() {
        let folder = tempfile::tempdir().unwrap();
        let path = |name: &str| folder.path().join(name);
        std::fs::create_dir_all(path("b/c")).unwrap();
        for name in ["a.MP4", "b/c/d.png", "notes.txt", ".hidden.mp4"] {
            std::fs::write(path(name), "").unwrap();
        }
        std::os::unix::fs::symlink(path("a.MP4"), path("link.mp4")).unwrap();
        std::os::unix::fs::symlink(folder.path(), path("b/round")).unwrap();
        let found = list(&[folder.path().to_path_buf(), path("none")]);
        let names: Vec<_> = found.iter().map(|file| file.name.as_str()).collect();
        assert_eq!(names, ["a.MP4", "b/c/d.png"]);
        assert_eq!(found[1].source, path("b/c/d.png").to_str().unwrap());
    }
}
