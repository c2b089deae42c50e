//! Times: recovery, the longest outage, restarts.

use super::story::{REQUESTED, Story, at};
use crate::criterion::{Claim, MaxOutage, RecoveryTime, RestartTime};
use crate::record::{Class, Event};
use crate::units::TimeSpan;
use crate::verdict::Verdict::{Error, Fail, Inconclusive, Pass};

fn between(start: u64, end: u64) -> impl Fn(u64) -> Class {
    move |due| if (start..end).contains(&due) { Class::Http5xx } else { Class::Good }
}

fn recovery(target: &str) -> Claim {
    Claim::from(RecoveryTime { target: target.parse().unwrap() })
}

#[test]
fn recovery_counts_from_the_effect_to_the_first_good_sample_of_a_sustained_run() {
    let judged = |target| Story::drill(100).samples(90, between(20_200, 26_200)).judged(recovery(target));
    let card = judged("7s");
    assert_eq!(card.verdict, Pass);
    assert!(card.value.is_some_and(|value| (value - (26.210 - 20.100)).abs() < 1e-6), "{card:?}");
    assert!(card.low.is_some_and(|low| (low - (26.100 - 20.100)).abs() < 1e-6), "{card:?}");
    assert_eq!(judged("6s").verdict, Fail, "it took at least 6 s");
    assert_eq!(judged("6050ms").verdict, Inconclusive, "between 6.00 s and 6.11 s");
}

#[test]
fn recovery_counts_from_when_the_fault_was_accepted_not_from_when_its_effect_was_seen() {
    // The outage is over before a control request of 3 s has shown that the fault took hold.
    let effect = Event::FaultEffective { fault: "f1".into(), since: Some(at(20_100)), proof: "seen".into() };
    let story = || Story::faulted(100).event(23_100, effect.clone()).samples(90, between(20_200, 22_200));
    let judged = story().judged(recovery("1m"));
    assert!(judged.value.is_some_and(|value| (value - (22.210 - 20.100)).abs() < 1e-6), "{judged:?}");
    let card = story().card(recovery("1m"));
    assert_eq!((card.faults[0].effective, card.faults[0].seen), (Some(20.1), Some(23.1)));
}

#[test]
fn a_relapse_is_part_of_the_recovery() {
    let class = |due| match due {
        20_500..=24_500 | 26_000..=26_900 => Class::Reset,
        _ => Class::Good,
    };
    let judged = Story::drill(1000).samples(120, class).judged(recovery("1m"));
    assert!(judged.value.is_some_and(|value| (value - (27.010 - 20.100)).abs() < 1e-6), "{judged:?}");
}

#[test]
fn the_reference_history_recovers_at_its_first_sustained_good_sample() {
    // The vector `rto`: one sample a second, effect at 4.5 s, recovered at 12 s, so 7.5 s; here 16 s later, answered
    // after 10 ms, and good for ever afterwards.
    let pattern = b"SSSSSFFFFFSFSSSSSSSS";
    let class = |due: u64| match (due / 1000).checked_sub(16).and_then(|slot| pattern.get(slot as usize)) {
        Some(b'F') => Class::Refused,
        _ => Class::Good,
    };
    let effect = Event::FaultEffective { fault: "f1".into(), since: None, proof: "seen".into() };
    let judged = Story::faulted(1000).event(20_500, effect).samples(90, class).judged(recovery("1m"));
    assert!(judged.value.is_some_and(|value| (value - 7.51).abs() < 1e-6), "{judged:?}");
    assert_eq!(judged.verdict, Pass);
}

#[test]
fn what_has_not_recovered_passes_no_target() {
    let open = |target| Story::drill(100).samples(60, between(21_000, 90_000)).judged(recovery(target));
    assert_eq!(open("10s").verdict, Fail, "38 s are more than 10 s already");
    assert_eq!(open("5m").verdict, Inconclusive);
    assert_eq!(open("5m").high, None);
}

#[test]
fn no_outage_recovers_at_once_and_says_how_finely_that_was_seen() {
    let judged = Story::drill(100).samples(60, |_| Class::Good).judged(recovery("1m"));
    assert_eq!((judged.verdict, judged.value), (Pass, Some(0.0)));
    assert!(judged.message.contains("resolution 110 ms"), "{}", judged.message);
    let few = Story::drill(100).samples(22, |_| Class::Good).judged(recovery("1m"));
    assert_eq!(few.verdict, Inconclusive, "19 samples after the fault show nothing");
}

#[test]
fn the_longest_outage_is_judged_by_its_bounds() {
    let judged = |target| {
        let claim = Claim::from(MaxOutage { target: TimeSpan::millis(target) });
        Story::validation(100).samples(60, between(20_000, 22_000)).judged(claim)
    };
    assert_eq!(judged(2_200).verdict, Pass);
    assert_eq!(judged(1_900).verdict, Fail);
    assert_eq!(judged(2_000).verdict, Inconclusive);
    let open = Story::validation(100).samples(60, between(20_000, 90_000));
    assert_eq!(open.judged(Claim::from(MaxOutage { target: TimeSpan::secs(60) })).verdict, Inconclusive);
}

#[test]
fn every_target_needs_a_replacement_in_time() {
    let replaced = |after| Event::TargetReplaced { fault: "f1".into(), target: "demo/a".into(), by: after };
    let restart = |target| Claim::from(RestartTime { target: TimeSpan::secs(target) });
    let story = || Story::drill(100).event(REQUESTED + 8_000, replaced("demo/b".into())).samples(60, |_| Class::Good);
    assert_eq!(story().judged(restart(10)).verdict, Pass);
    assert_eq!(story().judged(restart(8)).verdict, Fail, "8 s are not below 8 s");
    let missing = || Story::drill(100).samples(60, |_| Class::Good);
    assert_eq!(missing().judged(restart(30)).verdict, Fail, "40 s have passed");
    assert_eq!(missing().judged(restart(60)).verdict, Inconclusive);
    assert_eq!(Story::validation(100).samples(60, |_| Class::Good).judged(restart(60)).verdict, Error);
}
