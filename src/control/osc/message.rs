//! What a message means, and what the parameters of a look are as messages.

use rosc::{OscMessage, OscType};

use crate::control::desk::{Wish, change};
use crate::style::look::{Kind, Mix, PARAMETERS, Parameter};
use crate::style::{Look, LookPatch};
use crate::suggest::did_you_mean;

/// What all addresses begin with.
const ROOT: &str = "/impasto/";

/// What is wished.
#[derive(Debug, PartialEq)]
pub enum Command {
    /// The sender is told of changes from now on, or no longer.
    Subscribe(bool),
    /// Of the stream of that name.
    Stream(String, Wish),
}

/// # Errors
/// There is no such address, or it takes other values.
pub fn read(message: &OscMessage) -> Result<Command, String> {
    let OscMessage { addr, args } = message;
    let path = addr.strip_prefix(ROOT).ok_or_else(|| format!("`{addr}`: addresses begin with {ROOT}"))?;
    let wish = match path.split('/').collect::<Vec<_>>()[..] {
        ["subscribe"] => return Ok(Command::Subscribe(true)),
        ["unsubscribe"] => return Ok(Command::Subscribe(false)),
        [stream, "blend", style] => {
            (stream, Wish::Weight(style.into(), number(args).ok_or_else(|| takes(addr, "a number"))?))
        }
        [stream, name] => (stream, wish(name, args).map_err(|what| format!("{addr}: {what}"))?),
        _ => return Err(format!("`{addr}`: there is no such address")),
    };
    Ok(Command::Stream(wish.0.into(), wish.1))
}

/// The stream that a message may belong to, whether it is understood or not.
pub fn stream_of(message: &OscMessage) -> Option<&str> {
    message.addr.strip_prefix(ROOT)?.split_once('/').map(|(stream, _)| stream)
}

fn takes(addr: &str, what: &str) -> String {
    format!("{addr} takes {what}")
}

fn wish(name: &str, args: &[OscType]) -> Result<Wish, String> {
    match (name, args) {
        // Buttons send 0 when they are let go.
        ("next", args) if number(args) == Some(0.0) => Ok(Wish::Nothing),
        ("next", _) => Ok(Wish::Next),
        ("preset", [OscType::String(preset)]) => Ok(Wish::Preset(preset.clone())),
        ("preset", _) => Err("it takes the name of a preset".into()),
        ("style", [OscType::String(style)]) => {
            change(LookPatch { styles: Some(Mix::only(style)), ..LookPatch::default() })
        }
        ("style", _) => Err("it takes the name of a style".into()),
        ("blend", pairs) => {
            let mix = pairs.chunks(2).map(|pair| match pair {
                [OscType::String(style), weight] => Some((style.clone(), number(std::slice::from_ref(weight))?)),
                _ => None,
            });
            let mix: Option<_> = mix.collect();
            let styles = mix.ok_or("it takes styles, each with its weight: \"a\" 0.7 \"b\" 0.3")?;
            change(LookPatch { styles: Some(Mix(styles)), ..LookPatch::default() })
        }
        (name, args) => {
            let known = || PARAMETERS.iter().map(|parameter| parameter.name);
            let parameter = PARAMETERS.iter().find(|parameter| parameter.name == name);
            let parameter = parameter.ok_or_else(|| format!("there is no `{name}`{}", did_you_mean(name, known())))?;
            let text = text(parameter, args).ok_or("it takes one number, word or truth value")?;
            change(LookPatch::read(name, &text)?)
        }
    }
}

fn number(args: &[OscType]) -> Option<f32> {
    match args {
        [OscType::Float(number)] => Some(*number),
        [OscType::Double(number)] => Some(*number as f32),
        [OscType::Int(number)] => Some(*number as f32),
        [OscType::Long(number)] => Some(*number as f32),
        [OscType::Bool(on)] => Some(if *on { 1.0 } else { 0.0 }),
        _ => None,
    }
}

/// The value as the command line has it.
fn text(parameter: &Parameter, args: &[OscType]) -> Option<String> {
    if let [OscType::String(text)] = args {
        return Some(text.clone());
    }
    let number = number(args)?;
    Some(match parameter.kind {
        Kind::Switch { .. } => (number != 0.0).to_string(),
        Kind::Milliseconds { .. } => number.round().to_string(),
        _ => number.to_string(),
    })
}

/// A look as messages to those who follow it, in the order of the parameters.
pub fn describe(stream: &str, look: &Look) -> impl Iterator<Item = OscMessage> {
    let value = |kind: Kind, text: String| match kind {
        Kind::Share { .. } => text.parse().map_or(OscType::String(text), OscType::Float),
        Kind::Switch { .. } => OscType::Bool(text == "true"),
        Kind::Milliseconds { .. } => OscType::Int(text.parse().unwrap_or_default()),
        _ => OscType::String(text),
    };
    PARAMETERS.iter().zip(look.texts()).map(move |(parameter, text)| OscMessage {
        addr: format!("{ROOT}{stream}/{}", parameter.name),
        args: vec![value(parameter.kind, text)],
    })
}

/// Why something was refused.
pub fn error(stream: &str, what: String) -> OscMessage {
    OscMessage { addr: format!("{ROOT}{stream}/error"), args: vec![OscType::String(what)] }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn sent(addr: &str, args: Vec<OscType>) -> Result<Command, String> {
        read(&OscMessage { addr: addr.into(), args })
    }

    fn patched(addr: &str, args: Vec<OscType>) -> Look {
        match sent(addr, args) {
            Ok(Command::Stream(stream, Wish::Look(patch))) if stream == "live" => Look::default().patched(&patch),
            other => panic!("{addr}: {other:?}"),
        }
    }

    #[test]
    fn numbers_words_and_truth_values_are_taken_as_they_are_meant() {
        let (word, float) = (|text: &str| OscType::String(text.into()), OscType::Float);
        assert_eq!(patched("/impasto/live/strength", vec![float(0.5)]).strength, 0.5);
        assert_eq!(patched("/impasto/live/strength", vec![OscType::Int(0)]).strength, 0.0);
        assert!(patched("/impasto/live/keep_colours", vec![float(1.0)]).keep_colours);
        assert!(patched("/impasto/live/keep_colours", vec![OscType::Bool(true)]).keep_colours);
        assert_eq!(patched("/impasto/live/fade_ms", vec![float(1500.2)]).fade_ms, 1500);
        assert_eq!(patched("/impasto/live/style", vec![word("great_wave")]).styles, Mix::only("great_wave"));
        let mix = "a=0.75,b=0.25".parse().unwrap();
        assert_eq!(patched("/impasto/live/styles", vec![word("a=0.75,b=0.25")]).styles, mix);
        let pairs = vec![word("a"), float(0.75), word("b"), float(0.25)];
        assert_eq!(patched("/impasto/live/blend", pairs).styles, mix);
        let weight = Command::Stream("hall".into(), Wish::Weight("a".into(), 0.5));
        assert_eq!(sent("/impasto/hall/blend/a", vec![float(0.5)]), Ok(weight));
        let next = |wish| Ok(Command::Stream("live".into(), wish));
        assert_eq!(sent("/impasto/live/next", vec![]), next(Wish::Next));
        assert_eq!(sent("/impasto/live/next", vec![float(0.0)]), next(Wish::Nothing));
        assert_eq!(sent("/impasto/live/preset", vec![word("dusk")]), next(Wish::Preset("dusk".into())));
        assert_eq!(sent("/impasto/subscribe", vec![]), Ok(Command::Subscribe(true)));
        for (addr, args, words) in [
            ("/impasto/live/strength", vec![float(1.5)], "1.5: 0 to 1"),
            ("/impasto/live/strength", vec![float(f32::NAN)], "0 to 1"),
            ("/impasto/live/strength", vec![OscType::Blob(vec![1])], "takes one number"),
            ("/impasto/live/strength", vec![float(0.1), float(0.2)], "takes one number"),
            ("/impasto/live/strenght", vec![float(0.1)], "did you mean `strength`?"),
            ("/impasto/live/steadiness", vec![word("flow")], "for films"),
            ("/impasto/live/preset", vec![float(1.0)], "name of a preset"),
            ("/impasto/live/blend", vec![word("a")], "each with its weight"),
            ("/impasto/live/a/b/c", vec![], "no such address"),
            ("/other", vec![], "begin with /impasto/"),
        ] {
            let refused = sent(addr, args).unwrap_err();
            assert!(refused.contains(words), "{addr}: {refused}");
        }
    }

    #[test]
    fn every_parameter_is_told_as_it_can_be_sent_back() {
        for patch in
            ["{}", r#"{"keep_colours": true, "stroke": 0.5, "mask_other": "blur", "fade_ms": 700, "styles": "a=2,b"}"#]
        {
            let look = Look::default().patched(&serde_json::from_str(patch).unwrap());
            let mut back = Look::default();
            for message in describe("live", &look) {
                match read(&message) {
                    Ok(Command::Stream(_, Wish::Look(patch))) => back = back.patched(&patch),
                    other => panic!("{message:?}: {other:?}"),
                }
            }
            assert_eq!(back, look);
        }
    }
}
