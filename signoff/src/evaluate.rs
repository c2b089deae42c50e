//! From what is required and what is offered to a decision.

use std::collections::BTreeMap;

use jiff::{Timestamp, tz::TimeZone};
use meshdrill_checks::findings::{DrillRun, FindingOwners, findings};
use meshdrill_checks::scorecard::{CriterionResult, Scorecard};
use meshdrill_checks::units::TimeSpan;
use meshdrill_checks::verdict::Verdict;

use crate::decision::{Backing, DecidedLine, DecidedRun, Decision, GO, NO_GO, Seen, State};
use crate::offered::Offered;
use crate::requirement::{Attestations, Required, RequiredLine, RequiredRun, Waivers};

struct Evidence<'a> {
    offered: &'a [Offered],
    attestations: &'a Attestations,
    clusters: BTreeMap<&'a str, Seen>,
    max_age: TimeSpan,
    now: Timestamp,
}

/// Decides.
pub fn decide(
    required: &Required,
    offered: &[Offered],
    attestations: &Attestations,
    owners: &FindingOwners,
    now: Timestamp,
) -> Decision {
    let clusters = clusters(offered, &required.uids);
    let evidence = Evidence { offered, attestations, clusters, max_age: required.max_age, now };
    let lines: Vec<DecidedLine> = required.lines.iter().map(|line| evidence.line(line)).collect();
    let drills: Vec<DrillRun> = offered.iter().filter_map(Offered::as_drill).collect();
    let findings = findings(&drills, owners, now.to_zoned(TimeZone::UTC).date());
    let mut reasons: Vec<String> = lines.iter().flat_map(|line| &line.items).filter_map(reason).collect();
    reasons.extend(findings.iter().filter(|finding| finding.overdue).map(|finding| {
        let due = finding.due.as_deref().unwrap_or_default();
        format!("finding {} is open since {} and was due on {due}", finding.id, finding.opened)
    }));
    let altered = offered.iter().filter(|run| !run.is_intact());
    let problem = |run: &Offered| run.problems.first().map_or("the record cannot be read", String::as_str).to_owned();
    // Whoever leaves a run out says so; a run that was altered hides what it was.
    let altered: Vec<String> = altered.map(|run| format!("{}: altered: {}", run.dir, problem(run))).collect();
    reasons.extend(altered.iter().cloned());
    if !lines.iter().flat_map(|line| &line.items).any(|item| item.state == State::Backed) {
        reasons.push("no run backs any line".to_owned());
    }
    Decision {
        schema: "meshdrill.io/signoff/v1",
        name: required.name.clone(),
        decision: if reasons.is_empty() { GO } else { NO_GO },
        decided: format!("{now:.0}"),
        max_age: required.max_age.to_string(),
        clusters: evidence.clusters.into_values().collect(),
        lines,
        altered,
        findings,
        reasons,
    }
}

pub(crate) fn reason(item: &DecidedRun) -> Option<String> {
    (!item.state.is_ok()).then(|| format!("{}: {}: {}", item.title, item.state.word(), item.message))
}

/// The clusters that the mesh file names, else those that most of the runs are of, with their versions in the newest of these
/// runs.
fn clusters<'a>(offered: &'a [Offered], named: &'a BTreeMap<String, String>) -> BTreeMap<&'a str, Seen> {
    let mut runs: Vec<&Offered> = offered.iter().filter(|run| run.is_intact() && !run.is_lab()).collect();
    runs.sort_by_key(|run| run.started());
    let mut counts: BTreeMap<(&str, &str), usize> = BTreeMap::new();
    for run in &runs {
        for (key, facts) in &run.clusters {
            if let Some(uid) = &facts.uid {
                *counts.entry((key, uid)).or_default() += 1;
            }
        }
    }
    let unseen = |(key, uid): (&'a String, &'a String)| {
        (key.as_str(), Seen { cluster: key.clone(), uid: uid.clone(), kubernetes: None, istio: None })
    };
    let mut clusters: BTreeMap<&str, Seen> = named.iter().map(unseen).collect();
    for run in runs {
        for (key, facts) in &run.clusters {
            let Some(uid) = &facts.uid else { continue };
            let most = counts.iter().filter(|((one, _), _)| one == key).map(|(_, count)| *count).max();
            let is_meant = match named.get(key) {
                Some(named) => named == uid,
                None => counts.get(&(key.as_str(), uid.as_str())).copied() == most,
            };
            if is_meant {
                let (kubernetes, istio) = (facts.kubernetes.clone(), facts.istio.clone());
                clusters.insert(key.as_str(), Seen { cluster: key.clone(), uid: uid.clone(), kubernetes, istio });
            }
        }
    }
    clusters
}

impl Evidence<'_> {
    fn line(&self, line: &RequiredLine) -> DecidedLine {
        let mut items: Vec<DecidedRun> = line.runs.iter().map(|run| self.run(run, line.waivers)).collect();
        items.extend(line.attested.as_deref().map(|key| self.attested(key)));
        let ok = !items.is_empty() && items.iter().all(|item| item.state.is_ok());
        DecidedLine { claim: line.claim.clone(), ok, items }
    }

    fn attested(&self, key: &str) -> DecidedRun {
        let today = self.now.to_zoned(TimeZone::UTC).date();
        let (state, message) = match self.attestations.get(key) {
            None => (State::NotEvidenced, format!("nobody attests `{key}`")),
            Some(one) if one.until.is_some_and(|until| until < today) => {
                let until = one.until.map(|until| until.to_string()).unwrap_or_default();
                (State::NotEvidenced, format!("what {} attested on {} held until {until}", one.by, one.on))
            }
            Some(one) if one.on > today => (State::NotEvidenced, format!("{} attests it for {} only", one.by, one.on)),
            Some(one) => (State::Attested, format!("attested by {} on {}: {}", one.by, one.on, one.statement)),
        };
        let command = (state == State::NotEvidenced)
            .then(|| format!("add `{key}: {{ by: NAME, on: {today}, statement: … }}` to the file of --attest"));
        DecidedRun { title: key.to_owned(), state, message, command, run: None, started: None, criteria: Vec::new() }
    }

    fn run(&self, required: &RequiredRun, waivers: Waivers) -> DecidedRun {
        let item = |state: State, message: String, run: Option<&Offered>| DecidedRun {
            title: required.title(),
            state,
            message,
            command: (!state.is_ok()).then(|| required.command.clone()),
            run: run.map(|run| run.dir.clone()),
            started: run.and_then(|run| run.card.as_ref()).map(|card| card.run.started.clone()),
            criteria: run.and_then(|run| run.card.as_ref()).map(backings).unwrap_or_default(),
        };
        // The newest run decides, not the best one.
        let newest = self.offered.iter().filter(|run| run.is_of(required)).max_by_key(|run| run.started());
        let Some((run, card)) = newest.and_then(|run| Some((run, run.card.as_ref()?))) else {
            let lab =
                self.offered.iter().filter(|run| run.is_lab() && required.names.contains(&run.scenario())).count();
            let hint = if lab == 0 { "" } else { "; runs on the lab are no evidence" };
            return item(State::Missing, format!("no run of it was given{hint}"), None);
        };
        if let Some(problem) = run.problems.first() {
            return item(State::Altered, problem.clone(), Some(run));
        }
        let waived = !card.not_run.is_empty() && card.not_run.iter().all(|one| one.waived);
        let (state, message) = match card.verdict {
            Verdict::NotRun if waived && waivers == Waivers::Allowed => (State::Waived, card.message.clone()),
            Verdict::NotRun if waived => (State::NotEvidenced, format!("waivers are refused here: {}", card.message)),
            Verdict::NotRun | Verdict::Error => (State::Error, card.message.clone()),
            Verdict::Fail => (State::Failed, card.message.clone()),
            Verdict::Inconclusive => (State::Inconclusive, card.message.clone()),
            Verdict::Pass if !card.recovery.verified => {
                (State::Failed, format!("recovery was not verified: {}", card.recovery.message))
            }
            Verdict::Pass => (State::Backed, card.message.clone()),
        };
        if !matches!(state, State::Backed | State::Waived) {
            return item(state, message, Some(run));
        }
        let found = self.too_old(card).or_else(|| self.elsewhere(required, run, state));
        let (state, message) = found.unwrap_or((state, message));
        item(state, message, Some(run))
    }

    fn too_old(&self, card: &Scorecard) -> Option<(State, String)> {
        let Ok(started) = card.run.started.parse::<Timestamp>() else {
            return Some((State::Stale, format!("`{}` is no time", card.run.started)));
        };
        if started > self.now {
            return Some((State::Stale, format!("it began at {}, which has not come yet", card.run.started)));
        }
        let age = self.now.duration_since(started).unsigned_abs();
        let days = age.as_secs_f64() / 86_400.0;
        (age > self.max_age.0)
            .then(|| (State::Stale, format!("it is {days:.1} days old, and at most {} are allowed", self.max_age)))
    }

    /// Whether it is of other clusters or versions than most runs.
    fn elsewhere(&self, required: &RequiredRun, run: &Offered, state: State) -> Option<(State, String)> {
        let unsaid = || (State::OtherClusters, "its record does not say of which clusters it is".to_owned());
        if required.of_clusters && run.clusters.is_empty() && state == State::Backed {
            return Some(unsaid());
        }
        for (key, facts) in &run.clusters {
            let Some(uid) = &facts.uid else { return Some(unsaid()) };
            let Some(seen) = self.clusters.get(key.as_str()) else { return Some(unsaid()) };
            if *uid != seen.uid {
                let why = format!("cluster `{key}` has UID {uid} here, and {} is meant", seen.uid);
                return Some((State::OtherClusters, why));
            }
            let versions = [("Istio", &facts.istio, &seen.istio), ("Kubernetes", &facts.kubernetes, &seen.kubernetes)];
            for (what, here, newest) in versions {
                if let (Some(here), Some(newest)) = (here, newest)
                    && here != newest
                {
                    let why = format!("cluster `{key}` had {what} {here}, and has {newest} in the newest run");
                    return Some((State::OtherVersions, why));
                }
            }
        }
        None
    }
}

fn backings(card: &Scorecard) -> Vec<Backing> {
    let backing = |criterion: &CriterionResult| Backing {
        id: criterion.id.clone(),
        target: criterion.target.clone(),
        measured: criterion.message.clone(),
        verdict: criterion.verdict,
    };
    card.criteria.iter().map(backing).collect()
}
