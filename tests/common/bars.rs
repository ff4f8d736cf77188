//! A running stream of the test picture, whose bars show how it is painted, and its HTTP API.

use image::GenericImageView;

use super::http::Api;
use super::{Running, onnx, until};

/// Where its look is.
pub const LOOK: &str = "/api/v1/streams/live/look";

/// A running stream of the test picture, painted by small networks: `same` shows it as it is, `negative` inverted.
pub struct Studio {
    pub run: Running,
    pub api: Api,
    pub folder: tempfile::TempDir,
    pub networks: tempfile::TempDir,
}

impl Studio {
    pub fn open(more: &[&str]) -> Self {
        Self::guarded("", more)
    }

    /// With a token; none if it is empty.
    pub fn guarded(token: &str, more: &[&str]) -> Self {
        let (folder, networks) = (tempfile::tempdir().unwrap(), onnx::networks());
        let config = folder.path().join("impasto.toml");
        let text = format!(
            "[source]\ninput = \"test\"\nwidth = 320\nheight = 180\nfps = 15\n[paint]\nstyles = \"same\"\n\
             [output]\nrtsp = \"off\"\n[control]\ntoken = {token:?}\nrecordings = {:?}\nstate = {:?}\n\
             [runtime]\nmodels = {:?}\nthreads = 1\n",
            folder.path().join("recordings"),
            folder.path().join("state"),
            networks.path(),
        );
        std::fs::write(&config, text).unwrap();
        Self::start(folder, networks, token, more)
    }

    pub fn start(folder: tempfile::TempDir, networks: tempfile::TempDir, token: &str, more: &[&str]) -> Self {
        let config = folder.path().join("impasto.toml");
        let (run, api) = Api::start(&[&["--config", config.to_str().unwrap()], more].concat());
        let own = ("Authorization", format!("Bearer {token}"));
        let painted = || api.ask("POST", "/api/v1/streams/live/snapshot", &[(own.0, &own.1)], b"").status == 200;
        until("the first picture is painted", painted);
        Self { run, api, folder, networks }
    }

    /// A pixel of the first bar of the painted picture.
    pub fn bar(&self) -> u8 {
        let answer = self.api.json("POST", "/api/v1/streams/live/snapshot", "{}");
        assert_eq!((answer.status, answer.header("content-type")), (200, Some("image/png")));
        let picture = image::load_from_memory(&answer.body).unwrap();
        assert_eq!(picture.dimensions(), (320, 180));
        picture.get_pixel(10, 10).0[0]
    }

    /// Ends it, and starts it again.
    pub fn reopen(self) -> Self {
        let Self { run, folder, networks, .. } = self;
        assert_eq!(run.interrupt().code, Some(0));
        Self::start(folder, networks, "", &[])
    }

    pub fn close(self) {
        let ended = self.run.interrupt();
        assert_eq!(ended.code, Some(0), "{}", ended.errors);
    }
}
