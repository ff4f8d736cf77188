//! A folder with the identity network, and a place for media: what `impasto file` makes of films can be seen exactly.

use std::ffi::OsStr;
use std::path::{Path, PathBuf};

use super::media::ffmpeg;
use super::{Finished, finish, impasto, onnx};

/// The folder; it goes with it.
pub struct Studio(tempfile::TempDir);

impl Studio {
    pub fn new() -> Self {
        let folder = tempfile::tempdir().expect("a folder");
        onnx::write_identity(folder.path());
        Self(folder)
    }

    /// A file in it.
    pub fn file(&self, name: &str) -> PathBuf {
        self.0.path().join(name)
    }

    /// The same as text.
    pub fn path(&self, name: &str) -> String {
        self.file(name).to_str().expect("UTF-8").to_string()
    }

    /// A film of ten seconds whose grey levels tell its pictures apart; the arguments say how it is encoded.
    pub fn film(&self, name: &str, args: &str) -> String {
        let file = self.path(name);
        let levels = "nullsrc=s=160x90:r=25:d=10,format=gray,geq=lum='20+mod(N*13,200)'";
        let inputs = ["-f", "lavfi", "-i", levels, "-f", "lavfi", "-i", "sine=d=10"];
        let args: Vec<_> = args.split_whitespace().collect();
        ffmpeg(&[&inputs[..], &["-pix_fmt", "yuv420p", "-c:v", "libx264", "-crf", "4"], &args, &[&file]].concat());
        file
    }

    pub fn convert(&self, input: impl AsRef<OsStr>, output: &str, args: &[&str]) -> Finished {
        let mut command = impasto();
        command.args(["--log", "warn", "file"]).arg(input).arg(self.path(output));
        finish(command.arg("--network").arg(self.0.path().join("identity.onnx")).args(args))
    }

    /// Converts what must succeed.
    pub fn good(&self, input: impl AsRef<OsStr>, output: &str, args: &[&str]) -> String {
        self.told(input, output, args).0
    }

    /// Converts what must succeed; returns the result and what was said of it.
    pub fn told(&self, input: impl AsRef<OsStr>, output: &str, args: &[&str]) -> (String, String) {
        let finished = self.convert(&input, output, args);
        assert_eq!(finished.code, 0, "{:?} -> {output} {args:?}: {}", input.as_ref(), finished.stderr);
        (self.path(output), finished.stderr)
    }
}

/// The grey level of every picture.
pub fn levels(file: &str, filter: &str) -> Vec<u8> {
    let raw = Path::new(file).with_extension("gray");
    let raw = raw.to_str().expect("UTF-8");
    let filter = format!("{filter}scale=1:1:flags=area,format=gray");
    ffmpeg(&["-i", file, "-vf", &filter, "-fps_mode", "passthrough", "-f", "rawvideo", raw]);
    std::fs::read(raw).expect("readable")
}
