//! Who may import whom, and what no file of the project holds.

mod common;

use std::path::PathBuf;
use std::process::Command;

/// Where a crate may be named: files or folders under `src`.
const HOMES: [(&str, &[&str]); 6] = [
    ("ort", &["style/onnx/"]),
    ("nokhwa", &["capture/camera"]),
    ("notify", &["daemon/reload.rs"]),
    ("v4l", &["v4l2/", "capture/camera/", "output/virtual_camera/"]),
    ("pipewire", &["output/virtual_camera/"]),
    (
        "gstreamer",
        &[
            "gst/",
            "capture/",
            "output/",
            "convert/",
            "engine/",
            "frame/",
            "daemon/stream.rs",
            "cli/bench.rs",
            "cli/version.rs",
        ],
    ),
];

/// What the lower modules may use of this crate: themselves and these.
const LOWER: [(&str, &[&str]); 11] = [
    ("redact", &[]),
    ("error", &["redact"]),
    ("shutdown", &["error"]),
    ("gst", &["error"]),
    ("v4l2", &[]),
    ("frame", &["error", "gst"]),
    ("metrics", &["error", "style"]),
    ("style", &["error", "metrics", "redact"]),
    ("capture", &["error", "gst", "frame", "metrics", "redact", "shutdown", "style", "v4l2"]),
    ("output", &["error", "gst", "frame", "metrics", "shutdown", "style", "v4l2"]),
    ("engine", &["error", "gst", "frame", "metrics", "shutdown", "style", "capture", "output"]),
];

/// Every Rust file of a folder: its path in that folder, and its text.
fn sources(folder: &str) -> Vec<(String, String)> {
    let root = common::project(folder);
    let mut folders = vec![root.clone()];
    let mut files = Vec::new();
    while let Some(folder) = folders.pop() {
        for path in std::fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().path()) {
            if path.is_dir() {
                folders.push(path);
            } else if path.extension().is_some_and(|extension| extension == "rs") {
                let name = path.strip_prefix(&root).unwrap().to_str().unwrap().to_string();
                files.push((name, std::fs::read_to_string(path).unwrap()));
            }
        }
    }
    assert!(!files.is_empty(), "no sources in {}", root.display());
    files
}

/// The paths in code that begin with `first`, such as `ort::session`; comments do not count.
fn names<'a>(text: &'a str, first: &str) -> Vec<&'a str> {
    let code = text.lines().filter(|line| !line.trim_start().starts_with("//"));
    let is_word = |c: char| c.is_alphanumeric() || c == '_';
    code.flat_map(|line| {
        line.match_indices(first)
            .filter(|(at, _)| {
                !line[..*at].ends_with(|c: char| is_word(c) || c == ':' || c == '"' || c == '\'' || c == '.')
            })
            .map(|(at, _)| line[at..].split(|c: char| !is_word(c) && c != ':').next().unwrap_or_default())
            .filter(|path| {
                // `ort` itself, or a crate of its family: `gstreamer_app`.
                let root = path.split("::").next().unwrap_or_default();
                (root == first || root.starts_with(&format!("{first}_")))
                    && (path.contains("::") || line.starts_with("use "))
            })
            .collect::<Vec<_>>()
    })
    .collect()
}

#[test]
fn each_foreign_world_has_one_home() {
    for (name, homes) in HOMES {
        let mut found_at_home = false;
        for (file, text) in sources("src") {
            let at_home = homes.iter().any(|home| file.starts_with(home));
            let named = names(&text, name);
            found_at_home |= at_home && !named.is_empty();
            assert!(at_home || named.is_empty(), "src/{file} names {named:?}, which belongs into {homes:?}");
        }
        assert!(found_at_home, "nothing names `{name}` any more; take it off the list");
    }
}

#[test]
fn lower_modules_do_not_know_the_higher_ones() {
    let files = sources("src");
    for (module, allowed) in LOWER {
        let own = |file: &str| file == format!("{module}.rs") || file.starts_with(&format!("{module}/"));
        assert!(files.iter().any(|(file, _)| own(file)), "there is no module {module}");
        for (file, text) in files.iter().filter(|(file, _)| own(file)) {
            for path in names(text, "crate") {
                let used = path.split("::").nth(1).unwrap_or_default();
                let fine = used == module
                    || allowed.contains(&used)
                    || !files
                        .iter()
                        .any(|(file, _)| *file == format!("{used}.rs") || file.starts_with(&format!("{used}/")));
                assert!(fine, "src/{file} uses `{path}`; {module} may use {allowed:?}");
            }
        }
    }
    for (file, text) in &files {
        let knows_cli = names(text, "crate").iter().any(|path| path.starts_with("crate::cli"));
        assert!(!knows_cli || file.starts_with("cli/"), "src/{file} uses crate::cli");
    }
}

#[test]
fn each_file_says_what_lives_there_and_nothing_is_left_undone() {
    for folder in ["src", "tests", "benches"] {
        for (file, text) in sources(folder) {
            assert!(text.starts_with("//! "), "{folder}/{file} does not open with what lives there");
            for undone in
                [concat!("todo", "!("), concat!("unimplemented", "!("), concat!("TO", "DO"), concat!("FIX", "ME")]
            {
                assert!(!text.contains(undone), "{folder}/{file} holds `{undone}`");
            }
        }
    }
}

#[test]
fn no_file_names_a_folder_of_the_machine_it_was_written_on() {
    let listed = Command::new("git").args(["ls-files"]).current_dir(common::project("")).output();
    let Some(listed) = listed.ok().filter(|listed| listed.status.success()) else {
        eprintln!("SKIPPED: this is no git checkout");
        return;
    };
    let listed = String::from_utf8(listed.stdout).unwrap();
    let files: Vec<PathBuf> = listed.lines().map(common::project).filter(|file| file.is_file()).collect();
    assert!(files.len() > 50, "{listed}");
    for file in files {
        // Pictures and networks are no text.
        let Ok(text) = std::fs::read_to_string(&file) else { continue };
        for path in [concat!("/wo", "rk/"), concat!("/ro", "ot/"), concat!("/ho", "me/")] {
            assert!(!text.contains(path), "{} holds a path in {path}", file.display());
        }
    }
}
