//! What a manifest says of picture sizes.

use serde::{Deserialize, Serialize};

/// Which picture sizes a network takes.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct SizeRule {
    /// The only size: width, height.
    pub fixed: Option<[usize; 2]>,
    /// The only width; the height is free.
    pub width: Option<usize>,
    /// The only height; the width is free.
    pub height: Option<usize>,
    /// Free sides must be multiples of this.
    pub multiple_of: Option<usize>,
    /// The smallest free side.
    pub min: Option<usize>,
    /// Pixels around the picture, filled by reflection, that are painted and cut off again: the frame that a network
    /// paints along its edges stays out of sight. They count towards all of the above.
    #[serde(default)]
    pub border: usize,
}

/// The widest border: no network looks farther, and it bounds the memory of a tensor.
pub const MAX_BORDER: usize = 256;

impl SizeRule {
    /// The width and the height, where only one will do.
    pub fn only(&self) -> [Option<usize>; 2] {
        match self.fixed {
            Some(fixed) => fixed.map(Some),
            None => [self.width, self.height],
        }
    }

    /// # Errors
    /// What cannot be.
    pub(super) fn check(&self) -> Result<(), String> {
        let border = self.border;
        if self.fixed.is_some() && (self.multiple_of.is_some() || self.min.is_some()) {
            return Err("[input] size: `fixed` excludes `multiple_of` and `min`".into());
        }
        if self.fixed.is_some() && (self.width.is_some() || self.height.is_some()) {
            return Err("[input] size: `fixed` excludes `width` and `height`".into());
        }
        if self.width.is_some() && self.height.is_some() {
            return Err("[input] size: write `fixed = [width, height]` where both are given".into());
        }
        if self.multiple_of == Some(0) || self.only().contains(&Some(0)) {
            return Err("[input] size: 0 is not a size".into());
        }
        if border > MAX_BORDER {
            return Err(format!("[input] size: border {border} is wider than {MAX_BORDER} pixels"));
        }
        if let Some(side) = self.only().into_iter().flatten().find(|side| *side <= 2 * border) {
            return Err(format!("[input] size: a border of {border} leaves nothing of {side} pixels"));
        }
        Ok(())
    }
}
