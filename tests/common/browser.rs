//! A real Chromium, driven over the WebDriver protocol; what it shows is read from its screenshots.

use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use base64::Engine;
use base64::prelude::BASE64_STANDARD;
use image::RgbImage;
use serde_json::{Value, json};

use super::{Killed, free_port, until};

/// The names of keys, as WebDriver writes them.
pub mod key {
    pub const ENTER: &str = "\u{e007}";
    pub const HOME: &str = "\u{e011}";
    pub const END: &str = "\u{e010}";
    pub const RIGHT: &str = "\u{e014}";
}

/// The member that holds the id of an element in WebDriver's answers.
const ELEMENT: &str = "element-6066-11e4-a52e-4f735466cecf";

/// A window with a profile of its own, closed when dropped.
pub struct Browser {
    agent: ureq::Agent,
    session: String,
    /// All that it may ask for lies below this.
    origin: String,
    folder: tempfile::TempDir,
    _driver: Killed,
}

impl Browser {
    /// Opens a page at 1280x800; none, with a loud note, where Chromium and its driver are not installed.
    pub fn open(url: &str) -> Option<Self> {
        let Some((driver, chromium)) = find("chromedriver").zip(find("chromium")) else {
            eprintln!("SKIPPED: no chromium with chromedriver is installed");
            return None;
        };
        let folder = tempfile::tempdir().unwrap();
        let port = free_port();
        let mut driver = Command::new(driver);
        driver.arg(format!("--port={port}")).stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::null());
        let driver = Killed(driver.spawn().expect("chromedriver starts"));
        // The driver closes connections that rest for a while: each request opens its own.
        let config =
            ureq::Agent::config_builder().http_status_as_error(false).proxy(None).max_idle_connections(0).build();
        let mut this = Self {
            agent: config.into(),
            session: format!("http://127.0.0.1:{port}"),
            origin: url.trim_end_matches('/').to_string(),
            folder,
            _driver: driver,
        };
        until("chromedriver answers", || this.agent.get(&format!("{}/status", this.session)).call().is_ok());
        let profile = format!("--user-data-dir={}", this.folder.path().join("profile").display());
        let quiet = [
            "--headless",
            "--no-sandbox",
            "--disable-gpu",
            "--disable-dev-shm-usage",
            "--disable-quic",
            "--no-first-run",
            "--disable-background-networking",
            "--disable-component-update",
            "--disable-sync",
            "--force-device-scale-factor=1",
            &profile,
        ];
        let wanted = json!({
            "goog:chromeOptions": { "binary": chromium, "args": quiet },
            "goog:loggingPrefs": { "browser": "ALL", "performance": "ALL" },
        });
        let session = this.send("POST", "/session", json!({ "capabilities": { "alwaysMatch": wanted } }));
        this.session += &format!("/session/{}", session["sessionId"].as_str().expect("a session"));
        this.resize(1280, 800);
        std::fs::create_dir(this.downloads()).unwrap();
        this.chromium("Browser.setDownloadBehavior", json!({ "behavior": "allow", "downloadPath": this.downloads() }));
        this.send("POST", "/url", json!({ "url": url }));
        Some(this)
    }

    /// Where downloads go.
    pub fn downloads(&self) -> PathBuf {
        self.folder.path().join("downloads")
    }

    /// Waits for the first download whose name ends so.
    pub fn downloaded(&self, ending: &str) -> PathBuf {
        let mut found = None;
        until(&format!("a download of {ending}"), || {
            let files = std::fs::read_dir(self.downloads()).unwrap().flatten().map(|entry| entry.path());
            found = files.into_iter().find(|file| file.to_string_lossy().ends_with(ending));
            found.is_some()
        });
        found.expect("it was waited for")
    }

    pub fn resize(&self, width: u32, height: u32) {
        let size = json!({ "width": width, "height": height, "deviceScaleFactor": 1, "mobile": width < 600 });
        self.chromium("Emulation.setDeviceMetricsOverride", size);
    }

    /// What the visitor prefers, as media features and their values.
    pub fn prefer(&self, features: &[(&str, &str)]) {
        let features: Vec<_> = features.iter().map(|(name, value)| json!({ "name": name, "value": value })).collect();
        self.chromium("Emulation.setEmulatedMedia", json!({ "features": features }));
    }

    /// The value of a JavaScript expression, or what it promises.
    pub fn value(&self, expression: &str) -> Value {
        self.send("POST", "/execute/sync", json!({ "script": format!("return {expression}"), "args": [] }))
    }

    /// Waits until a JavaScript expression is true.
    pub fn wait_for(&self, expression: &str) {
        until(expression, || self.value(expression) == true);
    }

    /// Clicks the first element that a CSS selector finds, as a hand would: it must be there to be seen.
    pub fn click(&self, css: &str) {
        self.send("POST", &format!("/element/{}/click", self.find(css)), json!({}));
    }

    /// Gives an element the focus and presses keys.
    pub fn press(&self, css: &str, keys: &str) {
        self.send("POST", &format!("/element/{}/value", self.find(css)), json!({ "text": keys }));
    }

    /// Drags the pointer from one place of an element to another; places are parts of its width, at half its height.
    pub fn drag(&self, css: &str, from: f64, to: f64) {
        let area = self.value(&format!(
            "(({{left, top, width, height}}) => ({{left, top, width, height}}))(document.querySelector('{css}').getBoundingClientRect())"
        ));
        let number = |name: &str| area[name].as_f64().expect("a number");
        let to_x = |part: f64| (number("left") + number("width") * part).round();
        let y = (number("top") + number("height") / 2.0).round();
        let step = |x: f64| json!({ "type": "pointerMove", "duration": 50, "x": x, "y": y });
        let actions = json!([
            step(to_x(from)),
            { "type": "pointerDown", "button": 0 },
            step(to_x((from + to) / 2.0)),
            step(to_x(to)),
            { "type": "pointerUp", "button": 0 },
        ]);
        self.send("POST", "/actions", json!({ "actions": [{ "type": "pointer", "id": "hand", "actions": actions }] }));
    }

    /// Drops a file onto the middle of the window.
    pub fn drop_file(&self, file: &Path) {
        self.drop_at(400.0, 300.0, file);
    }

    /// Drops a file onto the middle of an element, which is brought into sight.
    pub fn drop_file_on(&self, css: &str, file: &Path) {
        let place = format!(
            "(() => {{ const element = document.querySelector({css:?}); element.scrollIntoView({{ block: 'center' }}); \
             const box = element.getBoundingClientRect(); return [box.x + box.width / 2, box.y + box.height / 2]; }})()"
        );
        let place = self.value(&place);
        self.drop_at(place[0].as_f64().expect("a place"), place[1].as_f64().expect("a place"), file);
    }

    fn drop_at(&self, x: f64, y: f64, file: &Path) {
        let data = json!({ "items": [], "files": [file], "dragOperationsMask": 1 });
        for step in ["dragEnter", "dragOver", "drop"] {
            self.chromium("Input.dispatchDragEvent", json!({ "type": step, "x": x, "y": y, "data": data }));
        }
    }

    /// Chooses a file in a field for files.
    pub fn choose_file(&self, css: &str, file: &Path) {
        self.send("POST", &format!("/element/{}/value", self.find(css)), json!({ "text": file }));
    }

    /// What is seen of an element.
    pub fn screenshot(&self, css: &str) -> RgbImage {
        let png = self.send("GET", &format!("/element/{}/screenshot", self.find(css)), Value::Null);
        let png = BASE64_STANDARD.decode(png.as_str().expect("a picture")).expect("base64");
        image::load_from_memory(&png).expect("a PNG picture").into_rgb8()
    }

    /// Nothing was asked of other servers, and no error was told since the last call. Where the server was `away`,
    /// failed requests are no errors.
    #[track_caller]
    pub fn assert_clean(&self, away: bool) {
        let errors: Vec<Value> = self.log("browser");
        let is_error = |entry: &&Value| entry["level"] == "SEVERE" && !(away && entry["source"] == "network");
        let errors: Vec<_> = errors.iter().filter(is_error).collect();
        assert!(errors.is_empty(), "{errors:#?}");
        let events = self.log("performance");
        let events = events.iter().filter_map(|entry| serde_json::from_str::<Value>(entry["message"].as_str()?).ok());
        let sent = events.filter(|event| event["message"]["method"] == "Network.requestWillBeSent");
        let asked: Vec<String> =
            sent.map(|event| event["message"]["params"]["request"]["url"].as_str().unwrap().to_string()).collect();
        assert!(!asked.is_empty(), "the log of requests is empty");
        // The window that opens first shows a page of the browser's own.
        let own = [self.origin.as_str(), "data:", "blob:", "chrome:"];
        let is_own = |url: &&String| own.iter().any(|start| url.starts_with(start));
        assert_eq!(asked.iter().find(|url| !is_own(url)), None);
    }

    fn log(&self, kind: &str) -> Vec<Value> {
        self.send("POST", "/se/log", json!({ "type": kind })).as_array().cloned().unwrap_or_default()
    }

    fn find(&self, css: &str) -> String {
        let found = self.send("POST", "/element", json!({ "using": "css selector", "value": css }));
        found[ELEMENT].as_str().expect("an element").to_string()
    }

    /// A command of Chromium's own protocol.
    fn chromium(&self, command: &str, params: Value) {
        self.send("POST", "/goog/cdp/execute", json!({ "cmd": command, "params": params }));
    }

    #[track_caller]
    fn send(&self, method: &str, path: &str, body: Value) -> Value {
        let url = format!("{}{path}", self.session);
        let answer = match method {
            "GET" => self.agent.get(&url).call(),
            _ => self.agent.post(&url).send_json(&body),
        };
        let mut answer = answer.unwrap_or_else(|error| panic!("{path}: {error}"));
        let mut value: Value = answer.body_mut().with_config().limit(u64::MAX).read_json().expect("JSON");
        let value = value["value"].take();
        assert!(answer.status().is_success(), "{path} {body}: {value:#}");
        value
    }
}

impl Drop for Browser {
    fn drop(&mut self) {
        // Without it Chromium outlives its driver.
        let _ = self.agent.delete(&self.session).call();
    }
}

/// A program of the search path.
fn find(program: &str) -> Option<PathBuf> {
    std::env::split_paths(&std::env::var_os("PATH")?).map(|folder| folder.join(program)).find(|file| file.is_file())
}
