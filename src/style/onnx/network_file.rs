//! Whether a file is a network at all, and the one that its manifest means.

use std::io::Read;
use std::path::Path;

use sha2::{Digest, Sha256};

use crate::atomic_file;
use crate::error::{Error, Result};
use crate::hex::hex;

/// How many bytes tell a web page from a network.
const HEAD: u64 = 64;

/// The file is there, may be a network, and has the digest that the manifest tells.
pub(super) fn check_file(path: &Path, sha256: Option<&str>) -> Result<()> {
    let fail = |what: String| Err(Error::model(format!("{}: {what}", path.display())));
    let mut digest = Sha256::new();
    let mut head = Vec::new();
    let read = atomic_file::open(path).and_then(|mut file| {
        file.by_ref().take(HEAD).read_to_end(&mut head)?;
        digest.update(&head);
        let mut block = vec![0; 1 << 20];
        loop {
            match if sha256.is_some() { file.read(&mut block)? } else { 0 } {
                0 => return Ok(()),
                length => digest.update(&block[..length]),
            }
        }
    });
    if let Err(error) = read {
        return fail(error.to_string());
    }
    let text = String::from_utf8_lossy(&head).trim_start().to_lowercase();
    if head.is_empty() {
        return fail("the file is empty (0 bytes)".into());
    }
    if text.starts_with("<!doctype") || text.starts_with("<html") {
        return fail("this is a web page, not an ONNX network; download the file itself".into());
    }
    if text.starts_with("version https://git-lfs") {
        return fail("this is a Git LFS pointer, not the network; fetch it with `git lfs pull`".into());
    }
    if let Some(what) = other_format(&head) {
        return fail(format!("this is {what}, not an ONNX network"));
    }
    if let Some(expected) = sha256 {
        let actual = hex(&digest.finalize());
        if !expected.eq_ignore_ascii_case(&actual) {
            return fail(format!(
                "sha256 is {actual}, but the manifest says {expected}: the file is damaged or another version"
            ));
        }
    }
    Ok(())
}

/// What else people take for a network, by its first bytes, and where to go from there.
fn other_format(head: &[u8]) -> Option<String> {
    let is_printed = |byte: &u8| byte.is_ascii_graphic() || byte.is_ascii_whitespace();
    let known = match head {
        [b'P', b'K', 3, 4, ..] => {
            "a zip archive or a PyTorch file (.pth, .pt): unpack it, or export it with torch.onnx.export"
        }
        [0x80, 2..=5, ..] => "a pickle of Python, as PyTorch writes (.pth): export it with torch.onnx.export",
        [_, _, _, _, b'T', b'F', b'L', b'3', ..] => "a TensorFlow Lite file: convert it with tf2onnx",
        [_, _, _, _, _, 0, 0, 0, b'{', ..] => "a safetensors file, which holds weights without the network",
        [0x89, b'H', b'D', b'F', ..] => "an HDF5 file, as Keras writes: convert it with tf2onnx",
        [0x1f, 0x8b, ..] => "packed with gzip: unpack it",
        _ if head.iter().all(is_printed) => {
            let words = String::from_utf8_lossy(head);
            return Some(format!("text (`{}`)", words.trim().lines().next().unwrap_or_default()));
        }
        _ => return None,
    };
    Some(known.into())
}

/// ONNX Runtime refused the file.
pub(super) fn cannot_load(path: &Path, reason: &str) -> Error {
    Error::model(format!("{}: ONNX Runtime cannot load it: {reason}", path.display()))
}
