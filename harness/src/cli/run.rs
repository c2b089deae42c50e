//! `meshdrill run`.

use std::collections::BTreeSet;
use std::io::{IsTerminal as _, Write as _};
use std::time::Duration;

use futures::StreamExt as _;
use meshdrill_checks::exit_code::ExitCode;
use meshdrill_checks::findings::FindingOwners;
use meshdrill_checks::scorecard::Scorecard;
use meshdrill_checks::units::TimeSpan;

use super::args::RunArgs;
use super::authority::{Authority, authority};
use super::display::{Display, DisplayOptions, Entry};
use super::error::{CliError, FileError, UsageError};
use super::plans::{PlanOutput, Selected, select, show_plans, start_lab};
use super::rerun;
use super::signals::{listen, watch_terminal};
use super::summary::{Summary, is_bad, result_line, screen_of};
use crate::plan::{Plan, lengthen, to_text};
use crate::reporting::{Judged, render_runs};
use crate::run::{Finished, Interrupts, Progress, RunOptions, WorldSource, execute, leave_out, look, write_atomically};
use meshdrill_checks::units::counted;

/// The time between the beginnings of the first runs that go on side by side.
const STAGGER: Duration = Duration::from_millis(400);
/// The longest time over which those with time to spare are spread.
const MOST_SPARE: Duration = Duration::from_secs(30);
/// How much of what they have to spare they use.
const SPREAD: f64 = 0.9;
/// How many validations run at the same time unless someone says otherwise.
const JOBS: usize = 16;

/// Runs everything that was selected and gives the exit code of all of it.
pub(super) fn run(args: &RunArgs) -> Result<ExitCode, CliError> {
    if args.select.select.is_empty() {
        return Err(UsageError::NothingSelected.into());
    }
    // A wrong setting is found before anything is contacted.
    let jobs = jobs(args)?;
    let authority = authority(args)?;
    let mut selected = select(&args.select)?;
    if args.conclusive {
        selected.plans.iter_mut().for_each(lengthen);
    }
    if args.dry_run {
        return show_plans(&args.select, &selected, args.kubeconfig.clone(), PlanOutput::default());
    }
    // A path that cannot be written fails now, not after the drill.
    std::fs::create_dir_all(&args.runs).map_err(|error| FileError::unwritable(&args.runs, error))?;
    for (_, path) in args.reports() {
        let opened = std::fs::File::options().create(true).append(true).open(path);
        opened.map_err(|error| FileError::unwritable(path, error))?;
    }
    let source = WorldSource::of_clusters(selected.mesh.clone(), args.kubeconfig.clone());
    confirmed(args, &selected, &source)?;
    if args.verbose {
        // The plans have their warnings.
        selected.plans.iter().for_each(|plan| super::say_err!("{}", to_text(plan)));
    } else {
        let warnings = selected.plans.iter().flat_map(|plan| &plan.warnings).map(ToString::to_string);
        warnings.collect::<BTreeSet<_>>().iter().for_each(|warning| super::say_err!("warning: {warning}"));
    }
    let plans: Vec<&Plan> = selected.plans.iter().collect();
    let options =
        DisplayOptions { quiet: args.quiet, verbose: args.verbose, real: !args.select.lab, colour: super::colour() };
    let display = Display::start(&plans, options);
    let console = Console { args, jobs, authority, entry: display.entry(), total: plans.len() };
    let mut finished = Vec::new();
    let ran = if args.select.lab {
        console.run_on_lab(&selected, &mut finished)
    } else {
        console.run_on_clusters(&selected, &source.for_another_runtime(), &mut finished)
    };
    drop(console);
    display.close();
    Ok(selected.with_unknown(finish(args, &selected.plans, &finished, ran)))
}

/// Breaking live clusters needs consent: by `--yes`, or on a terminal by the answer to one question. A script without `--yes`
/// is refused.
fn confirmed(args: &RunArgs, selected: &Selected, source: &WorldSource) -> Result<(), CliError> {
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
    ask(selected, source, &drills)
}

/// Shows what would be broken, with the targets as they are now, and asks once.
fn ask(selected: &Selected, source: &WorldSource, drills: &[&Plan]) -> Result<(), CliError> {
    let runtime = super::runtime()?;
    if let Some(mesh) = &selected.mesh {
        let broken = |key: &str| drills.iter().any(|plan| plan.broken.contains(key));
        let contexts = mesh.spec.clusters.iter().filter(|(key, _)| broken(key));
        let contexts: Vec<String> = contexts.map(|(key, spec)| format!("{key} (context {})", spec.context)).collect();
        super::say_err!("mesh {}: {}", mesh.metadata.name, contexts.join(", "));
    }
    let mut length = Duration::ZERO;
    for plan in drills {
        length += plan.duration().0;
        super::say_err!("{} (about {}):", plan.title(), plan.duration());
        let found = runtime.block_on(look(plan, source));
        found.targets.iter().for_each(|target| super::say_err!("  {target}"));
        found.obstacles.iter().for_each(|obstacle| super::say_err!("  {}: {obstacle}", obstacle.label()));
        if found.targets.is_empty() {
            plan.faults
                .iter()
                .for_each(|fault| super::say_err!("  {}: {}", fault.id, fault.kind.as_behavior().describe()));
        }
    }
    eprint!("Run {} (about {} in all)? [y/N] ", counted(drills.len(), "drill"), TimeSpan(length));
    std::io::stderr().flush()?;
    let mut answer = String::new();
    std::io::stdin().read_line(&mut answer)?;
    if matches!(answer.trim(), "y" | "Y" | "yes") { Ok(()) } else { Err(UsageError::NotConfirmed.into()) }
}

/// Runs scenarios and shows them.
struct Console<'a> {
    args: &'a RunArgs,
    /// How many validations run at the same time.
    jobs: usize,
    authority: Authority,
    entry: Entry,
    total: usize,
}

impl Console<'_> {
    /// Every run has an embedded mesh and a virtual clock of its own.
    fn run_on_lab(&self, selected: &Selected, finished: &mut Vec<Finished>) -> Result<(), CliError> {
        let mut stopped = None;
        for (index, plan) in selected.plans.iter().enumerate() {
            let runtime = super::virtual_runtime()?;
            let (one, interrupted) = runtime.block_on(async {
                let interrupts = Interrupts::default();
                listen(&interrupts, &self.entry)?;
                let lab = start_lab(&self.args.select, &selected.defects)?;
                let source = WorldSource::of_lab(selected.mesh.clone(), lab);
                let one = self.execute(index, plan, &source, &interrupts, stopped.as_deref()).await?;
                Ok::<_, CliError>((one, stopped_by(&interrupts)))
            })?;
            let failed = self.keep(finished, one);
            stopped = stopped.or(interrupted).or(failed);
        }
        Ok(())
    }

    /// Validations run side by side; drills one after the other.
    fn run_on_clusters(
        &self,
        selected: &Selected,
        source: &WorldSource,
        finished: &mut Vec<Finished>,
    ) -> Result<(), CliError> {
        super::runtime()?.block_on(async {
            let interrupts = Interrupts::default();
            listen(&interrupts, &self.entry)?;
            watch_terminal(&interrupts, &self.entry);
            if self.args.clean {
                clean(source, &selected.plans).await?;
            }
            let (drills, validations): (Vec<_>, Vec<_>) =
                selected.plans.iter().enumerate().partition(|(_, plan)| plan.is_drill());
            let mut stopped = self.validate(validations, source, &interrupts, finished).await?;
            for (index, plan) in drills {
                let because = stopped.clone().or_else(|| stopped_by(&interrupts));
                let one = self.execute(index, plan, source, &interrupts, because.as_deref()).await?;
                stopped = stopped.or(self.keep(finished, one));
            }
            Ok(())
        })
    }

    /// Runs validations side by side; why no more are to be run. Those that have begun go on to their end.
    async fn validate(
        &self,
        mut validations: Vec<(usize, &Plan)>,
        source: &WorldSource,
        interrupts: &Interrupts,
        finished: &mut Vec<Finished>,
    ) -> Result<Option<String>, CliError> {
        // The longest first, so that none of them begins when the others have ended.
        validations.sort_by_key(|(_, plan)| std::cmp::Reverse(plan.duration()));
        let longest = validations.first().map_or(Duration::ZERO, |(_, plan)| plan.duration().0);
        let (begun, count) = (tokio::time::Instant::now(), validations.len() as f64);
        let stop = Interrupts::default();
        let source = &WorldSource { shares: validations.len() > 1, ..source.clone() };
        let starts = validations.into_iter().enumerate().map(|(place, (index, plan))| {
            // Many that begin at once would be measured as lateness of what they ask. So they take turns, and those with time
            // to spare are spread over what the longest takes.
            let spare = longest.saturating_sub(plan.duration().0).min(MOST_SPARE);
            let turn = if place < self.jobs { STAGGER * u32::try_from(place).unwrap_or(0) } else { Duration::ZERO };
            let begin = begun + turn.max(spare.mul_f64(SPREAD * place as f64 / count));
            let stop = stop.clone();
            async move {
                let turn = stop.run_until_cancelled(tokio::time::sleep_until(begin));
                let _ = interrupts.run_until_cancelled(turn).await;
                let because = stop.is_set().then(|| stop.by()).or_else(|| stopped_by(interrupts));
                self.execute(index, plan, source, interrupts, because.as_deref()).await
            }
        });
        let mut running = futures::stream::iter(starts).buffer_unordered(self.jobs);
        let mut broken = None;
        while let Some(one) = running.next().await {
            match one {
                Ok(one) => {
                    if let Some(failed) = self.keep(finished, one) {
                        stop.stop(failed);
                    }
                }
                // The others that have begun go on to their end.
                Err(error) => {
                    stop.stop(error.to_string());
                    broken = Some(error);
                }
            }
        }
        drop(running);
        source.kubeconfigs.forget_shared();
        match broken {
            Some(error) => Err(error),
            None => Ok(stop.is_set().then(|| stop.by())),
        }
    }

    /// Runs a plan, or records why it does not run.
    async fn execute(
        &self,
        index: usize,
        plan: &Plan,
        source: &WorldSource,
        interrupts: &Interrupts,
        because: Option<&str>,
    ) -> Result<Finished, CliError> {
        let options = self.options(self.entry.progress(index), interrupts.clone());
        let ran = match because {
            Some(why) => leave_out(plan, source, options, why).await,
            None => execute(plan, source, options).await,
        };
        ran.map_err(CliError::from)
    }

    fn options(&self, progress: Box<dyn Progress>, interrupts: Interrupts) -> RunOptions {
        let Authority { change, window } = self.authority.clone();
        RunOptions { runs: self.args.runs.clone(), progress, interrupts, change, window }
    }

    /// Shows a run that has ended and keeps it with the others; why nothing more is to be run because of it.
    fn keep(&self, finished: &mut Vec<Finished>, one: Finished) -> Option<String> {
        let card = &one.scorecard;
        let colour = super::colour_of_results();
        let screen = screen_of(&one, colour);
        let text = if self.total > 1 {
            let line = result_line(card, one.record.end().secs(), (finished.len() + 1, self.total), colour);
            // What does not pass is shown at the end.
            if self.args.verbose && !is_bad(card) { format!("{screen}{line}\n\n") } else { format!("{line}\n") }
        } else {
            format!("{screen}\n")
        };
        self.entry.result(text, is_bad(card));
        let failed = self.args.fail_fast && is_bad(card) && !one.left_out;
        let why = failed.then(|| format!("--fail-fast: {} did not pass", meshdrill_reports::title(card)));
        if let Some(why) = &why {
            self.entry.warn(format!("{why}; no more scenarios are started"));
        }
        finished.push(one);
        why
    }
}

/// Why nothing more is run after a signal.
fn stopped_by(interrupts: &Interrupts) -> Option<String> {
    interrupts.is_set().then(|| format!("stopped by {}", interrupts.by()))
}

/// Undoes what earlier runs left in the clusters that are to be broken.
async fn clean(source: &WorldSource, plans: &[Plan]) -> Result<(), CliError> {
    let keys: BTreeSet<&str> = plans.iter().flat_map(|plan| plan.broken.iter().map(String::as_str)).collect();
    let world = source.connect(keys).await?;
    let namespace = world.state_namespace().to_owned();
    for cluster in world.clusters.values() {
        let holder = format!("clean@{}", crate::run::hostname());
        let waiting = |text: String| super::say_err!("{}: {text}", cluster.key);
        let (lines, good) = crate::run::recover(&world, cluster, &namespace, &holder, &waiting).await?;
        lines.iter().for_each(|line| super::say_err!("{}: {line}", cluster.key));
        if !good {
            return Err(CliError::Leftovers(cluster.key.clone()));
        }
    }
    Ok(())
}

/// How many validations run at the same time.
fn jobs(args: &RunArgs) -> Result<usize, UsageError> {
    let given = match (args.jobs, std::env::var_os("MESHDRILL_JOBS")) {
        (Some(jobs), _) => jobs.max(1),
        (None, Some(text)) => {
            let text = text.to_string_lossy();
            text.parse().ok().filter(|jobs| *jobs > 0).ok_or_else(|| UsageError::Jobs(text.into_owned()))?
        }
        (None, None) => JOBS,
    };
    Ok(given)
}

/// The reports of all runs together, failures in full, the last line, and the exit code.
fn finish(args: &RunArgs, plans: &[Plan], finished: &[Finished], ran: Result<(), CliError>) -> ExitCode {
    let written = write_reports(args, finished);
    let rerun = |cards: &[&Scorecard]| rerun::command(args, plans, cards);
    let colour = super::colour_of_results();
    let summary = Summary { finished, selected: plans.len(), runs: &args.runs, rerun: &rerun, colour };
    if plans.len() > 1 {
        super::say_part!("{}", if args.quiet { summary.names() } else { summary.failures() });
        if !args.quiet {
            super::say!();
        }
    }
    for one in finished.iter().filter(|one| one.scorecard.exit_code == ExitCode::NotRecovered) {
        let scenario = meshdrill_reports::title(&one.scorecard);
        if one.record.is_undone() {
            super::say_err!("{scenario}: all faults are undone, but the mesh has not recovered");
        } else {
            super::say_err!(
                "damage may remain after {scenario}; undo what is recorded with: {}",
                recover_command(args)
            );
        }
    }
    super::say!("{}", summary.last_line());
    // What could not be written hides nothing of what was found, and no damage.
    let errors: Vec<CliError> = [ran, written].into_iter().filter_map(Result::err).collect();
    errors.iter().for_each(|error| super::say_err!("meshdrill: {error}"));
    let found = (!finished.is_empty() || errors.is_empty()).then(|| summary.exit_code());
    ExitCode::merge(found.into_iter().chain(errors.iter().map(CliError::exit_code)))
}

/// The reports of all runs together that are asked for. One that cannot be written is no reason to leave out the others.
fn write_reports(args: &RunArgs, finished: &[Finished]) -> Result<(), CliError> {
    let runs: Vec<Judged<'_>> = finished.iter().map(|one| (one.dir.path(), &one.record, &one.scorecard)).collect();
    let written = args.reports().map(|(format, path)| {
        let bytes = render_runs(format, &runs, Some(path), &FindingOwners::new())?;
        Ok(write_atomically(path, &bytes).map_err(|error| FileError::not_written(path, error))?)
    });
    // All are tried before the first error counts.
    written.collect::<Vec<Result<(), CliError>>>().into_iter().collect()
}

fn recover_command(args: &RunArgs) -> String {
    let mesh = args.select.mesh.as_ref().map_or_else(String::new, |path| format!(" --mesh {}", path.display()));
    let kubeconfig =
        args.kubeconfig.as_ref().map_or_else(String::new, |path| format!(" --kubeconfig {}", path.display()));
    format!("meshdrill recover{mesh}{kubeconfig}")
}
