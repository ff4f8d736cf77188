//! A raw RTSP client of a few lines, over TCP: it can ask what no player asks.

use std::io::{BufRead, BufReader, Read, Write};
use std::net::TcpStream;
use std::time::{Duration, Instant};

/// How long a packet or an answer may take; a watched stream sends many a second.
const PACKET_PATIENCE: Duration = Duration::from_secs(20);

/// A client on a connection of its own.
pub struct RtspClient {
    stream: BufReader<TcpStream>,
    /// `127.0.0.1:PORT`
    server: String,
    session: Option<String>,
    asked: u32,
}

/// What a server answers.
#[derive(Debug)]
pub struct RtspAnswer {
    pub status: u16,
    pub head: Vec<String>,
}

impl RtspClient {
    pub fn connect(port: u16) -> Self {
        let server = format!("127.0.0.1:{port}");
        let stream = TcpStream::connect(&server).expect("the server accepts");
        stream.set_read_timeout(Some(PACKET_PATIENCE)).expect("a timeout");
        Self { stream: BufReader::new(stream), server, session: None, asked: 0 }
    }

    /// Asks, and reads the answer; packets that come before it are dropped.
    pub fn ask(&mut self, method: &str, path: &str, more: &str) -> RtspAnswer {
        self.asked += 1;
        let session = self.session.iter().map(|session| format!("Session: {session}\r\n")).collect::<String>();
        let (server, number) = (&self.server, self.asked);
        let text = format!("{method} rtsp://{server}{path} RTSP/1.0\r\nCSeq: {number}\r\n{session}{more}\r\n");
        self.stream.get_mut().write_all(text.as_bytes()).expect("the server reads");
        while self.stream.fill_buf().expect("an answer").first() == Some(&b'$') {
            self.packet().expect("a packet");
        }
        let head: Vec<String> = (&mut self.stream)
            .lines()
            .map(|line| line.expect("an answer"))
            .take_while(|line| !line.is_empty())
            .collect();
        let value = |name: &str| head.iter().find_map(|line| line.strip_prefix(name)).map(str::trim);
        let length = value("Content-Length:").map_or(0, |length| length.parse().expect("a number"));
        self.stream.read_exact(&mut vec![0; length]).expect("the whole body");
        if let Some(session) = value("Session:") {
            self.session = session.split(';').next().map(Into::into);
        }
        let status = head[0].split(' ').nth(1).and_then(|status| status.parse().ok()).expect("a status");
        RtspAnswer { status, head }
    }

    /// Watches the picture at `path` without having asked what there is.
    pub fn play(&mut self, path: &str, track: &str) {
        let answer = self.ask("SETUP", &format!("{path}{track}"), "Transport: RTP/AVP/TCP;unicast;interleaved=0-1\r\n");
        assert_eq!(answer.status, 200, "SETUP {path}: {answer:?}");
        assert_eq!(self.ask("PLAY", path, "").status, 200, "PLAY {path}");
    }

    /// The next packet; an error once the server has closed the connection, or sends none.
    pub fn packet(&mut self) -> std::io::Result<Vec<u8>> {
        let mut head = [0; 4];
        self.stream.read_exact(&mut head)?;
        let mut packet = vec![0; usize::from(u16::from_be_bytes([head[2], head[3]]))];
        self.stream.read_exact(&mut packet)?;
        Ok(packet)
    }

    /// Packets come now: what may have waited is read first.
    pub fn assert_fed(&mut self, when: &str) {
        let caught_up = Instant::now() + Duration::from_secs(1);
        let mut left = 20;
        while left > 0 {
            self.packet().unwrap_or_else(|error| panic!("{when}: no packet comes: {error}"));
            left -= i32::from(Instant::now() > caught_up);
        }
    }
}
