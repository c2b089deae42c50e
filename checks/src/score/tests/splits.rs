//! Who answered, against declared weights.

use serde_json::json;

use super::story::Story;
use crate::criterion::{Claim, During, Split};
use crate::record::Class;
use crate::scorecard::CriterionResult;
use crate::verdict::Verdict::{Fail, Inconclusive, Pass};

fn judged(seconds: u64, weights: &[(&str, f64)], who: impl Fn(u64) -> &'static str) -> CriterionResult {
    let weights = weights.iter().map(|(name, weight)| ((*name).to_owned(), *weight)).collect();
    let claim = Claim::from(Split { by: "cluster".into(), weights, during: During::All });
    Story::validation(100).sights(seconds, |due| json!({ "by": { "cluster": who(due / 100) } })).judged(claim)
}

#[test]
fn counts_that_agree_need_to_be_many() {
    let seventy = |n| if n % 10 < 7 { "one" } else { "two" };
    let weights = [("one", 70.0), ("others", 30.0)];
    let agreed = judged(30, &weights, seventy);
    assert_eq!((agreed.verdict, agreed.n), (Pass, 300));
    assert!(agreed.message.contains("others 30 % (90 of 300, declared 30 %)"), "{}", agreed.message);
    let few = judged(2, &weights, seventy);
    assert_eq!(few.verdict, Inconclusive);
    assert!(few.message.contains("needs 244 answers, has 20"), "{}", few.message);
    assert_eq!(judged(30, &weights, |n| if n % 2 == 0 { "one" } else { "two" }).verdict, Fail);
    let home = judged(30, &weights, |_| "one");
    assert!(home.verdict == Fail && home.message.contains("others 0 % (0 of 300"), "{home:?}");
}

#[test]
fn a_late_answer_tells_as_well_who_gave_it() {
    let claim = Claim::from(Split {
        by: "cluster".into(),
        weights: [("one".to_owned(), 70.0), ("two".to_owned(), 30.0)].into(),
        during: During::All,
    });
    // All that the second answers is late: without it, there would seem to be nobody but the first.
    let late = |due: u64| {
        let (class, who) = if due / 100 % 10 < 7 { (Class::Good, "one") } else { (Class::Late, "two") };
        (class, json!({ "by": { "cluster": who } }))
    };
    let judged = Story::validation(100).classed(30, late).judged(claim);
    assert_eq!((judged.verdict, judged.n), (Pass, 300));
}

#[test]
fn an_answer_from_somebody_undeclared_contradicts() {
    let stray = judged(30, &[("one", 1.0)], |n| if n == 7 { "two" } else { "one" });
    assert_eq!(stray.verdict, Fail);
    let none = judged(30, &[("one", 1.0)], |_| "one");
    assert_eq!(none.verdict, Pass);
}

#[test]
fn answers_that_tell_nothing_are_no_evidence() {
    let claim =
        Claim::from(Split { by: "version".into(), weights: [("v1".to_owned(), 1.0)].into(), during: During::All });
    let judged = Story::validation(100).sights(30, |_| json!({ "by": { "cluster": "one" } })).judged(claim);
    assert_eq!(judged.verdict, Inconclusive);
}
