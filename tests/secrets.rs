//! Passwords and keys are never told: not in the log, not over the API, not in errors, not in the list of processes.

mod common;

use common::http::Api;
use common::*;

/// What must never be seen.
const SECRET: &str = "hunter2";

/// Addresses with it in every place, at a port where nobody listens.
const SOURCES: [&str; 6] = [
    "rtsp://me:hunter2@127.0.0.1:1/stream",
    "rtsps://me:hunter2@127.0.0.1:1/stream",
    "http://me:p@ss/hunter2@127.0.0.1:1/clip.mp4",
    "http://127.0.0.1:1/clip.mp4?token=hunter2",
    "srt://127.0.0.1:1?mode=caller&passphrase=hunter2hunter2",
    "nonsense://me:hunter2@127.0.0.1/x?hunter2",
];

fn assert_silent(what: &str, told: &str) {
    assert!(!told.contains(SECRET), "{what} tells it: {told}");
}

#[test]
fn a_source_that_fails_does_not_tell_its_password() {
    for source in SOURCES {
        let ended = run(&["--log", "trace", "run", "--source", source, "--rtsp", "off"]);
        assert_eq!(ended.code, 3, "{source}: {ended:?}");
        assert_silent(source, &(ended.stdout + &ended.stderr));
    }
}

#[test]
fn neither_do_api_log_and_events() {
    let folder = tempfile::tempdir().unwrap();
    let config = folder.path().join("impasto.toml");
    let text = format!(
        "[output]\nrtsp = \"off\"\nrtsp_user = \"me\"\nrtsp_password = \"{SECRET}\"\n[control]\ntoken = \"{SECRET}\"\n\
         [[stream]]\nname = \"live\"\nsource.input = \"test\"\n[[stream]]\nname = \"lost\"\nsource.input = {:?}\n",
        SOURCES[0]
    );
    std::fs::write(&config, &text).unwrap();
    let args = ["--config", config.to_str().unwrap(), "--size", "160x96", "--log", "debug"];
    let (run, api) = Api::start(&args);
    let own = [("Authorization", "Bearer hunter2"), ("Content-Type", "application/json")];
    let ask = |method: &str, path: &str, body: &str| {
        let answer = api.ask(method, path, &own, body.as_bytes());
        let told = String::from_utf8_lossy(&answer.body).into_owned();
        assert_silent(path, &told);
        (answer.status, told)
    };
    until("the lost one has failed", || ask("GET", "/api/v1/streams/lost", "").1.contains("failed"));
    let (_, lost) = ask("GET", "/api/v1/streams/lost", "");
    assert!(lost.contains("rtsp://127.0.0.1:1/stream"), "{lost}");
    for source in SOURCES {
        let (status, refused) = ask("POST", "/api/v1/streams/live/source", &format!(r#"{{"source": {source:?}}}"#));
        assert_eq!(status, 422, "{refused}");
    }
    // A config with a mistake in just that line, or with a secret under another name.
    for (wrong, line) in [
        (format!("rtsp_password = \"{SECRET}"), "line 4"),
        (format!("rtsp_pasword = \"{SECRET}\""), "line 4"),
        ("rtsp_password = 2468".to_string(), "line 4"),
    ] {
        std::fs::write(&config, text.replace(&format!("rtsp_password = \"{SECRET}\""), &wrong)).unwrap();
        let mut told = String::new();
        until("the mistake is told", || {
            told = ask("GET", "/api/v1/config", "").1;
            told.contains(line) && told.contains("rtsp_pasword") == wrong.contains("rtsp_pasword")
        });
        assert!(!told.contains("2468"), "{told}");
    }
    for path in ["/api/v1/streams", "/metrics", "/api/v1/styles"] {
        assert_eq!(ask("GET", path, "").0, 200);
    }
    let ended = run.interrupt();
    assert_eq!(ended.code, Some(0), "{}", ended.errors);
    assert_silent("the log", &ended.errors);
    ended.events.iter().for_each(|event| assert_silent("an event", &event.to_string()));
}

#[test]
fn nor_is_it_taken_where_every_user_can_read_it() {
    for (args, variable) in [
        (&["run", "--token", SECRET, "--source", "test"][..], "IMPASTO_TOKEN"),
        (&["run", "--token=hunter2"], "IMPASTO_TOKEN"),
        (&["run", "--rtsp-user", "me", "--rtsp-password", SECRET], "IMPASTO_RTSP_PASSWORD"),
        (&["ctl", "--token", SECRET, "status"], "IMPASTO_TOKEN"),
        (&["ctl", "status", "--token", SECRET], "IMPASTO_TOKEN"),
    ] {
        let refused = run(args);
        assert!(
            refused.code == 2 && refused.stderr.contains(&format!("set {variable} instead")),
            "{args:?}: {refused:?}"
        );
        assert_silent("the refusal", &refused.stderr);
    }
}
