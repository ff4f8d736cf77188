//! Under a service manager: ready, status and watchdog are told, and SIGTERM ends it in good order.

mod common;

use std::os::unix::net::UnixDatagram;
use std::time::Instant;

use common::*;

#[test]
fn systemd_hears_that_it_lives_and_a_stop_finishes_the_recording() {
    let folder = tempfile::tempdir().unwrap();
    let (path, recording) = (folder.path().join("notify"), folder.path().join("recording.mp4"));
    let manager = UnixDatagram::bind(&path).unwrap();
    manager.set_read_timeout(Some(PATIENCE)).unwrap();
    let heard = |what: &str| {
        let deadline = Instant::now() + PATIENCE;
        loop {
            let mut bytes = [0; 4096];
            let length = manager.recv(&mut bytes).unwrap_or_else(|error| panic!("{what}: {error}"));
            let text = String::from_utf8_lossy(&bytes[..length]).into_owned();
            if text.starts_with(what) {
                return text;
            }
            assert!(Instant::now() < deadline, "{what}: never heard");
        }
    };
    let config = folder.path().join("impasto.toml");
    std::fs::write(&config, "").unwrap();
    let mut command = impasto();
    command.arg("run").arg("--config").arg(config);
    command.args(["--json", "--source", "test", "--rtsp", "off", "--size", "160x96", "--record"]).arg(&recording);
    command.env("NOTIFY_SOCKET", &path).env("WATCHDOG_USEC", "3000000").env_remove("WATCHDOG_PID");
    let run = Running::spawn(command);
    heard("READY=1");
    for _ in 0..3 {
        heard("WATCHDOG=1");
    }
    let status = heard("STATUS=");
    assert!(status.contains("frames/s painted"), "{status}");

    run.signal("HUP");
    heard("RELOADING=1");
    heard("READY=1");

    let asked = Instant::now();
    run.signal("TERM");
    heard("STOPPING=1");
    let ended = run.end();
    eprintln!("stopped {:.2} s after SIGTERM", asked.elapsed().as_secs_f64());
    assert_eq!(ended.code, Some(0), "{}", ended.errors);
    let times = packet_times(recording.to_str().unwrap(), "v");
    assert!(times.len() > 60, "{} frames", times.len());
}
