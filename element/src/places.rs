//! Where a plugin that lies anywhere finds the networks and the ONNX Runtime library.

use std::path::{Path, PathBuf};

use impasto::config::RuntimeConfig;
use impasto::environment;
use impasto::style::onnx::library;

/// So far up from the plugin's file: from `lib/ARCHITECTURE/gstreamer-1.0`, or from `target/release`.
const STEPS_UP: usize = 4;

/// Fills in what no property says: the environment, as for `impasto`; then what lies around the plugin's file. What is still
/// empty is looked for by the library.
pub fn fill(runtime: &mut RuntimeConfig, plugin: Option<&Path>) {
    let is_empty = |path: &PathBuf| path.as_os_str().is_empty();
    let above = || plugin.into_iter().flat_map(|plugin| plugin.ancestors().skip(1).take(STEPS_UP));
    if is_empty(&runtime.models) {
        let mut around = above().flat_map(|folder| [folder.join("models"), folder.join("impasto/models")]);
        let found = environment::path("IMPASTO_MODELS").or_else(|| around.find(|folder| folder.is_dir()));
        runtime.models = found.unwrap_or_default();
    }
    if is_empty(&runtime.library) {
        let mut around = above().flat_map(|folder| [folder.to_path_buf(), folder.join("impasto")]);
        let beside =
            || around.find_map(|folder| Some(folder.join(library::file_name())).filter(|library| library.exists()));
        runtime.library = environment::path("ORT_DYLIB_PATH").or_else(beside).unwrap_or_default();
    }
}
