//! Who may import whom, and what no file of the project holds.

mod common;

use std::collections::{BTreeMap, BTreeSet};
use std::path::PathBuf;
use std::process::Command;

/// Where a crate may be named: files or folders under `src`.
const HOMES: [(&str, &[&str]); 12] = [
    ("ort", &["style/onnx/"]),
    ("nokhwa", &["capture/camera"]),
    ("notify", &["daemon/reload.rs"]),
    ("v4l", &["v4l2/", "capture/camera/linux/", "output/virtual_camera/linux/"]),
    ("pipewire", &["output/virtual_camera/linux/"]),
    ("sd_notify", &["daemon/service/linux.rs"]),
    ("libc", &["gst/log.rs", "machine.rs", "machine/linux.rs", "style/onnx/worker/"]),
    ("jiff", &["daemon/show/", "config/show.rs"]),
    ("rosc", &["control/osc/"]),
    ("x11rb", &["output/display/linux/"]),
    ("midir", &["control/midi/linux.rs"]),
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

/// What is compiled on Linux alone: files or folders under `src`.
const LINUX: [&str; 9] = [
    "capture/camera/linux/",
    "control/midi/linux.rs",
    "daemon/service/linux.rs",
    "machine/linux.rs",
    "output/display/linux/",
    "output/virtual_camera/linux/",
    "shared_memory/linux.rs",
    "style/onnx/worker/",
    "v4l2/",
];

/// The files that choose between Linux and elsewhere.
const GATES: [&str; 8] = [
    "capture/camera/mod.rs",
    "control/midi/mod.rs",
    "daemon/service.rs",
    "lib.rs",
    "machine.rs",
    "output/display/mod.rs",
    "output/virtual_camera/mod.rs",
    "style/onnx/mod.rs",
];

/// What Linux and macOS share of rustix; other things of it may be Linux's alone.
const SHARED: [&str; 13] = [
    "rustix::fs::CWD",
    "rustix::fs::Mode",
    "rustix::fs::OFlags",
    "rustix::fs::RenameFlags",
    "rustix::fs::open",
    "rustix::fs::renameat_with",
    "rustix::fs::statvfs",
    "rustix::io::Errno",
    "rustix::net::Shutdown",
    "rustix::net::shutdown",
    "rustix::process::Resource",
    "rustix::process::getrlimit",
    "rustix::time::",
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

/// `cfg(linux)` of `build.rs` is the one name for the choice, and nothing but whole modules is chosen by it.
#[test]
fn linux_stands_behind_its_wall() {
    let mut gates = BTreeSet::new();
    for (file, text) in sources("src") {
        let code: Vec<&str> = text.lines().filter(|line| !line.trim_start().starts_with("//")).collect();
        for (place, line) in code.iter().enumerate() {
            let chooses = ["cfg", "linux"].iter().all(|word| line.contains(word));
            if chooses {
                gates.insert(file.clone());
                let attributes = |line: &&&str| line.starts_with("#[cfg");
                let chosen = code[place..].iter().find(|line| !attributes(line)).copied().unwrap_or_default();
                let is_module = ["mod ", "pub mod ", "pub(crate) mod "].iter().any(|item| chosen.starts_with(item));
                // What only Linux calls is no dead code.
                let is_dead_code = *line == "#![cfg_attr(not(linux), allow(dead_code))]";
                assert!(is_module || is_dead_code, "src/{file}: `{line}` chooses less than a module: `{chosen}`");
            }
            for systems in ["target_os", "target_family", "target_vendor"] {
                assert!(!line.contains(systems), "src/{file} asks for the system by `{systems}`: `{line}`");
            }
            if !LINUX.iter().any(|home| file.starts_with(home)) {
                for linux in ["std::os::linux", "/proc/", "/sys/", "eventfd", "memfd", "inotify"] {
                    assert!(!line.contains(linux), "src/{file} holds `{linux}`, which only Linux has: `{line}`");
                }
            }
        }
    }
    for (file, text) in sources("src").iter().filter(|(file, _)| !LINUX.iter().any(|home| file.starts_with(home))) {
        for path in paths(text, &["rustix"]).iter().filter(|path| path.starts_with("rustix::") && !path.ends_with("::"))
        {
            assert!(SHARED.iter().any(|shared| path.starts_with(shared)), "src/{file} names `{path}`: has macOS that?");
        }
    }
    assert_eq!(gates.iter().map(String::as_str).collect::<Vec<_>>(), GATES, "who chooses between Linux and elsewhere");
}

/// The paths that a `use` names: `a::{b, c::d}` are `a::b` and `a::c::d`.
fn expanded(tree: &str) -> Vec<String> {
    let Some((before, inner)) = tree.split_once('{') else { return vec![tree.to_string()] };
    let inner = inner.rsplit_once('}').map_or(inner, |(inner, _)| inner);
    let (mut depth, mut parts) = (0, vec![String::new()]);
    for c in inner.chars() {
        match c {
            ',' if depth == 0 => parts.push(String::new()),
            c => {
                depth += i32::from(c == '{') - i32::from(c == '}');
                parts.last_mut().unwrap().push(c);
            }
        }
    }
    parts.iter().filter(|part| !part.is_empty()).flat_map(|part| expanded(&format!("{before}{part}"))).collect()
}

/// The paths that a file names, its tests aside: those of each `use`, and within code those that begin with one of `firsts`.
fn paths(text: &str, firsts: &[&str]) -> Vec<String> {
    let text = text.split("#[cfg(test)]\nmod tests").next().unwrap_or_default();
    let code: Vec<&str> = text.lines().filter(|line| !line.trim_start().starts_with("//")).collect();
    let code = code.join("\n");
    let uses = code.split("use ").skip(1).filter_map(|rest| rest.split_once(';'));
    let uses = uses.flat_map(|(tree, _)| expanded(&tree.split_whitespace().collect::<String>()));
    let inline = firsts.iter().flat_map(|first| names(&code, first)).map(str::to_string);
    uses.chain(inline).collect()
}

/// The files of this crate that a file names, by their module paths; folders above it do not count: they hold re-exports.
fn imports(module: &[&str], text: &str, files: &BTreeSet<Vec<&str>>) -> BTreeSet<Vec<String>> {
    let mut found = BTreeSet::new();
    for path in paths(text, &["crate", "super"]) {
        let mut steps = path.split("::").peekable();
        let mut full: Vec<&str> = match steps.peek() {
            Some(&"crate") => {
                steps.next();
                Vec::new()
            }
            Some(&"super" | &"self") => module.to_vec(),
            _ => continue,
        };
        while let Some(step) = steps.next_if(|step| ["super", "self"].contains(step)) {
            if step == "super" {
                full.pop();
            }
        }
        full.extend(steps);
        while !full.is_empty() && !files.contains(&full) {
            full.pop();
        }
        if !module.starts_with(&full) {
            found.insert(full.iter().map(ToString::to_string).collect());
        }
    }
    found
}

/// A way from a name back to itself along `edges`, if there is one.
fn circle(edges: &BTreeMap<String, BTreeSet<String>>) -> Option<Vec<String>> {
    fn walk(
        at: &str,
        edges: &BTreeMap<String, BTreeSet<String>>,
        way: &mut Vec<String>,
        done: &mut BTreeSet<String>,
    ) -> bool {
        if let Some(begin) = way.iter().position(|passed| passed == at) {
            way.drain(..begin);
            return true;
        }
        if done.contains(at) {
            return false;
        }
        way.push(at.to_string());
        if edges.get(at).into_iter().flatten().any(|next| walk(next, edges, way, done)) {
            return true;
        }
        way.pop();
        done.insert(at.to_string());
        false
    }
    let (mut way, mut done) = (Vec::new(), BTreeSet::new());
    edges.keys().any(|start| walk(start, edges, &mut way, &mut done)).then_some(way)
}

#[test]
fn neither_files_nor_layers_import_each_other_in_a_circle() {
    let sources = sources("src");
    let modules = sources.iter().map(|(file, text)| {
        let steps = file.trim_end_matches(".rs").split('/').filter(|step| !["mod", "lib", "main"].contains(step));
        (steps.collect::<Vec<_>>(), text)
    });
    let modules: Vec<_> = modules.collect();
    let files: BTreeSet<Vec<&str>> = modules.iter().map(|(module, _)| module.clone()).collect();
    let (mut by_file, mut by_layer) =
        (BTreeMap::<String, BTreeSet<String>>::new(), BTreeMap::<String, BTreeSet<String>>::new());
    for (module, text) in &modules {
        let imports = imports(module, text, &files);
        if let Some(layer) = module.first() {
            let others = imports.iter().map(|import| import[0].clone()).filter(|other| other != layer);
            by_layer.entry(layer.to_string()).or_default().extend(others);
        }
        by_file.insert(module.join("/"), imports.iter().map(|import| import.join("/")).collect());
    }
    assert!(by_layer["daemon"].contains("engine") && by_file["daemon/stream"].contains("capture"), "{by_layer:?}");
    assert_eq!(circle(&by_layer), None, "layers import each other");
    assert_eq!(circle(&by_file), None, "files import each other");
    let knowing: Vec<_> = by_layer.iter().filter(|(_, others)| others.contains("cli")).collect();
    assert!(knowing.is_empty(), "only the program itself knows its command line: {knowing:?}");
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
