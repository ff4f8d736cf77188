//! Keeps pipelines/README.md true: it lists each template with the placeholders and the elements that the code asks for.

mod common;

use std::path::{Path, PathBuf};

use common::{Ended, Running, ffmpeg, flash_and_beep, free_port, impasto};

/// The one element that may be of several types.
const ANY_MUXER: &str = "any muxer";

/// One row of the README's table.
#[derive(Debug)]
struct Row {
    template: String,
    placeholders: Vec<String>,
    /// (name, factory)
    elements: Vec<(String, String)>,
}

fn root() -> PathBuf {
    PathBuf::from(env!("CARGO_MANIFEST_DIR"))
}

/// The words in backticks.
fn code_words(cell: &str) -> Vec<String> {
    cell.split('`').skip(1).step_by(2).map(str::to_string).collect()
}

fn rows() -> Vec<Row> {
    let readme = std::fs::read_to_string(root().join("pipelines/README.md")).unwrap();
    let rows = readme.lines().filter(|line| line.starts_with("| `"));
    rows.map(|line| {
        let cells: Vec<_> = line.trim_matches('|').split('|').collect();
        assert_eq!(cells.len(), 3, "{line}");
        let elements = cells[2].split(',').map(code_words).filter(|words| !words.is_empty());
        let factory = |words: &[String]| words.get(1).cloned().unwrap_or_else(|| ANY_MUXER.into());
        Row {
            template: code_words(cells[0])[0].clone(),
            placeholders: code_words(cells[1]),
            elements: elements.map(|words| (words[0].clone(), factory(&words))).collect(),
        }
    })
    .collect()
}

fn files(folder: &Path, found: &mut Vec<PathBuf>) {
    for path in std::fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().path()) {
        match path.is_dir() {
            true => files(&path, found),
            false => found.push(path),
        }
    }
}

#[test]
fn every_template_is_listed_and_every_listed_one_exists() {
    let mut launch_files = Vec::new();
    files(&root().join("pipelines"), &mut launch_files);
    let mut existing: Vec<_> = launch_files
        .iter()
        .filter(|path| path.extension().is_some_and(|ending| ending == "launch"))
        .map(|path| path.strip_prefix(root().join("pipelines")).unwrap().display().to_string())
        .collect();
    let mut listed: Vec<_> = rows().into_iter().map(|row| row.template).collect();
    existing.sort();
    listed.sort();
    assert_eq!(listed, existing);
}

#[test]
fn the_templates_use_what_their_row_lists() {
    for row in rows() {
        let text = std::fs::read_to_string(root().join("pipelines").join(&row.template)).unwrap();
        let text: String = text.lines().filter(|line| !line.starts_with('#')).collect::<Vec<_>>().join(" ");
        for placeholder in &row.placeholders {
            assert!(text.contains(placeholder.as_str()), "{}: {placeholder} is listed and not used", row.template);
        }
        assert_eq!(text.matches('{').count(), row.placeholders.len(), "{}: placeholders in use", row.template);
        for (name, factory) in row.elements.iter().filter(|(_, factory)| factory != ANY_MUXER) {
            assert!(text.contains(&format!("{factory} name={name}")), "{}: no {factory} name={name}", row.template);
        }
    }
}

/// A run of the binary that builds `template`, taken from `pipelines`.
fn build(template: &str, pipelines: &Path, clip: &Path) -> Ended {
    let (clip, recording) = (clip.to_str().unwrap(), clip.with_file_name("recording.mkv"));
    if template == "output/file.launch" {
        let mut command = impasto();
        command.args(["file", "--json", "--overwrite", "--pipelines"]).arg(pipelines);
        command.arg(clip).arg(recording.with_file_name("painted.mkv"));
        return Running::spawn(command).end();
    }
    let rtsp = format!("127.0.0.1:{}/live", free_port());
    let push = recording.with_file_name("push.toml");
    let url = match template {
        "output/push-rtmp.launch" => format!("rtmp://127.0.0.1:{}/live/key", free_port()),
        _ => format!("srt://127.0.0.1:{}", free_port()),
    };
    std::fs::write(&push, format!("[[output.also]]\ntype = \"push\"\nurl = \"{url}\"\n")).unwrap();
    let gif = recording.with_file_name("clip.gif");
    ffmpeg(&["-i", clip, "-t", "0.5", gif.to_str().unwrap()]);
    let still = common::project("models/showcase/coffee.jpg").display().to_string();
    let (source, rtsp) = match template {
        "capture/animation.launch" => (gif.to_str().unwrap(), "off"),
        "capture/camera.launch" => ("camera:77", "off"),
        "capture/showcase.launch" => ("showcase", "off"),
        "capture/still.launch" => (still.as_str(), "off"),
        "capture/test.launch" => ("test", "off"),
        // It has no sound.
        "output/push-silence.launch" => ("test", "off"),
        _ => (clip, rtsp.as_str()),
    };
    let record = recording.to_str().unwrap();
    let pipelines = pipelines.to_str().unwrap();
    let args = ["--source", source, "--rtsp", rtsp, "--record", record, "--pipelines", pipelines];
    let config = if template.contains("push") { vec!["--config", push.to_str().unwrap(), "--once"] } else { vec![] };
    Running::start(&[&args[..], &["--duration", "0.3", "--size", "64x64"], &config].concat()).end()
}

#[test]
fn the_rows_list_what_the_code_asks_for() {
    let folder = tempfile::tempdir().unwrap();
    let clip = folder.path().join("flash.mkv");
    flash_and_beep(&clip, 2);
    for row in rows() {
        let text = std::fs::read_to_string(root().join("pipelines").join(&row.template)).unwrap();
        let file = folder.path().join(&row.template);
        std::fs::create_dir_all(file.parent().unwrap()).unwrap();

        // Each listed element is asked for by its name.
        for (name, factory) in &row.elements {
            std::fs::write(&file, text.replace(&format!(" name={name}"), "")).unwrap();
            let ended = build(&row.template, folder.path(), &clip);
            let last = ended.errors.lines().last().unwrap_or_default();
            let says = if factory == ANY_MUXER { "mux" } else { &format!("`{name}`: {factory} name={name}") };
            assert_eq!(ended.code, Some(2), "{} without {name}: {last}", row.template);
            assert!(last.starts_with(&format!("impasto: {}: ", file.display())) && last.contains(says), "{last}");
        }

        // No other name is: with all others gone, it builds.
        let is_listed = |word: &str| row.elements.iter().any(|(name, _)| word == format!("name={name}"));
        let kept = |word: &&str| !word.starts_with("name=") || is_listed(word);
        let lines = text.lines().filter(|line| !line.starts_with('#'));
        let text: Vec<&str> = lines.flat_map(str::split_whitespace).filter(kept).collect();
        std::fs::write(&file, text.join(" ")).unwrap();
        let ended = build(&row.template, folder.path(), &clip);
        let fine = if row.template == "capture/camera.launch" { 3 } else { 0 };
        assert_eq!(ended.code, Some(fine), "{} with nothing but its listed names: {}", row.template, ended.errors);
        std::fs::remove_file(&file).unwrap();
    }
}
