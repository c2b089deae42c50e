//! `signoff`: GO or NO-GO, from recorded runs.

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};

use jiff::Timestamp;
use meshdrill_checks::exit_code::ExitCode;
use meshdrill_evidence::manifest::MANIFEST;
use meshdrill_evidence::verify;
use meshdrill_signoff::{Attestation, Attestations, Offered, Required, RequiredLine, RequiredRun, Waivers, decide};

use super::args::SignoffArgs;
use super::error::{CliError, FileError, UsageError};
use super::evidence::run_files;
use super::left_out::LeftOut;
use super::mesh_file::find_mesh;
use super::plans::{self, Choice, Chosen};
use super::recorded::{finding_owners, has_record, shown};
use crate::format::MeshFile;
use crate::plan::Plan;
use crate::run::write_atomically;
use crate::spec::{RequireRow, load_attestations, load_sign_off};

/// How old evidence may be, unless someone says otherwise.
const MAX_AGE: &str = "7d";
/// The suite that is required unless a file says otherwise.
const SUITE: &str = "sign-off";

/// What the document looks like.
#[derive(Clone, Copy)]
enum Form {
    Markdown,
    Page,
    Json,
}

/// Decides, writes the document, and prints the decision.
pub(super) fn signoff(args: &SignoffArgs) -> Result<ExitCode, CliError> {
    // A wrong path is found before anything is read for long.
    let form = args.out.as_deref().map(form).transpose()?;
    let required = required(args)?;
    let attestations = attestations(args.attest.as_deref())?;
    let owners = finding_owners(args.findings.as_deref())?;
    let offered = offered(&args.runs)?;
    let decision = decide(&required, &offered, &attestations, &owners, Timestamp::now());
    if let (Some(path), Some(form)) = (&args.out, form) {
        let bytes = match form {
            Form::Markdown => meshdrill_signoff::markdown(&decision).into_bytes(),
            Form::Page => meshdrill_signoff::page(&decision),
            Form::Json => {
                let text = serde_json::to_string_pretty(&decision).map_err(std::io::Error::other)?;
                (text + "\n").into_bytes()
            }
        };
        write_atomically(path, &bytes).map_err(|error| FileError::unwritable(path, error))?;
    }
    super::say_part!("{}", meshdrill_signoff::text(&decision));
    Ok(if decision.is_go() { ExitCode::Pass } else { ExitCode::Fail })
}

fn form(path: &Path) -> Result<Form, UsageError> {
    match path.extension().and_then(|extension| extension.to_str()) {
        Some("md") => Ok(Form::Markdown),
        Some("html") => Ok(Form::Page),
        Some("json") => Ok(Form::Json),
        _ => Err(UsageError::SignoffForm(path.to_owned())),
    }
}

/// What is required: the rows of the file, or both suites.
fn required(args: &SignoffArgs) -> Result<Required, CliError> {
    let file = args.required.as_deref().map(load_sign_off).transpose().map_err(|problems| shown(&problems))?;
    let suites =
        || RequireRow { claim: None, scenarios: vec![SUITE.to_owned()], attested: None, waivers: Waivers::Allowed };
    let rows = file.as_ref().map_or_else(|| vec![suites()], |file| file.spec.require.clone());
    let in_file = file.as_ref().and_then(|file| file.spec.max_age);
    let max_age = match args.max_age.or(in_file) {
        Some(age) => age,
        None => MAX_AGE.parse().map_err(std::io::Error::other)?,
    };
    let mesh = find_mesh(args.mesh.as_deref())?;
    let mut lines = Vec::new();
    for row in &rows {
        lines.extend(of_row(args, mesh.as_ref(), row)?);
    }
    let clusters = mesh.iter().flat_map(|mesh| &mesh.spec.clusters);
    let uids = clusters.filter_map(|(key, cluster)| Some((key.clone(), cluster.uid.clone()?))).collect();
    let name = file.map(|file| file.metadata.name).or(mesh.map(|mesh| mesh.metadata.name));
    Ok(Required { name: name.unwrap_or_else(|| "sign-off".to_owned()), max_age, uids, lines })
}

/// The lines of a row: one with its claim, or one for each scenario.
fn of_row(args: &SignoffArgs, mesh: Option<&MeshFile>, row: &RequireRow) -> Result<Vec<RequiredLine>, CliError> {
    let (plans, left_out) =
        if row.scenarios.is_empty() { Default::default() } else { selected(args, mesh, &row.scenarios)? };
    let run = |plan: &Plan| RequiredRun {
        names: std::iter::once(&plan.name).chain(&plan.aliases).cloned().collect(),
        binding: plan.binding.label(),
        of_clusters: !plan.clusters.is_empty(),
        command: command(args, plan),
    };
    let line = |claim: &str, runs: Vec<RequiredRun>, attested: Option<String>| RequiredLine {
        claim: claim.to_owned(),
        runs,
        attested,
        waivers: row.waivers,
    };
    let mut lines: Vec<RequiredLine> = match &row.claim {
        Some(claim) => vec![line(claim, plans.iter().map(run).collect(), row.attested.clone())],
        None => plans.iter().map(|plan| line(&plan.objective, vec![run(plan)], None)).collect(),
    };
    // What is not known of the mesh has no evidence.
    let unknown = left_out.iter().filter(|one| one.unknown);
    lines.extend(unknown.map(|one| line(&format!("{}: {}", one.name, one.why), Vec::new(), None)));
    Ok(lines)
}

fn selected(
    args: &SignoffArgs,
    mesh: Option<&MeshFile>,
    words: &[String],
) -> Result<(Vec<Plan>, Vec<LeftOut>), CliError> {
    let choice = Choice { words, scenarios: args.scenarios.as_deref(), set: &args.set, seed: 1 };
    let Chosen { plans, left_out, invalid } = plans::choose(&choice, mesh)?;
    invalid.map_or(Ok((plans, left_out)), |invalid| Err(invalid.into()))
}

/// The command that makes the run that is missing.
fn command(args: &SignoffArgs, plan: &Plan) -> String {
    let mesh = args.mesh.as_ref().map(|mesh| format!(" --mesh {}", mesh.display())).unwrap_or_default();
    format!("meshdrill run {}{mesh}", plan.title())
}

fn attestations(path: Option<&Path>) -> Result<Attestations, CliError> {
    let Some(path) = path else { return Ok(Attestations::new()) };
    let file = load_attestations(path).map_err(|problems| shown(&problems))?;
    let mut attestations = Attestations::new();
    for (key, one) in file.spec {
        // The dates were checked when the file was read.
        let Ok(on) = one.on.parse() else { continue };
        let until = one.until.and_then(|until| until.parse().ok());
        attestations.insert(key, Attestation { by: one.by, on, statement: one.statement, until });
    }
    Ok(attestations)
}

/// All runs, each checked against its manifest and record.
fn offered(paths: &[PathBuf]) -> Result<Vec<Offered>, CliError> {
    let mut dirs: BTreeSet<PathBuf> = BTreeSet::new();
    for path in paths {
        let found = run_dirs(path).map_err(|error| FileError::unreadable(path, error))?;
        if found.is_empty() {
            return Err(UsageError::NoRuns(path.clone()).into());
        }
        dirs.extend(found);
    }
    dirs.iter().map(|dir| one(dir)).collect()
}

fn one(dir: &Path) -> Result<Offered, CliError> {
    let name = dir.file_name().map_or_else(|| dir.to_string_lossy(), std::ffi::OsStr::to_string_lossy);
    let found = verify::run_directory(&name, &run_files(dir)?);
    let problems = found.problems.iter().map(ToString::to_string).collect();
    let run = found.runs.into_iter().next();
    let (card, clusters) = run.map(|run| (run.card, run.clusters)).unzip();
    Ok(Offered { dir: dir.display().to_string(), problems, card, clusters: clusters.unwrap_or_default() })
}

/// A run directory, or those in a folder.
fn run_dirs(path: &Path) -> std::io::Result<Vec<PathBuf>> {
    let is_run = |dir: &Path| has_record(dir) || dir.join(MANIFEST).exists();
    if is_run(path) {
        return Ok(vec![path.to_owned()]);
    }
    let mut dirs = Vec::new();
    for entry in std::fs::read_dir(path)? {
        let inside = entry?.path();
        if inside.is_dir() && is_run(&inside) {
            dirs.push(inside);
        }
    }
    Ok(dirs)
}
