//! `new`, `explain`, `schema`, `completions`: for people who write scenarios.

use clap::CommandFactory as _;
use meshdrill_checks::exit_code::ExitCode;
use meshdrill_document::nearest;

use super::args::{Cli, CompletionsArgs, ExplainArgs, NewArgs, NewKind, SchemaArgs, SchemaKind};
use super::error::{CliError, UsageError};
use crate::spec;

const DRILL: &str = include_str!("scaffold/drill.yaml");
const VALIDATION: &str = include_str!("scaffold/validation.yaml");
const SIGN_OFF: &str = include_str!("scaffold/signoff.yaml");
const ATTESTATIONS: &str = include_str!("scaffold/attestations.yaml");

/// Prints a scaffold.
pub(super) fn new(args: &NewArgs) -> Result<ExitCode, CliError> {
    let well_formed = args.name.chars().all(|c| c.is_ascii_lowercase() || c.is_ascii_digit() || c == '-');
    if args.name.is_empty() || !well_formed {
        return Err(UsageError::Name(args.name.clone()).into());
    }
    let scaffold = match args.kind {
        NewKind::Drill => DRILL,
        NewKind::Validation => VALIDATION,
        NewKind::Signoff => SIGN_OFF,
        NewKind::Attestations => ATTESTATIONS,
    };
    super::say_part!("{}", scaffold.replace("NAME", &args.name));
    Ok(ExitCode::Pass)
}

/// Explains a kind, a section, or a part of one.
pub(super) fn explain(args: &ExplainArgs) -> Result<ExitCode, CliError> {
    let known = spec::kinds();
    let Some(path) = &args.path else {
        let width = known.iter().map(|(name, _)| name.len()).max().unwrap_or_default();
        for (name, what) in known {
            super::say!("{name:width$}  {what}");
        }
        return Ok(ExitCode::Pass);
    };
    if let Some(text) = spec::explain(path, args.recursive) {
        super::say_part!("{text}");
        return Ok(ExitCode::Pass);
    }
    if let Some(text) = ["scenario", "mesh", "signoff"]
        .into_iter()
        .find_map(|file| spec::explain(&format!("{file}.{path}"), args.recursive))
    {
        super::say_part!("{text}");
        return Ok(ExitCode::Pass);
    }
    // The longest known part of the path shows what could be written instead.
    let mut parts: Vec<&str> = path.split('.').collect();
    while let Some(wrong) = parts.pop().filter(|_| !parts.is_empty()) {
        let whole = parts.join(".");
        if let Some(text) = spec::explain(&whole, false) {
            let (key, help) = (wrong.to_owned(), text.trim_end().to_owned());
            return Err(UsageError::NoSuchKey { section: whole, key, help }.into());
        }
    }
    let nearest = nearest(path, known.iter().map(|(name, _)| name.as_str())).map(str::to_owned);
    Err(UsageError::NotExplained { path: path.clone(), nearest }.into())
}

/// Prints a schema.
pub(super) fn schema(args: &SchemaArgs) -> Result<ExitCode, CliError> {
    let schema = match args.file {
        SchemaKind::Scenario => spec::scenario_schema(),
        SchemaKind::Mesh => spec::mesh_schema(),
        SchemaKind::Signoff => spec::sign_off_schema(),
        SchemaKind::Attestations => spec::attestations_schema(),
        SchemaKind::Findings => spec::findings_schema(),
        SchemaKind::Record => meshdrill_checks::record::line_schema(),
    };
    let text = serde_json::to_string_pretty(&schema)
        .map_err(|error| CliError::Unwritable { what: "the schema", source: error.into() })?;
    super::say!("{text}");
    Ok(ExitCode::Pass)
}

/// Prints completions.
pub(super) fn completions(args: &CompletionsArgs) -> ExitCode {
    let mut text = Vec::new();
    clap_complete::generate(args.shell, &mut Cli::command(), "meshdrill", &mut text);
    super::say_part!("{}", String::from_utf8_lossy(&text));
    ExitCode::Pass
}
