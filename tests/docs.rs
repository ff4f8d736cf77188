//! The documents are true: their commands and configs are taken, their links lead somewhere, and the API's reference says
//! what its OpenAPI document says.
//!
//! `IMPASTO_WRITE_DOCS=1 cargo test --release --test docs` writes `docs/api.md` anew.

mod common;

use std::collections::BTreeSet;
use std::fmt::Write;
use std::path::{Path, PathBuf};

use clap::{CommandFactory, Parser};
use impasto::cli::Cli;
use impasto::style::manifest::Manifest;
use serde_json::Value;

use common::http::Api;
use common::{project, run};

/// The documents that users read.
fn documents() -> Vec<PathBuf> {
    let pages = std::fs::read_dir(project("docs")).unwrap().map(|entry| entry.unwrap().path());
    let mut all: Vec<_> = pages.filter(|path| path.extension().is_some_and(|ending| ending == "md")).collect();
    all.extend(
        ["README.md", "models/README.md", "config/cluster/README.md", "config/monitoring/README.md"].map(project),
    );
    all.sort();
    all
}

fn read(path: &Path) -> String {
    std::fs::read_to_string(path).unwrap_or_else(|error| panic!("{}: {error}", path.display()))
}

/// The fenced blocks of a document in one language.
fn blocks(text: &str, language: &str) -> Vec<String> {
    let parts = text.split("```").skip(1).step_by(2);
    parts.filter_map(|block| block.strip_prefix(&format!("{language}\n"))).map(String::from).collect()
}

/// A document without its fenced blocks.
fn prose(text: &str) -> String {
    text.split("```").step_by(2).collect()
}

/// What stands between backticks.
fn spans(text: &str) -> Vec<String> {
    prose(text)
        .split('`')
        .skip(1)
        .step_by(2)
        .map(|span| span.split_whitespace().collect::<Vec<_>>().join(" "))
        .collect()
}

#[test]
fn commands_and_configs_are_taken() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("of_a_document.toml");
    let (mut commands, mut configs) = (0, 0);
    for path in documents() {
        let (text, name) = (read(&path), path.display());
        for line in
            blocks(&text, "sh").iter().flat_map(|block| block.lines()).filter(|line| line.starts_with("impasto "))
        {
            let line = line.split("  #").next().unwrap_or(line);
            let parsed = Cli::try_parse_from(line.split_whitespace());
            assert!(parsed.is_ok(), "{name}: {line}: {}", parsed.unwrap_err());
            commands += 1;
        }
        if path.ends_with("models/README.md") {
            for contract in blocks(&text, "toml").iter().filter(|contract| !contract.starts_with("kind = \"mask\"")) {
                let network = contract.strip_prefix("name = \"").and_then(|rest| rest.split('"').next()).unwrap();
                let manifest = Manifest::parse(contract, &Path::new(network).with_extension("toml"));
                assert!(manifest.is_ok(), "{name}: {}", manifest.unwrap_err());
            }
            continue;
        }
        for config in blocks(&text, "toml") {
            std::fs::write(&file, &config).unwrap();
            let checked = run(&["check", file.to_str().unwrap()]);
            assert_eq!(checked.code, 0, "{name}: {config}{}", checked.stderr);
            configs += 1;
        }
    }
    assert!(commands >= 40 && configs >= 4, "{commands} commands, {configs} configs");
}

#[test]
fn flags_that_are_named_exist() {
    let mut flags = BTreeSet::new();
    let mut commands = vec![Cli::command()];
    while let Some(command) = commands.pop() {
        flags.extend(command.get_arguments().filter_map(|flag| flag.get_long().map(String::from)));
        commands.extend(command.get_subcommands().cloned());
    }
    // Of `./dev`.
    flags.extend(["cluster".into(), "test".into()]);
    let mut named = 0;
    for path in documents().iter().filter(|path| !path.ends_with("models/README.md")) {
        for span in spans(&read(path)).iter().filter_map(|span| span.strip_prefix("--")) {
            let flag = span.split([' ', '=']).next().unwrap();
            assert!(flags.contains(flag), "{}: there is no --{flag}", path.display());
            named += 1;
        }
    }
    assert!(named >= 30, "{named} flags");
}

/// What GitHub and mdBook make of a heading for its link.
fn anchor(heading: &str) -> String {
    let kept = heading.trim().to_lowercase();
    kept.chars().filter(|c| c.is_alphanumeric() || " -_".contains(*c)).map(|c| if c == ' ' { '-' } else { c }).collect()
}

#[test]
fn links_lead_somewhere() {
    let mut followed = 0;
    for path in documents() {
        let text = prose(&read(&path));
        for target in text.split("](").skip(1).map(|rest| rest.split(')').next().unwrap()) {
            if target.contains("://") {
                continue;
            }
            let (file, place) = target.split_once('#').unwrap_or((target, ""));
            let file = if file.is_empty() { path.clone() } else { path.parent().unwrap().join(file) };
            assert!(file.exists(), "{}: nothing at {target}", path.display());
            if !place.is_empty() {
                let text = read(&file);
                let headings =
                    text.lines().filter(|line| line.starts_with('#')).map(|line| anchor(line.trim_start_matches('#')));
                assert!(
                    headings.into_iter().any(|heading| heading == place),
                    "{}: no heading at {target}",
                    path.display()
                );
            }
            followed += 1;
        }
    }
    assert!(followed >= 40, "{followed} links");
}

#[test]
fn every_page_is_in_the_table_of_contents() {
    let contents = read(&project("docs/SUMMARY.md"));
    for page in
        std::fs::read_dir(project("docs")).unwrap().map(|entry| entry.unwrap().file_name().into_string().unwrap())
    {
        if page.ends_with(".md") && page != "SUMMARY.md" {
            assert!(contents.contains(&format!("]({page})")), "{page} is not in docs/SUMMARY.md");
        }
    }
}

#[test]
fn the_api_reference_says_what_the_openapi_document_says() {
    let (_run, api) = Api::start(&["--source", "test", "--rtsp", "off"]);
    let (written, path) = (reference(&api.get("/api/v1/openapi.json").value()), project("docs/api.md"));
    if std::env::var_os("IMPASTO_WRITE_DOCS").is_some() {
        std::fs::write(&path, &written).unwrap();
    }
    let there = read(&path);
    let differs = there.lines().zip(written.lines()).find(|(there, written)| there != written);
    assert!(there == written, "docs/api.md is old (IMPASTO_WRITE_DOCS=1 writes it anew): {differs:?}");
}

/// The page of the API: its requests in the order of their addresses, then what is sent and answered.
fn reference(document: &Value) -> String {
    let mut page = String::from(
        "# API reference\n\nWritten by `tests/docs.rs` from the OpenAPI document, which a daemon serves at \
         `/api/v1/openapi.json`. [The page, the command line, the API](control.md) has examples, [Security](security.md) who may \
         call it.\n\n## Requests\n",
    );
    for (address, methods) in document["paths"].as_object().unwrap() {
        for (method, operation) in methods.as_object().unwrap().iter().filter(|(name, _)| *name != "parameters") {
            request(&mut page, &method.to_uppercase(), address, operation);
        }
    }
    page.push_str("\n## What is sent and answered\n");
    for (name, schema) in document["components"]["schemas"].as_object().unwrap() {
        let _ = write!(page, "\n### {name}\n\n");
        for kind in schema["oneOf"].as_array().unwrap_or(&vec![schema.clone()]) {
            properties(&mut page, kind);
        }
    }
    page.push_str("\n## Refusals\n\n| status | when |\n|---|---|\n");
    for response in document["components"]["responses"].as_object().unwrap().values() {
        let example =
            response["content"].as_object().and_then(|content| content.values().next()).map(|body| &body["example"]);
        let status = example
            .and_then(|example| example["status"].as_u64())
            .map_or(String::from("-"), |status| status.to_string());
        let _ = writeln!(page, "| {status} | {} |", cell(&response["description"]));
    }
    page
}

fn request(page: &mut String, method: &str, address: &str, operation: &Value) {
    let _ = write!(page, "\n### {method} {address}\n\n{}\n", operation["summary"].as_str().unwrap());
    for parameter in operation["parameters"].as_array().into_iter().flatten() {
        let _ = write!(page, "\n- `?{}=`: {}", parameter["name"].as_str().unwrap(), cell(&parameter["description"]));
    }
    if operation["parameters"].is_array() {
        page.push('\n');
    }
    let bodies = operation["requestBody"]["content"].as_object();
    for (kind, body) in bodies.into_iter().flatten() {
        let _ = writeln!(page, "\nTakes `{kind}`: {}.", kind_of(&body["schema"]));
    }
    for (status, answer) in
        operation["responses"].as_object().unwrap().iter().filter(|(status, _)| status.starts_with('2'))
    {
        let kinds: Vec<_> = answer["content"]
            .as_object()
            .into_iter()
            .flatten()
            .map(|(kind, body)| match kind_of(&body["schema"]).as_str() {
                "" | "text" | "bytes" => format!("`{kind}`"),
                schema => format!("`{kind}`: {schema}"),
            })
            .collect();
        let _ =
            writeln!(page, "\nAnswers {status}{}{}.", if kinds.is_empty() { "" } else { " with " }, kinds.join(" or "));
    }
}

fn properties(page: &mut String, schema: &Value) {
    let Some(properties) = schema["properties"].as_object() else {
        let _ = writeln!(page, "{}", kind_of(schema));
        return;
    };
    page.push_str("| key | type | |\n|---|---|---|\n");
    let required: Vec<_> = schema["required"].as_array().into_iter().flatten().filter_map(Value::as_str).collect();
    for (name, property) in properties {
        let default = match &property["default"] {
            Value::Null => String::new(),
            default => format!(" Default: `{default}`."),
        };
        let needed = if required.contains(&name.as_str()) { "" } else { ", may be left out" };
        let _ = writeln!(
            page,
            "| `{name}` | {}{needed} | {}{default} |",
            kind_of(property),
            cell(&property["description"])
        );
    }
    page.push('\n');
}

/// A schema in a few words; one with a name is a link.
fn kind_of(schema: &Value) -> String {
    if let Some(name) = schema["$ref"].as_str().and_then(|name| name.rsplit('/').next()) {
        return format!("[{name}](#{})", name.to_lowercase());
    }
    for together in ["oneOf", "allOf", "anyOf"] {
        if let Some(parts) = schema[together].as_array() {
            let parts: Vec<_> = parts.iter().map(kind_of).collect();
            return parts.join(if together == "allOf" { " and " } else { " or " });
        }
    }
    if let Some(values) = schema["enum"].as_array() {
        return values
            .iter()
            .map(|value| format!("`{}`", value.as_str().unwrap_or("null")))
            .collect::<Vec<_>>()
            .join(", ");
    }
    if let Some(value) = schema["const"].as_str() {
        return format!("`{value}`");
    }
    let names: Vec<&str> = match &schema["type"] {
        Value::Array(names) => names.iter().filter_map(Value::as_str).collect(),
        name => name.as_str().into_iter().collect(),
    };
    let said = names.iter().map(|name| match *name {
        "array" => format!("list of {}", kind_of(&schema["items"])),
        "string" if schema["format"] == "binary" => "bytes".into(),
        "string" => "text".into(),
        "object" if schema["additionalProperties"].is_object() => {
            format!("object of {}", kind_of(&schema["additionalProperties"]))
        }
        "number" | "integer" => range(name, schema),
        name => name.into(),
    });
    said.collect::<Vec<_>>().join(" or ")
}

fn range(name: &str, schema: &Value) -> String {
    match (&schema["minimum"], &schema["maximum"]) {
        (Value::Null, Value::Null) => name.into(),
        (least, Value::Null) => format!("{name} from {least}"),
        (Value::Null, most) => format!("{name} up to {most}"),
        (least, most) => format!("{name}, {least} to {most}"),
    }
}

fn cell(text: &Value) -> String {
    text.as_str().unwrap_or_default().replace('|', "\\|").replace('\n', " ")
}
