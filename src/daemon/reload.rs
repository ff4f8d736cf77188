//! Reads the config again when its file changes, or on SIGHUP.

use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use notify::{RecursiveMode, Watcher};
use tokio::signal::unix::{SignalKind, signal};
use tokio::sync::Notify;
use tokio::sync::mpsc::UnboundedSender;

use super::Event;
use super::service::Service;
use crate::config::plan::RunPlan;
use crate::config::save::ConfigFile;
use crate::config::{Config, ControlConfig, RuntimeConfig, Settings, StreamConfig};
use crate::error::{Error, Result};
use crate::paintings::Gallery;
use crate::style::Networks;

/// A file is read when it has stayed the same for so long: editors write in several steps.
const SETTLED_AFTER: Duration = Duration::from_millis(200);

/// The settings, and what of them the daemon was started with.
pub struct Reload {
    settings: Settings,
    /// What a stream lacks may come later.
    lasting: bool,
    /// The text of the file before it was read for the first time.
    text: Option<String>,
}

/// A config that was read again and can be run.
pub struct Reread {
    pub streams: Vec<StreamConfig>,
    /// What the daemon takes only when it is started anew.
    pub restart: Option<String>,
    /// With the paintings that it names.
    gallery: Gallery,
}

impl Reload {
    pub fn new(settings: Settings, lasting: bool) -> Self {
        let text = settings.file.as_deref().and_then(text);
        Self { settings, lasting, text }
    }

    pub fn file_name(&self) -> Option<String> {
        self.settings.file.as_ref().map(|file| file.display().to_string())
    }

    /// The file, to save streams into.
    pub fn config_file(&self) -> Option<Arc<ConfigFile>> {
        self.settings.file.clone().map(|file| Arc::new(ConfigFile::new(file)))
    }

    /// Reads the settings for the first time.
    ///
    /// # Errors
    /// As [`Settings::read`] and [`RunPlan::new`].
    pub fn plan(&self) -> Result<RunPlan> {
        let config = self.settings.read()?;
        plan(&self.settings, &config, self.lasting)
    }

    /// Watches the file, if there is one, for as long as the runtime runs, and sends each config that was read again.
    ///
    /// # Errors
    /// The system refuses to watch a folder, or signals.
    pub fn watch(self, started_with: &RunPlan, networks: Networks, events: UnboundedSender<Event>) -> Result<()> {
        let Some(file) = self.settings.file.clone() else { return Ok(()) };
        let failed = |error: std::io::Error| Error::usage(format!("signals: {error}"));
        let mut hangup = signal(SignalKind::hangup()).map_err(failed)?;
        let changed = Arc::new(Notify::new());
        // A folder that cannot be watched is no reason not to paint: SIGHUP is left.
        let watcher = watch_folders(&file, Arc::clone(&changed))
            .inspect_err(|error| tracing::warn!("{error}; send SIGHUP when you have changed the file"));
        let (settings, mut known) = (Arc::new(self.settings), self.text);
        let (runtime, control) = (started_with.runtime.clone(), started_with.control.clone());
        let gallery = started_with.gallery.clone();
        // What was written between the first reading and the watch.
        changed.notify_one();
        tokio::spawn(async move {
            let _watcher = watcher;
            loop {
                let is_asked = tokio::select! {
                    _ = hangup.recv() => true,
                    () = changed.notified() => false,
                };
                if is_asked {
                    Service::reloading();
                }
                let place = file.clone();
                // On a thread that may wait: the file may lie on a disk that does not answer.
                let Ok(now) = tokio::task::spawn_blocking(move || settled_text(&place)).await else { continue };
                if now == known && !is_asked {
                    continue;
                }
                known = now;
                let (settings, runtime, control) = (Arc::clone(&settings), runtime.clone(), control.clone());
                let (networks, gallery) = (networks.clone(), gallery.clone());
                let read = move || {
                    let read = read_again(&settings, runtime, control)?;
                    if read.gallery.named() != gallery.named() {
                        gallery.take_named(&read.gallery);
                        networks.read_again(|catalog| gallery.hang(catalog))?;
                    }
                    Ok(read)
                };
                let read = tokio::task::spawn_blocking(read).await;
                let read = read.unwrap_or_else(|error| Err(Error::usage(format!("reading the config: {error}"))));
                if events.send(Event::Reread(read)).is_err() {
                    return;
                }
            }
        });
        Ok(())
    }
}

/// The streams of the file as it is now, with the runtime and control that the daemon was started with.
fn read_again(settings: &Settings, runtime: RuntimeConfig, control: ControlConfig) -> Result<Reread> {
    if let Some(file) = &settings.file
        && let Ok(found) = file.metadata()
    {
        let refused = |what: &str| Err(Error::usage(format!("config {}: {what}; what runs goes on", file.display())));
        if !found.is_file() {
            return refused("it is no file any more");
        }
        // Whoever wants the settings that are built in can say so with a comment.
        if found.len() == 0 {
            return refused("it is empty");
        }
    }
    let config = settings.read()?;
    let RunPlan { streams, gallery, .. } = plan(settings, &config, true)?;
    let sections = [("[runtime]", config.runtime != runtime), ("[control]", config.control != control)];
    let changed: Vec<_> = sections.iter().filter(|(_, changed)| *changed).map(|(section, _)| *section).collect();
    if changed.is_empty() {
        return Ok(Reread { streams, restart: None, gallery });
    }
    // What is there in another folder of networks may not be there in this one.
    plan(settings, &Config { runtime, control, ..config }, true)?;
    let restart = format!("what changed in {} is taken when the daemon is started anew", changed.join(" and "));
    Ok(Reread { streams, restart: Some(restart), gallery })
}

/// A source or device that a stream needs may come later if the daemon is `lasting`; what else one needs, if there are
/// others meanwhile.
fn plan(settings: &Settings, config: &Config, lasting: bool) -> Result<RunPlan> {
    let several = config.stream.len() > 1;
    let may_come = |error: &Error| several || lasting && matches!(error, Error::Input(_) | Error::Output(_));
    RunPlan::new(config, may_come).map_err(|error| settings.locate(error))
}

/// Notifies of whatever happens in the folder of `file`, and in that of the file it is a link to: many editors write
/// another file and rename it.
fn watch_folders(file: &Path, changed: Arc<Notify>) -> Result<impl Watcher + use<>> {
    let failed = |error| Error::usage(format!("{} cannot be watched: {error}", file.display()));
    // Reading the file is an event too.
    let tell = move |event: notify::Result<notify::Event>| {
        if !event.is_ok_and(|event| event.kind.is_access()) {
            changed.notify_one();
        }
    };
    let mut watcher = notify::recommended_watcher(tell).map_err(failed)?;
    for file in [std::path::absolute(file), file.canonicalize()].into_iter().flatten() {
        watcher.watch(file.parent().unwrap_or(&file), RecursiveMode::NonRecursive).map_err(failed)?;
    }
    Ok(watcher)
}

/// The text of the file once it stays the same; none while there is no such file.
fn settled_text(file: &Path) -> Option<String> {
    let mut before = text(file);
    loop {
        std::thread::sleep(SETTLED_AFTER);
        let now = text(file);
        if now == before {
            return now;
        }
        before = now;
    }
}

fn text(file: &Path) -> Option<String> {
    is_file(file).then(|| std::fs::read_to_string(file).ok()).flatten()
}

/// Something else may never come to its end; what is read once, at the start, may be a pipe.
fn is_file(file: &Path) -> bool {
    file.metadata().is_ok_and(|found| found.is_file())
}
