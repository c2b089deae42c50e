//! What was acknowledged and could not be read back.

use super::story::Story;
use crate::criterion::{Claim, DataLoss};
use crate::record::{Class, Event, ReadBack};
use crate::scorecard::CriterionResult;
use crate::units::Ratio;
use crate::verdict::Verdict::{Fail, Inconclusive, Pass};

fn judged(found: Option<ReadBack>, percent: f64) -> CriterionResult {
    let story = Story::validation(100).samples(10, |_| Class::Good);
    let story = match found {
        Some(found) => story.event(10_000, Event::ReadBack { probe: "p".into(), found }),
        None => story,
    };
    story.judged(Claim::from(DataLoss { target: Ratio::new(percent / 100.0) }))
}

fn found(acknowledged: u64, lost: usize, unread: u64) -> ReadBack {
    let lost = (0..lost).map(|n| format!("t{n}")).collect();
    ReadBack { acknowledged, lost, unread, why: "refused".to_owned() }
}

#[test]
fn no_loss_is_claimed_as_far_as_the_writes_support_it() {
    let none = judged(Some(found(100, 0, 0)), 0.0);
    assert_eq!(none.verdict, Pass);
    assert!(none.high.is_some_and(|high| (high - 0.0295).abs() < 0.001), "{none:?}");
    assert_eq!(judged(Some(found(20, 0, 0)), 0.0).verdict, Inconclusive, "20 writes show little");
    assert_eq!(judged(Some(found(100, 0, 0)), 1.0).verdict, Inconclusive, "100 writes do not show 1 %");
    let one = judged(Some(found(100, 1, 0)), 0.0);
    assert!(one.verdict == Fail && one.message.contains("first lost: t0"), "{one:?}");
}

#[test]
fn what_was_not_read_back_is_not_known() {
    assert_eq!(judged(None, 0.0).verdict, Inconclusive);
    assert_eq!(judged(Some(found(0, 0, 0)), 0.0).verdict, Inconclusive);
    assert_eq!(judged(Some(found(100, 0, 3)), 0.0).verdict, Inconclusive);
    assert_eq!(judged(Some(found(100, 1, 3)), 0.0).verdict, Fail);
    assert_eq!(judged(Some(found(1000, 1, 900)), 1.0).verdict, Inconclusive, "most of it is not known");
}
