//! Validations that did not start: their criteria did not run, for the reason that the run did not.

use super::story::Story;
use crate::criterion::{Availability, Claim};
use crate::record::{Class, Event, SCENARIO};
use crate::units::Ratio;
use crate::verdict::Verdict::{NotRun, Pass};

fn claim() -> Claim {
    Claim::from(Availability { target: Ratio::new(0.99) })
}

fn judged(event: Event) -> (crate::verdict::Verdict, String) {
    let judged = Story::validation(100).event(10, event).event(20, Event::Finished).judged(claim());
    (judged.verdict, judged.message)
}

#[test]
fn a_criterion_of_a_refused_validation_did_not_run() {
    let why = "cluster `primary` is halted by ada";
    let expected = (NotRun, format!("not run: {why}"));
    assert_eq!(judged(Event::Refused { why: why.into() }), expected);
    let infeasible = Event::Infeasible { criterion: "another".into(), why: why.into() };
    assert_eq!(judged(infeasible), (NotRun, format!("not run: another is infeasible: {why}")));
    let left_out = Event::NotRun { id: SCENARIO.into(), reason: why.into(), waived: false };
    assert_eq!(judged(left_out), expected);
    let interrupted = Event::Interrupted { by: "SIGINT".into(), injected: false };
    assert_eq!(judged(interrupted), (NotRun, "not run: stopped by SIGINT".into()));
}

#[test]
fn samples_are_judged_whatever_ended_the_run() {
    let interrupted = Event::Interrupted { by: "SIGINT".into(), injected: false };
    let judged = Story::validation(100).samples(30, |_| Class::Good).event(30_010, interrupted).judged(claim());
    assert_eq!(judged.verdict, Pass);
}

#[test]
fn a_validation_without_samples_that_nothing_ended_is_not_excused() {
    let judged = Story::validation(100).event(20, Event::Finished).judged(claim());
    assert_eq!(judged.verdict, crate::verdict::Verdict::Inconclusive);
}
