//! Every crate that Impasto is built from has a licence of the list in `deny.toml`, and comes from crates.io.

mod common;

use std::process::Command;

/// Whether an SPDX expression can be met with `allowed` licences alone. `/` is an old way to write OR.
fn met(expression: &str, allowed: &[&str]) -> bool {
    let expression = expression.replace('/', " OR ");
    let words: Vec<&str> = expression.split_whitespace().flat_map(brackets).collect();
    let mut rest = &words[..];
    let met = any(&mut rest, allowed);
    assert!(rest.is_empty(), "cannot read the licence `{expression}`");
    met
}

fn brackets(word: &str) -> Vec<&str> {
    let inner = word.trim_start_matches('(').trim_end_matches(')');
    let (opened, closed) = (word.matches('(').count(), word.matches(')').count());
    [vec!["("; opened], vec![inner], vec![")"; closed]].concat()
}

fn any(words: &mut &[&str], allowed: &[&str]) -> bool {
    let mut met = all(words, allowed);
    while words.first() == Some(&"OR") {
        *words = &words[1..];
        met |= all(words, allowed);
    }
    met
}

fn all(words: &mut &[&str], allowed: &[&str]) -> bool {
    let mut met = one(words, allowed);
    while words.first() == Some(&"AND") {
        *words = &words[1..];
        met &= one(words, allowed);
    }
    met
}

fn one(words: &mut &[&str], allowed: &[&str]) -> bool {
    let Some((&first, rest)) = words.split_first() else { panic!("the licence ends too early") };
    *words = rest;
    if first == "(" {
        let met = any(words, allowed);
        assert_eq!(words.first(), Some(&")"));
        *words = &words[1..];
        return met;
    }
    match words {
        ["WITH", exception, rest @ ..] => {
            let whole = format!("{first} WITH {exception}");
            *words = rest;
            allowed.contains(&whole.as_str())
        }
        _ => allowed.contains(&first),
    }
}

#[test]
fn licence_expressions_are_understood() {
    let allowed = ["MIT", "Zlib", "Apache-2.0 WITH LLVM-exception"];
    for good in ["MIT", "GPL-3.0 OR MIT", "GPL-3.0/MIT", "(MIT OR GPL-3.0) AND Zlib", "Apache-2.0 WITH LLVM-exception"]
    {
        assert!(met(good, &allowed), "{good}");
    }
    for bad in ["GPL-3.0", "MIT AND GPL-3.0", "(MIT OR Zlib) AND GPL-3.0", "Apache-2.0"] {
        assert!(!met(bad, &allowed), "{bad}");
    }
}

#[test]
fn every_crate_may_be_used() {
    let deny: toml::Table = std::fs::read_to_string(common::project("deny.toml")).unwrap().parse().unwrap();
    let allowed: Vec<&str> =
        deny["licenses"]["allow"].as_array().unwrap().iter().filter_map(|name| name.as_str()).collect();
    let rustc = Command::new("rustc").arg("-vV").output().unwrap();
    let about = String::from_utf8(rustc.stdout).unwrap();
    let host = about.lines().find_map(|line| line.strip_prefix("host: ")).unwrap();
    // What is built for this machine is in the local registry already: no network is needed.
    let metadata = Command::new(env!("CARGO"))
        .args(["metadata", "--locked", "--offline", "--format-version", "1", "--filter-platform", host])
        .current_dir(common::project(""))
        .output()
        .unwrap();
    assert!(metadata.status.success(), "{}", String::from_utf8_lossy(&metadata.stderr));
    let metadata: serde_json::Value = serde_json::from_slice(&metadata.stdout).unwrap();
    let packages = metadata["packages"].as_array().unwrap();
    assert!(packages.len() > 50);
    for package in packages {
        let (name, licence) = (&package["name"], package["license"].as_str().unwrap_or("none"));
        assert!(met(licence, &allowed), "{name} has the licence `{licence}`, which deny.toml does not allow");
        let source = package["source"].as_str();
        assert!(source.is_none_or(|source| source.ends_with("crates.io-index")), "{name} comes from {source:?}");
    }
}
