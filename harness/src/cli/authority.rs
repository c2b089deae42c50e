//! Who does, approves and watches a change: by flags of `run`, or a file.

use jiff::Timestamp;
use meshdrill_checks::record::{Approver, Change, Participant};
use meshdrill_document::{Decoded, Problem, Problems, decode, read_file};
use serde::Deserialize;

use super::args::RunArgs;
use super::error::{CliError, UsageError};
use crate::run::ChangeWindow;

/// The change that a run is part of.
#[derive(Debug, Clone)]
pub(super) struct Authority {
    /// As it is recorded.
    pub change: Change,
    /// The only time in which something may be broken.
    pub window: Option<ChangeWindow>,
}

/// A file of `--participants`.
#[derive(Debug, Default, Deserialize)]
#[serde(deny_unknown_fields)]
struct ParticipantsFile {
    #[serde(default)]
    participants: Vec<Participant>,
    #[serde(default)]
    approver: Option<Approver>,
    #[serde(default)]
    ticket: Option<String>,
    #[serde(default)]
    window: Option<String>,
}

/// The change by flags and file; a flag takes precedence, and participants of both take part.
pub(super) fn authority(args: &RunArgs) -> Result<Authority, CliError> {
    let (file, file_window) = match &args.participants {
        Some(path) => read(path).map_err(|problems| {
            eprint!("{}", problems.render(super::colour()));
            UsageError::InvalidParticipants
        })?,
        None => (ParticipantsFile::default(), None),
    };
    let named = args.participant.iter().map(|text| participant(text)).collect::<Result<Vec<_>, _>>()?;
    let window = args.window.or(file_window);
    let approver = args.approver.clone().map(|name| Approver { name, at: None });
    let change = Change {
        ticket: args.ticket.clone().or(file.ticket),
        by: args.by.clone(),
        window: window.map(|window| window.to_string()),
        approver: approver.or(file.approver),
        participants: file.participants.into_iter().chain(named).collect(),
    };
    Ok(Authority { change, window })
}

fn participant(text: &str) -> Result<Participant, UsageError> {
    let parts = text.split_once('=').map(|(name, role)| (name.trim(), role.trim()));
    match parts.filter(|(name, role)| !name.is_empty() && !role.is_empty()) {
        Some((name, role)) => Ok(Participant { name: name.to_owned(), role: role.to_owned() }),
        None => Err(UsageError::Participant(text.to_owned())),
    }
}

fn read(path: &std::path::Path) -> Result<(ParticipantsFile, Option<ChangeWindow>), Problems> {
    let (source, node) = read_file(path)?;
    let Decoded { value, mut problems, .. } = decode::<ParticipantsFile>(&node);
    let mut wrong = |message: String, help: &str| problems.push(Problem::of_file(message).help(help));
    let file = value.unwrap_or_default();
    if let Some(at) = file.approver.as_ref().and_then(|approver| approver.at.as_ref())
        && at.parse::<Timestamp>().is_err()
    {
        wrong(format!("approver.at: `{at}` is no time"), "write date, time and offset, as 2026-11-23T16:00:00Z");
    }
    let window = match file.window.as_deref().map(str::parse::<ChangeWindow>) {
        Some(Err(error)) => {
            wrong(format!("window: {error}"), "or leave it out");
            None
        }
        Some(Ok(window)) => Some(window),
        None => None,
    };
    if problems.is_empty() { Ok((file, window)) } else { Err(Problems::new(source, problems)) }
}
