//! Types that are written as text wherever serde writes them: as they are read and shown.

/// For a type with `FromStr<Err = String>`, `Display` and `#[serde(try_from = "String", into = "String")]`.
macro_rules! as_text {
    ($type:ty) => {
        impl TryFrom<String> for $type {
            type Error = String;

            fn try_from(text: String) -> Result<Self, String> {
                text.parse()
            }
        }

        impl From<$type> for String {
            fn from(value: $type) -> Self {
                value.to_string()
            }
        }
    };
}

pub(crate) use as_text;
