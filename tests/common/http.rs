//! A plain HTTP client of a few lines: it can also do what no well-behaved client does.

use std::io::{BufRead, BufReader, Read, Write};
use std::net::TcpStream;

use serde_json::Value;

use super::{PATIENCE, Running, until};

/// The HTTP server of a running `impasto run`.
pub struct Api {
    /// ADDRESS:PORT
    pub address: String,
}

/// An answer with its whole body.
#[derive(Debug)]
pub struct Answer {
    pub status: u16,
    /// Names in lower case.
    pub head: Vec<(String, String)>,
    pub body: Vec<u8>,
}

impl Api {
    /// Starts `impasto run ARGS` with an HTTP server on a free port, and waits until the stream runs.
    pub fn start(args: &[&str]) -> (Running, Self) {
        Self::spawn(super::impasto(), args)
    }

    /// As [`Api::start`], with a command that has an environment of its own.
    pub fn spawn(mut command: std::process::Command, args: &[&str]) -> (Running, Self) {
        command.args(["run", "--json", "--http", "127.0.0.1:0"]).args(args);
        let run = Running::spawn(command);
        let started = run.wait_for("the start", |event| event["event"] == "started");
        let web = started["web"].as_str().expect("an address of the web page");
        (run, Self { address: web.strip_prefix("http://").expect("http").to_string() })
    }

    pub fn connect(&self) -> TcpStream {
        let stream = TcpStream::connect(&self.address).expect("the server accepts");
        stream.set_read_timeout(Some(PATIENCE)).expect("a timeout");
        stream.set_write_timeout(Some(PATIENCE)).expect("a timeout");
        stream
    }

    /// One request on a connection of its own.
    pub fn ask(&self, method: &str, path: &str, head: &[(&str, &str)], body: &[u8]) -> Answer {
        read_answer(self.send(method, path, head, body))
    }

    /// Sends a request without waiting for the answer, which comes on this connection.
    pub fn send(&self, method: &str, path: &str, head: &[(&str, &str)], body: &[u8]) -> TcpStream {
        let mut stream = self.connect();
        let host = if head.iter().any(|(name, _)| *name == "Host") {
            String::new()
        } else {
            format!("Host: {}\r\n", self.address)
        };
        let lines: String = head.iter().map(|(name, value)| format!("{name}: {value}\r\n")).collect();
        let length = body.len();
        let head =
            format!("{method} {path} HTTP/1.1\r\n{host}Connection: close\r\nContent-Length: {length}\r\n{lines}\r\n");
        // A server that refuses at once may close before everything is sent.
        let _ = stream.write_all(head.as_bytes()).and_then(|()| stream.write_all(body));
        stream
    }

    pub fn get(&self, path: &str) -> Answer {
        self.ask("GET", path, &[], b"")
    }

    pub fn json(&self, method: &str, path: &str, body: &str) -> Answer {
        self.ask(method, path, &[("Content-Type", "application/json")], body.as_bytes())
    }

    /// The state of the stream `live`.
    pub fn state(&self) -> Value {
        self.state_of("live")
    }

    /// The state of a stream; of one that is not there, the refusal.
    pub fn state_of(&self, stream: &str) -> Value {
        self.get(&format!("/api/v1/streams/{stream}")).value()
    }

    /// Waits until a stream has this status.
    pub fn wait_for_status(&self, stream: &str, status: &str) -> Value {
        until(&format!("{stream} is {status}"), || self.state_of(stream)["status"] == status);
        self.state_of(stream)
    }

    /// Waits until `wanted` accepts the state.
    pub fn wait_for_state(&self, what: &str, wanted: impl Fn(&Value) -> bool) -> Value {
        let mut state = Value::Null;
        until(what, || {
            state = self.state();
            wanted(&state)
        });
        state
    }

    /// Waits until `count` more frames were painted: the picture has not stopped.
    pub fn assert_painting(&self, count: u64) {
        self.assert_painting_of("live", count);
    }

    pub fn assert_painting_of(&self, stream: &str, count: u64) {
        let painted = || self.state_of(stream)["counts"]["painted"].as_u64().unwrap();
        let before = painted();
        until(&format!("painting of {stream} goes on"), || painted() >= before + count);
    }

    /// Server-Sent Events.
    pub fn events(&self) -> Events {
        let mut stream = self.connect();
        write!(stream, "GET /api/v1/events HTTP/1.1\r\nHost: {}\r\n\r\n", self.address).unwrap();
        let mut events = Events { lines: BufReader::new(stream) };
        assert!(events.line().starts_with("HTTP/1.1 200"), "no events");
        events
    }

    /// The status that somebody gets who asks for events, and the connection.
    pub fn ask_for_events(&self) -> (u16, TcpStream) {
        let mut stream = self.connect();
        write!(stream, "GET /api/v1/events HTTP/1.1\r\nHost: {}\r\n\r\n", self.address).unwrap();
        let mut line = [0; 12];
        stream.read_exact(&mut line).expect("an answer");
        (String::from_utf8_lossy(&line[9..]).parse().expect("a status"), stream)
    }

    /// A JPEG picture of the preview that is not the first one.
    pub fn preview(&self, which: &str) -> image::RgbImage {
        self.second_picture(&format!("/api/v1/streams/live/preview?which={which}"))
    }

    /// The second of the JPEG pictures that come from `path`.
    pub fn second_picture(&self, path: &str) -> image::RgbImage {
        let mut stream = self.connect();
        write!(stream, "GET {path} HTTP/1.1\r\nHost: {}\r\n\r\n", self.address).unwrap();
        let mut stream = BufReader::new(stream);
        let (mut line, mut pictures) = (Vec::new(), 0);
        loop {
            line.clear();
            assert!(stream.read_until(b'\n', &mut line).unwrap() > 0, "the preview ended");
            let text = String::from_utf8_lossy(&line).to_lowercase();
            if let Some(length) = text.trim().strip_prefix("content-length: ") {
                stream.read_until(b'\n', &mut line).unwrap();
                let mut jpeg = vec![0; length.parse().unwrap()];
                // One part is one chunk, so that no chunk ends within a picture.
                stream.read_exact(&mut jpeg).unwrap();
                pictures += 1;
                if pictures == 2 {
                    return image::load_from_memory(&jpeg).expect("a JPEG picture").into_rgb8();
                }
            }
        }
    }
}

impl Answer {
    pub fn header(&self, name: &str) -> Option<&str> {
        self.head.iter().find(|(known, _)| known == name).map(|(_, value)| value.as_str())
    }

    pub fn value(&self) -> Value {
        serde_json::from_slice(&self.body).unwrap_or_else(|error| panic!("{error}: {:?}", self.text()))
    }

    pub fn text(&self) -> String {
        String::from_utf8_lossy(&self.body).into_owned()
    }

    /// A refusal: a problem document with this status, whose text holds `words`.
    #[track_caller]
    pub fn assert_problem(&self, status: u16, words: &str) {
        assert_eq!(self.status, status, "{}", self.text());
        assert_eq!(self.header("content-type"), Some("application/problem+json"), "{}", self.text());
        let problem = self.value();
        assert_eq!(problem["status"], status, "{problem}");
        assert!(problem["detail"].as_str().unwrap().contains(words), "{problem} lacks `{words}`");
    }
}

/// What an open event stream tells.
pub struct Events {
    lines: BufReader<TcpStream>,
}

impl Events {
    fn line(&mut self) -> String {
        let mut line = String::new();
        assert!(self.lines.read_line(&mut line).expect("events go on") > 0, "the events ended");
        line
    }

    /// The next event: its name and data.
    pub fn next(&mut self) -> (String, Value) {
        let mut name = String::new();
        loop {
            let line = self.line();
            if let Some(text) = line.strip_prefix("event: ") {
                name = text.trim().to_string();
            } else if let Some(data) = line.strip_prefix("data: ") {
                return (name, serde_json::from_str(data).expect("JSON"));
            }
        }
    }
}

/// How many watch the outputs of a kind.
pub fn clients_of(state: &Value, kind: &str) -> u64 {
    let outputs = state["outputs"].as_array().expect("a list").iter();
    outputs.filter(|output| output["kind"] == kind).map(|output| output["clients"].as_u64().expect("a count")).sum()
}

/// Reads an answer whose connection is closed at its end.
pub fn read_answer(mut stream: TcpStream) -> Answer {
    let mut bytes = Vec::new();
    let ended = stream.read_to_end(&mut bytes);
    let end = bytes.windows(4).position(|window| window == b"\r\n\r\n");
    let end = end.unwrap_or_else(|| panic!("no answer: {ended:?} after {:?}", String::from_utf8_lossy(&bytes)));
    let head = String::from_utf8_lossy(&bytes[..end]).into_owned();
    let mut lines = head.lines();
    let status = lines.next().and_then(|line| line.split(' ').nth(1)?.parse().ok()).expect("a status");
    let pairs = lines.filter_map(|line| line.split_once(": "));
    let head = pairs.map(|(name, value)| (name.to_lowercase(), value.to_string())).collect();
    Answer { status, head, body: bytes[end + 4..].to_vec() }
}
