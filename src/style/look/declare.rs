//! What is made of the list of parameters: the look, a change of it, and the table of what is told of them.

use serde::{Deserialize, Serialize};

use super::parameter::{Driven, Kind, Parameter, Told, Value, Word, given};
use super::parameters::look_parameters;
use crate::error::{Error, Result};

macro_rules! look {
    ($($(#[$_key:meta])* $name:ident: $type:ty = $default:expr, { $($told:tt)* })*) => {
        /// How a stream is painted.
        #[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
        #[serde(default, deny_unknown_fields)]
        pub struct Look {
            $(#[doc = concat!("As [`PARAMETERS`] says of `", stringify!($name), "`.")] pub $name: $type,)*
        }

        /// A change of some parts of a look; what is not named stays. It is also the flags of the command line.
        #[derive(Debug, Clone, PartialEq, Default, Serialize, Deserialize)]
        #[serde(default, deny_unknown_fields)]
        pub struct LookPatch {
            $(
                #[doc = concat!("The new `", stringify!($name), "`.")]
                #[serde(deserialize_with = "given", skip_serializing_if = "Option::is_none")]
                pub $name: Option<$type>,
            )*
        }

        /// What is told of each parameter, in the order in which people meet them.
        pub const PARAMETERS: &[Parameter] =
            &[$(Parameter { name: stringify!($name), $($told)* ..Parameter::PLAIN },)*];

        impl Default for Look {
            fn default() -> Self {
                Self { $($name: $default,)* }
            }
        }

        impl Look {
            /// This look with what `patch` names replaced.
            pub fn patched(&self, patch: &LookPatch) -> Self {
                Self { $($name: patch.$name.as_ref().unwrap_or(&self.$name).clone(),)* }
            }

            /// Checks all numbers; names are checked by [`Catalog::resolve`](crate::style::Catalog::resolve).
            ///
            /// # Errors
            /// Names the part, its value and what is possible.
            pub fn check(&self) -> Result<()> {
                let mut kinds = PARAMETERS.iter().map(|parameter| parameter.kind);
                $(
                    let kind = kinds.next().unwrap_or(Kind::Mix);
                    Value::check(&self.$name, stringify!($name), kind).map_err(Error::usage)?;
                )*
                Ok(())
            }

            /// The value of each parameter, as the command line has it.
            pub fn texts(&self) -> Vec<String> {
                vec![$(self.$name.to_string(),)*]
            }
        }

        impl LookPatch {
            /// What makes `to` of `from`.
            pub fn between(from: &Look, to: &Look) -> Self {
                Self { $($name: (from.$name != to.$name).then(|| to.$name.clone()),)* }
            }

            /// This change with `later` after it.
            pub fn then(self, later: Self) -> Self {
                Self { $($name: later.$name.or(self.$name),)* }
            }

            /// Of each parameter: whether it is named.
            pub fn named(&self) -> [bool; PARAMETERS.len()] {
                [$(self.$name.is_some(),)*]
            }

            /// The change of one parameter to what `text` says on a command line.
            ///
            /// # Errors
            /// The text is no such value, or there is no such parameter.
            pub fn read(name: &str, text: &str) -> Result<Self, String> {
                match name {
                    $(stringify!($name) => Ok(Self { $name: Some(<$type as Value>::read(text)?), ..Self::default() }),)*
                    _ => Err(format!("a look has no `{name}`")),
                }
            }
        }
    };
}
look_parameters!(look);
