//! HEIC and AVIF pictures, as phones make them: read by the program of libheif, where it is installed.

use std::path::Path;
use std::process::{Command, Stdio};

/// Its names, the newer one first.
const PROGRAMS: [&str; 2] = ["heif-dec", "heif-convert"];

/// The brands of such files.
const BRANDS: [&[u8; 4]; 8] = [b"heic", b"heix", b"heim", b"heis", b"mif1", b"msf1", b"avif", b"avis"];

/// True if a file of these first bytes is such a picture.
pub fn is_heif(start: &[u8]) -> bool {
    start.get(4..8) == Some(b"ftyp") && start.get(8..12).is_some_and(|brand| BRANDS.iter().any(|known| *known == brand))
}

/// The same picture as a PNG file, turned upright.
///
/// # Errors
/// No program is there that reads it, or it is damaged: in words.
pub fn to_png(path: &Path) -> Result<Vec<u8>, String> {
    let failed = |error: std::io::Error| error.to_string();
    let folder = tempfile::tempdir().map_err(failed)?;
    let png = folder.path().join("picture.png");
    // A full path is never taken for an option.
    let path = path.canonicalize().map_err(failed)?;
    for program in PROGRAMS {
        let ran = Command::new(program).arg(&path).arg(&png).stdin(Stdio::null()).output();
        let output = match ran {
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => continue,
            ran => ran.map_err(|error| format!("{program}: {error}"))?,
        };
        // Of several pictures in one file, the first.
        let first = std::fs::read(&png).or_else(|_| std::fs::read(folder.path().join("picture-1.png")));
        return first.map_err(|_| {
            let said = String::from_utf8_lossy(&output.stderr);
            format!(
                "the picture is damaged ({program}: {})",
                said.lines().last().unwrap_or("no picture came out of it")
            )
        });
    }
    Err("HEIC and AVIF pictures are read with heif-convert, which is not installed: `apt install libheif-examples`, or save \
         it as .png or .jpg"
        .into())
}
