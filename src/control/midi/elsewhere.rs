//! Other systems than Linux: no MIDI devices are known.

use super::Missing;

const IMPOSSIBLE: &str = "MIDI devices are not possible on this system";

/// There is none.
pub enum Device {}

impl Device {
    /// # Errors
    /// Always.
    pub fn open(_part: &str, _take: impl FnMut(&[u8]) + Send + 'static) -> Result<Self, String> {
        Err(IMPOSSIBLE.into())
    }

    pub fn name(&self) -> &str {
        match *self {}
    }

    pub fn is_there(&self) -> bool {
        match *self {}
    }

    pub fn send(&mut self, _message: [u8; 3]) {
        match *self {}
    }
}

/// # Errors
/// Always.
pub fn devices() -> Result<Vec<String>, Missing> {
    Err(Missing { what: IMPOSSIBLE.into(), cure: "run Impasto on Linux".into() })
}
