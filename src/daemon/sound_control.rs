//! What is told of the sound that drives a stream.

use std::time::Instant;

use crate::control::contract::{DriveState, DrivenState};
use crate::engine::SoundDrive;

/// Why nothing is driven.
const NOT_HEARD: &str = "no sound comes from the source: what it drives is as the look says";

pub fn driven_state(sound: &SoundDrive) -> DrivenState {
    let told = sound.told(Instant::now());
    let note = (!told.is_heard && !told.drives.is_empty()).then(|| NOT_HEARD.into());
    // More digits are noise.
    let rounded = |number: f32| (number * 1000.0).round() / 1000.0;
    let drives = told.drives.into_iter().map(|(parameter, drive, now)| {
        let now = now.map(rounded);
        (parameter, DriveState { drive, now })
    });
    DrivenState { note, levels: told.levels.map(rounded), drives: drives.collect() }
}
