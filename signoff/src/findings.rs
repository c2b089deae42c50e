//! Findings: every failed criterion of a drill, until a later run of the same criterion on the same clusters passes.

use std::collections::BTreeMap;

use jiff::civil::Date;
use meshdrill_checks::verdict::Verdict;
use serde::Serialize;

use crate::offered::Offered;

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

/// A failed criterion of a drill.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
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
    #[serde(skip_serializing_if = "Option::is_none")]
    pub closed_by: Option<String>,
    /// When that began.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub closed: Option<String>,
    /// Who takes care of it.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub owner: Option<String>,
    /// Until when.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub due: Option<String>,
    /// What is being done.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub note: Option<String>,
    /// Whether it is open after its due date.
    pub overdue: bool,
}

/// The findings of some runs, in the order in which they were opened. Runs that are altered or of the lab open and close none.
pub(crate) fn findings(offered: &[Offered], owners: &BTreeMap<String, FindingOwner>, today: Date) -> Vec<Finding> {
    let mut runs: Vec<&Offered> = offered.iter().filter(|run| run.is_intact() && !run.is_lab()).collect();
    runs.sort_by_key(|run| run.started());
    let mut found: Vec<(String, Finding)> = Vec::new();
    for run in runs {
        let Some(card) = run.card.as_ref().filter(|card| !card.faults.is_empty()) else { continue };
        for criterion in &card.criteria {
            // The same keys may be other clusters.
            let uids: Vec<&str> = run.clusters.values().filter_map(|facts| facts.uid.as_deref()).collect();
            let keys: Vec<&str> = run.clusters.keys().map(String::as_str).collect();
            let id = format!("{}/{} ({})", run.title(), criterion.id, keys.join(", "));
            let same = format!("{id} {}", uids.join(" "));
            let open = found.iter_mut().find(|(key, finding)| *key == same && finding.closed.is_none());
            match (criterion.verdict, open) {
                (Verdict::Fail, None) => {
                    let owner = owners.get(&id).cloned().unwrap_or_default();
                    let due = owner.due;
                    let finding = Finding {
                        opened_by: run.dir.clone(),
                        opened: card.run.started.clone(),
                        message: criterion.message.clone(),
                        closed_by: None,
                        closed: None,
                        owner: Some(owner.owner).filter(|owner| !owner.is_empty()),
                        due: due.map(|due| due.to_string()),
                        note: owner.note,
                        overdue: due.is_some_and(|due| due < today),
                        id,
                    };
                    found.push((same, finding));
                }
                (Verdict::Pass, Some((_, finding))) => {
                    finding.closed_by = Some(run.dir.clone());
                    finding.closed = Some(card.run.started.clone());
                    finding.overdue = false;
                }
                _ => {}
            }
        }
    }
    found.into_iter().map(|(_, finding)| finding).collect()
}
