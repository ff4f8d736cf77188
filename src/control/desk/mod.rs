//! What controllers wish of streams, whatever they speak: put together for each stream, and done as fast as its frames show it.

mod mailbox;

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use super::contract::{ShowCommand, ShowRequest};
use super::presets::Presets;
use super::{ApiResult, Hub};
use crate::error::Error;
use crate::style::{Look, LookPatch};
pub use mailbox::Wish;
use mailbox::{Mailbox, Wishes};

/// A change that takes longer to be seen, because a network is loaded, keeps later ones waiting no longer.
const PATIENCE: Duration = Duration::from_secs(2);

/// Is told of which stream a wish was refused, and why.
pub type Refused = Arc<dyn Fn(&str, String) + Send + Sync>;

/// Takes the wishes of one kind of controllers.
pub struct Desk {
    hub: Hub,
    presets: Presets,
    refused: Refused,
    streams: BTreeMap<String, Arc<Mailbox>>,
}

impl Desk {
    pub fn new(hub: Hub, presets: Presets, refused: Refused) -> Self {
        Self { hub, presets, refused, streams: BTreeMap::new() }
    }

    /// Puts a wish where its stream finds it; what comes of it is told only if it is refused.
    ///
    /// # Errors
    /// There is no such stream.
    pub fn put(&mut self, stream: &str, wish: Wish) -> Result<(), String> {
        // Only what there is takes up room.
        self.hub.member(stream).map_err(|refusal| Error::from(refusal).to_string())?;
        let Self { hub, presets, refused, streams } = self;
        let mailbox = streams.entry(stream.into()).or_insert_with_key(|name| {
            let mailbox = Arc::new(Mailbox::default());
            tokio::spawn(work(name.clone(), Arc::clone(&mailbox), hub.clone(), presets.clone(), Arc::clone(refused)));
            mailbox
        });
        mailbox.put(wish);
        Ok(())
    }
}

/// A change of which all numbers can be.
///
/// # Errors
/// One of them cannot.
pub fn change(patch: LookPatch) -> Result<Wish, String> {
    let look = Look::default().patched(&patch);
    look.check().and_then(|()| look.check_live()).map_err(|error| error.to_string())?;
    Ok(Wish::Look(patch))
}

/// Does what is wished of one stream, for as long as the runtime runs. It waits for the frame that shows one change before it
/// takes the next: what comes meanwhile is put together.
async fn work(name: String, mailbox: Arc<Mailbox>, hub: Hub, presets: Presets, refused: Refused) {
    loop {
        let wishes = mailbox.take().await;
        if let Ok(Err(refusal)) = tokio::time::timeout(PATIENCE, apply(&name, wishes, &hub, &presets)).await {
            refused(&name, Error::from(refusal).to_string());
        }
    }
}

async fn apply(name: &str, wishes: Wishes, hub: &Hub, presets: &Presets) -> ApiResult<()> {
    let Wishes { preset, mut look, weights, next } = wishes;
    let stream = hub.get(name)?;
    if next {
        let has_programme = stream.show().programme.is_some();
        let (programme, playlist) =
            (has_programme.then_some(ShowCommand::Next), (!has_programme).then_some(ShowCommand::Next));
        stream.command_show(ShowRequest { playlist, programme })?;
    }
    if let Some(preset) = preset {
        stream.set_painted(presets.get(&preset)?.painted).await?;
    }
    if !weights.is_empty() {
        let mut styles = look.styles.take().unwrap_or_else(|| stream.state().look.styles);
        styles.0.extend(weights);
        look.styles = Some(styles);
    }
    if look != LookPatch::default() {
        stream.patch_look(look).await?;
    }
    Ok(())
}
