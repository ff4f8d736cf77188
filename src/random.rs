//! Ids that nobody can guess.

use crate::hex::hex;

/// The bytes of an id.
const ID_BYTES: usize = 32;

/// A new id, in hexadecimal digits.
///
/// # Errors
/// The system gives no random numbers.
pub fn id() -> Result<String, getrandom::Error> {
    let mut bytes = [0; ID_BYTES];
    getrandom::fill(&mut bytes)?;
    Ok(hex(&bytes))
}
