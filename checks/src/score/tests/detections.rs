//! Detection of a fault by an alert, stage by stage.

use serde_json::{Value, json};

use super::story::{EFFECTIVE, Story};
use crate::criterion::{Claim, DetectionTime};
use crate::detection::Stage;
use crate::record::Event;
use crate::scorecard::CriterionResult;
use crate::units::TimeSpan;
use crate::verdict::Verdict::{Fail, Inconclusive, Pass};

fn standing(state: &str, received: Option<&str>, told: u64, untold: u64) -> Value {
    json!({ "state": state, "received": received, "suppressedBy": [], "told": told, "untold": untold })
}

/// An alert that is pending 5 s, firing 65 s and notified 67 s after the fault took effect at 20.1 s, one look a second.
fn usual(due: u64) -> Value {
    match due.saturating_sub(EFFECTIVE) {
        0..5_000 => standing("inactive", None, 3, 0),
        5_000..65_000 => standing("pending", None, 3, 0),
        65_000..66_000 => standing("firing", None, 3, 0),
        66_000..67_000 => standing("firing", Some("active"), 3, 0),
        _ => standing("firing", Some("active"), 4, 0),
    }
}

fn claim(seconds: u64, until: Stage) -> Claim {
    Claim::from(DetectionTime { target: TimeSpan::secs(seconds), until, fault: None })
}

fn judged(sights: impl Fn(u64) -> Value, claim: Claim) -> CriterionResult {
    let undo = Event::UndoRequested { fault: "f1".into(), undo: "put back".into() };
    Story::drill(1000).sights(120, sights).event(110_000, undo).judged(claim)
}

#[test]
fn the_last_stage_is_judged_by_the_looks_around_it() {
    let told = judged(usual, claim(120, Stage::Receiver));
    assert_eq!(told.verdict, Pass);
    assert!(told.low.is_some_and(|low| (low - 66.9).abs() < 0.2), "{told:?}");
    assert!(told.high.is_some_and(|high| (high - 67.91).abs() < 0.2), "{told:?}");
    assert!(told.message.contains("pending 5.91 s, firing 65.91 s"), "{}", told.message);
    assert_eq!(judged(usual, claim(67, Stage::Receiver)).verdict, Inconclusive, "the target lies between two looks");
    assert_eq!(judged(usual, claim(60, Stage::Receiver)).verdict, Fail);
    assert_eq!(judged(usual, claim(66, Stage::Firing)).verdict, Pass);
}

#[test]
fn what_is_not_detected_names_the_stage_it_came_to() {
    let never = judged(|_| standing("inactive", None, 3, 0), claim(60, Stage::Receiver));
    assert_eq!(never.verdict, Fail);
    assert!(never.message.contains("the alert stayed inactive"), "{}", never.message);
    let silenced = |due| match usual(due) {
        mut seen if seen["received"] == "active" => {
            seen["received"] = json!("suppressed");
            seen["suppressedBy"] = json!(["s1"]);
            seen
        }
        seen => seen,
    };
    let silenced = judged(silenced, claim(80, Stage::Receiver));
    assert_eq!(silenced.verdict, Fail);
    assert!(silenced.message.contains("suppressed at Alertmanager by s1"), "{}", silenced.message);
    let dead = |due| match usual(due) {
        mut seen if seen["told"] == 4 => {
            (seen["told"], seen["untold"]) = (json!(3), json!(2));
            seen
        }
        seen => seen,
    };
    let dead = judged(dead, claim(80, Stage::Receiver));
    assert!(dead.verdict == Fail && dead.message.contains("2 notifications could not be delivered"), "{dead:?}");
    let short = judged(|_| standing("inactive", None, 3, 0), claim(120, Stage::Receiver));
    assert_eq!(short.verdict, Inconclusive, "the fault was held for 90 s only");
}

#[test]
fn an_alert_that_was_there_before_detects_nothing() {
    let early = judged(|_| standing("pending", None, 3, 0), claim(120, Stage::Firing));
    assert_eq!(early.verdict, Inconclusive);
    let others = judged(
        |due| if due < EFFECTIVE { standing("inactive", None, 0, 0) } else { usual(due) },
        claim(120, Stage::Receiver),
    );
    assert_eq!(others.verdict, Pass, "what was told of others before does not count, what comes after does");
}

#[test]
fn what_is_infeasible_fails_and_nothing_is_injected() {
    let why = "71 s at the least, the target is 1m".to_owned();
    let card = Story::validation(1000)
        .sights(1, |_| standing("inactive", None, 0, 0))
        .event(1000, Event::Infeasible { criterion: "c".into(), why })
        .card(claim(60, Stage::Receiver));
    assert_eq!((card.exit_code.number(), card.criteria[0].verdict), (10, Fail));
    assert!(card.criteria[0].message.starts_with("infeasible: 71 s at the least"), "{}", card.criteria[0].message);
}

/// What `usual` shows, with another alert of the same receiver that has fired for so many seconds when the fault takes
/// effect, and is there until then and so many seconds more.
fn beside(due: u64, age: u64, until: u64) -> Value {
    let mut seen = usual(due);
    let delivered = seen["told"].clone();
    seen["notified"] = json!({ "webhook": { "delivered": delivered, "failed": 0 } });
    if seen["received"] == "active" {
        seen["ways"] = json!(["webhook"]);
    }
    if due < EFFECTIVE + until * 1000 {
        let secs = |secs: u64| json!({ "secs": secs, "nanos": 0 });
        seen["others"] = json!([{ "id": "f0", "name": "DiskFull", "age": age + due / 1000, "ways": ["webhook"],
            "waits": { "between": secs(30), "settled": secs(40), "repeated": secs(14_400) } }]);
    }
    seen
}

#[test]
fn what_others_may_account_for_is_not_taken_for_ours() {
    let target = || claim(120, Stage::Receiver);
    let stands = judged(|due| beside(due, 3_600, 600), target());
    assert_eq!(stands.verdict, Pass, "one that stands unchanged tells nothing new: {}", stands.message);
    let gone = judged(|due| beside(due, 3_600, 50), target());
    assert_eq!(gone.verdict, Inconclusive, "{}", gone.message);
    assert!(
        gone.message.contains("for this alert or for DiskFull: Alertmanager does not count them apart"),
        "{}",
        gone.message
    );
    let young = judged(|due| beside(due, 0, 600), target());
    assert_eq!(young.verdict, Pass, "it has been there for long enough when ours comes: {}", young.message);
    let long_gone = judged(|due| beside(due, 3_600, 5), target());
    assert_eq!(long_gone.verdict, Pass, "{}", long_gone.message);
    let two = |due| {
        let mut seen = beside(due, 3_600, 50);
        if due > EFFECTIVE + 55_000 {
            let delivered = seen["notified"]["webhook"]["delivered"].as_u64().unwrap_or_default() + 1;
            seen["notified"]["webhook"]["delivered"] = json!(delivered);
            seen["told"] = json!(delivered);
        }
        seen
    };
    assert_eq!(judged(two, target()).verdict, Pass, "what was to tell of the other was told before");
}

#[test]
fn a_receiver_that_is_asked_knows_what_it_heard() {
    let heard = |count: fn(u64) -> u64| {
        judged(
            move |due| {
                let mut seen = beside(due, 3_600, 50);
                seen["heard"] = json!(count(due));
                seen
            },
            claim(80, Stage::Receiver),
        )
    };
    assert_eq!(heard(|due| if due < EFFECTIVE + 67_000 { 2 } else { 4 }).verdict, Pass);
    let never = heard(|_| 2);
    assert_eq!(never.verdict, Fail, "{}", never.message);
    assert!(never.message.contains("the alert did not reach the stage receiver"), "{}", never.message);
}
