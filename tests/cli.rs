//! The command line as a user meets it: help, settings and their precedence, lists, mistakes and exit codes.

mod common;

use std::process::{Command, Stdio};

use clap::Parser;
use common::{Finished, ffmpeg, finish, impasto, onnx, ort_library, project, run};
use impasto::cli::Cli;
use serde_json::Value;

/// The commands that `impasto --help` lists.
fn commands() -> Vec<String> {
    let help = run(&["--help"]).stdout;
    let listed = help.split("Commands:").nth(1).and_then(|rest| rest.split("Options:").next()).expect("a list");
    let lines = listed.lines().filter(|line| line.starts_with("  ") && !line.starts_with("   "));
    let names: Vec<_> = lines.filter_map(|line| line.split_whitespace().next()).map(String::from).collect();
    assert!(names.len() >= 9, "{names:?}");
    names
}

#[test]
fn every_command_explains_itself_and_the_examples_work() {
    let mut helps = vec![run(&["--help"]).stdout];
    for command in commands().iter().filter(|command| *command != "help") {
        let Finished { code, stdout, stderr } = run(&[command, "--help"]);
        assert_eq!((code, stderr.as_str()), (0, ""), "{command}");
        assert!(stdout.contains(&format!("Usage: impasto {command}")), "{stdout}");
        assert!(stdout.lines().next().is_some_and(|about| about.len() > 15), "{command} says nothing: {stdout}");
        helps.push(stdout);
    }
    let mut examples = 0;
    for line in helps.iter().flat_map(|help| help.lines()).filter(|line| line.starts_with("  impasto ")) {
        // What follows two spaces is explanation.
        let example = line.trim_start().split("  ").next().unwrap();
        let parsed = Cli::try_parse_from(example.split_whitespace());
        assert!(parsed.is_ok(), "{example}: {}", parsed.unwrap_err());
        examples += 1;
    }
    assert!(examples >= 15, "only {examples} examples");
}

#[test]
fn lists_end_well_when_their_reader_has_left_and_tell_of_a_full_disk() {
    let lists: [&[&str]; 5] = [
        &["styles"],
        &["devices"],
        &["version", "--json"],
        &["check", "models/lite.toml"],
        &["bench", "--frames", "1", "--picture", "64x64"],
    ];
    for list in lists {
        let to = |output: Stdio| {
            let finished = impasto().args(list).stdout(output).output().unwrap();
            (finished.status.code(), String::from_utf8_lossy(&finished.stderr).into_owned())
        };
        let (reader, writer) = std::io::pipe().unwrap();
        drop(reader);
        let (code, stderr) = to(writer.into());
        assert!(code == Some(0) && !stderr.contains("panicked"), "{list:?}: {code:?} {stderr}");
        let full = std::fs::File::options().write(true).open("/dev/full").unwrap();
        let (code, stderr) = to(full.into());
        assert!(code == Some(5) && stderr.contains("standard output: No space left"), "{list:?}: {code:?} {stderr}");
    }
}

#[test]
fn every_command_has_completions_and_a_manual_page() {
    for shell in ["bash", "zsh", "fish"] {
        let script = run(&["completions", shell]);
        assert_eq!(script.code, 0, "{}", script.stderr);
        for command in commands() {
            assert!(script.stdout.contains(&command), "{shell}: no {command}");
        }
    }
    let page = run(&["man"]).stdout;
    assert!(page.contains(".TH impasto") && page.contains("Exit codes"), "{page}");
    for command in commands().iter().filter(|command| *command != "help") {
        let name = command.replace('-', "\\-");
        assert!(page.contains(&format!("impasto\\-{name}")), "the page does not name {command}");
        let own = run(&["man", command]);
        assert!(own.code == 0 && own.stdout.contains(".SH OPTIONS"), "{command}: {}", own.stderr);
    }
    let unknown = run(&["man", "benhc"]);
    assert!(unknown.code == 2 && unknown.stderr.contains("did you mean `bench`?"), "{}", unknown.stderr);
}

#[test]
fn version_tells_what_it_is_made_of() {
    let version = run(&["version"]);
    assert_eq!(version.code, 0, "{}", version.stderr);
    let lines: Vec<_> = version.stdout.lines().collect();
    assert_eq!(lines[0], format!("impasto {}", env!("CARGO_PKG_VERSION")));
    assert!(lines[1].starts_with("ONNX Runtime 1.") && lines[1].contains("libonnxruntime"), "{}", lines[1]);
    assert!(lines[2].starts_with("GStreamer 1.") && lines[3].starts_with("features "), "{lines:?}");
    let json: serde_json::Value = serde_json::from_str(&run(&["version", "--json"]).stdout).unwrap();
    assert!(lines[1].contains(json["library"].as_str().unwrap()), "{json}");
    let lost = run(&["version", "--library", "lost.so"]);
    assert!(lost.code == 0 && lost.stdout.contains("lost.so does not load"), "{}", lost.stdout);
}

#[test]
fn lists_for_machines() {
    let styles: serde_json::Value = serde_json::from_str(&run(&["styles", "--json"]).stdout).unwrap();
    let styles = styles.as_array().unwrap();
    assert!(!styles.is_empty());
    for key in ["name", "network", "title"] {
        assert!(styles.iter().all(|style| style[key].as_str().is_some_and(|text| !text.is_empty())), "{styles:?}");
    }
    assert!(styles.iter().any(|style| style["name"] == "starry_night" && style["network"] == "lite"), "{styles:?}");

    let devices: serde_json::Value = serde_json::from_str(&run(&["devices", "--json"]).stdout).unwrap();
    assert!(devices["cameras"].is_array());
    let inference = devices["inference"].as_array().unwrap();
    let named = |name: &str| inference.iter().find(|device| device["name"] == name).unwrap();
    assert_eq!(named("cpu")["usable"], true);
    assert!(named("coreml")["usable"] == true || named("coreml")["reason"].is_string(), "{inference:?}");
}

/// Runs a live source for a moment with this config, environment and flags.
fn live(config: &str, environment: &[(&str, &str)], flags: &[&str]) -> Finished {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("my.toml");
    std::fs::write(&file, config).unwrap();
    let mut command = impasto();
    command.args(["run", "--duration", "1", "--config"]).arg(&file).args(flags).envs(environment.iter().copied());
    finish(&mut command)
}

const QUIET: &str = "[source]\ninput = \"test\"\nwidth = 64\nheight = 48\n[output]\nrtsp = \"off\"\n";

#[test]
fn a_flag_beats_the_environment_which_beats_the_config() {
    let config = format!("{QUIET}[paint]\nstyle = \"from_config\"\n");
    let unknown = |finished: Finished, name: &str| {
        assert_eq!(finished.code, 2, "{}", finished.stderr);
        assert!(finished.stderr.contains(&format!("unknown style `{name}`")), "{}", finished.stderr);
        finished.stderr
    };
    let stderr = unknown(live(&config, &[], &[]), "from_config");
    assert!(stderr.contains("my.toml, line 8, `style`: "), "{stderr}");
    let stderr = unknown(live(&config, &[("IMPASTO_STYLE", "from_environment")], &[]), "from_environment");
    assert!(!stderr.contains("my.toml"), "the config is not to blame: {stderr}");
    unknown(live(&config, &[("IMPASTO_STYLE", "from_environment")], &["--style", "from_flag"]), "from_flag");
    let fine = live(&config, &[("IMPASTO_STYLE", "from_environment")], &["--style", "photo"]);
    assert_eq!(fine.code, 0, "{}", fine.stderr);
    let fine = live(&config, &[("IMPASTO_STYLE", "photo")], &[]);
    assert_eq!(fine.code, 0, "{}", fine.stderr);
}

#[test]
fn mistakes_in_settings_name_the_place_and_the_nearest_name() {
    let cases = [
        ("[source]\nwidht = 640\n", "line 2", "did you mean `width`?"),
        ("[sorce]\nwidth = 640\n", "line 1", "did you mean `source`?"),
        ("[source]\nwidth = \"wide\"\n", "line 2", "invalid type: string \"wide\""),
        ("[source]\nloop = 1\n", "line 2", "invalid type: integer `1`, expected a boolean"),
        ("[runtime]\ndevice = \"gpu\"\n", "line 2", "`cuda`"),
        ("[paint]\nstyle = \"stary_night\"\n", "line 2", "did you mean `starry_night`?"),
        ("[paint]\nnetwork = \"lit\"\n", "line 2", "did you mean `lite`?"),
        ("[paint]\nsize = \"640\"\n", "line 2", "is not a size like 640x360"),
        ("[paint\n", "line 1", ""),
        ("[source]\nwidth = 0\n", "line 2", "width = 0: 1 to"),
        ("[source]\nwidth = -1\n", "line 2", "`width`: invalid value: integer `-1`"),
        ("[source]\nfps = 1_000\n", "line 2", "fps = 1000: 1 to 240 is possible"),
        ("[paint]\nstrength = 2\n", "line 2", "strength = 2: 0 to 1 is possible"),
        ("[paint]\nstrength = nan\n", "line 2", "strength = NaN: 0 to 1 is possible"),
        ("[paint]\nsteadiness = 1.50\n", "line 2", "steadiness = 1.5: 0 to 1 is possible"),
        ("[paint]\nstroke = -0.5\n", "line 2", "stroke = -0.5: 0 to 1 is possible"),
        ("[paint]\nfade_ms = 60001\n", "line 2", "fade_ms = 60001: 0 to 60000 is possible"),
        ("[paint]\nstyles = { photo = 2000 }\n", "line 2", "weight of style `photo` = 2000"),
        ("[output]\ncrf = 52\n", "line 2", "crf = 52: 0 (best) to 51"),
        ("[output]\nrtsp_kbps = 0\n", "line 2", "rtsp_kbps = 0: 10 to 1000000 is possible"),
        ("[output]\nrtsp = \"8554\"\n", "line 2", "`8554` is not an address"),
        ("[output]\nrtsp_user = \"me\"\n", "line 2", "rtsp_user `me` has no rtsp_password"),
        ("[output]\nrtsp_certificate = \"/none.pem\"\n", "line 2", "/none.pem: No such file"),
        ("[output]\nalso = [{ type = \"push\", url = \"rtmp://h/a/b\", kbps = 1 }]\n", "line 2", "kbps = 1: 10 to"),
        ("[runtime]\nthreads = 100000\n", "line 2", "threads = 100000: 0 to 1024 is possible"),
        (
            "[[stream]]\nname = \"a\"\n[[stream]]\nname = \"b\"\nsource.fps = 0\n",
            "line 5",
            "stream b: [source] fps = 0",
        ),
    ];
    for (config, line, message) in cases {
        let Finished { code, stderr, .. } = live(config, &[], &["--source", "test"]);
        assert_eq!(code, 2, "{config}: {stderr}");
        assert!(stderr.contains("my.toml") && stderr.contains(line) && stderr.contains(message), "{config}: {stderr}");
    }
    for (args, message) in [
        (&["bench", "--style", "stary_night"][..], "did you mean `starry_night`?"),
        (&["bench", "--threads", "many"], "invalid value 'many'"),
        (&["bench", "--devcie", "cpu"], "'--device'"),
        (&["benhc"], "'bench'"),
    ] {
        let Finished { code, stderr, .. } = run(args);
        assert!(code == 2 && stderr.contains(message), "{args:?} ended with {code}: {stderr}");
    }
}

#[test]
fn check_tells_what_a_file_is_and_whether_it_is_fit() {
    let folder = tempfile::tempdir().unwrap();
    let write = |name: &str, text: &str| {
        let file = folder.path().join(name);
        std::fs::create_dir_all(file.parent().unwrap()).unwrap();
        std::fs::write(&file, text).unwrap();
        file.to_str().unwrap().to_string()
    };
    let clip = folder.path().join("clip.mkv");
    let pipeline = format!(
        "videotestsrc num-buffers=10 ! video/x-raw,width=96,height=64 ! x264enc ! matroskamux name=mux \
         ! filesink location={} audiotestsrc num-buffers=10 ! opusenc ! mux.",
        clip.display()
    );
    let made = std::process::Command::new("gst-launch-1.0").arg("-q").args(pipeline.split_whitespace()).status();
    assert!(made.is_ok_and(|status| status.success()), "{pipeline}");
    let media = clip.to_str().unwrap();
    let sound = write("sound.wav", "");
    let wav = format!("audiotestsrc num-buffers=10 ! wavenc ! filesink location={sound}");
    assert!(std::process::Command::new("gst-launch-1.0").arg("-q").args(wav.split_whitespace()).status().is_ok());
    let rtsp = std::fs::read_to_string(common::project("pipelines/output/rtsp.launch")).unwrap();

    let cases = [
        (write("good.toml", &format!("{QUIET}[paint]\nstyle = \"photo\"\n")), 0, "network lite, style photo"),
        (write("bad.toml", "[paint]\nstyle = \"nosuchstyle\"\n"), 2, "bad.toml, line 2, `style`: unknown style"),
        ("config/default.toml".into(), 0, "a config that can be run"),
        ("config/two-streams.toml".into(), 0, "stream lobby"),
        ("models/lite.toml".into(), 0, "a network that fits its manifest"),
        ("models/lite.onnx".into(), 0, "starry_night"),
        (write("output/rtsp.launch", &rtsp), 0, "a template `output/rtsp`"),
        (write("output/record.launch", "nosuchelement"), 2, "no element `nosuchelement` is installed"),
        (media.into(), 0, "video H.264"),
        (media.into(), 0, "audio Opus 48000 Hz"),
        (sound, 3, "there is no video in it"),
        (write("empty.mp4", ""), 3, "empty.mp4"),
        (write("words.mp4", "this is no film at all, only a few words in a file"), 3, "words.mp4"),
        ("lost.mp4".into(), 3, "lost.mp4: no such file"),
        ("lost.toml".into(), 2, "lost.toml: no such file"),
        ("lost.onnx".into(), 4, "lost.onnx: no such file"),
    ];
    for (file, code, message) in cases {
        let found = run(&["check", &file]);
        assert_eq!(found.code, code, "{file}: {}{}", found.stdout, found.stderr);
        let told = if code == 0 { &found.stdout } else { &found.stderr };
        assert!(told.contains(message), "{file}: no `{message}` in {told}");
    }
}

#[test]
fn a_device_that_cannot_run_says_why_and_auto_tells_its_choice() {
    let folder = tempfile::tempdir().unwrap();
    let network = common::onnx::write_identity(folder.path());
    let bench = |device: &str| {
        let network = network.to_str().unwrap();
        run(&["bench", "--frames", "1", "--picture", "64x48", "--json", "--network", network, "--device", device])
    };
    let chosen = bench("auto");
    assert_eq!(chosen.code, 0, "{}", chosen.stderr);
    let report: serde_json::Value = serde_json::from_str(&chosen.stdout).unwrap();
    let device = report["device"].as_str().unwrap();
    assert!(chosen.stderr.contains(&format!("painting on {device} (")), "{}", chosen.stderr);
    assert!(chosen.stderr.contains(" ms a picture"), "{}", chosen.stderr);

    let devices: serde_json::Value = serde_json::from_str(&run(&["devices", "--json"]).stdout).unwrap();
    for device in devices["inference"].as_array().unwrap() {
        let name = device["name"].as_str().unwrap();
        let Finished { code, stdout, stderr } = bench(name);
        if device["usable"] == true {
            let report: serde_json::Value = serde_json::from_str(&stdout).unwrap();
            assert_eq!(code, 0, "{stderr}");
            // With its precision, where that was measured.
            assert!(report["device"].as_str().unwrap().starts_with(name), "{stdout}");
        } else {
            assert_eq!(code, 4, "{name}: {stderr}");
            assert!(stderr.contains(name) && stderr.contains("--device (auto"), "{stderr}");
        }
    }
}

#[test]
fn check_says_of_a_file_what_a_conversion_would_come_to() {
    let folder = tempfile::tempdir().unwrap();
    let out = folder.path().join("out.mp4");
    for (case, words) in [("check-20s.gif", "Unexpected End of File"), ("hls-named.mp4", "a list of addresses")] {
        let file = project("tests/cases").join(case);
        let file = file.to_str().unwrap();
        let checked = run(&["check", file]);
        assert_eq!(checked.code, 3, "{checked:?}");
        assert!(checked.stderr.contains(words), "{}", checked.stderr);
        assert_eq!(checked.stderr, run(&["file", file, out.to_str().unwrap()]).stderr);
    }
    let gif = folder.path().join("fine.gif");
    ffmpeg(&["-f", "lavfi", "-i", "testsrc=d=1:s=64x48:r=10", gif.to_str().unwrap()]);
    let checked = run(&["check", gif.to_str().unwrap()]);
    assert!(checked.code == 0 && checked.stdout.contains("video GIF 64x48, 10 pictures"), "{checked:?}");
}

#[test]
fn a_log_level_that_is_none_is_refused_and_not_silence() {
    for (wanted, code) in
        [("debug", 0), ("impasto=trace,warn", 0), ("nonsense", 2), ("info,debgu", 2), ("impasto=loud", 2)]
    {
        let ended = run(&["--log", wanted, "styles"]);
        assert_eq!(ended.code, code, "{wanted}: {}", ended.stderr);
        assert_eq!(ended.stderr.contains("error, warn, info"), code == 2, "{}", ended.stderr);
    }
}

#[test]
fn the_doctor_finds_what_is_missing_and_says_what_cures_it() {
    let findings = |command: &mut Command| -> (i32, Value) {
        let doctor = finish(command.args(["ctl", "--server", "http://127.0.0.1:9", "doctor"]));
        (doctor.code, serde_json::from_str(&doctor.stdout).unwrap_or_else(|_| panic!("{}", doctor.stderr)))
    };
    let found = |all: &Value, name: &str| -> (String, String) {
        let found = all.as_array().unwrap().iter().find(|found| found["name"] == name).unwrap().clone();
        let text = |key: &str| found[key].as_str().unwrap_or_default().to_string();
        (text("state"), text("cure"))
    };
    let (_, healthy) = findings(&mut impasto());
    for name in ["GStreamer", "encoder", "ONNX Runtime", "networks", "disk", "ffmpeg"] {
        assert_eq!(found(&healthy, name), ("works".into(), String::new()), "{healthy}");
    }
    assert_eq!(found(&healthy, "daemon"), ("absent".into(), "start it: impasto run".into()));

    // What is fetched on its own, with and without it.
    let (cache, networks) = (tempfile::tempdir().unwrap(), onnx::networks());
    let with = |command: &mut Command| {
        command.env("IMPASTO_MODELS", networks.path()).env("XDG_CACHE_HOME", cache.path());
        findings(command.env("ORT_DYLIB_PATH", ort_library())).1
    };
    let without = with(&mut impasto());
    assert_eq!(found(&without, "mask"), ("absent".into(), "./dev setup --mask".into()));
    assert_eq!(found(&without, "any painting"), ("absent".into(), "./dev setup --arbitrary".into()));
    onnx::write_mask(networks.path());
    onnx::write_mood(networks.path());
    let there = with(&mut impasto());
    for name in ["mask", "any painting"] {
        assert_eq!(found(&there, name), ("works".into(), String::new()), "{there}");
    }
    std::fs::write(networks.path().join("bright.onnx"), "no network").unwrap();
    assert_eq!(found(&with(&mut impasto()), "mask").0, "broken");

    let empty = tempfile::tempdir().unwrap();
    let mut bare = impasto();
    let bare = bare
        .env("GST_PLUGIN_SYSTEM_PATH_1_0", empty.path())
        .env("GST_REGISTRY", empty.path().join("registry"))
        .env("PATH", empty.path())
        .env("XDG_RUNTIME_DIR", empty.path())
        .env("ORT_DYLIB_PATH", empty.path().join("none.so"));
    let (code, bare) = findings(bare);
    assert_eq!(code, 4);
    let (state, cure) = found(&bare, "GStreamer");
    assert_eq!(state, "broken");
    assert!(cure.starts_with("sudo apt install gstreamer1.0-plugins-base gstreamer1.0-plugins-good "), "{cure}");
    assert_eq!(found(&bare, "ffmpeg"), ("absent".into(), "sudo apt install ffmpeg".into()));
    assert_eq!(found(&bare, "PipeWire").0, "absent");
    assert_eq!(found(&bare, "ONNX Runtime").0, "broken");
}
