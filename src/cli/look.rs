//! The parameters of the look on the command line: flags of `run` and `file`, and commands of `ctl`.

use clap::builder::{PossibleValue, PossibleValuesParser, TypedValueParser, ValueParser};
use clap::{Arg, ArgMatches, Args, Command, FromArgMatches, Subcommand};

use crate::style::LookPatch;
use crate::style::look::{Kind, PARAMETERS, Parameter};

/// The argument of the commands of `ctl`.
const VALUE: &str = "value";

impl Args for LookPatch {
    fn augment_args(command: Command) -> Command {
        PARAMETERS.iter().fold(command, |command, parameter| command.arg(flag(parameter)))
    }

    fn augment_args_for_update(command: Command) -> Command {
        Self::augment_args(command)
    }
}

impl FromArgMatches for LookPatch {
    fn from_arg_matches(matches: &ArgMatches) -> Result<Self, clap::Error> {
        let given = PARAMETERS.iter().filter_map(|parameter| matches.get_one::<Self>(parameter.name));
        Ok(given.cloned().fold(Self::default(), Self::then))
    }

    fn update_from_arg_matches(&mut self, matches: &ArgMatches) -> Result<(), clap::Error> {
        *self = std::mem::take(self).then(Self::from_arg_matches(matches)?);
        Ok(())
    }
}

fn flag(parameter: &'static Parameter) -> Arg {
    let arg = Arg::new(parameter.name).long(parameter.flag).env(parameter.env).help(parameter.help);
    let arg = arg.value_name(parameter.placeholder());
    match parameter.kind {
        Kind::Switch { .. } => {
            let one_of = one_of(parameter, vec![("true", "true", ""), ("false", "false", "")]);
            arg.num_args(0..=1).require_equals(true).default_missing_value("true").value_parser(one_of)
        }
        Kind::Choice(words) => arg.value_parser(one_of(parameter, as_said(words))),
        _ => arg.value_parser(move |text: &str| LookPatch::read(parameter.name, text)),
    }
}

/// The change of one parameter of the look, by its command of `ctl`.
#[derive(Debug)]
pub struct LookWord(pub LookPatch);

impl Subcommand for LookWord {
    fn augment_subcommands(command: Command) -> Command {
        let words = PARAMETERS.iter().filter(|parameter| !parameter.word.is_empty());
        words.fold(command, |command, parameter| {
            command.subcommand(Command::new(parameter.word).about(parameter.help).arg(value(parameter)))
        })
    }

    fn augment_subcommands_for_update(command: Command) -> Command {
        Self::augment_subcommands(command)
    }

    fn has_subcommand(name: &str) -> bool {
        !name.is_empty() && PARAMETERS.iter().any(|parameter| parameter.word == name)
    }
}

impl FromArgMatches for LookWord {
    fn from_arg_matches(matches: &ArgMatches) -> Result<Self, clap::Error> {
        let patch = matches.subcommand().and_then(|(_, matches)| matches.get_one::<LookPatch>(VALUE));
        Ok(Self(patch.cloned().unwrap_or_default()))
    }

    fn update_from_arg_matches(&mut self, matches: &ArgMatches) -> Result<(), clap::Error> {
        *self = Self::from_arg_matches(matches)?;
        Ok(())
    }
}

fn value(parameter: &'static Parameter) -> Arg {
    let arg = Arg::new(VALUE).required(true);
    match parameter.kind {
        Kind::Switch { on, off } => {
            let one_of = one_of(parameter, vec![(on.0, "true", on.1), (off.0, "false", off.1)]);
            arg.value_name("WHICH").value_parser(one_of)
        }
        Kind::Choice(words) => arg.value_name(parameter.placeholder()).value_parser(one_of(parameter, as_said(words))),
        _ => {
            let arg = arg.value_name(parameter.placeholder());
            arg.value_parser(move |text: &str| LookPatch::read(parameter.name, text))
        }
    }
}

/// A word, what it stands for, and what is said of it.
type Said = (&'static str, &'static str, &'static str);

/// Words that stand for themselves.
fn as_said(words: &'static [(&'static str, &'static str)]) -> Vec<Said> {
    words.iter().map(|(word, help)| (*word, *word, *help)).collect()
}

fn one_of(parameter: &'static Parameter, words: Vec<Said>) -> ValueParser {
    let possible: Vec<PossibleValue> = words
        .iter()
        .map(|(word, _, help)| match *help {
            "" => PossibleValue::new(*word),
            help => PossibleValue::new(*word).help(help),
        })
        .collect();
    let read = move |word: String| {
        let meant = words.iter().find(|(known, ..)| *known == word).map_or("", |(_, text, _)| text);
        LookPatch::read(parameter.name, meant)
    };
    PossibleValuesParser::new(possible).try_map(read).into()
}
