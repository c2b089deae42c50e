//! Findings: every failed criterion of a drill, until a later run of the same criterion on the same clusters passes with a target
//! that is no easier. Runs on the lab open and close none.

use std::collections::BTreeMap;

use jiff::Timestamp;
use jiff::civil::Date;
use serde::{Deserialize, Serialize};

use crate::record::ClusterFacts;
use crate::scorecard::{Limit, Scorecard, titled};
use crate::verdict::Verdict;

/// Who takes care of a finding, and until when.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct FindingOwner {
    /// Who.
    pub owner: String,
    /// The last day.
    pub due: Option<Date>,
    /// What is being done.
    pub note: Option<String>,
}

/// The owners of findings, by the id of the finding.
pub type FindingOwners = BTreeMap<String, FindingOwner>;

/// A drill and its verdicts.
#[derive(Debug, Clone, PartialEq)]
pub struct DrillRun {
    /// Its directory.
    pub place: String,
    /// `SCENARIO@BINDING`.
    pub title: String,
    /// When it began, RFC 3339 in UTC.
    pub started: String,
    /// The clusters with the UIDs of their namespaces kube-system, where those are known.
    pub clusters: BTreeMap<String, Option<String>>,
    /// Its criteria.
    pub criteria: Vec<DrillCriterion>,
}

/// A criterion of a drill.
#[derive(Debug, Clone, PartialEq)]
pub struct DrillCriterion {
    /// Its id.
    pub id: String,
    /// Its target as a number, where it has one.
    pub limit: Option<Limit>,
    /// Its verdict.
    pub verdict: Verdict,
    /// What was measured.
    pub message: String,
}

impl DrillRun {
    /// A run that can open and close findings; none for a validation and for a lab run.
    pub fn new<'a>(
        place: &str,
        card: &Scorecard,
        clusters: impl IntoIterator<Item = (&'a str, &'a ClusterFacts)>,
    ) -> Option<Self> {
        if card.run.lab || card.faults.is_empty() {
            return None;
        }
        let criteria = card.criteria.iter().map(|one| DrillCriterion {
            id: one.id.clone(),
            limit: one.limit,
            verdict: one.verdict,
            message: one.message.clone(),
        });
        Some(Self {
            place: place.to_owned(),
            title: titled(&card.run.scenario, &card.run.binding),
            started: card.run.started.clone(),
            clusters: clusters.into_iter().map(|(key, facts)| (key.to_owned(), facts.uid.clone())).collect(),
            criteria: criteria.collect(),
        })
    }
}

/// A failed criterion of a drill.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Finding {
    /// `SCENARIO@BINDING/CRITERION (CLUSTERS)`, the same in every night.
    pub id: String,
    /// The directory of the run that opened it.
    pub opened_by: String,
    /// When that began.
    pub opened: String,
    /// What was measured there.
    pub message: String,
    /// The directory of the run that closed it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub closed_by: Option<String>,
    /// When that began.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub closed: Option<String>,
    /// Who takes care of it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub owner: Option<String>,
    /// Until when.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub due: Option<String>,
    /// What is being done.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub note: Option<String>,
    /// Whether it is open after its due date.
    pub overdue: bool,
}

impl Finding {
    /// Whether it is one of a scenario, given as `SCENARIO@BINDING`.
    pub fn is_of(&self, title: &str) -> bool {
        self.id.strip_prefix(title).is_some_and(|rest| rest.starts_with('/'))
    }

    /// Whether it is open.
    pub const fn is_open(&self) -> bool {
        self.closed.is_none()
    }

    /// What became of it, in words: by whom it was closed, or who takes care of it.
    pub fn state(&self) -> String {
        if let (Some(closed), Some(by)) = (&self.closed, &self.closed_by) {
            return format!("closed on {} by {by}", day(closed));
        }
        let owner = self.owner.as_deref().unwrap_or("no owner");
        let due = self.due.as_ref().map_or_else(|| "no due date".to_owned(), |due| format!("due {due}"));
        let note = self.note.as_ref().map(|note| format!(", {note}")).unwrap_or_default();
        format!("open, {owner}, {due}{}{note}", if self.overdue { ", OVERDUE" } else { "" })
    }
}

impl std::fmt::Display for Finding {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{}: opened on {} by {}; {}", self.id, day(&self.opened), self.opened_by, self.state())?;
        if self.is_open() { write!(f, ": {}", self.message) } else { Ok(()) }
    }
}

/// Whether a target is as hard to meet as the one that was missed, or harder. What has no number is compared by its criterion alone.
fn is_as_hard(now: Option<Limit>, missed: Option<Limit>) -> bool {
    match (now, missed) {
        (Some(Limit::AtLeast(now)), Some(Limit::AtLeast(missed))) => now >= missed,
        (Some(Limit::AtMost(now)), Some(Limit::AtMost(missed) | Limit::Below(missed))) => now <= missed,
        (Some(Limit::Below(now)), Some(Limit::AtMost(missed) | Limit::Below(missed))) => now <= missed,
        (None, None) => true,
        _ => false,
    }
}

/// The date of a time.
pub fn day(time: &str) -> &str {
    time.split('T').next().unwrap_or(time)
}

/// The findings of some runs, in the order in which they were opened.
pub fn findings(runs: &[DrillRun], owners: &FindingOwners, today: Date) -> Vec<Finding> {
    let mut runs: Vec<&DrillRun> = runs.iter().collect();
    runs.sort_by_key(|run| run.started.parse::<Timestamp>().ok());
    let mut found: Vec<(String, Option<Limit>, Finding)> = Vec::new();
    for run in runs {
        let keys: Vec<&str> = run.clusters.keys().map(String::as_str).collect();
        // The same keys may be other clusters.
        let uids: Vec<&str> = run.clusters.values().flatten().map(String::as_str).collect();
        for criterion in &run.criteria {
            let id = format!("{}/{} ({})", run.title, criterion.id, keys.join(", "));
            let same = format!("{id} {}", uids.join(" "));
            let open = found.iter_mut().find(|(key, _, finding)| *key == same && finding.is_open());
            match (criterion.verdict, open) {
                (Verdict::Fail, None) => {
                    let owner = owners.get(&id).cloned().unwrap_or_default();
                    let finding = Finding {
                        opened_by: run.place.clone(),
                        opened: run.started.clone(),
                        message: criterion.message.clone(),
                        closed_by: None,
                        closed: None,
                        owner: Some(owner.owner).filter(|owner| !owner.is_empty()),
                        due: owner.due.map(|due| due.to_string()),
                        note: owner.note,
                        overdue: owner.due.is_some_and(|due| due < today),
                        id,
                    };
                    found.push((same, criterion.limit, finding));
                }
                (Verdict::Pass, Some((_, missed, finding))) if is_as_hard(criterion.limit, *missed) => {
                    finding.closed_by = Some(run.place.clone());
                    finding.closed = Some(run.started.clone());
                    finding.overdue = false;
                }
                _ => {}
            }
        }
    }
    found.into_iter().map(|(_, _, finding)| finding).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn run(night: u8, uid: &str, verdict: Verdict) -> DrillRun {
        DrillRun {
            place: format!("runs/{night}"),
            title: "drill".to_owned(),
            started: format!("2026-11-{night:02}T02:00:00.000Z"),
            clusters: BTreeMap::from([("one".to_owned(), Some(uid.to_owned()))]),
            criteria: vec![DrillCriterion {
                id: "p/latency-p99".to_owned(),
                limit: Some(Limit::Below(0.5)),
                verdict,
                message: "900 ms".to_owned(),
            }],
        }
    }

    fn of(runs: &[DrillRun], owners: &FindingOwners) -> Vec<String> {
        let found = findings(runs, owners, jiff::civil::date(2026, 11, 28));
        found.iter().map(ToString::to_string).collect()
    }

    #[test]
    fn a_later_pass_on_the_same_clusters_closes() {
        let opened = "drill/p/latency-p99 (one): opened on 2026-11-02 by runs/2; ";
        let (bad, good) = (run(2, "u", Verdict::Fail), run(4, "u", Verdict::Pass));
        let open = format!("{opened}open, no owner, no due date: 900 ms");
        let closed = format!("{opened}closed on 2026-11-04 by runs/4");
        let none = FindingOwners::new();
        assert_eq!(of(&[good.clone(), bad.clone()], &none), std::slice::from_ref(&closed));
        for other in [run(1, "u", Verdict::Pass), run(4, "another", Verdict::Pass), run(4, "u", Verdict::Inconclusive)]
        {
            assert_eq!(of(&[bad.clone(), other], &none), std::slice::from_ref(&open));
        }
        // It stays the finding of the night that opened it, and is a new one after it was closed.
        assert_eq!(of(&[bad.clone(), run(3, "u", Verdict::Fail)], &none), [open]);
        let again = of(&[bad, good, run(5, "u", Verdict::Fail)], &none);
        assert_eq!((again.len(), &again[0]), (2, &closed));
    }

    #[test]
    fn a_target_that_is_easier_closes_nothing() {
        let passing = |limit| {
            let mut run = run(4, "u", Verdict::Pass);
            run.criteria[0].limit = limit;
            let found = findings(
                &[self::run(2, "u", Verdict::Fail), run],
                &FindingOwners::new(),
                jiff::civil::date(2026, 11, 28),
            );
            !found[0].is_open()
        };
        assert!(
            passing(Some(Limit::Below(0.5))) && passing(Some(Limit::Below(0.4))) && passing(Some(Limit::AtMost(0.4)))
        );
        assert!(!passing(Some(Limit::Below(0.6))) && !passing(Some(Limit::AtLeast(0.4))) && !passing(None));
    }

    #[test]
    fn an_owner_has_until_the_due_date() {
        let due = |due: &str| {
            let owner = FindingOwner { owner: "Ana".into(), due: due.parse().ok(), note: Some("CHG-7".into()) };
            let owners = FindingOwners::from([("drill/p/latency-p99 (one)".to_owned(), owner)]);
            of(&[run(2, "u", Verdict::Fail)], &owners).remove(0)
        };
        assert!(due("2026-11-28").ends_with("open, Ana, due 2026-11-28, CHG-7: 900 ms"));
        assert!(due("2026-11-27").ends_with("open, Ana, due 2026-11-27, OVERDUE, CHG-7: 900 ms"));
    }
}
