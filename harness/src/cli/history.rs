//! `history`: the scorecards of many nights, offline.

use std::collections::{BTreeMap, BTreeSet};
use std::fs::File;
use std::io::Read as _;
use std::path::{Path, PathBuf};

use clap::Args;
use meshdrill_checks::exit_code::ExitCode;
use meshdrill_checks::verdict::Verdict;
use meshdrill_evidence::document::{EVIDENCE, NOT_RECORDED};
use meshdrill_history::card::Card;
use meshdrill_history::nights::{History, Source, to_text};
use meshdrill_history::site::{INDEX, pages};
use meshdrill_reports::inert;
use serde_json::Value;

use super::error::{CliError, FileError, UsageError};
use super::recorded::{finding_owners, has_record};
use crate::reporting::{PAGE, SCORECARD, link, today};
use crate::run::write_atomically;

#[derive(Debug, Clone, Args)]
pub(super) struct HistoryArgs {
    /// Folders with run directories at any depth, run directories, or scorecards
    #[arg(required = true, value_name = "DIR|FILE")]
    pub paths: Vec<PathBuf>,
    /// Also write pages into this folder: an index of nights, and a page for each scenario
    #[arg(long, value_name = "DIR")]
    pub html: Option<PathBuf>,
    /// File of who takes care of findings, and until when
    #[arg(long, value_name = "FILE")]
    pub findings: Option<PathBuf>,
    /// Print JSON
    #[arg(long)]
    pub json: bool,
}

/// How deep folders are searched.
const DEPTH: usize = 8;
/// The largest file that is read: a scorecard has kilobytes.
const LARGEST: u64 = 64 << 20;
/// How many warnings are shown.
const WARNINGS: usize = 20;

/// Reads, prints, and writes pages.
pub(super) fn history(args: &HistoryArgs) -> Result<ExitCode, CliError> {
    // A path that cannot be written fails before anything is read.
    if let Some(folder) = &args.html {
        std::fs::create_dir_all(folder).map_err(|error| FileError::unwritable(folder, error))?;
    }
    let owners = finding_owners(args.findings.as_deref())?;
    let mut found = Found::default();
    for path in &args.paths {
        let kind = std::fs::metadata(path).map_err(|error| FileError::unreadable(path, error))?;
        if kind.is_file() { found.files.push(path.clone()) } else { found.search(path, 0) }
    }
    let mut sources = Vec::with_capacity(found.files.len());
    for file in found.files {
        match card(&file) {
            Ok(card) => {
                let report =
                    args.html.as_ref().and_then(|folder| link(&folder.join(INDEX), &file.with_file_name(PAGE)));
                let place = file.display().to_string();
                let path = place.strip_suffix(&format!("/{SCORECARD}")).unwrap_or(&place).to_owned();
                sources.push(Source { card, path, report, clusters: BTreeMap::new() });
            }
            Err(why) => found.warnings.push(format!("{} is left out: {why}", file.display())),
        }
    }
    let nothing = sources.is_empty();
    identify(&mut sources);
    let history = History::new(sources, found.warnings).with_findings(&owners, today());
    warn(&history.warnings);
    if nothing {
        return Err(UsageError::NoScorecards(args.paths[0].clone()).into());
    }
    if args.json {
        super::say!("{}", history.to_json().map_err(meshdrill_reports::ReportError::from)?);
    } else {
        super::say_part!("{}", to_text(&history));
    }
    if let Some(folder) = &args.html {
        // The index comes last: what it links to is there.
        for (name, bytes) in pages(&history) {
            let path = folder.join(&name);
            write_atomically(&path, &bytes).map_err(|error| FileError::unwritable(&path, error))?;
        }
        super::say_err!("pages: {}", folder.join(INDEX).display());
    }
    Ok(ExitCode::Pass)
}

/// Reads the clusters of the runs of drills that failed in any night: a finding is closed on the same clusters only.
fn identify(sources: &mut [Source]) {
    let failed = |card: &Card| card.criteria.iter().any(|one| one.verdict == Verdict::Fail);
    let failed = sources.iter().filter(|source| !source.card.faults.is_empty() && failed(&source.card));
    let failed: BTreeSet<String> = failed.map(|source| source.card.title()).collect();
    for source in sources.iter_mut().filter(|source| !source.card.run.lab && failed.contains(&source.card.title())) {
        let file = Path::new(&source.path).join(EVIDENCE);
        let evidence: Value =
            read(&file).ok().and_then(|bytes| serde_json::from_slice(&bytes).ok()).unwrap_or_default();
        let clusters = evidence["scope"]["clusters"].as_array().into_iter().flatten();
        let known = |uid: &Value| uid.as_str().filter(|uid| *uid != NOT_RECORDED).map(str::to_owned);
        source.clusters =
            clusters.filter_map(|one| Some((one["cluster"].as_str()?.to_owned(), known(&one["uid"])))).collect();
    }
}

fn warn(warnings: &[String]) {
    warnings.iter().take(WARNINGS).for_each(|warning| super::say_err!("warning: {}", inert(warning)));
    if warnings.len() > WARNINGS {
        super::say_err!("warning: {} more files or names; --json lists all", warnings.len() - WARNINGS);
    }
}

/// Reads a scorecard.
fn card(path: &Path) -> Result<Card, String> {
    Card::read(&read(path)?).map_err(|error| error.to_string())
}

/// The bytes of a file of a run.
fn read(path: &Path) -> Result<Vec<u8>, String> {
    let file = File::open(path).map_err(|error| error.to_string())?;
    let mut bytes = Vec::new();
    file.take(LARGEST + 1).read_to_end(&mut bytes).map_err(|error| error.to_string())?;
    if bytes.len() as u64 > LARGEST {
        return Err(format!("larger than {} MB", LARGEST >> 20));
    }
    if bytes.is_empty() {
        return Err("the file is empty".to_owned());
    }
    Ok(bytes)
}

/// The scorecards below some folders.
#[derive(Default)]
struct Found {
    files: Vec<PathBuf>,
    warnings: Vec<String>,
}

impl Found {
    fn search(&mut self, folder: &Path, depth: usize) {
        let card = folder.join(SCORECARD);
        if card.is_file() {
            self.files.push(card);
            return;
        }
        if has_record(folder) {
            let folder = folder.display();
            self.warnings.push(format!(
                "{folder} is left out: it has a record and no {SCORECARD}, so its run was killed; `meshdrill report {folder} --format json --out {folder}/{SCORECARD}` judges it"
            ));
            return;
        }
        let entries = match std::fs::read_dir(folder) {
            Ok(entries) => entries,
            Err(error) => return self.warnings.push(format!("{} is left out: {error}", folder.display())),
        };
        if depth == DEPTH {
            return self.warnings.push(format!("{} is left out: folders are searched {DEPTH} deep", folder.display()));
        }
        // Links are not followed: they may lead round in a circle.
        let folders = entries.filter_map(Result::ok).filter(|entry| entry.file_type().is_ok_and(|kind| kind.is_dir()));
        let mut folders: Vec<PathBuf> = folders.map(|entry| entry.path()).collect();
        folders.sort();
        folders.iter().for_each(|folder| self.search(folder, depth + 1));
    }
}
