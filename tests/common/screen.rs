//! An X server without a monitor (Xvfb), and what is to be seen on it.

use std::io::{BufRead as _, BufReader};
use std::process::{Command, Stdio};

use image::{Rgb, RgbImage};
use x11rb::connection::Connection as _;
use x11rb::protocol::randr::{ConnectionExt as _, MonitorInfo};
use x11rb::protocol::xfixes::ConnectionExt as _;
use x11rb::protocol::xproto::{ChangeWindowAttributesAux, ConnectionExt as _, ImageFormat};
use x11rb::rust_connection::RustConnection;

use super::{Killed, send_signal};

/// Not of the shape of any picture of the tests.
pub const SIZE: (u16, u16) = (1000, 800);

/// A running server; killed when dropped.
pub struct Screen {
    server: Killed,
    /// As `DISPLAY` has it.
    pub name: String,
}

impl Screen {
    /// A new one, of a number that is free.
    pub fn start() -> Self {
        Self::start_as(&[])
    }

    fn start_as(name: &[&str]) -> Self {
        let mut xvfb = Command::new("Xvfb");
        xvfb.args(name).args(["-displayfd", "1", "-nolisten", "tcp", "-noreset", "-screen", "0"]);
        xvfb.arg(format!("{}x{}x24", SIZE.0, SIZE.1)).stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::null());
        let mut child = xvfb.spawn().expect("the package xvfb is installed");
        // It writes its number when it takes clients.
        let mut number = String::new();
        BufReader::new(child.stdout.take().expect("piped")).read_line(&mut number).expect("it tells its number");
        assert!(!number.trim().is_empty(), "Xvfb does not start");
        Self { server: Killed(child), name: format!(":{}", number.trim()) }
    }

    /// Kills it, as a crash does; what it was called.
    pub fn kill(self) -> String {
        self.name.clone()
    }

    /// Another one in the place of one that is gone.
    pub fn restart(name: &str) -> Self {
        Self::start_as(&[name])
    }

    /// `STOP`, `CONT`
    pub fn signal(&self, signal: &str) {
        send_signal(&self.server.0, signal);
    }

    /// The command of a program on this screen.
    pub fn seen_by(&self, mut command: Command) -> Command {
        command.env("DISPLAY", &self.name).env_remove("WAYLAND_DISPLAY").env_remove("XAUTHORITY");
        command
    }

    fn connect(&self) -> (RustConnection, u32) {
        let (server, number) = x11rb::connect(Some(&self.name)).expect("it takes clients");
        let root = server.setup().roots[number].root;
        (server, root)
    }

    /// All of it, as somebody before it sees it.
    pub fn picture(&self) -> RgbImage {
        let (server, root) = self.connect();
        let taken = server.get_image(ImageFormat::Z_PIXMAP, root, 0, 0, SIZE.0, SIZE.1, !0).unwrap().reply().unwrap();
        RgbImage::from_fn(SIZE.0.into(), SIZE.1.into(), |x, y| {
            let pixel = &taken.data[(y as usize * usize::from(SIZE.0) + x as usize) * 4..][..3];
            Rgb([pixel[2], pixel[1], pixel[0]])
        })
    }

    /// Gives the screen a pointer that is seen, until the connection that is returned is dropped.
    pub fn show_pointer(&self) -> RustConnection {
        let (server, root) = self.connect();
        let (font, cursor) = (server.generate_id().unwrap(), server.generate_id().unwrap());
        server.open_font(font, b"cursor").unwrap().check().unwrap();
        server.create_glyph_cursor(cursor, font, font, 68, 69, !0, !0, !0, 0, 0, 0).unwrap().check().unwrap();
        let attributes = ChangeWindowAttributesAux::new().cursor(cursor);
        server.change_window_attributes(root, &attributes).unwrap().check().unwrap();
        server
    }

    /// Whether anything of the pointer is seen.
    pub fn has_pointer(&self) -> bool {
        let (server, _) = self.connect();
        server.xfixes_query_version(4, 0).unwrap().reply().unwrap();
        server.xfixes_get_cursor_image().unwrap().reply().unwrap().cursor_image.iter().any(|pixel| *pixel != 0)
    }

    /// The window that has the keyboard.
    pub fn focus(&self) -> u32 {
        self.connect().0.get_input_focus().unwrap().reply().unwrap().focus
    }

    /// Makes a part of the screen a monitor.
    pub fn plug_in(&self, name: &str, (x, y): (i16, i16), (width, height): (u16, u16)) {
        let (server, root) = self.connect();
        let name = server.intern_atom(false, name.as_bytes()).unwrap().reply().unwrap().atom;
        let (width_in_millimeters, height_in_millimeters) = (300, 200);
        let monitor = MonitorInfo {
            name,
            primary: false,
            automatic: false,
            x,
            y,
            width,
            height,
            width_in_millimeters,
            height_in_millimeters,
            outputs: Vec::new(),
        };
        server.randr_query_version(1, 5).unwrap().reply().unwrap();
        server.randr_set_monitor(root, monitor).unwrap().check().unwrap();
    }

    pub fn unplug(&self, name: &str) {
        let (server, root) = self.connect();
        let name = server.intern_atom(false, name.as_bytes()).unwrap().reply().unwrap().atom;
        server.randr_query_version(1, 5).unwrap().reply().unwrap();
        server.randr_delete_monitor(root, name).unwrap().check().unwrap();
    }
}
