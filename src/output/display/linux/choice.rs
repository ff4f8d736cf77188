//! Which of the monitors is meant.

use crate::output::display::{Monitor, PRIMARY};

/// The one of `found` that is called `wanted`; for [`PRIMARY`], where none says that it is, the first.
pub fn choose<'a, T>(wanted: &str, found: &'a [T], monitor: impl Fn(&T) -> &Monitor) -> Result<&'a T, String> {
    let chosen = match wanted {
        PRIMARY => found.iter().find(|one| monitor(one).primary).or(found.first()),
        name => found.iter().find(|one| is_called(&monitor(one).name, name)),
    };
    chosen.ok_or_else(|| {
        let names: Vec<_> = found.iter().map(|one| monitor(one).to_string()).collect();
        match names.as_slice() {
            [] => "no monitor is connected, or none is on".into(),
            names => format!("there is no monitor `{wanted}` now; there are: {}", names.join(", ")),
        }
    })
}

/// The kernel says `HDMI-A-1` where X servers say `HDMI-1`.
fn is_called(name: &str, wanted: &str) -> bool {
    name == wanted || name.replace("HDMI-A-", "HDMI-") == wanted.replace("HDMI-A-", "HDMI-")
}

#[cfg(test)]
mod tests {
    use super::*;

    fn monitor(name: &str, primary: bool) -> Monitor {
        Monitor { name: name.into(), width: 1920, height: 1080, primary }
    }

    #[test]
    fn a_monitor_is_found_by_its_connector_or_as_the_first() {
        let found = [monitor("eDP-1", false), monitor("HDMI-A-1", true)];
        let name = |wanted, found| choose(wanted, found, |monitor| monitor).map(|found| found.name.as_str());
        assert_eq!(name(PRIMARY, &found), Ok("HDMI-A-1"));
        assert_eq!(name("HDMI-1", &found), Ok("HDMI-A-1"));
        assert_eq!(name("eDP-1", &found), Ok("eDP-1"));
        assert_eq!(name(PRIMARY, &found[..1]), Ok("eDP-1"), "none says that it is the first");
        let refused = name("DP-7", &found).unwrap_err();
        assert_eq!(refused, "there is no monitor `DP-7` now; there are: eDP-1 (1920x1080), HDMI-A-1 (1920x1080)");
        assert_eq!(name(PRIMARY, &[]), Err("no monitor is connected, or none is on".into()));
    }
}
