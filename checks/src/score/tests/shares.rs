//! Shares and quantiles: availability, error budget, error rate, packet loss, latency.

use proptest::prelude::*;

use super::story::Story;
use crate::criterion::{Availability, Claim, During, ErrorBudget, ErrorRate, Latency, PacketLoss};
use crate::record::Class;
use crate::units::{Ratio, TimeSpan};
use crate::verdict::Verdict::{self, Fail, Inconclusive, Pass};

fn ratio(percent: f64) -> Ratio {
    Ratio::new(percent / 100.0)
}

fn verdict(seconds: u64, class: impl Fn(u64) -> Class, claim: Claim) -> Verdict {
    Story::validation(100).samples(seconds, class).judged(claim).verdict
}

/// Bad in every so many samples.
fn one_in(count: u64) -> impl Fn(u64) -> Class {
    move |due| if (due / 100) % count == count - 1 { Class::Http5xx } else { Class::Good }
}

#[test]
fn availability_needs_as_many_samples_as_its_target() {
    let claim = || Claim::from(Availability { target: ratio(99.0) });
    assert_eq!(verdict(30, |_| Class::Good, claim()), Pass, "300 clean samples support 99 %");
    assert_eq!(verdict(29, |_| Class::Good, claim()), Inconclusive, "290 do not");
    assert_eq!(verdict(60, one_in(10), claim()), Fail);
    assert_eq!(verdict(60, one_in(100), claim()), Inconclusive, "1 % bad is where the target lies");
}

#[test]
fn five_clean_samples_support_little() {
    let judged =
        Story::validation(1000).samples(5, |_| Class::Good).judged(Claim::from(Availability { target: ratio(99.95) }));
    assert_eq!((judged.verdict, judged.n), (Inconclusive, 5));
    assert!(judged.low.is_some_and(|low| (low - 0.549).abs() < 0.001), "{judged:?}");
    assert!(judged.message.contains("needs 5990 samples"), "{}", judged.message);
}

#[test]
fn an_error_budget_is_spent_by_down_time_and_not_by_counts() {
    let claim =
        |spend| Claim::from(ErrorBudget { target: ratio(99.95), over: "30d".parse().unwrap(), spend: ratio(spend) });
    let outage = |due| if (20_000..25_000).contains(&due) { Class::Refused } else { Class::Good };
    let judged = Story::validation(100).samples(60, outage).judged(claim(100.0));
    assert_eq!(judged.verdict, Pass);
    assert!(judged.value.is_some_and(|spent| (spent - 5.01).abs() < 1e-6), "{judged:?}");
    assert!(judged.message.contains("of 1296 s"), "{}", judged.message);
    assert_eq!(verdict(60, outage, claim(0.1)), Fail, "0.1 % of 1296 s is less than 4.9 s");
    assert_eq!(verdict(60, |due| if due > 50_000 { Class::Timeout } else { Class::Good }, claim(100.0)), Inconclusive);
}

#[test]
fn rates_are_judged_by_their_bound_and_zero_by_what_was_seen() {
    for claim in [
        |target| Claim::from(ErrorRate { target, during: During::All }),
        |target| Claim::from(PacketLoss { target, during: During::All }),
    ] {
        assert_eq!(verdict(30, |_| Class::Good, claim(ratio(1.0))), Pass);
        assert_eq!(verdict(20, |_| Class::Good, claim(ratio(1.0))), Inconclusive);
        assert_eq!(verdict(60, one_in(10), claim(ratio(1.0))), Fail);
        assert_eq!(verdict(3, |_| Class::Good, claim(ratio(0.0))), Pass, "30 of 30");
        assert_eq!(verdict(2, |_| Class::Good, claim(ratio(0.0))), Inconclusive, "20 of 20");
        assert_eq!(verdict(60, one_in(600), claim(ratio(0.0))), Fail, "one bad is one too many");
    }
}

fn p99(millis: u64) -> Claim {
    Claim::from(Latency { quantile: ratio(99.0), target: TimeSpan::millis(millis), during: During::All })
}

#[test]
fn a_quantile_needs_samples_and_counts_failures_as_never_answered() {
    assert_eq!(verdict(30, |_| Class::Good, p99(50)), Pass);
    assert_eq!(verdict(29, |_| Class::Good, p99(50)), Inconclusive, "P99 needs 299");
    assert_eq!(verdict(60, one_in(20), p99(50)), Fail, "refusals are fast, and no answer");
    assert_eq!(verdict(30, |_| Class::Good, p99(10)), Fail, "10 ms is not below 10 ms");
}

#[test]
fn a_stall_is_seen_by_every_request_that_was_due_in_it() {
    // Gil Tene's example: 100 a second, 1 ms each for 100 s, then nothing for 100 s. The naive P99.99 is 1 ms.
    let stall = |due| (Class::Good, if due < 100_000 { 1 } else { 200_000 - due });
    let judged = |percent, millis| {
        let claim =
            Claim::from(Latency { quantile: ratio(percent), target: TimeSpan::millis(millis), during: During::All });
        Story::validation(10).answers(200, stall).judged(claim)
    };
    for (percent, seconds) in [(50.0, 0.001), (75.0, 50.0), (99.0, 98.0), (99.99, 99.98)] {
        let judged = judged(percent, 500);
        assert_eq!(judged.n, 20_000);
        assert!(judged.value.is_some_and(|value| (value - seconds).abs() < 0.021), "P{percent}: {judged:?}");
    }
    assert_eq!(judged(99.0, 500).verdict, Fail);
}

proptest! {
    #[test]
    fn a_slower_sample_never_improves_a_quantile(
        took in prop::collection::vec(1_u64..2_000, 600),
        slot in 0_usize..600,
        more in 1_u64..5_000,
    ) {
        let judged = |took: &[u64]| {
            Story::validation(100).answers(60, |due| (Class::Good, took[(due / 100) as usize])).judged(p99(1_500))
        };
        let before = judged(&took);
        let mut slower = took.clone();
        slower[slot] += more;
        let after = judged(&slower);
        prop_assert!(after.value.unwrap_or(f64::INFINITY) >= before.value.unwrap_or(f64::INFINITY));
        prop_assert!(after.verdict.merge(before.verdict) == after.verdict);
    }
}
