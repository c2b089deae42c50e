use std::collections::BTreeMap;

use jiff::Timestamp;
use meshdrill_checks::record::ClusterFacts;
use meshdrill_checks::scorecard::Scorecard;
use serde_json::json;

use super::*;

const NOW: &str = "2026-11-28T12:00:00Z";

fn card(scenario: &str, binding: &str, verdict: &str, started: &str) -> Scorecard {
    let faults = json!([{ "id": "f1", "kind": "scale", "clusters": ["one"], "targets": [], "requested": 1.0, "effective": 1.0,
        "tookEffect": true, "undo": "verified", "message": "" }]);
    let card = json!({
        "schema": "meshdrill.io/scorecard/v1", "verdict": verdict, "exitCode": 0, "message": format!("it says {verdict}"),
        "run": { "id": "0", "scenario": scenario, "binding": binding, "suite": "drills", "started": started,
            "finished": started, "mesh": "m", "lab": false },
        "criteria": [{ "id": "p/recovery-time", "kind": "recoveryTime", "target": "< 5m", "value": 3.0, "low": 2.0,
            "high": 4.0, "unit": "s", "n": 100, "verdict": verdict, "message": "3.00 s (n 100)" }],
        "checks": [], "probes": [], "faults": faults, "recovery": { "verified": true, "leftovers": [], "message": "" },
        "timeline": []
    });
    serde_json::from_value(card).unwrap()
}

fn run(scenario: &str, verdict: &str, started: &str) -> Offered {
    let facts = |uid: &str| ClusterFacts {
        uid: Some(uid.to_owned()),
        kubernetes: Some("v1.34.1".to_owned()),
        istio: Some("1.28.0".to_owned()),
        ..ClusterFacts::default()
    };
    let clusters = [("one", "u-1"), ("two", "u-2")].map(|(key, uid)| (key.to_owned(), facts(uid)));
    Offered {
        dir: format!("runs/{scenario}-{started}"),
        problems: Vec::new(),
        card: Some(card(scenario, "", verdict, started)),
        clusters: BTreeMap::from(clusters),
    }
}

fn required(scenario: &str) -> RequiredLine {
    let command = format!("meshdrill run {scenario}");
    let run = RequiredRun { names: vec![scenario.to_owned()], binding: String::new(), of_clusters: true, command };
    RequiredLine { claim: format!("{scenario} holds"), runs: vec![run], attested: None, waivers: Waivers::Allowed }
}

fn all(lines: Vec<RequiredLine>) -> Required {
    Required { name: "go-live".to_owned(), max_age: "7d".parse().unwrap(), uids: BTreeMap::new(), lines }
}

fn now() -> Timestamp {
    NOW.parse().unwrap()
}

fn decided(lines: Vec<RequiredLine>, offered: &[Offered]) -> Decision {
    decide(&all(lines), offered, &Attestations::new(), &BTreeMap::new(), now())
}

/// Three runs of three scenarios, which make a GO.
fn good() -> Vec<Offered> {
    ["a", "b", "c"].map(|name| run(name, "pass", "2026-11-27T02:00:00.000Z")).to_vec()
}

fn three() -> Vec<RequiredLine> {
    ["a", "b", "c"].map(required).to_vec()
}

/// The state of `b` after a change to its run.
fn state_after(change: impl FnOnce(&mut Offered)) -> State {
    let mut runs = good();
    change(&mut runs[1]);
    let decision = decided(three(), &runs);
    assert!(!decision.is_go());
    assert!(decision.reasons.iter().any(|reason| reason.starts_with("b: ")), "{:?}", decision.reasons);
    assert_eq!([&decision.lines[0], &decision.lines[2]].map(|line| line.items[0].state), [State::Backed; 2]);
    let item = &decision.lines[1].items[0];
    assert_eq!(item.command.as_deref(), Some("meshdrill run b"));
    item.state
}

fn card_of(run: &mut Offered) -> &mut Scorecard {
    run.card.as_mut().unwrap()
}

#[test]
fn fresh_passing_runs_of_the_same_clusters_are_go() {
    let decision = decided(three(), &good());
    assert!(decision.is_go(), "{:?}", decision.reasons);
    assert_eq!(decision.clusters.iter().map(|seen| seen.uid.as_str()).collect::<Vec<_>>(), ["u-1", "u-2"]);
    assert_eq!(decision.lines[0].items[0].criteria[0].measured, "3.00 s (n 100)");
}

#[test]
fn whatever_is_less_is_named() {
    let missing = decided(three(), &good()[..2]);
    assert_eq!(missing.lines[2].items[0].state, State::Missing);
    assert!(!missing.is_go() && missing.reasons[0].starts_with("c: missing"), "{:?}", missing.reasons);
    let started = |at: &'static str| move |run: &mut Offered| card_of(run).run.started = at.to_owned();
    assert_eq!(state_after(started("2026-11-20T11:00:00.000Z")), State::Stale);
    assert_eq!(state_after(started("2026-11-29T11:00:00.000Z")), State::Stale);
    assert_eq!(state_after(|run| *run = self::run("b", "inconclusive", NOW)), State::Inconclusive);
    assert_eq!(state_after(|run| *run = self::run("b", "fail", NOW)), State::Failed);
    assert_eq!(state_after(|run| *run = self::run("b", "error", NOW)), State::Error);
    assert_eq!(state_after(|run| *run = self::run("b", "not-run", NOW)), State::Error);
    assert_eq!(state_after(|run| card_of(run).recovery.verified = false), State::Failed);
    assert_eq!(state_after(|run| card_of(run).run.lab = true), State::Missing);
    let uid = |run: &mut Offered| run.clusters.get_mut("two").unwrap().uid = Some("u-9".to_owned());
    assert_eq!(state_after(uid), State::OtherClusters);
    assert_eq!(state_after(|run| run.clusters.get_mut("two").unwrap().uid = None), State::OtherClusters);
    assert_eq!(state_after(|run| run.clusters.clear()), State::OtherClusters);
    let older = |run: &mut Offered| {
        started("2026-11-26T02:00:00.000Z")(run);
        run.clusters.get_mut("one").unwrap().istio = Some("1.27.0".to_owned());
    };
    assert_eq!(state_after(older), State::OtherVersions);
    assert_eq!(state_after(|run| run.problems.push("scorecard.json: was altered".to_owned())), State::Altered);
}

#[test]
fn the_mesh_file_says_which_clusters_are_meant() {
    let mut required = all(three());
    required.uids.insert("two".to_owned(), "u-9".to_owned());
    let decision = decide(&required, &good(), &Attestations::new(), &BTreeMap::new(), now());
    assert_eq!(decision.lines[0].items[0].state, State::OtherClusters);
    assert!(decision.lines[0].items[0].message.contains("u-9 is meant"), "{:?}", decision.reasons);
}

#[test]
fn a_run_that_cannot_be_read_stands_in_the_way() {
    let mut runs = good();
    let broken = Offered { dir: "runs/x".to_owned(), problems: Vec::new(), card: None, clusters: BTreeMap::new() };
    runs.push(broken);
    let decision = decided(three(), &runs);
    assert!(decision.reasons.iter().any(|reason| reason.starts_with("runs/x: altered")), "{:?}", decision.reasons);
}

#[test]
fn the_newest_run_decides_not_the_best() {
    let mut runs = good();
    runs.push(run("b", "fail", "2026-11-28T02:00:00.000Z"));
    assert!(!decided(three(), &runs).is_go());
    runs.push(run("b", "pass", "2026-11-28T03:00:00.000Z"));
    let decision = decided(three(), &runs);
    assert!(decision.is_go(), "{:?}", decision.reasons);
    // The drill failed in between: that is a finding, and closed.
    assert_eq!(decision.findings.len(), 1);
    assert_eq!(decision.findings[0].closed_by.as_deref(), Some("runs/b-2026-11-28T03:00:00.000Z"));
}

#[test]
fn nothing_required_or_backed_is_never_go() {
    assert!(!decided(Vec::new(), &good()).is_go());
    let people = RequiredLine {
        claim: "Trained".to_owned(),
        runs: Vec::new(),
        attested: Some("training".to_owned()),
        waivers: Waivers::Allowed,
    };
    let by = |until: Option<&str>| Attestation {
        by: "Ana".to_owned(),
        on: "2026-11-01".parse().unwrap(),
        statement: "All took part.".to_owned(),
        until: until.map(|until| until.parse().unwrap()),
    };
    let with = |lines: &[RequiredLine], attestations: &[(&str, Attestation)]| {
        let attestations = attestations.iter().map(|(key, one)| ((*key).to_owned(), one.clone())).collect();
        decide(&all(lines.to_vec()), &good(), &attestations, &BTreeMap::new(), now())
    };
    assert!(!with(std::slice::from_ref(&people), &[("training", by(None))]).is_go(), "no run backs any line");
    let lines = [required("a"), people];
    assert_eq!(with(&lines, &[]).lines[1].items[0].state, State::NotEvidenced);
    assert_eq!(with(&lines, &[("training", by(Some("2026-11-27")))]).lines[1].items[0].state, State::NotEvidenced);
    let go = with(&lines, &[("training", by(Some("2026-11-28")))]);
    assert!(go.is_go() && go.lines[1].items[0].message.starts_with("attested by Ana on 2026-11-01"));
}

#[test]
fn a_waiver_is_shown_and_refused_where_the_line_says_so() {
    let mut runs = good();
    let mut waived = run("b", "not-run", NOW);
    let left_out = json!([{ "id": "scenario", "reason": "not there: waived until 2027-01-31 by Ana", "waived": true }]);
    card_of(&mut waived).not_run = serde_json::from_value(left_out).unwrap();
    runs[1] = waived;
    let decision = decided(three(), &runs);
    assert!(decision.is_go() && decision.lines[1].items[0].state == State::Waived, "{:?}", decision.reasons);
    let mut lines = three();
    lines[1].waivers = Waivers::Refused;
    assert!(!decided(lines, &runs).is_go());
}

#[test]
fn an_overdue_finding_is_no_go() {
    let mut runs = good();
    runs.push(run("drill", "fail", "2026-11-25T02:00:00.000Z"));
    let due = |due: &str| {
        let owner = FindingOwner { owner: "Ana".to_owned(), due: Some(due.parse().unwrap()), note: None };
        let owners = BTreeMap::from([("drill/p/recovery-time (one, two)".to_owned(), owner)]);
        decide(&all(three()), &runs, &Attestations::new(), &owners, now())
    };
    let open = due("2026-11-28");
    assert!(open.is_go() && open.findings[0].owner.as_deref() == Some("Ana") && !open.findings[0].overdue);
    let overdue = due("2026-11-27");
    assert!(!overdue.is_go() && overdue.reasons[0].contains("was due on 2026-11-27"), "{:?}", overdue.reasons);
}

#[test]
fn every_form_is_inert_and_says_the_same() {
    let mut runs = good();
    card_of(&mut runs[0]).criteria[0].message = "<script>alert(1)</script> | \u{1b}[31m [x](http://y)".to_owned();
    let decision = decided(three(), &runs[..2]);
    let (text, markdown) = (text(&decision), markdown(&decision));
    let page = String::from_utf8(page(&decision)).unwrap();
    for form in [&text, &markdown, &page] {
        assert!(form.contains("NO-GO") && form.contains("c holds") && form.contains("meshdrill run c"), "{form}");
        assert!(!form.contains("<script>") && !form.contains('\u{1b}'), "{form}");
    }
    assert!(text.ends_with("NO-GO  go-live  2 of 3 lines in order; c: missing: no run of it was given\n"), "{text}");
}
