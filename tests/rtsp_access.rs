//! Who may watch the RTSP stream: name and password by digest, and TLS.

mod common;

use std::io::{Read, Write};
use std::net::TcpStream;
use std::process::Command;

use common::*;

/// A client that speaks no TLS would wait for ever for an answer that it understands.
const PROBE_PATIENCE_US: &str = "10000000";

/// What ffprobe sees of a stream: its size, or why it sees nothing.
fn see(url: &str) -> Result<String, String> {
    let entries = ["-show_entries", "stream=width,height", "-of", "csv=p=0"];
    let output = output_of(
        Command::new("ffprobe")
            .args(["-v", "error", "-rtsp_transport", "tcp", "-timeout", PROBE_PATIENCE_US])
            .args(entries)
            .arg(url),
    );
    let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).trim().to_string();
    if output.status.success() { Ok(text(&output.stdout)) } else { Err(text(&output.stderr)) }
}

#[test]
fn only_those_with_the_password_see_the_stream() {
    let address = format!("127.0.0.1:{}/live", free_port());
    let mut command = impasto();
    command.args([
        "run",
        "--json",
        "--source",
        "test",
        "--size",
        "160x96",
        "--rtsp",
        &address,
        "--rtsp-user",
        "viewer",
    ]);
    let run = Running::spawn({
        command.env("IMPASTO_RTSP_PASSWORD", "open sesame");
        command
    })
    .started();
    for stranger in ["", "viewer:wrong@", "nobody:open%20sesame@"] {
        let refused = see(&format!("rtsp://{stranger}{address}")).expect_err(stranger);
        assert!(refused.contains("401"), "{stranger}: {refused}");
    }
    assert_eq!(see(&format!("rtsp://viewer:open%20sesame@{address}")), Ok("640,360".into()));
    assert_eq!(run.interrupt().code, Some(0));

    let half = common::run(&["run", "--rtsp-user", "viewer", "--source", "test"]);
    assert!(half.code == 2 && half.stderr.contains("rtsp_password"), "{half:?}");
}

#[test]
fn the_stream_travels_encrypted() {
    let folder = tempfile::tempdir().unwrap();
    let file = |name: &str| folder.path().join(name).to_str().unwrap().to_string();
    let (certificate, key, both) = (file("certificate.pem"), file("key.pem"), file("both.pem"));
    let make = ["req", "-x509", "-newkey", "rsa:2048", "-nodes", "-days", "1", "-subj", "/CN=localhost"];
    tool("openssl", &[&make[..], &["-keyout", &key, "-out", &certificate]].concat());
    let read = |file: &str| std::fs::read_to_string(file).unwrap();
    std::fs::write(&both, read(&certificate) + &read(&key)).unwrap();
    let config = |certificate: &str| {
        let path = file("impasto.toml");
        std::fs::write(&path, format!("[output]\nrtsp_certificate = {certificate:?}\n")).unwrap();
        path
    };
    let address = format!("127.0.0.1:{}/live", free_port());
    let run = Running::start(&["--config", &config(&both), "--source", "test", "--size", "160x96", "--rtsp", &address]);
    let started = run.wait_for("the start", |event| event["event"] == "started");
    assert_eq!(started["rtsp"], format!("rtsps://{address}"));
    assert_eq!(see(&format!("rtsps://{address}")), Ok("640,360".into()));
    see(&format!("rtsp://{address}")).expect_err("nothing is sent unencrypted");
    // Connections that never begin to speak TLS are closed, the oldest first, and keep nobody out.
    let socket = address.split('/').next().unwrap();
    let silent: Vec<_> = (0..40).map(|_| TcpStream::connect(socket).unwrap()).collect();
    assert_eq!(see(&format!("rtsps://{address}")), Ok("640,360".into()));
    for mut stream in silent {
        stream.set_read_timeout(Some(PATIENCE)).unwrap();
        // Closed with or without what it would have said in TLS.
        let closed = stream.read(&mut [0; 1]);
        assert!(
            closed.as_ref().map_or_else(|error| error.kind() == std::io::ErrorKind::ConnectionReset, |read| *read == 0),
            "{closed:?}"
        );
    }

    // Handshakes that fail leave nothing behind: neither those of clients that speak no TLS nor those of an old one.
    let fail = || {
        for _ in 0..40 {
            let mut stream = TcpStream::connect(socket).unwrap();
            stream.set_read_timeout(Some(PATIENCE)).unwrap();
            let _ = stream.write_all(b"OPTIONS * RTSP/1.0\r\nCSeq: 1\r\n\r\n");
            let _ = stream.read_to_end(&mut Vec::new());
            let old = ["s_client", "-connect", socket, "-tls1_1", "-cipher", "DEFAULT@SECLEVEL=0"];
            // How it says that it failed differs from version to version.
            drop(output_of(Command::new("openssl").args(old)));
        }
    };
    let before = open_files(run.id());
    fail();
    until("descriptors are given back", || open_files(run.id()) <= before + 2);
    let memory = resident_kb(run.id());
    fail();
    until("descriptors are given back", || open_files(run.id()) <= before + 2);
    // Each that is kept takes almost 4 MB.
    let grown = resident_kb(run.id()).saturating_sub(memory);
    assert!(grown < 40_000, "{grown} kB more after 80 handshakes");
    assert_eq!(see(&format!("rtsps://{address}")), Ok("640,360".into()));
    assert_eq!(run.interrupt().code, Some(0));

    let refused = common::run(&["run", "--config", &config(&certificate), "--source", "test", "--rtsp", &address]);
    assert!(refused.code == 2 && refused.stderr.contains("certificate and its key"), "{refused:?}");
}
