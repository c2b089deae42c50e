//! `meshdrill run`.

use std::collections::BTreeSet;
use std::io::{IsTerminal as _, Write as _};
use std::path::Path;
use std::time::Duration;

use futures::StreamExt as _;
use meshdrill_checks::exit_code::ExitCode;
use meshdrill_checks::record::Change;
use meshdrill_checks::units::TimeSpan;
use meshdrill_checks::verdict::Verdict;
use meshdrill_reports::{Run, headline, junit_of_all, screen};

use super::args::RunArgs;
use super::error::{CliError, FileError, UsageError};
use super::lanes::{Lanes, Lines};
use super::plans::{Selected, select, show_plans, start_lab, suite_exit_code};
use super::signals::listen;
use crate::plan::{Plan, lengthen, to_text};
use crate::run::{
    Finished, Interrupts, NoProgress, Progress, RunOptions, WorldSource, execute, look, write_atomically,
};

/// The time between the beginnings of the first runs that go on side by side.
const STAGGER: Duration = Duration::from_millis(400);
/// The longest time over which those with time to spare are spread.
const MOST_SPARE: Duration = Duration::from_secs(30);
/// How much of what they have to spare they use.
const SPREAD: f64 = 0.9;

/// Runs everything that was selected and gives the exit code of all of it.
pub(super) fn run(args: &RunArgs) -> Result<ExitCode, CliError> {
    if args.select.select.is_empty() {
        return Err(UsageError::NothingSelected.into());
    }
    let mut selected = select(&args.select)?;
    if args.conclusive {
        selected.plans.iter_mut().for_each(lengthen);
    }
    if args.dry_run {
        return show_plans(&args.select, &selected, args.kubeconfig.clone(), false);
    }
    // A path that cannot be written fails now, not after the drill.
    std::fs::create_dir_all(&args.runs).map_err(|error| FileError::unwritable(&args.runs, error))?;
    if let Some(path) = &args.junit {
        let opened = std::fs::File::options().create(true).append(true).open(path);
        opened.map_err(|error| FileError::unwritable(path, error))?;
    }
    confirmed(args, &selected)?;
    if args.verbose {
        selected.plans.iter().for_each(|plan| eprintln!("{}", to_text(plan)));
    }
    for warning in selected.plans.iter().flat_map(|plan| &plan.warnings) {
        eprintln!("warning: {warning}");
    }
    let finished = if args.select.lab { run_on_lab(args, &selected)? } else { run_on_clusters(args, &selected)? };
    finish(args, &finished)
}

/// Breaking live clusters needs consent: by `--yes`, or on a terminal by the answer to one question. A script without `--yes`
/// is refused.
fn confirmed(args: &RunArgs, selected: &Selected) -> Result<(), CliError> {
    let drills: Vec<&Plan> = selected.plans.iter().filter(|plan| !plan.broken.is_empty()).collect();
    if drills.is_empty() || args.yes || args.select.lab {
        return Ok(());
    }
    let attended =
        std::env::var_os("CI").is_none() && std::io::stdin().is_terminal() && std::io::stderr().is_terminal();
    if !attended {
        let clusters: BTreeSet<&str> = drills.iter().flat_map(|plan| plan.broken.iter().map(String::as_str)).collect();
        let clusters = clusters.into_iter().collect::<Vec<_>>().join(", ");
        return Err(UsageError::NeedsConsent { drills: drills.len(), clusters }.into());
    }
    ask(args, selected, &drills)
}

/// Shows what would be broken, with the targets as they are now, and asks once.
fn ask(args: &RunArgs, selected: &Selected, drills: &[&Plan]) -> Result<(), CliError> {
    let source = WorldSource::of_clusters(selected.mesh.clone(), args.kubeconfig.clone());
    let runtime = super::runtime()?;
    if let Some(mesh) = &selected.mesh {
        let broken = |key: &str| drills.iter().any(|plan| plan.broken.contains(key));
        let contexts = mesh.spec.clusters.iter().filter(|(key, _)| broken(key));
        let contexts: Vec<String> = contexts.map(|(key, spec)| format!("{key} (context {})", spec.context)).collect();
        eprintln!("mesh {}: {}", mesh.metadata.name, contexts.join(", "));
    }
    let mut length = Duration::ZERO;
    for plan in drills {
        length += plan.duration().0;
        eprintln!("{} (about {}):", plan.title(), plan.duration());
        let found = runtime.block_on(look(plan, &source));
        found.targets.iter().for_each(|target| eprintln!("  {target}"));
        found.obstacles.iter().for_each(|obstacle| eprintln!("  {}: {obstacle}", obstacle.label()));
        if found.targets.is_empty() {
            plan.faults.iter().for_each(|fault| eprintln!("  {}: {}", fault.id, fault.kind.as_behavior().describe()));
        }
    }
    eprint!("Run {} (about {} in all)? [y/N] ", counted(drills.len(), "drill"), TimeSpan(length));
    std::io::stderr().flush()?;
    let mut answer = String::new();
    std::io::stdin().read_line(&mut answer)?;
    if matches!(answer.trim(), "y" | "Y" | "yes") { Ok(()) } else { Err(UsageError::NotConfirmed.into()) }
}

fn counted(count: usize, noun: &str) -> String {
    if count == 1 { format!("1 {noun}") } else { format!("{count} {noun}s") }
}

/// Every run has an embedded mesh and a virtual clock of its own.
fn run_on_lab(args: &RunArgs, selected: &Selected) -> Result<Vec<Finished>, CliError> {
    let mut finished = Vec::new();
    for plan in &selected.plans {
        let runtime = super::virtual_runtime()?;
        let one = runtime.block_on(async {
            let interrupts = Interrupts::default();
            listen(&interrupts)?;
            let lab = start_lab(&args.select, &selected.defects)?;
            let source = WorldSource::of_lab(selected.mesh.clone(), lab);
            let options = options(args, progress(args, plan, false), interrupts);
            execute(plan, &source, options).await.map_err(CliError::from)
        })?;
        if keep(args, &mut finished, one) {
            break;
        }
    }
    Ok(finished)
}

/// Validations run side by side; drills one after the other.
fn run_on_clusters(args: &RunArgs, selected: &Selected) -> Result<Vec<Finished>, CliError> {
    super::runtime()?.block_on(async {
        let interrupts = Interrupts::default();
        listen(&interrupts)?;
        let source = WorldSource::of_clusters(selected.mesh.clone(), args.kubeconfig.clone());
        if args.clean {
            clean(&source, &selected.plans).await?;
        }
        let (drills, mut validations): (Vec<&Plan>, Vec<&Plan>) =
            selected.plans.iter().partition(|plan| plan.is_drill());
        let alone = validations.len() == 1;
        // The longest first, so that none of them begins when the others have ended.
        validations.sort_by_key(|plan| std::cmp::Reverse(plan.duration()));
        let jobs = args.jobs.max(1);
        let longest = validations.first().map_or(Duration::ZERO, |plan| plan.duration().0);
        let (begun, count) = (tokio::time::Instant::now(), validations.len() as f64);
        let starts = validations.into_iter().enumerate().map(|(index, plan)| {
            // Many that begin at once would be measured as lateness of what they ask. So they take turns, and those with time
            // to spare are spread over what the longest takes.
            let spare = longest.saturating_sub(plan.duration().0).min(MOST_SPARE);
            let turn = if index < jobs { STAGGER * u32::try_from(index).unwrap_or(0) } else { Duration::ZERO };
            let begin = begun + turn.max(spare.mul_f64(SPREAD * index as f64 / count));
            let options = options(args, progress(args, plan, alone), interrupts.clone());
            let run = execute(plan, &source, options);
            let interrupts = interrupts.clone();
            async move {
                // An interrupted run records that itself.
                let _ = interrupts.run_until_cancelled(tokio::time::sleep_until(begin)).await;
                run.await
            }
        });
        let mut running = futures::stream::iter(starts).buffer_unordered(jobs);
        let mut finished = Vec::new();
        while let Some(one) = running.next().await {
            if keep(args, &mut finished, one?) {
                return Ok(finished);
            }
        }
        for plan in drills {
            if interrupts.is_set() {
                eprintln!("{}: not run, because of {}", plan.title(), interrupts.by());
                continue;
            }
            let options = options(args, progress(args, plan, true), interrupts.clone());
            if keep(args, &mut finished, execute(plan, &source, options).await?) {
                break;
            }
        }
        Ok(finished)
    })
}

/// Undoes what earlier runs left in the clusters that are to be broken.
async fn clean(source: &WorldSource, plans: &[Plan]) -> Result<(), CliError> {
    let keys: BTreeSet<&str> = plans.iter().flat_map(|plan| plan.broken.iter().map(String::as_str)).collect();
    let world = source.connect(keys).await?;
    let namespace = world.state_namespace().to_owned();
    for cluster in world.clusters.values() {
        let holder = format!("clean@{}", crate::run::hostname());
        let (lines, good) = crate::run::recover(&world, cluster, &namespace, &holder).await?;
        lines.iter().for_each(|line| eprintln!("{}: {line}", cluster.key));
        if !good {
            return Err(CliError::Leftovers(cluster.key.clone()));
        }
    }
    Ok(())
}

fn options(args: &RunArgs, progress: Box<dyn Progress>, interrupts: Interrupts) -> RunOptions {
    let window = args.window.map(|window| window.to_string());
    let change = Change { ticket: args.ticket.clone(), by: args.by.clone(), window };
    RunOptions { runs: args.runs.clone(), progress, interrupts, change, window: args.window }
}

fn progress(args: &RunArgs, plan: &Plan, alone: bool) -> Box<dyn Progress> {
    if args.quiet {
        return Box::new(NoProgress);
    }
    let terminal = std::io::stderr().is_terminal() && std::env::var_os("CI").is_none();
    if terminal && alone && !args.verbose {
        Box::new(Lanes::new(plan))
    } else {
        Box::new(Lines::new(plan, args.verbose))
    }
}

/// Shows a run that has ended and keeps it with the others; whether nothing more is to be run because of it.
fn keep(args: &RunArgs, finished: &mut Vec<Finished>, one: Finished) -> bool {
    show(args, &one);
    let stop = args.fail_fast && one.scorecard.exit_code != ExitCode::Pass;
    finished.push(one);
    stop
}

/// The final screen of one run.
fn show(args: &RunArgs, one: &Finished) {
    if !args.quiet {
        super::say_part!("{}", screen(&Run { record: &one.record, scorecard: &one.scorecard }));
        super::say!();
    }
}

/// The reports of all runs together, the last line, and the exit code.
fn finish(args: &RunArgs, finished: &[Finished]) -> Result<ExitCode, CliError> {
    if let Some(path) = &args.junit {
        let runs: Vec<Run<'_>> =
            finished.iter().map(|one| Run { record: &one.record, scorecard: &one.scorecard }).collect();
        write_atomically(path, &junit_of_all(&runs)?).map_err(|error| FileError::not_written(path, error))?;
    }
    if let Some(one) = finished.iter().find(|one| one.scorecard.exit_code == ExitCode::NotRecovered) {
        let scenario = &one.scorecard.run.scenario;
        if one.record.is_undone() {
            eprintln!("{scenario}: all faults are undone, but the mesh has not recovered");
        } else {
            eprintln!("damage may remain after {scenario}; undo what is recorded with: {}", recover_command(args));
        }
    }
    match finished {
        [] => {
            super::say!("NOT-RUN  nothing ran  {}", args.runs.display());
            Ok(ExitCode::Inconclusive)
        }
        [one] => {
            super::say!("{}", headline(&one.scorecard, &one.dir.path().display().to_string()));
            Ok(one.scorecard.exit_code)
        }
        many => {
            super::say!("{}", suite_line(many, &args.runs));
            Ok(suite_code(many))
        }
    }
}

fn recover_command(args: &RunArgs) -> String {
    let mesh = args.select.mesh.as_ref().map_or_else(String::new, |path| format!(" --mesh {}", path.display()));
    let kubeconfig =
        args.kubeconfig.as_ref().map_or_else(String::new, |path| format!(" --kubeconfig {}", path.display()));
    format!("meshdrill recover{mesh}{kubeconfig}")
}

fn suite_code(finished: &[Finished]) -> ExitCode {
    let waived = |one: &&Finished| {
        let card = &one.scorecard;
        card.verdict == Verdict::NotRun && !card.not_run.is_empty() && card.not_run.iter().all(|missing| missing.waived)
    };
    suite_exit_code(finished.iter().map(|one| (one.scorecard.exit_code, waived(&one))))
}

fn suite_line(finished: &[Finished], runs: &Path) -> String {
    let count = |verdict| finished.iter().filter(|one| one.scorecard.verdict == verdict).count();
    let parts = [Verdict::Pass, Verdict::Fail, Verdict::Inconclusive, Verdict::Error, Verdict::NotRun];
    let words =
        parts.iter().filter(|verdict| count(**verdict) > 0).map(|verdict| format!("{} {verdict}", count(*verdict)));
    let worst = Verdict::all(finished.iter().map(|one| one.scorecard.verdict));
    let worst = if suite_code(finished) == ExitCode::Pass { Verdict::Pass } else { worst };
    let mut suites: Vec<&str> =
        finished.iter().map(|one| one.scorecard.run.suite.as_str()).filter(|suite| !suite.is_empty()).collect();
    suites.dedup();
    let name = if suites.is_empty() { "scenarios".to_owned() } else { suites.join("+") };
    let bad = finished.iter().find(|one| one.scorecard.verdict == worst && worst != Verdict::Pass);
    let first = bad.map_or_else(String::new, |one| format!(" (first: {})", one.scorecard.run.scenario));
    let lab = if finished.iter().any(|one| one.scorecard.run.lab) { " (lab)" } else { "" };
    format!(
        "{}  {name}  {} of {} runs: {}{first}{lab}  {}",
        worst.word().to_uppercase(),
        finished.len(),
        finished.len(),
        words.collect::<Vec<_>>().join(", "),
        runs.display()
    )
}
