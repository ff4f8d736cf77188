//! The connectors of graphics cards with a monitor, as the kernel tells of them.

use std::fs::read_to_string;
use std::path::{Path, PathBuf};

use crate::output::display::Monitor;

const CARDS: &str = "/sys/class/drm";

/// A connector with a monitor on it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Connector {
    pub monitor: Monitor,
    /// The kernel's number of it.
    pub id: i32,
    /// The kernel module of its card.
    pub driver: String,
    folder: PathBuf,
}

impl Connector {
    pub fn is_connected(&self) -> bool {
        is_connected(&self.folder)
    }
}

impl From<Connector> for Monitor {
    fn from(connector: Connector) -> Self {
        connector.monitor
    }
}

/// All that have a monitor now, in the kernel's order.
pub fn connected() -> Result<Vec<Connector>, String> {
    connected_in(Path::new(CARDS))
}

fn connected_in(cards: &Path) -> Result<Vec<Connector>, String> {
    let none = "no display server is named (DISPLAY and WAYLAND_DISPLAY are not set), and there is no graphics card";
    let entries = std::fs::read_dir(cards).map_err(|_| none)?;
    let mut folders: Vec<_> = entries.flatten().map(|entry| entry.path()).collect();
    folders.sort();
    Ok(folders.into_iter().filter(|folder| is_connected(folder)).filter_map(read).collect())
}

fn is_connected(folder: &Path) -> bool {
    read_to_string(folder.join("status")).is_ok_and(|status| status.trim() == "connected")
}

/// Its name and its best mode; none for what is no connector, or has no mode.
fn read(folder: PathBuf) -> Option<Connector> {
    let name = folder.file_name()?.to_str()?.strip_prefix("card")?.split_once('-')?.1.to_string();
    let modes = read_to_string(folder.join("modes")).ok()?;
    let (width, height) = modes.lines().next()?.split_once('x')?;
    let height = height.trim_end_matches(|c: char| !c.is_ascii_digit());
    let monitor = Monitor { name, width: width.parse().ok()?, height: height.parse().ok()?, primary: false };
    let id = read_to_string(folder.join("connector_id")).ok()?.trim().parse().ok()?;
    let driver = std::fs::canonicalize(folder.join("device/device/driver")).ok()?;
    let driver = driver.file_name()?.to_str()?.to_string();
    Some(Connector { monitor, id, driver, folder })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn connectors_with_a_monitor_are_read_as_the_kernel_writes_them() {
        let folder = tempfile::tempdir().unwrap();
        let drm = folder.path().join("drm");
        let driver = folder.path().join("drivers/i915");
        std::fs::create_dir_all(&driver).unwrap();
        for (name, status, modes) in [
            ("card0-HDMI-A-1", "connected\n", "1920x1080\n1280x720\n"),
            ("card0-DP-1", "disconnected\n", ""),
            ("card0-DP-2", "connected\n", "1920x1080i\n"),
            ("card0", "", ""),
        ] {
            let connector = drm.join(name);
            std::fs::create_dir_all(connector.join("device/device")).unwrap();
            std::os::unix::fs::symlink(&driver, connector.join("device/device/driver")).unwrap();
            for (file, text) in [("status", status), ("modes", modes), ("connector_id", "77\n")] {
                std::fs::write(connector.join(file), text).unwrap();
            }
        }
        let found = connected_in(&drm).unwrap();
        let told: Vec<_> = found.iter().map(|one| (one.monitor.to_string(), one.id, one.driver.as_str())).collect();
        assert_eq!(
            told,
            [("DP-2 (1920x1080)".into(), 77, "i915"), ("HDMI-A-1 (1920x1080)".into(), 77, "i915")]
                as [(String, _, _); 2]
        );
        std::fs::write(drm.join("card0-DP-2/status"), "disconnected\n").unwrap();
        assert!(!found[0].is_connected() && found[1].is_connected());
        assert!(connected_in(Path::new("/nowhere")).unwrap_err().contains("DISPLAY"));
    }
}
