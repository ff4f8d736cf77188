//! A share: a number from 0 to 1, read and checked in one way wherever one is written.

/// Reads one.
///
/// # Errors
/// The text is none; "NaN" and "inf" are numbers that cannot be.
pub fn parse(text: &str) -> Result<f32, String> {
    let value = text.parse().map_err(|_| format!("`{text}` is not a number"))?;
    check(value)
}

/// # Errors
/// The value is none.
pub fn check(value: f32) -> Result<f32, String> {
    if (0.0..=1.0).contains(&value) { Ok(value) } else { Err(format!("{value}: 0 to 1 is possible")) }
}
