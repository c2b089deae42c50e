//! `junit.xml`: one suite per run, one case per criterion and check. Never zero cases.
//!
//! Written for the schema that Jenkins publishes and for GitLab, which keeps the first of several cases of one name:
//! properties stand on suites only, the details of a case are its text, names are unique within their class and hold no
//! measured value.

use std::collections::BTreeSet;
use std::time::Duration;

use chrono::{DateTime, FixedOffset};
use meshdrill_checks::exit_code::ExitCode;
use meshdrill_checks::record::{At, CheckStage, Phase};
use meshdrill_checks::scorecard::{CheckResult, CriterionResult, Scorecard};
use meshdrill_checks::verdict::Verdict;
use quick_junit::{NonSuccessKind, Property, Report, TestCase, TestCaseStatus, TestSuite};

use super::text::inert;
use super::{ReportError, Run};

pub(super) fn render(runs: &[Run<'_>]) -> Result<Vec<u8>, ReportError> {
    let mut report = Report::new("meshdrill");
    let mut taken = BTreeSet::new();
    let suites: Vec<TestSuite> = runs.iter().map(|run| suite(run, &mut taken)).collect();
    if let Some(first) = suites.iter().filter_map(|suite| suite.timestamp).min() {
        report.set_timestamp(first);
    }
    report.set_time(suites.iter().filter_map(|suite| suite.time).sum());
    report.add_test_suites(suites);
    Ok(report.to_string()?.into_bytes())
}

/// One case before it is written.
struct Case {
    name: String,
    verdict: Verdict,
    message: String,
    details: String,
    /// What was measured for it: from when until when.
    span: (f64, f64),
}

/// One suite. `taken` has each (classname, name) of the file: a server that keys cases by both would keep one of two.
fn suite(run: &Run<'_>, taken: &mut BTreeSet<(String, String)>) -> TestSuite {
    let card = run.scorecard;
    let title = card.run.title();
    let class = if card.run.suite.is_empty() { title.clone() } else { format!("{}.{title}", card.run.suite) };
    let name = if card.run.lab { format!("{title} (lab)") } else { title };
    let mut suite = TestSuite::new(inert(&name));
    let started = DateTime::parse_from_rfc3339(&card.run.started).ok();
    let finished = DateTime::parse_from_rfc3339(&card.run.finished).ok();
    let length = started.zip(finished).and_then(|(start, end)| (end - start).to_std().ok()).unwrap_or_default();
    suite.set_time(length);
    if let Some(started) = started {
        suite.set_timestamp(started);
    }
    for (name, value) in properties(run) {
        suite.add_property(Property::new(name, inert(&value)));
    }
    let end = length.as_secs_f64();
    let mut cases = standing_cases(run, end);
    cases.extend(card.criteria.iter().map(|criterion| criterion_case(run, criterion, end)));
    cases.extend(card.checks.iter().map(|check| check_case(run, check)));
    // Whatever decides the verdict, a file of a run that does not pass has a case that does not.
    let decided = |case: &Case| case.verdict == card.verdict || card.verdict == Verdict::Pass;
    if cases.is_empty() || !cases.iter().any(decided) {
        let (message, details) = (card.message.clone(), card.message.clone());
        cases.push(Case { name: "run".to_owned(), verdict: card.verdict, message, details, span: (0.0, end) });
    }
    for mut case in cases {
        let plain = case.name.clone();
        let mut count = 1;
        while !taken.insert((inert(&class), inert(&case.name))) {
            count += 1;
            case.name = format!("{plain} ({count})");
        }
        suite.add_test_case(written(&class, &case, started));
    }
    suite
}

/// What a reader of the suite must know: which run, of what, under which change.
fn properties(run: &Run<'_>) -> Vec<(&'static str, String)> {
    let card = run.scorecard;
    let header = &run.record.header;
    let change = &card.run.change;
    let given = [
        ("run", Some(card.run.id.clone())),
        ("verdict", Some(card.verdict.word().to_owned())),
        ("message", Some(card.message.clone())),
        ("lab", Some(card.run.lab.to_string())),
        ("mesh", card.run.mesh.clone()),
        ("clusters", (!header.clusters.is_empty()).then(|| header.clusters.join(","))),
        ("started", Some(card.run.started.clone())),
        ("finished", Some(card.run.finished.clone())),
        ("tool", Some(header.tool.clone())),
        ("ticket", change.ticket.clone()),
        ("by", change.by.clone()),
        ("window", change.window.clone()),
    ];
    given.into_iter().filter_map(|(name, value)| Some((name, value?))).collect()
}

fn criterion_case(run: &Run<'_>, criterion: &CriterionResult, end: f64) -> Case {
    let figure =
        |value: Option<f64>| value.map_or_else(|| "unknown".to_owned(), |value| format!("{value} {}", criterion.unit));
    let details = format!(
        "{}\ntarget {}\nvalue {}\nlow {}\nhigh {}\nn {}",
        criterion.message,
        criterion.target,
        figure(criterion.value),
        figure(criterion.low),
        figure(criterion.high),
        criterion.n,
    );
    let samples = criterion.probe.as_deref().map_or(&[][..], |probe| run.record.samples(probe));
    let span = match (samples.first(), samples.last()) {
        (Some(first), Some(last)) => (first.scheduled.secs(), last.completed.secs()),
        // Criteria of faults are judged from the fault on.
        _ => (run.scorecard.faults.iter().filter_map(|fault| fault.requested).fold(end, f64::min), end),
    };
    let (name, message) = (criterion.id.clone(), criterion.message.clone());
    Case { name, verdict: criterion.verdict, message, details, span }
}

fn check_case(run: &Run<'_>, check: &CheckResult) -> Case {
    let name = if check.phase == CheckStage::Checks {
        check.id.clone()
    } else {
        format!("{}/{}", check.phase.key(), check.id)
    };
    let history = run.record.history();
    let at = history.checks.get(&(check.phase, check.id.as_str())).map_or(At::ZERO, |answer| answer.at).secs();
    let begun = run.scorecard.timeline.iter().map(|entry| entry.at).filter(|begun| *begun <= at).fold(0.0, f64::max);
    let (message, details) = (check.message.clone(), check.message.clone());
    Case { name, verdict: check.verdict, message, details, span: (begun, at) }
}

/// The cases that every drill has, and validations where they do not pass. Of a run that did not reach its end only what it
/// wrote down is known.
fn standing_cases(run: &Run<'_>, end: f64) -> Vec<Case> {
    let card = run.scorecard;
    let is_drill = !run.record.header.faults.is_empty();
    let begin = |phase: Phase| card.timeline.iter().find(|entry| entry.phase == phase).map(|entry| entry.at);
    let sampled = begin(Phase::Baseline).or_else(|| begin(Phase::Verify)).unwrap_or(end);
    let injected = begin(Phase::Inject).unwrap_or(end);
    let effective = card.faults.iter().filter_map(|fault| fault.seen.or(fault.effective)).fold(injected, f64::max);
    let undone = begin(Phase::Undo).unwrap_or(end);
    let spans = [(0.0, sampled), (injected, effective), (sampled, end), (undone, end)];
    let standing = standing(card, run.record.history().finished);
    let all = standing.into_iter().zip(spans).map(|((name, verdict, message), span)| Case {
        name: name.to_owned(),
        verdict,
        details: message.clone(),
        message,
        span,
    });
    all.filter(|case| is_drill || matches!(case.verdict, Verdict::Fail | Verdict::Error | Verdict::Inconclusive))
        .collect()
}

fn standing(card: &Scorecard, complete: bool) -> Vec<(&'static str, Verdict, String)> {
    let refused = card.exit_code == ExitCode::Refused;
    let cut_short = || (Verdict::Error, "the run did not reach its end".to_owned());
    let begun = card.timeline.iter().any(|entry| entry.phase != Phase::Preflight);
    let preflight = if refused {
        (Verdict::Error, card.message.clone())
    } else if !complete && !begun {
        cut_short()
    } else {
        (Verdict::Pass, "all preflight checks passed".to_owned())
    };
    let faults = if card.faults.is_empty() {
        (Verdict::NotRun, "a validation breaks nothing".to_owned())
    } else if card.faults.iter().any(|fault| fault.requested.is_none()) {
        if complete { (Verdict::NotRun, "nothing was injected".to_owned()) } else { cut_short() }
    } else {
        let bad: Vec<String> = card
            .faults
            .iter()
            .filter_map(|fault| Some((fault, fault.flaw.as_ref()?)))
            .map(|(fault, flaw)| format!("{} {}: {}", fault.id, flaw.what, flaw.why))
            .collect();
        let words =
            card.faults.iter().map(|fault| format!("{}: {}", fault.id, fault.message)).collect::<Vec<_>>().join("; ");
        if bad.is_empty() { (Verdict::Pass, words) } else { (Verdict::Error, bad.join("; ")) }
    };
    let valid = if matches!(card.exit_code, ExitCode::Invalid | ExitCode::Interrupted | ExitCode::Internal) {
        (Verdict::Error, card.message.clone())
    } else if refused {
        (Verdict::NotRun, "nothing was measured".to_owned())
    } else if !complete {
        cut_short()
    } else {
        (Verdict::Pass, "every probe and check could measure".to_owned())
    };
    let recovery = if card.recovery.verified { Verdict::Pass } else { Verdict::Error };
    vec![
        ("preflight", preflight.0, preflight.1),
        ("fault-took-effect", faults.0, faults.1),
        ("measurement-valid", valid.0, valid.1),
        ("recovery-verified", recovery, card.recovery.message.clone()),
    ]
}

/// Failure: the target was missed. Error: a measurement error, or an undo that failed, or the evidence does not suffice.
fn written(class: &str, case: &Case, started: Option<DateTime<FixedOffset>>) -> TestCase {
    let status = match case.verdict {
        Verdict::Pass => TestCaseStatus::success(),
        Verdict::Fail => TestCaseStatus::non_success(NonSuccessKind::Failure),
        Verdict::Inconclusive | Verdict::Error => TestCaseStatus::non_success(NonSuccessKind::Error),
        Verdict::NotRun => TestCaseStatus::skipped(),
    };
    let mut test = TestCase::new(inert(&case.name), status);
    test.set_classname(inert(class));
    let (from, until) = case.span;
    let offset = Duration::try_from_secs_f64(from).unwrap_or_default();
    test.set_time(Duration::try_from_secs_f64(until - from).unwrap_or_default());
    if let Some(started) = started {
        test.set_timestamp(started + offset);
    }
    match case.verdict {
        Verdict::Pass => {
            test.set_system_out(inert(&case.details));
        }
        Verdict::Fail | Verdict::Inconclusive | Verdict::Error | Verdict::NotRun => {
            let status = test.status.set_message(inert(&case.message)).set_type(case.verdict.word());
            status.set_description(inert(&case.details));
        }
    }
    test
}
