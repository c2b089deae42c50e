//! `junit.xml`: one suite per run, one case per criterion and check, and four that every run has. Never zero cases.

use meshdrill_checks::exit_code::ExitCode;
use meshdrill_checks::record::{CheckStage, Phase};
use meshdrill_checks::scorecard::Scorecard;
use meshdrill_checks::verdict::Verdict;
use quick_junit::{NonSuccessKind, Property, Report, TestCase, TestCaseStatus, TestSuite};

use super::text::inert;
use super::{ReportError, Run};

pub(super) fn render(runs: &[Run<'_>]) -> Result<Vec<u8>, ReportError> {
    let mut report = Report::new("meshdrill");
    report.add_test_suites(runs.iter().map(suite));
    Ok(report.to_string()?.into_bytes())
}

fn suite(run: &Run<'_>) -> TestSuite {
    let card = run.scorecard;
    let title = if card.run.binding.is_empty() {
        card.run.scenario.clone()
    } else {
        format!("{}@{}", card.run.scenario, card.run.binding)
    };
    let class = if card.run.suite.is_empty() { title.clone() } else { format!("{}.{title}", card.run.suite) };
    let mut suite = TestSuite::new(inert(&title));
    for (name, value) in [
        ("run", &card.run.id),
        ("started", &card.run.started),
        ("finished", &card.run.finished),
        ("message", &card.message),
    ] {
        suite.add_property(Property::new(name, inert(value)));
    }
    for (name, verdict, message) in standing_cases(card, run.record.history().finished) {
        suite.add_test_case(case(&class, name, verdict, &message, &message));
    }
    for criterion in &card.criteria {
        let figure = |value: Option<f64>| value.map_or_else(|| "unknown".to_owned(), |value| format!("{value}"));
        let details = format!(
            "target {}\nvalue {} {unit}\nlow {} {unit}\nhigh {} {unit}\nn {}\n{}",
            criterion.target,
            figure(criterion.value),
            figure(criterion.low),
            figure(criterion.high),
            criterion.n,
            criterion.message,
            unit = criterion.unit
        );
        suite.add_test_case(case(&class, &criterion.id, criterion.verdict, &criterion.message, &details));
    }
    for check in &card.checks {
        let name = if check.phase == CheckStage::Checks {
            check.id.clone()
        } else {
            format!("{}/{}", check.phase.key(), check.id)
        };
        suite.add_test_case(case(&class, &name, check.verdict, &check.message, &check.message));
    }
    suite
}

/// The cases that every run has. Of a run that did not reach its end only what it wrote down is known.
fn standing_cases(card: &Scorecard, complete: bool) -> Vec<(&'static str, Verdict, String)> {
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
            .filter(|fault| !fault.took_effect)
            .map(|fault| format!("{}: {}", fault.id, fault.message))
            .collect();
        let words =
            card.faults.iter().map(|fault| format!("{}: {}", fault.id, fault.message)).collect::<Vec<_>>().join("; ");
        if bad.is_empty() { (Verdict::Pass, words) } else { (Verdict::Error, bad.join("; ")) }
    };
    let valid = if card.exit_code == ExitCode::Invalid {
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

/// Failure: the target was missed. Error: it could not be measured or undone, or the evidence does not suffice.
fn case(class: &str, name: &str, verdict: Verdict, message: &str, details: &str) -> TestCase {
    let status = match verdict {
        Verdict::Pass => TestCaseStatus::success(),
        Verdict::Fail => TestCaseStatus::non_success(NonSuccessKind::Failure),
        Verdict::Inconclusive | Verdict::Error => TestCaseStatus::non_success(NonSuccessKind::Error),
        Verdict::NotRun => TestCaseStatus::skipped(),
    };
    let mut case = TestCase::new(inert(name), status);
    case.set_classname(inert(class));
    match verdict {
        Verdict::Pass => {}
        Verdict::Fail | Verdict::Inconclusive | Verdict::Error | Verdict::NotRun => {
            case.status.set_message(inert(message)).set_type(verdict.word());
        }
    }
    case.add_property(Property::new("verdict", verdict.word()));
    case.set_system_out(inert(details));
    case
}
