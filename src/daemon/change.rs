//! What a new config changes of a running stream: nothing, what can be changed while it runs, or all of it.

use super::handle::Handle;
use super::source_control::Wanted;
use super::source_state::Playing;
use crate::config::outputs::OutputsPlan;
use crate::config::plan;
use crate::config::{PaintConfig, StreamConfig};
use crate::control::contract::SettingsPatch;
use crate::control::{ApiError, ApiResult, Stream};
use crate::error::{Error, Result};
use crate::style::{LookPatch, PaintSize};

/// The smallest change from one config to another.
#[derive(Debug, PartialEq)]
pub enum Change {
    None,
    /// The stream runs on.
    Live(LiveChange),
    /// It must be started anew.
    Restart,
}

/// Only what is named changes: what was changed by hand meanwhile stays.
#[derive(Debug, Default, PartialEq)]
pub struct LiveChange {
    /// Empty for the one that fits best.
    network: Option<String>,
    look: LookPatch,
    size: Option<PaintSize>,
    is_other_source: bool,
    outputs: OutputChange,
    is_other_show: bool,
    is_other_sound: bool,
}

/// What becomes of the outputs.
#[derive(Debug, Default, Clone, Copy, PartialEq)]
enum OutputChange {
    #[default]
    None,
    Other,
    /// Those that are missing are tried once more.
    Again,
}

impl Change {
    pub fn between(old: &StreamConfig, new: &StreamConfig) -> Self {
        if old == new {
            return Self::None;
        }
        let mut reached = old.clone();
        reached.paint.clone_from(&new.paint);
        take_source(&mut reached, new);
        reached.output.clone_from(&new.output);
        reached.show.clone_from(&new.show);
        reached.sound.clone_from(&new.sound);
        if reached != *new {
            return Self::Restart;
        }
        let (was, PaintConfig { network, size, .. }) = (&old.paint, &new.paint);
        Self::Live(LiveChange {
            network: (*network != was.network).then(|| network.clone()),
            look: LookPatch::between(&was.look(), &new.paint.look()),
            size: (*size != was.size).then_some(*size),
            is_other_source: (&old.source.input, old.source.r#loop) != (&new.source.input, new.source.r#loop),
            outputs: if old.output != new.output { OutputChange::Other } else { OutputChange::None },
            // Looks of a programme are changes of the configured one.
            is_other_show: old.show != new.show || old.paint != new.paint && !new.show.programme.is_empty(),
            is_other_sound: old.sound != new.sound,
        })
    }

    /// The same, as one more try: outputs that are missing are opened too.
    pub fn and_missing_outputs(self) -> Self {
        let outputs = OutputChange::Again;
        match self {
            Self::None => Self::Live(LiveChange { outputs, ..LiveChange::default() }),
            Self::Live(change) => Self::Live(LiveChange { outputs, ..change }),
            Self::Restart => Self::Restart,
        }
    }
}

impl LiveChange {
    /// Changes the running stream from `old` to what `new` says, as far as that goes: a network that does not load, a
    /// size that it does not take, a source or an output that does not open leaves that part as it was. Returns the config that was
    /// reached, and what was refused.
    pub async fn apply(self, handle: &Handle, old: StreamConfig, new: &StreamConfig) -> (StreamConfig, Vec<Error>) {
        let (mut reached, mut refused) = (old, Vec::new());
        if self.network.is_some() || self.look != LookPatch::default() {
            match told(handle.look().configure(self.network, self.look).await) {
                Ok(()) => reached.paint = PaintConfig { size: reached.paint.size, ..new.paint.clone() },
                Err(error) => refused.push(error),
            }
        }
        if self.size.is_some() {
            match told(handle.set_settings(SettingsPatch { size: self.size, ..SettingsPatch::default() }).await) {
                Ok(()) => reached.paint.size = new.paint.size,
                Err(error) => refused.push(error),
            }
        }
        if self.outputs != OutputChange::None {
            let plan = OutputsPlan::new(&new.output, &new.name).and_then(|plan| {
                // One that was set by hand may be what an output would become.
                let source = handle.source();
                if self.is_other_source { Ok(plan) } else { plan.refuse_own(&source).map(|()| plan) }
            });
            let errors = match plan {
                Ok(plan) => handle.take_outputs(plan, self.outputs == OutputChange::Again).await,
                Err(error) => vec![error],
            };
            if errors.is_empty() {
                reached.output.clone_from(&new.output);
            }
            refused.extend(errors);
        }
        if self.is_other_source {
            let source = plan::source(&new.source).and_then(|source| handle.refuse_own(&source).map(|()| source));
            let taken = match source {
                // What is live has no end at which it could begin again, and a camera is opened by one at a time.
                Ok(source) if source.is_live() && reached.source.input == new.source.input => Ok(()),
                Ok(source) => {
                    handle.send_source(Wanted::Configured(Playing { source, looped: new.source.r#loop })).await
                }
                Err(error) => Err(error),
            };
            match taken {
                Ok(()) => take_source(&mut reached, new),
                Err(error) => refused.push(error),
            }
        }
        // After the source, which it may take the place of again.
        if self.is_other_show {
            handle.configure_show(new);
            reached.show.clone_from(&new.show);
        }
        if self.is_other_sound {
            handle.configure_sound(&new.sound.drives);
            reached.sound.clone_from(&new.sound);
        }
        (reached, refused)
    }
}

/// What of the source changes while the stream runs.
fn take_source(config: &mut StreamConfig, new: &StreamConfig) {
    config.source.input.clone_from(&new.source.input);
    config.source.r#loop = new.source.r#loop;
}

fn told<T>(verdict: ApiResult<T>) -> Result<()> {
    verdict.map(|_| ()).map_err(|refusal: ApiError| refusal.into())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::Config;
    use crate::style::Stroke;
    use crate::style::look::{Band, Drive, Drives, Mix};

    #[test]
    fn only_what_cannot_be_changed_live_starts_a_stream_anew() {
        let old = Config::default().streams().remove(0);
        let to = |change: fn(&mut StreamConfig)| {
            let mut new = old.clone();
            change(&mut new);
            Change::between(&old, &new)
        };
        assert_eq!(to(|_| {}), Change::None);
        let look = LookPatch { strength: Some(0.5), styles: Some(Mix::only("a")), ..LookPatch::default() };
        assert_eq!(
            to(|new| (new.paint.strength, new.paint.styles) = (0.5, Mix::only("a"))),
            Change::Live(LiveChange { look, ..LiveChange::default() })
        );
        let look = LookPatch { stroke: Some(Stroke::Of(1.0)), ..LookPatch::default() };
        assert_eq!(
            to(|new| new.paint.stroke = Stroke::Of(1.0)),
            Change::Live(LiveChange { look, ..LiveChange::default() })
        );
        assert_eq!(
            to(|new| new.paint.size = PaintSize::Auto),
            Change::Live(LiveChange { size: Some(PaintSize::Auto), ..LiveChange::default() })
        );
        for change in [(|new| new.source.input = "test".into()) as fn(&mut StreamConfig), |new| {
            new.source.r#loop = !new.source.r#loop
        }] {
            assert_eq!(to(change), Change::Live(LiveChange { is_other_source: true, ..LiveChange::default() }));
        }
        for change in [
            (|new| new.output.rtsp = "off".into()) as fn(&mut StreamConfig),
            |new| new.output.rtsp_kbps = 1000,
            |new| new.output.record = "a.mkv".into(),
        ] {
            assert_eq!(to(change), Change::Live(LiveChange { outputs: OutputChange::Other, ..LiveChange::default() }));
        }
        assert_eq!(
            to(|new| new.show.shuffle = true),
            Change::Live(LiveChange { is_other_show: true, ..LiveChange::default() })
        );
        assert_eq!(
            to(|new| new.sound.drives = Drives([("strength".into(), Drive::by(Band::Low))].into())),
            Change::Live(LiveChange { is_other_sound: true, ..LiveChange::default() })
        );
        assert_eq!(
            to(|new| new.paint.network = "other".into()),
            Change::Live(LiveChange { network: Some("other".into()), ..LiveChange::default() })
        );
        for change in [(|new| new.source.fps = 25) as fn(&mut StreamConfig), |new| new.source.sound = false] {
            assert_eq!(to(change), Change::Restart);
        }
    }
}
