//! A running stream, the web page that shows it in a real browser, and what is seen there.

use image::{GenericImageView, RgbImage};

use super::browser::Browser;
use super::http::Api;
use super::{Running, free_port, onnx, project, until};

/// A stream of the test picture and the page that shows it. Two networks: one by hand with the styles `same` and
/// `negative`, and our own.
pub struct Studio {
    run: Running,
    pub api: Api,
    args: Vec<String>,
    pub folder: tempfile::TempDir,
    pub networks: tempfile::TempDir,
}

impl Studio {
    pub fn open(more: &[&str]) -> Self {
        let (folder, networks) = (tempfile::tempdir().unwrap(), onnx::networks());
        for file in ["lite.onnx", "lite.toml"] {
            std::fs::copy(project("models").join(file), networks.path().join(file)).unwrap();
        }
        let config = folder.path().join("impasto.toml");
        let text = format!(
            "[source]\ninput = \"test\"\nwidth = 320\nheight = 180\nfps = 10\n[paint]\nstyles = \"same\"\nfade_ms = 0\n\
             [output]\nrtsp = \"127.0.0.1:{}/live\"\n[control]\nrecordings = {:?}\nstate = {:?}\nmedia = [{:?}]\n\
             [runtime]\nmodels = {:?}\nthreads = 1\n",
            free_port(),
            folder.path().join("recordings"),
            folder.path().join("state"),
            folder.path().join("media"),
            networks.path(),
        );
        std::fs::write(&config, text).unwrap();
        let args: Vec<String> =
            ["--config", config.to_str().unwrap()].iter().chain(more).map(|arg| arg.to_string()).collect();
        let (run, api) = Api::start(&args.iter().map(String::as_str).collect::<Vec<_>>());
        Self { run, api, args, folder, networks }
    }

    /// Opens its page and waits until the picture is seen.
    pub fn visit(&self) -> Option<Browser> {
        let browser = Browser::open(&format!("http://{}/", self.api.address))?;
        wait_for_picture(&browser);
        Some(browser)
    }

    /// Kills the daemon.
    pub fn lose(&mut self) {
        self.run.signal("KILL");
        until("the daemon is gone", || !self.run.is_running());
    }

    /// Starts it again at the same address.
    pub fn restart(&mut self, more: &[&str]) {
        let args: Vec<&str> = self.args.iter().map(String::as_str).chain(["--http", &self.api.address]).collect();
        self.run = Running::start(&[&args, more].concat()).started();
    }
}

const LIVE: &str = "document.body.dataset.link === 'live' && document.querySelectorAll('.pick').length > 2";
/// The part that shows the picture.
pub const PICTURE: &str = "#live-split";

pub fn wait_for_picture(browser: &Browser) {
    browser.wait_for(LIVE);
    browser.wait_for("document.getElementById('painted').naturalWidth > 0");
}

/// The mean difference of two pictures between two parts of their width, in steps of 8 bits. Their lower third is left
/// out: the test picture moves there.
pub fn difference(a: &RgbImage, b: &RgbImage, from: f64, to: f64) -> f64 {
    assert_eq!(a.dimensions(), b.dimensions());
    let (left, right) = ((f64::from(a.width()) * from) as u32, (f64::from(a.width()) * to) as u32);
    let (height, width) = (a.height() * 6 / 10, right - left);
    let (a, b) = (a.view(left, 0, width, height), b.view(left, 0, width, height));
    type Placed = (u32, u32, image::Rgb<u8>);
    let channels = |(a, b): (Placed, Placed)| {
        (0..3).map(|channel| f64::from(a.2.0[channel].abs_diff(b.2.0[channel]))).sum::<f64>()
    };
    a.pixels().zip(b.pixels()).map(channels).sum::<f64>() / f64::from(width * height * 3)
}

pub fn inverted(picture: &RgbImage) -> RgbImage {
    let mut inverted = picture.clone();
    image::imageops::invert(&mut inverted);
    inverted
}

/// What is seen once it stays the same: a layout that changes takes its time to be drawn.
pub fn settled(browser: &Browser) -> RgbImage {
    let mut seen = browser.screenshot(PICTURE);
    until("the page keeps still", || {
        let before = std::mem::replace(&mut seen, browser.screenshot(PICTURE));
        before.dimensions() == seen.dimensions() && difference(&before, &seen, 0.0, 1.0) < 1.0
    });
    seen
}

/// Waits until what is seen between these parts of the width is `wanted`: the edges of the bars are blurred by JPEG and
/// the scaling up.
pub fn wait_to_see(what: &str, browser: &Browser, wanted: &RgbImage, from: f64, to: f64) {
    until(what, || difference(&browser.screenshot(PICTURE), wanted, from, to) < 8.0);
}
