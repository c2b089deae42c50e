//! What holds for every criterion: without evidence there is no pass.

use super::story::{EFFECTIVE, Story, at};
use crate::criterion::{
    Availability, Claim, During, Endpoints, EndpointsClaim, ErrorBudget, ErrorRate, Latency, MaxOutage, PacketLoss,
    RecoveryTime, Rtt,
};
use crate::record::{Class, Event};
use crate::units::{Ratio, TimeSpan};
use crate::verdict::Verdict;

/// One claim of every kind that speaks of a probe, each easily met.
fn claims() -> Vec<Claim> {
    let (most, minute, during) = (Ratio::new(0.5), TimeSpan::secs(60), During::All);
    vec![
        Claim::from(Availability { target: most }),
        Claim::from(ErrorBudget { target: most, over: TimeSpan::secs(86_400), spend: Ratio::new(1.0) }),
        Claim::from(RecoveryTime { target: minute }),
        Claim::from(MaxOutage { target: minute }),
        Claim::from(ErrorRate { target: most, during }),
        Claim::from(PacketLoss { target: most, during }),
        Claim::from(Latency { quantile: most, target: minute, during }),
        Claim::from(Rtt { quantile: most, target: minute, during }),
        Claim::from(Endpoints {
            expect: EndpointsClaim { flow: vec!["primary".into()], ..EndpointsClaim::default() },
            during,
        }),
    ]
}

fn none_passes(story: impl Fn() -> Story, why: &str) {
    for claim in claims() {
        let kind = claim.kind();
        let card = story().card(claim);
        assert_ne!(card.criteria[0].verdict, Verdict::Pass, "{kind}: {why}");
        assert_ne!((card.verdict, card.exit_code.number()), (Verdict::Pass, 0), "{kind}: {why}");
    }
}

#[test]
fn a_crash_of_the_runner_is_a_bug_of_ours_whatever_was_measured() {
    let claim = Claim::from(MaxOutage { target: TimeSpan::secs(10) });
    let crash = Event::Crashed { why: "the runner panicked".into() };
    let card = Story::drill(100).samples(60, |_| Class::Good).event(40_000, crash).card(claim);
    assert_eq!((card.verdict, card.exit_code.number()), (Verdict::Error, 1));
}

#[test]
fn a_fault_must_be_in_effect_as_long_as_it_is_held() {
    let claim = || Claim::from(MaxOutage { target: TimeSpan::secs(10) });
    let good = |story: Story| story.samples(60, |_| Class::Good);
    let (seen, gap) = (at(39_500), TimeSpan::secs(1));
    let held = Event::FaultHeld { fault: "f1".into(), seen, observations: 20, gap };
    let card = good(Story::held(100)).event(40_000, held).card(claim());
    assert_eq!((card.verdict, card.exit_code.number()), (Verdict::Pass, 0), "{}", card.message);
    assert_eq!(card.faults[0].held.map(|held| (held.seconds, held.observations)), Some((19.4, 20)));

    let card = good(Story::held(100)).card(claim());
    assert_eq!((card.verdict, card.exit_code.number()), (Verdict::Error, 13));
    assert!(card.message.contains("was not observed while it was held"), "{}", card.message);

    let why = "replicas set back to 1 by argocd-controller".to_owned();
    let lapsed = Event::FaultLapsed { fault: "f1".into(), seen: at(23_200), hold: TimeSpan::secs(40), why };
    let card = good(Story::drill(100).sustained()).event(24_200, lapsed).card(claim());
    assert_eq!((card.verdict, card.exit_code.number()), (Verdict::Error, 13));
    let expected = "fault f1 was in effect for 3.1 to 4.1 of 40 s, so the drill is not valid: replicas set back to 1 by argocd-controller";
    assert_eq!(card.message, expected);
    assert_eq!(card.criteria[0].verdict, Verdict::Error);
}

#[test]
fn records_of_older_versions_do_not_say_how_a_fault_was_held() {
    let claim = Claim::from(MaxOutage { target: TimeSpan::secs(10) });
    let card = Story::held(100).of_an_older_version().samples(60, |_| Class::Good).card(claim);
    assert_eq!((card.verdict, card.exit_code.number()), (Verdict::Pass, 0), "{}", card.message);
}

#[test]
fn a_drill_that_the_mesh_cannot_have_is_not_run_and_no_error() {
    let not_run = |waived| Event::NotRun { id: "scenario".into(), reason: "without it".into(), waived };
    for waived in [true, false] {
        let claim = Claim::from(MaxOutage { target: TimeSpan::secs(10) });
        let card = Story::planned(100).event(0, not_run(waived)).card(claim);
        assert_eq!((card.verdict, card.exit_code.number()), (Verdict::NotRun, 11));
        assert_eq!(card.criteria[0].verdict, Verdict::NotRun);
    }
}

#[test]
fn a_good_run_passes_all_but_what_it_did_not_look_at() {
    for claim in claims() {
        let kind = claim.kind();
        let verdict = Story::drill(100).samples(90, |_| Class::Good).judged(claim).verdict;
        assert_eq!(verdict == Verdict::Pass, kind != "endpoints", "{kind}");
    }
}

#[test]
fn no_sample_never_passes() {
    none_passes(|| Story::drill(100), "no sample at all");
    none_passes(|| Story::drill(100).samples(90, |_| Class::NoData), "nothing could be learned");
    none_passes(|| Story::drill(100).samples(90, |_| Class::NotSent), "nothing was sent");
}

#[test]
fn a_gap_in_the_measurement_never_passes() {
    let gap = |due| if (60_000..61_100).contains(&due) { Class::NotSent } else { Class::Good };
    none_passes(|| Story::drill(100).samples(90, gap), "98.8 % of the schedule was measured");
    let small = |due| if (60_000..60_500).contains(&due) { Class::NotSent } else { Class::Good };
    let judged = Story::drill(100).samples(90, small).judged(Claim::from(RecoveryTime { target: TimeSpan::secs(60) }));
    assert_eq!(judged.verdict, Verdict::Pass, "99.4 % suffices");
}

#[test]
fn a_gap_does_not_hide_a_failure() {
    let bad = |due| if due < 45_000 { Class::NotSent } else { Class::Http5xx };
    let judged = Story::validation(100).samples(90, bad).judged(Claim::from(Availability { target: Ratio::new(0.5) }));
    assert_eq!(judged.verdict, Verdict::Fail);
}

#[test]
fn a_fault_without_effect_never_passes() {
    let ineffective = || {
        let why = "nothing was seen".to_owned();
        Story::faulted(100)
            .event(EFFECTIVE, Event::FaultIneffective { fault: "f1".into(), why })
            .samples(90, |_| Class::Good)
    };
    none_passes(ineffective, "the fault took no effect");
    let card = ineffective().card(Claim::from(Availability { target: Ratio::new(0.5) }));
    assert_eq!((card.verdict, card.exit_code.number()), (Verdict::Error, 13));
}

#[test]
fn a_probe_that_failed_never_passes() {
    let failed = || {
        let event = Event::ProbeFailed { probe: "p".into(), why: "it panicked".into() };
        Story::drill(100).event(1_000, event).samples(90, |_| Class::Good)
    };
    none_passes(failed, "the probe failed");
}

#[test]
fn an_endpoint_claim_that_wants_nothing_never_passes() {
    let claim = Claim::from(Endpoints { expect: EndpointsClaim::default(), during: During::All });
    let judged = Story::drill(100).samples(90, |_| Class::Good).judged(claim);
    assert_eq!(judged.verdict, Verdict::Error);
}

#[test]
fn a_record_that_ends_early_says_that_damage_may_remain() {
    let card =
        Story::drill(100).samples(90, |_| Class::Good).cut_short(Claim::from(Availability { target: Ratio::new(0.5) }));
    assert_eq!((card.verdict, card.exit_code.number()), (Verdict::Error, 12));
    let begun = Story::faulted(100).cut_short(Claim::from(Availability { target: Ratio::new(0.5) }));
    assert!(!begun.recovery.verified && begun.exit_code.number() == 12);
    let validation = Story::validation(100).samples(9, |_| Class::Good);
    assert_eq!(validation.cut_short(Claim::from(Availability { target: Ratio::new(0.5) })).exit_code.number(), 13);
}

#[test]
fn a_run_is_aborted_by_what_happened_since_the_fault() {
    // Five good minutes before the fault hide nothing of what it does.
    let criterion = |claim: Claim| {
        let subject = crate::criterion::Subject::Probe("p".into());
        vec![crate::criterion::Criterion { id: "p/limit".into(), subject, claim, confidence: Ratio::new(0.95) }]
    };
    let limit = || criterion(Claim::from(ErrorRate { target: Ratio::new(0.2), during: During::All }));
    let run = |good: u64, bad: u64| {
        let requested = Event::FaultRequested { fault: "f1".into(), targets: vec!["demo/a".into()], uids: Vec::new() };
        let class = move |due| if due < good * 1000 { Class::Good } else { Class::Http5xx };
        Story::planned(100).samples(good + bad, class).event(good * 1000, requested).recorded()
    };
    let why = crate::score::breached(&run(300, 1), &limit()).unwrap();
    assert!(why.starts_with("p/limit since the fault: limit <= 20%; "), "{why}");
    assert_eq!(crate::score::breached(&run(300, 0), &limit()), None);
    let before = Story::planned(100).samples(30, |_| Class::Http5xx).recorded();
    assert_eq!(crate::score::breached(&before, &limit()), None, "nothing was injected yet");
}
