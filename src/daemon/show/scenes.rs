//! The looks of a programme: what each is, how long it is shown, how long it takes to come.

use std::time::Duration;

use crate::config::{ProgrammeConfig, StepConfig};
use crate::style::look::{Kind, Mix, PARAMETERS};
use crate::style::{Look, LookPatch};

/// A look of a programme.
#[derive(Debug, Clone, PartialEq)]
pub struct Scene {
    pub what: What,
    pub title: String,
    /// None for ever.
    pub length: Option<Duration>,
    /// How long it takes to come.
    pub fade: Duration,
}

#[derive(Debug, Clone, PartialEq)]
pub enum What {
    Preset(String),
    Look(Box<Look>),
}

/// What is changed by `patch` to make the look.
fn title(look: &Look, patch: &LookPatch) -> String {
    let parts = PARAMETERS.iter().zip(look.texts()).zip(patch.named());
    let parts = parts.filter(|(_, is_named)| *is_named).map(|((parameter, text), _)| match parameter.kind {
        Kind::Mix => text,
        _ => format!("{} {text}", parameter.name),
    });
    parts.collect::<Vec<_>>().join(", ")
}

/// What a programme goes through; its looks are changes of `look`.
pub fn scenes(programme: &ProgrammeConfig, look: &Look) -> Vec<Scene> {
    let seconds = Duration::from_secs_f64;
    let is_alone = programme.step.len() + programme.walk.len() == 1;
    let scene = |what, title, StepConfig { seconds: own, fade_seconds, .. }: &StepConfig| Scene {
        what,
        title,
        length: (!is_alone).then(|| seconds(own.unwrap_or(programme.seconds))),
        fade: seconds(fade_seconds.unwrap_or(programme.fade_seconds)),
    };
    let of_step = |step: &StepConfig| match (&step.preset, &step.look) {
        (Some(preset), _) => scene(What::Preset(preset.clone()), preset.clone(), step),
        (None, patch) => {
            let look = patch.as_ref().map_or(look.clone(), |patch| look.patched(patch));
            let title = title(&look, &patch.clone().unwrap_or_default());
            scene(What::Look(Box::new(look)), title, step)
        }
    };
    let of_style = |style: &String| {
        let look = Look { styles: Mix::only(style), ..look.clone() };
        scene(What::Look(Box::new(look)), style.clone(), &StepConfig::default())
    };
    programme.step.iter().map(of_step).chain(programme.walk.iter().map(of_style)).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_step_is_called_by_what_it_changes() {
        let patch = LookPatch { styles: Some(Mix::only("a")), strength: Some(0.25), ..LookPatch::default() };
        assert_eq!(title(&Look::default().patched(&patch), &patch), "a, strength 0.25");
    }
}
