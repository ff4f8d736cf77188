//! One picture, shown for ever: read as a photograph that is painted into a file is.

use std::path::Path;

use gstreamer as gst;
use gstreamer::prelude::*;
use gstreamer_app as gst_app;
use gstreamer_video as gst_video;

use crate::error::{Error, Result};
use crate::picture::{self, Bounds, Original};

/// True if `path` holds a picture, as its first bytes tell. Several in one file are a film in JPEG pictures.
pub fn is_still(path: &Path) -> bool {
    let is_film = path.extension().is_some_and(|extension| extension == "mjpeg" || extension == "mjpg");
    !is_film && picture::begins_as_one(path)
}

/// Makes the appsrc of `bin` deliver the picture at `path`, once.
///
/// # Errors
/// The file is damaged, or its picture too large to be painted.
pub fn show_in(bin: &gst::Bin, path: &Path) -> Result<()> {
    let unreadable = |what: String| Error::input(format!("{}: {what}", path.display()));
    let source = ["picture", "animation"]
        .iter()
        .find_map(|name| bin.by_name(name))
        .and_then(|element| element.downcast::<gst_app::AppSrc>().ok())
        .unwrap_or_else(|| unreachable!("checked by build"));
    let Original { picture, notes, .. } = Original::read(path, Bounds::SHOWN).map_err(unreadable)?;
    for note in notes {
        tracing::warn!("{}: {note}", path.display());
    }
    let picture = picture.into_rgba8();
    let info = gst_video::VideoInfo::builder(gst_video::VideoFormat::Rgba, picture.width(), picture.height())
        .build()
        .map_err(|error| unreadable(error.to_string()))?;
    source.set_caps(Some(&info.to_caps().map_err(|error| unreadable(error.to_string()))?));
    let mut buffer = gst::Buffer::from_mut_slice(picture.into_raw());
    if let Some(buffer) = buffer.get_mut() {
        buffer.set_pts(gst::ClockTime::ZERO);
    }
    let mut buffer = Some(buffer);
    let callbacks = gst_app::AppSrcCallbacks::builder().need_data(move |source, _| {
        let _ = match buffer.take() {
            Some(buffer) => source.push_buffer(buffer),
            None => source.end_of_stream(),
        };
    });
    source.set_callbacks(callbacks.build());
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_picture_is_known_by_its_bytes() {
        let folder = tempfile::tempdir().unwrap();
        let still = |name: &str, bytes: &[u8]| {
            let path = folder.path().join(name);
            std::fs::write(&path, bytes).unwrap();
            is_still(&path)
        };
        assert!(still("photo.jpg", b"\xff\xd8\xff\xe0\0\x10JFIF\0") && still("no-name", b"\x89PNG\r\n\x1a\n"));
        assert!(still("phone.heic", b"\0\0\0\x18ftypheic\0\0\0\0mif1") && still("scan.tif", b"II*\0\x08\0\0\0"));
        assert!(!still("film.mjpeg", b"\xff\xd8\xff\xe0\0\x10JFIF\0"));
        assert!(!still("film.mp4", b"\0\0\0\x20ftypisom") && !still("text.png", b"no picture"));
    }
}
