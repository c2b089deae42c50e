//! The runner that lost its own network, and the outages that this must not hide.

use super::story::{Story, at};
use crate::criterion::{Claim, During, ErrorRate, MaxOutage};
use crate::record::{Class, Event};
use crate::scorecard::Scorecard;
use crate::units::{Ratio, TimeSpan};
use crate::verdict::Verdict;

/// Nothing may be bad.
fn none_bad() -> Claim {
    Claim::from(ErrorRate { target: Ratio::new(0.0), during: During::All })
}

/// Asks a control target every second; without an answer while `cut` says so, which is known after a second.
fn control(mut story: Story, target: &str, outside: bool, cut: impl Fn(u64) -> bool) -> Story {
    for asked in (0..90_000).step_by(1000) {
        let answered = !cut(asked);
        let known = asked + if answered { 20 } else { 1000 };
        story = story.event(known, Event::Control { target: target.into(), outside, asked: at(asked), answered });
    }
    story
}

fn cut(due: u64) -> bool {
    (40_000..46_000).contains(&due)
}

fn timeouts(bad: impl Fn(u64) -> bool) -> impl Fn(u64) -> (Class, u64) {
    move |due| if bad(due) { (Class::Timeout, 900) } else { (Class::Good, 10) }
}

fn judged(story: Story) -> (Verdict, u8, String) {
    let card: Scorecard = story.card(none_bad());
    (card.verdict, card.exit_code.number(), card.criteria[0].message.clone())
}

#[test]
fn a_runner_without_network_is_inconclusive() {
    let story = control(control(Story::drill(100), "a", false, cut), "b", true, cut).answers(90, timeouts(cut));
    let card = story.card(none_bad());
    assert_eq!((card.verdict, card.exit_code.number()), (Verdict::Inconclusive, 11));
    assert!(card.message.contains("the runner lost its own network from 39.9 s to 46.0 s"), "{}", card.message);
    let control = card.control.unwrap();
    assert_eq!((control.targets.len(), control.lost.len(), control.lost[0].samples), (2, 1, 60));
    assert_eq!((card.probes[0].all.bad, card.probes[0].all.no_data), (0, 60));
}

#[test]
fn a_service_that_is_down_fails_while_any_control_answers() {
    let one = control(control(Story::drill(100), "a", false, cut), "b", true, |_| false);
    assert_eq!(judged(one.answers(90, timeouts(cut))).0, Verdict::Fail);
    let without = Story::drill(100).answers(90, timeouts(cut));
    assert_eq!(judged(without).0, Verdict::Fail, "an old record has no control");
}

#[test]
fn a_control_that_the_fault_can_touch_excuses_nothing() {
    let story = control(Story::drill(100), "a", false, cut).answers(90, timeouts(cut));
    assert_eq!(judged(story).0, Verdict::Fail);
    let never = control(Story::drill(100), "a", true, |_| true).answers(90, timeouts(cut));
    assert_eq!(judged(never).0, Verdict::Fail, "what never answered controls nothing");
}

#[test]
fn an_answer_of_any_kind_shows_that_there_was_a_network() {
    let error = |due| match due {
        43_000 => (Class::Http5xx, 10),
        due if cut(due) => (Class::Timeout, 900),
        _ => (Class::Good, 10),
    };
    let story = control(Story::drill(100), "a", true, cut).answers(90, error);
    let (verdict, _, message) = judged(story);
    assert_eq!(verdict, Verdict::Fail, "{message}");
}

#[test]
fn an_outage_that_began_before_it_still_counts() {
    let story = control(Story::drill(100), "a", true, cut).answers(90, timeouts(|due| cut(due) || due / 1000 == 38));
    assert_eq!(judged(story).0, Verdict::Fail);
    let longest = Claim::from(MaxOutage { target: TimeSpan::secs(5) });
    let story = control(Story::drill(100), "a", true, cut).answers(90, timeouts(cut));
    assert_ne!(story.judged(longest).verdict, Verdict::Pass, "an outage may have hidden in it");
}
