//! Names that come from outside and are shown to people.

/// False for a name with line ends and other controls, or with marks that are not seen or turn the direction of what
/// follows: in a log or on a page it would pass for something else.
pub fn is_shown_as_written(name: &str) -> bool {
    let is_hidden = |c: char| {
        let is_mark = matches!(c, '\u{61c}' | '\u{200b}'..='\u{200f}' | '\u{2028}'..='\u{202e}' | '\u{2060}'..='\u{206f}' | '\u{feff}');
        c.is_control() || is_mark
    };
    !name.chars().any(is_hidden)
}
