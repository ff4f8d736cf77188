//! Which sources may be set over the API.

use std::path::Path;

use percent_encoding::percent_decode_str;

use super::{ApiError, ApiResult};
use crate::url::without_password;

/// The list `[control] sources`; empty, it allows everything but what is this process's own.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct AllowedSources(pub Vec<String>);

impl AllowedSources {
    /// # Errors
    /// `source` is not on the list, or a file descriptor of this process.
    pub fn check(&self, source: &str) -> ApiResult<()> {
        let refused = |what: String| Err(ApiError::Failed(crate::error::Error::usage(what)));
        let is_own = source.split_once("://").is_some_and(|(scheme, _)| scheme.eq_ignore_ascii_case("fd"));
        if is_own {
            return refused(format!("`{source}`: file descriptors are sources for `impasto run --source` alone"));
        }
        // Whose password it is does not matter, unless the list says so.
        let bare = without_password(source);
        let is_covered = |entry: &String| covers(entry, source) || covers(entry, &bare);
        if self.0.is_empty() || self.0.iter().any(is_covered) {
            return Ok(());
        }
        let list = self.0.join("`, `");
        refused(format!("`{source}` may not be set here: `[control] sources` allows `{list}`"))
    }
}

/// An entry covers itself, cameras of its kind, what begins with its address, and files in its folder.
fn covers(entry: &str, source: &str) -> bool {
    if entry == source || entry.ends_with("://") && source.starts_with(entry) {
        return true;
    }
    if entry == "camera" {
        return source.starts_with("camera:");
    }
    // An address that is cut short must not cover another host: rtsp://lan covers rtsp://lan/1, not rtsp://lan.evil.
    if entry.contains("://") {
        let rest = source.strip_prefix(entry.trim_end_matches('/'));
        return rest.is_some_and(|rest| rest.starts_with('/') && !climbs(rest));
    }
    // Links and `..` lead out of a folder.
    let real = |path: &str| Path::new(path).canonicalize().ok();
    !source.contains("://") && real(entry).zip(real(source)).is_some_and(|(folder, file)| file.starts_with(folder))
}

/// Whether a path leads to what is above it, in any way of writing it.
fn climbs(path: &str) -> bool {
    let path = percent_decode_str(path.split(['?', '#']).next().unwrap_or(path)).decode_utf8_lossy();
    path.split(['/', '\\']).any(|step| step == "..")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_what_the_list_covers_may_be_set() {
        let folder = tempfile::tempdir().unwrap();
        let path = |name: &str| folder.path().join(name).to_str().unwrap().to_string();
        std::fs::create_dir(path("media")).unwrap();
        for file in ["media/a.mp4", "media-b.mp4"] {
            std::fs::write(path(file), "x").unwrap();
        }
        std::os::unix::fs::symlink(path("media-b.mp4"), path("media/link.mp4")).unwrap();
        let list = ["camera", "rtsp://", "http://cam.lan/live", &format!("{}/", path("media"))];
        let allowed = AllowedSources(list.map(String::from).to_vec());
        let good = ["camera", "camera:2", "rtsp://anywhere/x", "http://cam.lan/live", "http://cam.lan/live/1"];
        let named = ["rtsp://me:p@w@anywhere/x", "http://me:secret@cam.lan/live/1?a=../b"];
        for source in good.into_iter().chain(named).map(String::from).chain([path("media/a.mp4")]) {
            assert_eq!(allowed.check(&source), Ok(()), "{source}");
        }
        let bad = ["test", "cameras", "rtsps://h/x", "http://cam.lan/live.evil/", "http://cam.lan", "fd://3", ""];
        let tricks = [
            "http://cam.lan/live/../x",
            "http://cam.lan/live/%2e%2E/x",
            "http://cam.lan/live/a%2f..%5c..",
            "http://cam.lan/live@evil/",
        ];
        let files = ["media/../media-b.mp4", "media/link.mp4", "media-b.mp4", "media/none.mp4"].map(path);
        for source in bad.into_iter().chain(tricks).map(String::from).chain(files) {
            assert!(allowed.check(&source).is_err(), "{source}");
        }
        assert_eq!(AllowedSources::default().check("test"), Ok(()));
        assert!(AllowedSources::default().check("FD://3").is_err());
    }
}
