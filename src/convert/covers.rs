//! The cover pictures of a film on their way into OUT, by ffmpeg: MP4 holds them as tracks, Matroska as attachments.

use std::ffi::OsString;
use std::path::Path;

use crate::ffmpeg::{Stream, as_file, ffmpeg, read, run};
use crate::output::Container;

/// Arguments for ffmpeg, which reads the film as its file 1, that bring its covers along, where the container holds
/// such. So many `attachments` are mapped before; `folder` must last until ffmpeg has run.
///
/// # Errors
/// A cover cannot be read: in words.
pub fn arguments(
    film: &Path,
    covers: &[&Stream],
    container: Container,
    attachments: usize,
    folder: &Path,
) -> Result<Vec<OsString>, String> {
    let mut arguments: Vec<OsString> = Vec::new();
    match container {
        Container::Mp4 => {
            for (number, cover) in (1..).zip(covers) {
                let (map, place) = (format!("1:{}", cover.index), format!("-disposition:v:{number}"));
                arguments.extend(["-map", &map, &place, "attached_pic"].map(OsString::from));
            }
        }
        Container::Matroska => {
            for (number, cover) in covers.iter().enumerate() {
                let (ending, kind) =
                    if cover.codec_name == "png" { ("png", "image/png") } else { ("jpg", "image/jpeg") };
                let usual =
                    if number == 0 { format!("cover.{ending}") } else { format!("cover-{}.{ending}", number + 1) };
                let file = folder.join(&usual);
                let (map, place) = (format!("0:{}", cover.index), format!("-metadata:s:t:{}", attachments + number));
                let mut extract = ffmpeg();
                read(&mut extract, film).args(["-map", &map, "-c", "copy", "-frames:v", "1", "-f", "image2"]);
                run(extract.args(["-update", "1"]).arg(as_file(&file)))?;
                arguments.extend(["-attach".into(), as_file(&file)]);
                arguments.extend(
                    [&place, &format!("mimetype={kind}"), &place, &format!("filename={usual}")].map(OsString::from),
                );
            }
        }
        Container::Mov | Container::WebM => {}
    }
    Ok(arguments)
}
