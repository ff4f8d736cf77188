//! What cannot be in a manifest, in words.

use std::path::Path;

use super::{Manifest, Style};
use crate::style::constant::Constant;
use crate::style::state::State;

impl Manifest {
    /// # Errors
    /// What is wrong, and what to write instead.
    pub(super) fn check(&self) -> Result<(), String> {
        let stem = self.path.file_stem().unwrap_or_default().to_string_lossy();
        if self.name != stem {
            return Err(format!("`name` is `{}`, but the file is called `{stem}`; make them equal", self.name));
        }
        if Path::new(&self.file).file_name() != Some(self.file.as_ref()) {
            return Err(format!("`file` must be a file name beside the manifest, not `{}`", self.file));
        }
        self.input.check()?;
        self.output.check(&self.input.size)?;
        self.constants.iter().try_for_each(Constant::check)?;
        self.check_names()?;
        if let Some(image) = &self.style_image {
            image.check()?;
            return match (&self.style_input, self.styles.is_empty()) {
                (None, true) => Ok(()),
                (Some(_), _) => Err("[style_input] and [style_image] exclude each other".into()),
                (_, false) => {
                    Err("[[style]] is for what a network learnt; with [style_image] paintings are its styles".into())
                }
            };
        }
        if self.styles.is_empty() {
            return Err("has no [[style]]".into());
        }
        match &self.style_input {
            None if self.styles.len() > 1 => Err("many [[style]] need a [style_input]".into()),
            None => match self.styles.iter().find(|style| style.has_stroke()) {
                Some(style) => Err(format!("style `{}`: `large_row` needs a [style_input]", style.name)),
                None => Ok(()),
            },
            Some(input) if !(1..=2).contains(&input.rank) => Err("[style_input] rank must be 1 or 2".into()),
            Some(input) => self.check_rows(input.count),
        }?;
        for (index, style) in self.styles.iter().enumerate() {
            if self.styles[..index].iter().any(|earlier| earlier.name == style.name) {
                return Err(format!("two styles are called `{}`", style.name));
            }
        }
        Ok(())
    }

    /// Each input is fed by one, and each output handed on to one.
    fn check_names(&self) -> Result<(), String> {
        let style = if self.style_input.is_some() { "[style_input]" } else { "[style_image]" };
        let constants = self.constants.iter().map(|constant| ("[[constant]]", constant.name.as_str()));
        let states = self.states.iter().map(|state| ("[[state]]", state.input.as_str()));
        let styles = self.says_style().map(|(name, _)| (style, name));
        let mut fed: Vec<(&str, &str)> = Vec::new();
        for (part, input) in
            std::iter::once(("[input]", self.input.name.as_str())).chain(styles).chain(constants).chain(states)
        {
            if let Some((earlier, _)) = fed.iter().find(|(_, earlier)| *earlier == input) {
                return Err(format!(
                    "the input `{input}` is fed by {earlier} and by {part}; each input takes one of them"
                ));
            }
            fed.push((part, input));
        }
        for (index, State { input, output, .. }) in self.states.iter().enumerate() {
            if let Some(earlier) = self.states[..index].iter().find(|earlier| earlier.output == *output) {
                let other = &earlier.input;
                return Err(format!(
                    "the output `{output}` is handed on by two [[state]], to `{other}` and `{input}`; each output goes to one"
                ));
            }
        }
        Ok(())
    }

    fn check_rows(&self, count: usize) -> Result<(), String> {
        for style in &self.styles {
            match style.row {
                Some(row) if row < count => {}
                Some(row) => {
                    return Err(format!("style `{}`: row {row} is not below count {count}", style.name));
                }
                None => return Err(format!("style `{}` needs a `row`", style.name)),
            }
        }
        self.styles.iter().try_for_each(|style| self.check_large_row(style, count))
    }

    /// Two styles may share a row; a large row is for one alone.
    fn check_large_row(&self, style: &Style, count: usize) -> Result<(), String> {
        let Some(large_row) = style.large_row else { return Ok(()) };
        let name = &style.name;
        if large_row >= count {
            return Err(format!("style `{name}`: large_row {large_row} is not below count {count}"));
        }
        let taken = self.styles.iter().find_map(|other| match other.name == *name {
            _ if other.row == Some(large_row) => Some(("row", &other.name)),
            false if other.large_row == Some(large_row) => Some(("large_row", &other.name)),
            _ => None,
        });
        match taken {
            Some((key, other)) => {
                Err(format!("style `{name}`: large_row {large_row} is the {key} of style `{other}` too"))
            }
            None => Ok(()),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const GOOD: &str = r#"
        name = "net"
        title = "A network"
        file = "net.onnx"
        licence = "MIT"
        [input]
        name = "image"
        range = [0, 255]
        [output]
        name = "painted"
        range = [0, 255]
        [style_input]
        name = "style"
        count = 2
        [[style]]
        name = "waves"
        title = "Waves"
        row = 1
    "#;

    fn read(text: &str) -> Result<Manifest, String> {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("net.toml");
        std::fs::write(&path, text).unwrap();
        Manifest::read(&path).map_err(|error| error.to_string().replace(&path.display().to_string(), "net.toml"))
    }

    #[test]
    fn a_good_manifest_is_read() {
        let manifest = read(GOOD).unwrap();
        assert_eq!((manifest.styles[0].row, manifest.styles[0].large_row), (Some(1), None));
        let manifest = read(&GOOD.replace("row = 1", "row = 1\nlarge_row = 0")).unwrap();
        assert_eq!((manifest.styles[0].row, manifest.styles[0].large_row), (Some(1), Some(0)));
        assert_eq!(manifest.input.layout, crate::style::tensor::Layout::Nchw);
        assert!(manifest.model_path().ends_with("net.onnx"));
    }

    #[test]
    fn mistakes_are_named() {
        let cases = [
            ("name = \"net\"\n", "name = \"other\"\n", "`name` is `other`, but the file is called `net`"),
            ("file = \"net.onnx\"", "file = \"../net.onnx\"", "`file` must be a file name beside the manifest"),
            ("range = [0, 255]", "range = [1, 1]", "must be two different finite numbers"),
            ("row = 1", "row = 2", "style `waves`: row 2 is not below count 2"),
            ("row = 1", "", "style `waves` needs a `row`"),
            ("row = 1", "row = 1\nlarge_row = 2", "style `waves`: large_row 2 is not below count 2"),
            ("row = 1", "row = 1\nlarge_row = 1", "style `waves`: large_row 1 is the row of style `waves` too"),
            (
                "row = 1",
                "row = 1\nlarge_row = 0\n[[style]]\nname = \"b\"\ntitle = \"B\"\nrow = 0",
                "style `waves`: large_row 0 is the row of style `b` too",
            ),
            (
                "row = 1",
                "row = 1\nlarge_row = 0\n[[style]]\nname = \"b\"\ntitle = \"B\"\nrow = 1\nlarge_row = 0",
                "style `waves`: large_row 0 is the large_row of style `b` too",
            ),
            ("count = 2", "count = 2\nrank = 3", "rank must be 1 or 2"),
            ("licence = \"MIT\"", "license = \"MIT\"", "did you mean `licence`?"),
            (
                "[0, 255]",
                "[0, 255]\nsize = { fixed = [64, 32], border = 16 }",
                "a border of 16 leaves nothing of 32 pixels",
            ),
            ("[0, 255]", "[0, 255]\nsize = { width = 8, height = 8 }", "write `fixed = [width, height]`"),
            ("[0, 255]", "[0, 255]\nmean = [1, 2]", "[input] mean has 2 numbers, but there are 3 colours"),
            ("[0, 255]", "[0, 255]\nstd = [1, 0, 1]", "`std` not 0"),
            ("[0, 255]", "[0, 255]\nchannels = \"gray\"\nmean = [1, 2, 3]", "but there are 1 colours"),
            ("[0, 255]", "[0, 255]\ntype = \"i64\"", "type = \"i64\" is none of a picture"),
            ("\"painted\"", "\"painted\"\nscale = 1.5", "scale 1.5 is neither a whole number up to 16 nor"),
            ("\"painted\"", "\"painted\"\ntrim = 4", "write size = { border = 4 }"),
            ("[[style]]", "[[constant]]\nname = \"c\"\nshape = [2]\nvalue = [1]\n[[style]]", "value has 1 numbers"),
            (
                "[[style]]",
                "[[constant]]\nname = \"c\"\nshape = []\ntype = \"i64\"\nvalue = 1.5\n[[style]]",
                "1.5 is no i64",
            ),
            (
                "[[style]]",
                "[[state]]\ninput = \"a\"\noutput = \"next\"\n[[state]]\ninput = \"b\"\noutput = \"next\"\n[[style]]",
                "the output `next` is handed on by two [[state]], to `a` and `b`",
            ),
            (
                "[[style]]",
                "[[state]]\ninput = \"a\"\noutput = \"next\"\n[[state]]\ninput = \"a\"\noutput = \"last\"\n[[style]]",
                "the input `a` is fed by [[state]] and by [[state]]",
            ),
            (
                "[[style]]",
                "[[state]]\ninput = \"style\"\noutput = \"next\"\n[[style]]",
                "by [style_input] and by [[state]]",
            ),
            (
                "[[style]]",
                "[[constant]]\nname = \"image\"\nshape = [1]\nvalue = [1]\n[[style]]",
                "by [input] and by [[constant]]",
            ),
            ("[0, 255]", "[0, 255]\nsize = { border = 1000 }", "border 1000 is wider than 256 pixels"),
        ];
        for (old, new, message) in cases {
            let text = GOOD.replacen(old, new, 1);
            assert_ne!(text, GOOD, "{old}");
            let error = read(&text).expect_err(new);
            assert!(error.starts_with("net.toml: ") && error.contains(message), "{new}: {error}");
        }
        let single = GOOD.replace("[style_input]\n        name = \"style\"\n        count = 2\n", "");
        assert!(read(&single).is_ok());
        let error = read(&single.replace("row = 1", "large_row = 1")).unwrap_err();
        assert!(error.contains("style `waves`: `large_row` needs a [style_input]"), "{error}");
    }
}
