//! Where the ONNX Runtime library is found, and what is said when it is not.

mod common;

use std::net::TcpListener;
use std::path::{Path, PathBuf};
use std::process::Command;

use common::*;
use impasto::style::onnx::library::candidates;

/// The library that this machine has, as the binary would find it.
fn installed() -> PathBuf {
    let named = std::env::var_os("ORT_DYLIB_PATH").map(PathBuf::from);
    named.into_iter().chain(candidates()).find(|path| path.exists()).expect("`./dev setup` fetches it")
}

/// A short run of the binary that knows no library but those under `home`.
fn run(binary: &Path, home: &Path, more: &[&str]) -> Command {
    let mut command = Command::new(binary);
    command.current_dir(env!("CARGO_MANIFEST_DIR")).env_remove("ORT_DYLIB_PATH").env_remove("XDG_CACHE_HOME");
    command.env("HOME", home).args(["run", "--source", "test", "--rtsp", "off", "--http", "off", "--duration", "0.2"]);
    command.args(["--size", "160x96"]).args(more);
    command
}

fn assert_paints(what: &str, command: &mut Command) {
    let output = output_of(command);
    assert!(output.status.success(), "{what}: {}", String::from_utf8_lossy(&output.stderr));
}

#[test]
fn a_missing_library_is_one_line_with_the_command_that_gets_it() {
    let home = tempfile::tempdir().unwrap();
    let binary = Path::new(env!("CARGO_BIN_EXE_impasto"));
    if candidates().iter().any(|path| path.exists() && !path.to_string_lossy().contains("/.cache/")) {
        eprintln!("skipped: the system itself has the library");
        return;
    }
    let output = output_of(&mut run(binary, home.path(), &[]));
    let errors = String::from_utf8_lossy(&output.stderr);
    assert_eq!(output.status.code(), Some(4), "{errors}");
    assert_eq!(
        errors,
        "impasto: ONNX Runtime library (libonnxruntime.so) not found; get it with `./dev setup`, or point to one \
         with ORT_DYLIB_PATH or `runtime.library` in the config\n"
    );
}

#[test]
fn the_library_is_found_in_every_way_that_is_documented() {
    let (home, library) = (tempfile::tempdir().unwrap(), installed());
    let (home, library) = (home.path(), library.to_str().unwrap());
    let binary = Path::new(env!("CARGO_BIN_EXE_impasto"));

    assert_paints("ORT_DYLIB_PATH", run(binary, home, &[]).env("ORT_DYLIB_PATH", library));
    assert_paints("--library", &mut run(binary, home, &["--library", library]));
    let folder = Path::new(library).parent().unwrap().to_str().unwrap();
    assert_paints("a folder", &mut run(binary, home, &["--library", folder]));

    let config = home.join("config.toml");
    std::fs::write(&config, format!("[runtime]\nlibrary = {library:?}\n")).unwrap();
    assert_paints("runtime.library", &mut run(binary, home, &["--config", config.to_str().unwrap()]));

    // The user's cache, under either name.
    for (variable, cache) in [("HOME", home.join(".cache/impasto")), ("XDG_CACHE_HOME", home.join("xdg/impasto"))] {
        let place = candidates().into_iter().find_map(|path| {
            let folder = path.parent()?.file_name()?.to_string_lossy().into_owned();
            folder.starts_with("onnxruntime-").then(|| cache.join(folder))
        });
        let place = place.expect("the cache is one of the places");
        std::fs::create_dir_all(&place).unwrap();
        std::os::unix::fs::symlink(library, place.join("libonnxruntime.so")).unwrap();
        let mut command = run(binary, home, &[]);
        if variable == "XDG_CACHE_HOME" {
            command.env(variable, home.join("xdg"));
        }
        assert_paints(variable, &mut command);
        std::fs::remove_dir_all(place).unwrap();
    }

    // Beside the binary, which then must find its networks without the project's root as working directory.
    let beside = home.join("bin");
    std::fs::create_dir(&beside).unwrap();
    let copy = beside.join("impasto");
    std::fs::copy(binary, &copy).unwrap();
    std::os::unix::fs::symlink(library, beside.join("libonnxruntime.so")).unwrap();
    std::os::unix::fs::symlink(Path::new(env!("CARGO_MANIFEST_DIR")).join("models"), beside.join("models")).unwrap();
    assert_paints("beside the binary", run(&copy, home, &[]).current_dir(home));
}

#[test]
fn what_is_no_library_is_said_with_its_path() {
    let home = tempfile::tempdir().unwrap();
    let fake = home.path().join("libonnxruntime.so");
    std::fs::write(&fake, "not a library").unwrap();
    let missing = home.path().join("none.so");
    let binary = Path::new(env!("CARGO_BIN_EXE_impasto"));
    for path in [fake, missing] {
        let output = output_of(run(binary, home.path(), &[]).env("ORT_DYLIB_PATH", &path));
        let errors = String::from_utf8_lossy(&output.stderr);
        assert_eq!(output.status.code(), Some(4), "{errors}");
        let line = format!("impasto: ONNX Runtime library {} does not load: ", path.display());
        assert!(errors.starts_with(&line) && errors.contains("`./dev setup`"), "{errors}");
        assert_eq!(errors.lines().count(), 1, "{errors}");
    }
}

/// The uploader of ONNX Runtime asks the proxy of the environment, so that a proxy of our own sees what it would send.
#[test]
fn nothing_is_sent_to_anybody() {
    let (home, library) = (tempfile::tempdir().unwrap(), installed());
    let proxy = TcpListener::bind("127.0.0.1:0").unwrap();
    proxy.set_nonblocking(true).unwrap();
    let address = format!("http://{}", proxy.local_addr().unwrap());

    // It waits some seconds before it sends.
    let mut command = Command::new(env!("CARGO_BIN_EXE_impasto"));
    command.current_dir(project("")).args(["run", "--source", "test", "--rtsp", "off", "--http", "off"]);
    command.args(["--size", "160x96", "--duration", "6"]);
    for (name, value) in [("HOME", home.path()), ("ORT_DYLIB_PATH", &library), ("TMPDIR", home.path())] {
        command.env(name, value);
    }
    for name in ["https_proxy", "http_proxy", "HTTPS_PROXY", "ALL_PROXY"] {
        command.env(name, &address);
    }
    command.env_remove("XDG_CACHE_HOME").env_remove("no_proxy").env_remove("NO_PROXY");
    assert_paints("without telemetry", command.env_remove("ORT_DISABLE_TELEMETRY"));

    let asked = proxy.accept().map(|(_, client)| client);
    assert!(asked.as_ref().is_err_and(|error| error.kind() == std::io::ErrorKind::WouldBlock), "{asked:?}");
    let mut left = files_below(home.path());
    // GStreamer's list of its plugins.
    left.retain(|file| !file.to_string_lossy().contains("/gstreamer-1.0/"));
    assert_eq!(left, Vec::<PathBuf>::new());
}

fn files_below(folder: &Path) -> Vec<PathBuf> {
    let entries = std::fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().path());
    entries.flat_map(|path| if path.is_dir() { files_below(&path) } else { vec![path] }).collect()
}
