//! Pictures on a monitor: what is seen on a real X server, when the server or the monitor goes and comes back, and what is
//! told of it.

mod common;

use std::os::unix::fs::PermissionsExt as _;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use common::http::{Answer, Api, clients_of};
use common::screen::{SIZE, Screen};
use common::*;
use image::{Rgb, RgbImage};
use serde_json::{Value, json};

const OUTPUTS: &str = "/api/v1/streams/live/outputs";
const BLACK: [u8; 3] = [0; 3];
/// Of the quarters of the picture: above on the left and on the right, then below.
const QUARTERS: [[u8; 3]; 4] = [[224, 32, 32], [32, 200, 32], [32, 64, 224], [240, 240, 240]];

/// A picture of four quarters, and the network that leaves it as it is.
fn picture_and_network(folder: &Path) -> [PathBuf; 2] {
    let picture = RgbImage::from_fn(640, 360, |x, y| Rgb(QUARTERS[(x / 320 + y / 180 * 2) as usize]));
    let file = folder.join("quarters.png");
    picture.save(&file).unwrap();
    [file, onnx::write_identity(folder)]
}

fn start(screen: &Screen, folder: &Path, more: &[&str]) -> (Running, Api) {
    let [picture, network] = picture_and_network(folder);
    let args = ["--source", picture.to_str().unwrap(), "--network", network.to_str().unwrap(), "--rtsp", "off"];
    Api::spawn(screen.seen_by(impasto()), &[&args, more].concat())
}

fn is_like(seen: &RgbImage, (x, y): (u32, u32), colour: [u8; 3]) -> bool {
    seen.get_pixel(x, y).0.iter().zip(colour).all(|(a, b)| a.abs_diff(b) <= 8)
}

/// Waits until each place has its colour.
fn wait_for_colours(screen: &Screen, what: &str, places: &[((u32, u32), [u8; 3])]) {
    let mut seen = screen.picture();
    let kept = Path::new(env!("CARGO_TARGET_TMPDIR")).join("display.png");
    let mut are_right = || {
        seen = screen.picture();
        places.iter().all(|(place, colour)| is_like(&seen, *place, *colour))
    };
    let deadline = std::time::Instant::now() + PATIENCE;
    while !are_right() {
        if std::time::Instant::now() > deadline {
            seen.save(&kept).unwrap();
            panic!("{what}: what is seen lies in {}", kept.display());
        }
        std::thread::sleep(std::time::Duration::from_millis(50));
    }
}

/// The places where the quarters lie if the picture lies in this part of the screen.
fn quarters((x, y): (u32, u32), (width, height): (u32, u32)) -> [((u32, u32), [u8; 3]); 4] {
    let place = |across, down| (x + width * across / 4, y + height * down / 4);
    [(place(1, 1), QUARTERS[0]), (place(3, 1), QUARTERS[1]), (place(1, 3), QUARTERS[2]), (place(3, 3), QUARTERS[3])]
}

/// The whole picture on the whole screen: 1000x562, and black above and below.
fn contained() -> Vec<((u32, u32), [u8; 3])> {
    let bars = [((500, 2), BLACK), ((2, 110), BLACK), ((998, 690), BLACK), ((500, 797), BLACK)];
    let edges =
        [((2, 125), QUARTERS[0]), ((997, 125), QUARTERS[1]), ((2, 675), QUARTERS[2]), ((997, 675), QUARTERS[3])];
    [&quarters((0, 119), (1000, 562))[..], &bars, &edges].concat()
}

fn display_of(api: &Api) -> Value {
    let state = api.state();
    let found = state["outputs"].as_array().expect("a list").iter().find(|output| output["kind"] == "display");
    found.cloned().unwrap_or_default()
}

fn error_of(api: &Api) -> String {
    display_of(api)["error"].as_str().unwrap_or_default().into()
}

fn wait_until_away(api: &Api) -> String {
    until("it is told why nothing is shown", || !error_of(api).is_empty());
    assert_eq!(clients_of(&api.state(), "display"), 0);
    error_of(api)
}

fn wait_until_shown(api: &Api) {
    until("it is shown", || display_of(api)["clients"] == 1);
    assert_eq!(display_of(api)["error"], Value::Null);
}

fn add(api: &Api, wish: Value) -> Answer {
    api.json("POST", OUTPUTS, &wish.to_string())
}

fn remove(api: &Api) -> Answer {
    api.ask("DELETE", &format!("{OUTPUTS}/{}", display_of(api)["id"].as_str().unwrap()), &[], b"")
}

#[test]
fn a_monitor_shows_the_whole_picture_without_a_pointer_and_leaves_the_keyboard_alone() {
    let (screen, folder) = (Screen::start(), tempfile::tempdir().unwrap());
    let _pointer = screen.show_pointer();
    assert!(screen.has_pointer(), "the desktop has one");
    let focus = screen.focus();
    let (run, api) = start(&screen, folder.path(), &[]);
    assert_eq!(
        api.get("/api/v1/monitors").value(),
        json!([{"name": "screen", "width": SIZE.0, "height": SIZE.1, "primary": false}])
    );
    let refused = add(&api, json!({"type": "display", "monitor": "HDMI-7"}));
    refused.assert_problem(422, "there is no monitor `HDMI-7` now; there are: screen (1000x800)");
    add(&api, json!({"type": "display", "fit": "stretch"})).assert_problem(422, "stretch");
    assert_eq!(screen.picture().get_pixel(500, 400).0, BLACK, "nothing is shown yet");

    let added = add(&api, json!({"type": "display"}));
    assert_eq!(added.status, 200, "{}", added.text());
    wait_for_colours(&screen, "the whole picture between bars", &contained());
    screen.picture().save(Path::new(env!("CARGO_TARGET_TMPDIR")).join("display-contain.png")).unwrap();
    assert!(!screen.has_pointer(), "the pointer is hidden");
    assert_eq!(screen.focus(), focus);
    wait_until_shown(&api);
    add(&api, json!({"type": "display"})).assert_problem(409, "remove it first");
    assert!(api.get("/metrics").text().contains("output=\"display\",place=\"primary\"} 1"));

    assert_eq!(remove(&api).status, 200);
    until("the desktop is back", || screen.picture().get_pixel(500, 400).0 == BLACK);
    assert!(screen.has_pointer());
    assert_eq!(display_of(&api), Value::Null);

    let added = add(&api, json!({"type": "display", "monitor": "screen", "fit": "cover"}));
    assert_eq!(added.status, 200, "{}", added.text());
    // A picture of 1422x800, of which the middle is seen.
    let corners = [((2, 2), QUARTERS[0]), ((997, 2), QUARTERS[1]), ((2, 797), QUARTERS[2]), ((997, 797), QUARTERS[3])];
    let middle = [((490, 390), QUARTERS[0]), ((510, 390), QUARTERS[1]), ((490, 410), QUARTERS[2])];
    wait_for_colours(&screen, "the filled screen", &[&corners[..], &middle].concat());
    assert_eq!(run.interrupt().code, Some(0));
    assert_eq!(screen.picture().get_pixel(500, 400).0, BLACK, "the end of the stream leaves nothing on the screen");
}

#[test]
fn a_server_that_is_killed_costs_the_stream_nothing_and_shows_it_when_it_is_back() {
    let (screen, folder) = (Screen::start(), tempfile::tempdir().unwrap());
    let file = folder.path().join("recorded.mkv");
    let (run, api) = start(&screen, folder.path(), &["--display", "--record", file.to_str().unwrap()]);
    wait_for_colours(&screen, "the picture", &contained());
    let name = screen.kill();
    let why = wait_until_away(&api);
    assert!(
        api.get("/metrics")
            .text()
            .contains("impasto_output_up{stream=\"live\",output=\"display\",place=\"primary\"} 0")
    );
    assert!(why.contains(&format!("X server {name}")) || why.contains(&format!("lets us in at {name}")), "{why}");
    api.assert_painting(60);
    let told = run.wait_for("the failure", |event| event["event"] == "failed");
    assert!(told.to_string().contains("it is looked for until it is there"), "{told}");
    until("the server is missed", || error_of(&api).contains(&format!("no X server lets us in at {name}")));

    let screen = Screen::restart(&name);
    wait_for_colours(&screen, "the picture is back", &contained());
    wait_until_shown(&api);
    api.assert_painting(10);
    let ended = run.interrupt();
    assert_eq!(ended.code, Some(0), "{}", ended.errors);
    assert!(ended.events.iter().all(|event| event["event"] != "failed"), "told once: {:?}", ended.events);
    let stopped = ended.events.last().expect("it tells that it stopped");
    let counts = ["painted", "held"].map(|key| stopped[key].as_u64().unwrap());
    assert_eq!(
        packet_times(file.to_str().unwrap(), "v").len() as u64,
        counts.iter().sum::<u64>(),
        "every frame is in it"
    );
}

#[test]
fn a_monitor_is_followed_when_it_is_plugged_in_moved_and_unplugged() {
    let (screen, folder) = (Screen::start(), tempfile::tempdir().unwrap());
    let config = folder.path().join("display.toml");
    std::fs::write(&config, "[[output.also]]\ntype = \"display\"\nmonitor = \"projector\"\n").unwrap();
    // It is still off when the machine starts: the stream runs, and waits for it.
    let (run, api) = start(&screen, folder.path(), &["--config", config.to_str().unwrap()]);
    let missing = "there is no monitor `projector` now; there are: screen (1000x800)";
    assert_eq!(wait_until_away(&api), missing);
    api.assert_painting(10);

    screen.plug_in("projector", (600, 100), (320, 180));
    let beside = [((590, 190), BLACK), ((760, 90), BLACK), ((930, 190), BLACK), ((760, 290), BLACK)];
    wait_for_colours(&screen, "on that monitor alone", &[&quarters((600, 100), (320, 180))[..], &beside].concat());
    wait_until_shown(&api);
    let devices = finish(screen.seen_by(impasto()).args(["ctl", "doctor"]));
    assert!(devices.stdout.contains("projector (320x180)"), "{}", devices.stdout);

    // The source shows nothing new meanwhile.
    assert_eq!(api.json("POST", "/api/v1/streams/live/pause", "{}").status, 200);
    screen.unplug("projector");
    assert_eq!(wait_until_away(&api), missing);
    until("nothing is left of it", || screen.picture().get_pixel(650, 130).0 == BLACK);
    screen.plug_in("projector", (0, 400), (640, 360));
    wait_for_colours(&screen, "at its new place", &quarters((0, 400), (640, 360)));
    wait_until_shown(&api);
    assert_eq!(run.interrupt().code, Some(0));
}

#[test]
fn a_server_that_hangs_holds_nothing_up() {
    let (screen, folder) = (Screen::start(), tempfile::tempdir().unwrap());
    let (run, api) = start(&screen, folder.path(), &["--display", "screen"]);
    wait_for_colours(&screen, "the picture", &contained());
    screen.signal("STOP");
    api.assert_painting(60);
    assert_eq!(remove(&api).status, 200);
    add(&api, json!({"type": "display"})).assert_problem(500, "does not answer");
    api.assert_painting(10);
    assert_eq!(run.interrupt().code, Some(0));
    screen.signal("CONT");
}

/// A Wayland compositor without a monitor, which can be photographed.
struct Weston {
    folder: PathBuf,
    _server: Killed,
}

impl Weston {
    fn start(folder: &Path) -> Self {
        std::fs::set_permissions(folder, std::fs::Permissions::from_mode(0o700)).unwrap();
        let size = [format!("--width={}", SIZE.0), format!("--height={}", SIZE.1)];
        let mut weston = Command::new("weston");
        weston.args(["--backend=headless-backend.so", "--use-pixman", "--debug", "--socket=wayland-test"]).args(size);
        weston.env("XDG_RUNTIME_DIR", folder).stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::null());
        let server = Killed(weston.spawn().expect("the package weston is installed"));
        let weston = Self { folder: folder.into(), _server: server };
        until("it takes pictures of itself", || weston.picture().is_some());
        weston
    }

    fn seen_by(&self, mut command: Command) -> Command {
        command.env("XDG_RUNTIME_DIR", &self.folder).env("WAYLAND_DISPLAY", "wayland-test").env_remove("DISPLAY");
        command
    }

    fn picture(&self) -> Option<RgbImage> {
        let taken = tempfile::tempdir().unwrap();
        let mut shooter = self.seen_by(Command::new("weston-screenshooter"));
        shooter.current_dir(&taken).stdout(Stdio::null()).stderr(Stdio::null()).status().unwrap();
        let file = std::fs::read_dir(&taken).unwrap().next()?.unwrap().path();
        Some(image::open(file).ok()?.into_rgb8())
    }

    fn wait_for_colours(&self, places: &[((u32, u32), [u8; 3])]) {
        until("the compositor shows the picture", || {
            self.picture().is_some_and(|seen| places.iter().all(|(place, colour)| is_like(&seen, *place, *colour)))
        });
    }
}

#[test]
fn a_wayland_compositor_shows_the_picture_and_again_when_it_is_back() {
    let (folder, session) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
    let weston = Weston::start(session.path());
    let [picture, network] = picture_and_network(folder.path()).map(|path| path.to_str().unwrap().to_string());
    let args = ["--source", &picture, "--network", &network, "--rtsp", "off", "--display"];
    let (run, api) = Api::spawn(weston.seen_by(impasto()), &args);
    weston.wait_for_colours(&contained());
    wait_until_shown(&api);
    add(&api, json!({"type": "display", "monitor": "HDMI-1"}))
        .assert_problem(422, "the compositor chooses the monitor");
    drop(weston);
    assert!(wait_until_away(&api).contains("no compositor answers at"), "{}", error_of(&api));
    api.assert_painting(30);
    let weston = Weston::start(session.path());
    weston.wait_for_colours(&contained());
    wait_until_shown(&api);
    assert_eq!(run.interrupt().code, Some(0));
}

#[test]
fn what_cannot_be_is_refused_in_words() {
    let screen = Screen::start();
    let none =
        screen.seen_by(impasto()).args(["run", "--source", "test", "--rtsp", "off", "--display="]).output().unwrap();
    let told = String::from_utf8_lossy(&none.stderr).into_owned();
    assert!(none.status.code() == Some(2) && told.contains("name one of `impasto devices`"), "{told}");
    let folder = tempfile::tempdir().unwrap();
    let config = folder.path().join("two.toml");
    let one = |name| {
        format!(
            "[[stream]]\nname = \"{name}\"\nsource.input = \"test\"\noutput.rtsp = \"off\"\noutput.also = [{{ type = \"display\" }}]\n"
        )
    };
    std::fs::write(&config, [one("a"), one("b")].concat()).unwrap();
    let two = screen.seen_by(impasto()).args(["check", config.to_str().unwrap()]).output().unwrap();
    let told = String::from_utf8_lossy(&two.stderr).into_owned();
    assert!(told.contains("streams `a` and `b` are both shown on the monitor primary"), "{told}");
}
