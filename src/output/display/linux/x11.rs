//! A window over a whole monitor of an X server. It speaks the protocol itself: Xlib, which GStreamer's sinks use, ends the
//! whole process when its server is gone.

use std::env;
use std::error::Error;
use std::os::fd::AsFd as _;

use gstreamer as gst;
use x11rb::COPY_DEPTH_FROM_PARENT;
use x11rb::connection::{Connection as _, RequestConnection as _};
use x11rb::protocol::randr::{self, ConnectionExt as _};
use x11rb::protocol::screensaver::ConnectionExt as _;
use x11rb::protocol::shm::{self, ConnectionExt as _};
use x11rb::protocol::xproto::{
    AtomEnum, ConfigureWindowAux, ConnectionExt as _, CreateGCAux, CreateWindowAux, Cursor, Gcontext, ImageFormat,
    ImageOrder, PropMode, Screen as Root, StackMode, Visualtype, WindowClass,
};
use x11rb::rust_connection::RustConnection;
use x11rb::wrapper::ConnectionExt as _;

use super::Screen;
use super::canvas::Canvas;
use super::choice::choose;
use crate::output::display::{DisplayPlan, Monitor};
use crate::shared_memory::SharedMemory;

/// Bits of colour of a pixel, in the layout BGRx.
const DEPTH: u8 = 24;

/// Colours as they lie in BGRx.
const MASKS: [u32; 3] = [0x00ff_0000, 0x0000_ff00, 0x0000_00ff];

type Outcome<T> = Result<T, Box<dyn Error>>;

/// A monitor, and where it lies among the others.
#[derive(Debug, Clone, PartialEq, Eq)]
struct Found {
    monitor: Monitor,
    x: i16,
    y: i16,
}

/// The monitors of the server that the environment names.
pub fn monitors() -> Result<Vec<Monitor>, String> {
    let (server, root) = connect()?;
    let found = find(&server, &root).map_err(explain)?;
    Ok(found.into_iter().map(|found| found.monitor).collect())
}

fn name() -> String {
    env::var("DISPLAY").unwrap_or_default()
}

fn explain(error: Box<dyn Error>) -> String {
    format!("the X server {}: {error}", name())
}

fn connect() -> Result<(RustConnection, Root), String> {
    let (server, number) =
        x11rb::connect(None).map_err(|error| format!("no X server lets us in at {}: {error}", name()))?;
    let root = server.setup().roots[number].clone();
    Ok((server, root))
}

fn find(server: &RustConnection, root: &Root) -> Outcome<Vec<Found>> {
    let version = server.randr_query_version(1, 5)?.reply()?;
    if (version.major_version, version.minor_version) < (1, 5) {
        return Err("it is too old to tell of monitors (RandR 1.5)".into());
    }
    let mut found = Vec::new();
    for randr::MonitorInfo { name, primary, x, y, width, height, .. } in
        server.randr_get_monitors(root.root, true)?.reply()?.monitors
    {
        let name = String::from_utf8_lossy(&server.get_atom_name(name)?.reply()?.name).into_owned();
        found.push(Found { monitor: Monitor { name, width: width.into(), height: height.into(), primary }, x, y });
    }
    Ok(found)
}

/// The window. With the connection, which is its own, it goes.
pub struct Window {
    plan: DisplayPlan,
    caps: gst::Caps,
    server: RustConnection,
    root: Root,
    at: Found,
    window: u32,
    paint: Gcontext,
    canvas: Canvas,
    /// Memory that the server reads from.
    frame: gst::Buffer,
    segment: shm::Seg,
}

impl Window {
    pub fn open(plan: &DisplayPlan, caps: &gst::Caps) -> Result<Self, String> {
        let (server, root) = connect()?;
        let found = find(&server, &root).map_err(explain)?;
        let at = choose(&plan.monitor, &found, |found| &found.monitor)?.clone();
        let Monitor { width, height, .. } = at.monitor;
        let canvas = Canvas::new(caps, width, height, plan.fit)?;
        let made = Self::make(&server, &root, &at, canvas.info().size()).map_err(explain)?;
        let Made { window, paint, frame, segment } = made;
        Ok(Self { plan: plan.clone(), caps: caps.clone(), server, root, at, window, paint, canvas, frame, segment })
    }

    fn make(server: &RustConnection, root: &Root, at: &Found, bytes: usize) -> Outcome<Made> {
        check_pixels(server, root)?;
        if server.extension_information(shm::X11_EXTENSION_NAME)?.is_none() {
            return Err("it shares no memory with programs (MIT-SHM), as a server of another machine".into());
        }
        let memory = SharedMemory::<u8>::new(bytes)?;
        let segment = server.generate_id()?;
        server.shm_attach_fd(segment, memory.as_fd().try_clone_to_owned()?, true)?.check()?;
        let frame = gst::Buffer::from_mut_slice(memory);

        // Window managers leave it alone: nothing frames it, moves it, or gives it the keyboard.
        let looks = CreateWindowAux::new()
            .override_redirect(1)
            .background_pixel(root.black_pixel)
            .cursor(blank_cursor(server, root)?);
        let (window, paint) = (server.generate_id()?, server.generate_id()?);
        let Monitor { width, height, .. } = at.monitor;
        let (width, height, kind) = (width as u16, height as u16, WindowClass::INPUT_OUTPUT);
        server
            .create_window(COPY_DEPTH_FROM_PARENT, window, root.root, at.x, at.y, width, height, 0, kind, 0, &looks)?
            .check()?;
        server.change_property8(PropMode::REPLACE, window, AtomEnum::WM_NAME, AtomEnum::STRING, b"Impasto")?;
        server.create_gc(paint, window, &CreateGCAux::new())?;
        server.map_window(window)?.check()?;
        // Until the connection ends. A server that has no screen saver does not blank the monitor either.
        let _ = server.screensaver_query_version(1, 1)?.reply();
        let _ = server.screensaver_suspend(1).map(|asked| asked.check());
        Ok(Made { window, paint, frame, segment })
    }

    fn put(&mut self) -> Outcome<()> {
        let Monitor { width, height, .. } = self.at.monitor;
        let (width, height, format) = (width as u16, height as u16, ImageFormat::Z_PIXMAP.into());
        let put = self.server.shm_put_image(
            self.window,
            self.paint,
            width,
            height,
            0,
            0,
            width,
            height,
            0,
            0,
            DEPTH,
            format,
            false,
            self.segment,
            0,
        )?;
        // When it has answered, it has read the memory.
        Ok(put.check()?)
    }

    /// Where the monitor lies now; the window stays above all others.
    fn see(&mut self) -> Outcome<Vec<Found>> {
        while self.server.poll_for_event()?.is_some() {}
        let above = ConfigureWindowAux::new().stack_mode(StackMode::ABOVE);
        self.server.configure_window(self.window, &above)?.check()?;
        find(&self.server, &self.root)
    }
}

/// What [`Window::make`] makes at the server.
struct Made {
    window: u32,
    paint: Gcontext,
    frame: gst::Buffer,
    segment: shm::Seg,
}

impl Screen for Window {
    fn look(&mut self) -> Result<(), String> {
        let found = self.see().map_err(explain)?;
        if *choose(&self.plan.monitor, &found, |found| &found.monitor)? != self.at {
            // Another size, or another place: a window that fits takes this one's.
            *self = Self::open(&self.plan, &self.caps)?;
        }
        Ok(())
    }

    fn show(&mut self, picture: &gst::Buffer) -> Result<(), String> {
        self.canvas.draw(picture, self.frame.make_mut())?;
        self.put().map_err(explain)
    }
}

/// Whether pixels of the server lie as BGRx does.
fn check_pixels(server: &RustConnection, root: &Root) -> Outcome<()> {
    let setup = server.setup();
    let visuals = root.allowed_depths.iter().filter(|depth| depth.depth == DEPTH).flat_map(|depth| &depth.visuals);
    let is_bgr = |visual: &&Visualtype| [visual.red_mask, visual.green_mask, visual.blue_mask] == MASKS;
    let has_visual = visuals.filter(is_bgr).any(|visual| visual.visual_id == root.root_visual);
    let is_wide = setup.pixmap_formats.iter().any(|format| format.depth == DEPTH && format.bits_per_pixel == 32);
    if !has_visual || !is_wide || setup.image_byte_order != ImageOrder::LSB_FIRST {
        return Err(format!("it shows {} bits of colour; {DEPTH} are needed", root.root_depth).into());
    }
    Ok(())
}

/// A pointer of which nothing is seen.
fn blank_cursor(server: &RustConnection, root: &Root) -> Outcome<Cursor> {
    let (blank, paint, cursor) = (server.generate_id()?, server.generate_id()?, server.generate_id()?);
    server.create_pixmap(1, blank, root.root, 1, 1)?;
    server.create_gc(paint, blank, &CreateGCAux::new())?;
    server.put_image(ImageFormat::XY_PIXMAP, blank, paint, 1, 1, 0, 0, 0, 1, &[0; 4])?;
    server.create_cursor(cursor, blank, blank, 0, 0, 0, 0, 0, 0, 0, 0)?.check()?;
    Ok(cursor)
}
