//! Who may watch over RTSP: a password, a certificate, and how a server asks for them.

use std::fmt;
use std::path::PathBuf;
use std::sync::Mutex;

use gstreamer as gst;
use gstreamer::glib;
use gstreamer_rtsp as gst_rtsp;
use gstreamer_rtsp_server as gst_rtsp_server;
use gstreamer_rtsp_server::gio::TlsCertificate;
use gstreamer_rtsp_server::prelude::*;

use crate::error::{Error, Result};
use crate::sync::Locked;

/// The part that clients who showed the password play.
const VIEWER: &str = "viewer";

/// Who may watch, and how it travels.
#[derive(Clone, Default, PartialEq, Eq)]
pub struct RtspAccess {
    /// Name and password that clients must show (digest); none lets everybody watch.
    pub user: Option<(String, String)>,
    /// PEM file with certificate and key: the server then speaks TLS (rtsps://).
    pub certificate: Option<PathBuf>,
}

impl fmt::Debug for RtspAccess {
    /// Without the password.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let user = self.user.as_ref().map(|(name, _)| name);
        f.debug_struct("RtspAccess").field("user", &user).field("certificate", &self.certificate).finish()
    }
}

impl RtspAccess {
    /// Before the address.
    pub fn scheme(&self) -> &'static str {
        if self.certificate.is_some() { "rtsps://" } else { "rtsp://" }
    }

    /// Clients must show something, or it travels encrypted.
    fn is_asked(&self) -> bool {
        self.user.is_some() || self.certificate.is_some()
    }

    /// Lets those who showed the password watch what `factory` builds.
    pub(super) fn let_in(&self, factory: &gst_rtsp_server::RTSPMediaFactory) {
        if self.is_asked() {
            let may = gst::Structure::builder(VIEWER).field("media.factory.access", true);
            factory.add_role_from_structure(&may.field("media.factory.construct", true).build());
        }
    }

    /// Makes `server` ask for it.
    ///
    /// # Errors
    /// The certificate cannot be used.
    pub(super) fn guard(&self, server: &gst_rtsp_server::RTSPServer) -> Result<()> {
        if !self.is_asked() {
            return Ok(());
        }
        let auth = gst_rtsp_server::RTSPAuth::new();
        auth.set_supported_methods(gst_rtsp::RTSPAuthMethod::Digest);
        let token = gst_rtsp_server::RTSPToken::builder().field("media.factory.role", VIEWER).build();
        match &self.user {
            Some((name, password)) => auth.add_digest(name, password, &token),
            None => auth.set_default_token(Some(&mut token.clone())),
        }
        if let Some(certificate) = self.read_certificate()? {
            run_default_context()?;
            auth.set_tls_certificate(Some(&certificate));
        }
        server.set_auth(Some(&auth));
        Ok(())
    }

    /// # Errors
    /// The certificate cannot be used.
    pub fn check(&self) -> Result<()> {
        self.read_certificate().map(drop)
    }

    fn read_certificate(&self) -> Result<Option<TlsCertificate>> {
        let Some(file) = &self.certificate else { return Ok(None) };
        let unusable = |why: &dyn fmt::Display| {
            let file = file.display();
            Error::usage(format!("rtsp_certificate {file}: {why}; it must hold a certificate and its key (PEM)"))
        };
        let text = std::fs::read_to_string(file).map_err(|error| unusable(&error))?;
        // Without a key it would be taken, and every client fail.
        if !text.contains("PRIVATE KEY-----") {
            return Err(unusable(&"there is no key in it"));
        }
        TlsCertificate::from_pem(&text).map(Some).map_err(|error| unusable(&error))
    }
}

/// Runs GLib's default context for as long as the process lives. That is where it ends each TLS handshake, on whatever thread
/// that began: one that failed would be kept for ever, with its socket and 4 MB.
fn run_default_context() -> Result<()> {
    static RUNS: Mutex<bool> = Mutex::new(false);
    let mut runs = RUNS.locked();
    if !*runs {
        let run = || glib::MainLoop::new(None, false).run();
        let spawned = std::thread::Builder::new().name("glib".into()).spawn(run);
        spawned.map_err(|error| Error::output(format!("thread glib does not start: {error}")))?;
        *runs = true;
    }
    Ok(())
}
