//! Where the ONNX Runtime library is found, and what is said when it is not.

mod common;

use std::net::TcpListener;
use std::path::{Path, PathBuf};
use std::process::Command;

use common::*;
use impasto::style::onnx::library::candidates;

/// The library with OpenVINO, where `./dev setup` has fetched it.
fn with_openvino() -> Option<PathBuf> {
    let found =
        candidates().into_iter().find(|path| path.with_file_name("libonnxruntime_providers_openvino.so").exists());
    if found.is_none() {
        eprintln!("skipped: there is no ONNX Runtime library with OpenVINO here");
    }
    found
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
    let (home, library) = (tempfile::tempdir().unwrap(), ort_library());
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

/// What `impasto bench` prints with these settings, with its cache in `cache`, and its log.
fn bench(cache: &Path, library: &Path, settings: &[&str]) -> (serde_json::Value, String) {
    let mut command = Command::new(env!("CARGO_BIN_EXE_impasto"));
    command.current_dir(env!("CARGO_MANIFEST_DIR")).env("XDG_CACHE_HOME", cache).env("ORT_DYLIB_PATH", library);
    for setting in ["IMPASTO_DEVICE", "IMPASTO_PRECISION"] {
        command.env_remove(setting);
    }
    command.args(["bench", "--network", "lite", "--frames", "2", "--json", "--log", "info", "--picture", "640x360"]);
    let output = output_of(command.args(settings));
    let log = String::from_utf8_lossy(&output.stderr).into_owned();
    assert!(output.status.success(), "{log}");
    (serde_json::from_slice(&output.stdout).unwrap(), log)
}

#[test]
fn auto_measures_what_paints_fastest_and_remembers_it() {
    let Some(library) = with_openvino() else { return };
    let cache = tempfile::tempdir().unwrap();
    let (report, log) = bench(cache.path(), &library, &[]);
    let device = report["device"].as_str().unwrap().to_string();
    assert!(log.contains(&format!("painting on {device} (")) && log.contains(" ms a picture"), "{log}");
    assert!(log.contains("not cpu: ") || log.contains("not openvino: "), "each is told with its time: {log}");

    // The file decides from now on, even if it says what was not measured.
    let file = cache.path().join("impasto/devices.json");
    let remembered: serde_json::Value = serde_json::from_slice(&std::fs::read(&file).unwrap()).unwrap();
    let mut changed = remembered.clone();
    for entry in changed.as_object_mut().unwrap().values_mut() {
        entry["reasons"] = serde_json::json!(["as remembered"]);
    }
    std::fs::write(&file, changed.to_string()).unwrap();
    let (report, log) = bench(cache.path(), &library, &[]);
    assert_eq!(report["device"], device.as_str());
    assert!(log.contains("(as remembered)"), "{log}");

    // A damaged one is told, and measured anew.
    std::fs::write(&file, "{\"half").unwrap();
    let (_, log) = bench(cache.path(), &library, &[]);
    assert!(log.contains("devices.json") && log.contains("measured again"), "{log}");
    assert!(log.contains(" ms a picture"), "{log}");
    assert!(serde_json::from_slice::<serde_json::Value>(&std::fs::read(&file).unwrap()).is_ok());
}

#[test]
fn a_device_or_precision_that_is_named_is_what_runs() {
    let Some(library) = with_openvino() else { return };
    let cache = tempfile::tempdir().unwrap();
    let run = |settings: &[&str]| bench(cache.path(), &library, settings).0["device"].clone();
    assert_eq!(run(&["--device", "cpu"]), "cpu");
    assert_eq!(run(&["--device", "openvino", "--precision", "f32"]), "openvino");
    assert_eq!(run(&["--device", "openvino", "--precision", "bf16"]), "openvino bf16");

    let mut command = Command::new(env!("CARGO_BIN_EXE_impasto"));
    command.current_dir(env!("CARGO_MANIFEST_DIR")).env("ORT_DYLIB_PATH", &library);
    let output = output_of(command.args(["bench", "--device", "cpu", "--precision", "bf16"]));
    let errors = String::from_utf8_lossy(&output.stderr);
    assert_eq!(output.status.code(), Some(4), "{errors}");
    assert!(errors.contains("cpu does not compute in bf16; openvino does"), "{errors}");
}

#[test]
fn openvino_paints_what_the_cpu_paints() {
    let Some(library) = with_openvino() else { return };
    let folder = tempfile::tempdir().unwrap();
    let paint = |device: &str, precision: &str| {
        let painted = folder.path().join(format!("{device}-{precision}.png"));
        let mut command = Command::new(env!("CARGO_BIN_EXE_impasto"));
        command.current_dir(env!("CARGO_MANIFEST_DIR")).env("ORT_DYLIB_PATH", &library);
        command.args(["file", "models/showcase/astronaut.jpg"]).arg(&painted);
        let output = output_of(command.args(["--style", "starry_night", "--device", device, "--precision", precision]));
        assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
        image::open(painted).unwrap().into_rgb8().into_raw()
    };
    let exact = paint("cpu", "f32");
    let mean_square = |painted: Vec<u8>| {
        assert_eq!(painted.len(), exact.len());
        let squares = painted.iter().zip(&exact).map(|(one, other)| f64::from(one.abs_diff(*other)).powi(2));
        squares.sum::<f64>() / exact.len() as f64
    };
    // 60 dB and 40 dB of 255 levels.
    assert!(mean_square(paint("openvino", "f32")) < 0.07);
    assert!(mean_square(paint("openvino", "bf16")) < 6.5);
}

/// The uploader of ONNX Runtime asks the proxy of the environment, so that a proxy of our own sees what it would send.
#[test]
fn nothing_is_sent_to_anybody() {
    // The build with OpenVINO is older than the telemetry.
    let plain = |path: &PathBuf| path.exists() && !path.with_file_name("libonnxruntime_providers_openvino.so").exists();
    let library = candidates().into_iter().find(plain).unwrap_or_else(ort_library);
    let home = tempfile::tempdir().unwrap();
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
    // GStreamer's list of its plugins, and our own measurements.
    left.retain(|file| {
        ["/gstreamer-1.0/", "/.cache/impasto/"].iter().all(|ours| !file.to_string_lossy().contains(ours))
    });
    assert_eq!(left, Vec::<PathBuf>::new());
}

fn files_below(folder: &Path) -> Vec<PathBuf> {
    let entries = std::fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().path());
    entries.flat_map(|path| if path.is_dir() { files_below(&path) } else { vec![path] }).collect()
}
