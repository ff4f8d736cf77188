//! Finds and loads the ONNX Runtime library; nothing is linked at build time.

use std::env::consts::{DLL_PREFIX, DLL_SUFFIX};
use std::ffi::CStr;
use std::path::{Path, PathBuf};
use std::sync::OnceLock;

use ort::environment::Environment;

use crate::environment;
use crate::error::{Error, Result};

/// The version that `./dev setup` fetches; any library from 1.24 on is taken.
pub const PINNED_VERSION: &str = "1.32.0";

/// The version with OpenVINO, which `./dev setup` fetches beside it where there is a build of it.
const OPENVINO_VERSION: &str = "1.24.1";

/// The environment variable, and its value, that must be set before the library is loaded: from 1.29 on it starts a
/// thread that sends telemetry, which the switch in its API comes too late for.
pub const NO_TELEMETRY: (&str, &str) = ("ORT_DISABLE_TELEMETRY", "1");

/// One per process: ONNX Runtime keeps global state.
static LOADED: OnceLock<Result<(Environment, PathBuf)>> = OnceLock::new();

/// Loads the library on the first call; later calls return the same environment.
///
/// `wanted` is the path from the flag, the environment or the config; it alone is tried when given.
///
/// # Errors
/// One line with every way to get or name the library.
pub fn load(wanted: Option<&Path>) -> Result<&'static (Environment, PathBuf)> {
    LOADED.get_or_init(|| open(wanted)).as_ref().map_err(Clone::clone)
}

fn open(wanted: Option<&Path>) -> Result<(Environment, PathBuf)> {
    let path = match wanted {
        Some(path) if path.is_dir() => path.join(file_name()),
        Some(path) => path.to_path_buf(),
        None => candidates().into_iter().find(|path| path.exists()).ok_or_else(|| {
            Error::model(format!(
                "ONNX Runtime library ({}) not found; get it with `./dev setup`, or point to one with \
                 ORT_DYLIB_PATH or `runtime.library` in the config",
                file_name()
            ))
        })?,
    };
    let builder = ort::init_from(&path).map_err(|error| {
        Error::model(format!(
            "ONNX Runtime library {} does not load: {error}; `./dev setup` fetches version {PINNED_VERSION}",
            path.display()
        ))
    })?;
    let environment = builder.with_name("impasto").with_telemetry(false).build();
    let environment = environment.map_err(|error| Error::model(format!("ONNX Runtime does not start: {error}")))?;
    Ok((environment, path))
}

/// The version that the library at `path` gives itself, such as "1.32.0".
///
/// # Errors
/// The file is no ONNX Runtime library.
pub fn version(path: &Path) -> Result<String> {
    let read = || -> Result<String, libloading::Error> {
        // SAFETY: `load` has loaded the same library already, so that no initialiser runs here.
        let library = unsafe { libloading::Library::new(path)? };
        // SAFETY: ONNX Runtime's C API fixes the signature of this function.
        let base = unsafe { library.get::<unsafe extern "C" fn() -> *const ort::sys::OrtApiBase>(b"OrtGetApiBase")? };
        // SAFETY: the function takes nothing and returns a static; the version is a static C string.
        Ok(unsafe { CStr::from_ptr(((*base()).GetVersionString)()) }.to_string_lossy().into_owned())
    };
    read().map_err(|error| Error::model(format!("{}: {error}", path.display())))
}

/// Where the library is looked for, in this order: beside the binary, in the cache that `./dev setup` fills, where the
/// faster one comes first, in the system's folders.
pub fn candidates() -> Vec<PathBuf> {
    let beside = std::env::current_exe().ok().and_then(|exe| Some(exe.parent()?.join(file_name())));
    let folders = [format!("onnxruntime-openvino-{OPENVINO_VERSION}"), format!("onnxruntime-{PINNED_VERSION}")];
    let cache = cache_folder();
    let cached = folders.iter().filter_map(|folder| Some(cache.as_ref()?.join(folder).join(file_name())));
    let system = ["/usr/local/lib", "/usr/lib", "/usr/lib64", "/opt/homebrew/lib"].map(PathBuf::from);
    let multiarch = PathBuf::from(format!("/usr/lib/{}-linux-gnu", std::env::consts::ARCH));
    let system = system.into_iter().chain([multiarch]).map(|folder| folder.join(file_name()));
    beside.into_iter().chain(cached).chain(system).collect()
}

/// `$XDG_CACHE_HOME/impasto` or `~/.cache/impasto`.
pub fn cache_folder() -> Option<PathBuf> {
    let home = || Some(environment::path("HOME")?.join(".cache"));
    let cache = environment::path("XDG_CACHE_HOME").or_else(home)?;
    Some(cache.join("impasto"))
}

/// How the library's file is called on this system.
pub fn file_name() -> String {
    format!("{DLL_PREFIX}onnxruntime{DLL_SUFFIX}")
}
