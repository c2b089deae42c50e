//! What a reader is to look at: what changed, and since when.

use std::collections::BTreeMap;

use meshdrill_checks::units::counted;
use meshdrill_checks::verdict::Verdict;
use meshdrill_reports::figure;
use serde::Serialize;

use super::MeshHistory;
use super::scenario::{CriterionHistory, ScenarioHistory};
use crate::area::Direction;
use crate::edits::EditKind;

/// What changed.
#[derive(Debug, Clone, PartialEq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Flag {
    /// What kind it is.
    pub kind: FlagKind,
    /// Index of the first night.
    pub night: usize,
    /// The label of that night.
    pub since: String,
    /// The scenario with its binding; empty where many have it in common.
    pub scenario: String,
    /// The criterion.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub criterion: Option<String>,
    /// Whether it got worse.
    pub direction: Direction,
    /// The same in words.
    pub text: String,
}

/// The kinds of flags, the most severe first.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum FlagKind {
    /// The verdict is not pass.
    Verdict,
    /// The values of a criterion changed.
    Change,
    /// A target is easier to meet.
    Loosened,
    /// Something is no longer tested.
    Removed,
    /// The scenario no longer runs.
    Missing,
    /// A failure class that was not seen before.
    FailureClass,
    /// The verdict changes often.
    Flapping,
    /// The scenario was edited.
    Edited,
    /// A version of what is tested changed.
    Version,
    /// Something is tested that was not.
    Added,
    /// A target is harder to meet.
    Tightened,
}

impl FlagKind {
    /// The word in texts.
    pub const fn word(self) -> &'static str {
        match self {
            Self::Verdict => "VERDICT",
            Self::Change => "CHANGE",
            Self::Loosened => "LOOSENED",
            Self::Removed => "REMOVED",
            Self::Missing => "NOT RUN",
            Self::FailureClass => "NEW CLASS",
            Self::Flapping => "FLAPPING",
            Self::Edited => "EDITED",
            Self::Version => "VERSION",
            Self::Added => "ADDED",
            Self::Tightened => "TIGHTENED",
        }
    }
}

impl From<EditKind> for FlagKind {
    fn from(kind: EditKind) -> Self {
        match kind {
            EditKind::Loosened => Self::Loosened,
            EditKind::Removed => Self::Removed,
            EditKind::Edited => Self::Edited,
            EditKind::Added => Self::Added,
            EditKind::Tightened => Self::Tightened,
            EditKind::Version => Self::Version,
        }
    }
}

/// Nights without a scenario after which it counts as missing, and those before in which it must have run.
const MISSED: usize = 2;
const REGULAR: usize = 3;

/// All flags of a mesh, newest first.
pub(super) fn collect(mesh: &MeshHistory) -> Vec<Flag> {
    let mut flags: Vec<Flag> = mesh.scenarios.iter().flat_map(|scenario| of_scenario(mesh, scenario)).collect();
    let shared = shared(&mut flags);
    flags.extend(shared);
    flags.sort_by(|a, b| b.night.cmp(&a.night).then(a.kind.cmp(&b.kind)));
    flags
}

/// A version that changes, changes for all scenarios: one flag for all of them.
fn shared(flags: &mut Vec<Flag>) -> Vec<Flag> {
    let mut versions: BTreeMap<(usize, String), Vec<Flag>> = BTreeMap::new();
    flags.retain(|flag| {
        let shared = flag.kind == FlagKind::Version;
        if shared {
            versions.entry((flag.night, flag.text.clone())).or_default().push(flag.clone());
        }
        !shared
    });
    let merged = versions.into_values().filter_map(|mut same| {
        let count = same.len();
        let mut first = same.pop()?;
        if count > 1 {
            first.scenario = String::new();
            first.text = format!("{} ({})", first.text, counted(count, "scenario"));
        }
        Some(first)
    });
    merged.collect()
}

fn of_scenario(mesh: &MeshHistory, scenario: &ScenarioHistory) -> Vec<Flag> {
    let flag = |kind, night: usize, criterion: Option<&str>, direction, text: String| Flag {
        kind,
        night,
        since: mesh.nights.get(night).map(|night| night.label.clone()).unwrap_or_default(),
        scenario: scenario.title.clone(),
        criterion: criterion.map(str::to_owned),
        direction,
        text,
    };
    let mut flags = Vec::new();
    let streak = scenario.streak;
    if streak.verdict != Verdict::Pass {
        let before = scenario.runs.len() - streak.runs;
        let since = if before == 0 {
            "in every run".to_owned()
        } else {
            format!("in the last {}", counted(streak.runs, "run"))
        };
        flags.push(flag(
            FlagKind::Verdict,
            streak.since,
            None,
            Direction::Worse,
            format!("verdict {} {since}", streak.verdict),
        ));
    }
    for criterion in &scenario.criteria {
        for change in &criterion.changes {
            let text = change_text(scenario, criterion, change);
            flags.push(flag(FlagKind::Change, change.night, Some(&criterion.id), change.direction, text));
        }
    }
    for run in &scenario.runs {
        for edit in &run.edits {
            let direction = if edit.kind.area().is_some() { Direction::Worse } else { Direction::Changed };
            flags.push(flag(edit.kind.into(), run.night, edit.criterion.as_deref(), direction, edit.text.clone()));
        }
        let before = scenario.runs.iter().take_while(|other| other.night < run.night).count();
        for (probe, class) in &run.new_failure_classes {
            let text = format!("{probe} failed with {class}, in none of the {} before", counted(before, "run"));
            flags.push(flag(FlagKind::FailureClass, run.night, None, Direction::Worse, text));
        }
    }
    if let (Some(changes), Some(last)) = (scenario.flapping, scenario.runs.last()) {
        let text = format!("the verdict changed between pass and another {changes} times in the last 20 runs");
        flags.push(flag(FlagKind::Flapping, last.night, None, Direction::Worse, text));
    }
    if let Some(last) = missing_since(mesh, scenario) {
        let text = format!("not run in the last {}", counted(mesh.nights.len() - 1 - last, "night"));
        flags.push(flag(FlagKind::Missing, last + 1, None, Direction::Worse, text));
    }
    flags
}

/// The last night of a scenario that ran regularly and does not any more.
fn missing_since(mesh: &MeshHistory, scenario: &ScenarioHistory) -> Option<usize> {
    let last = scenario.runs.last()?.night;
    let lately = scenario.runs.iter().filter(|run| run.night + REGULAR > last).count();
    (mesh.nights.len() > last + MISSED && lately >= REGULAR).then_some(last)
}

/// What changed, and what else was different in that run.
fn change_text(scenario: &ScenarioHistory, criterion: &CriterionHistory, change: &super::ChangePoint) -> String {
    let [before, after] = [change.before, change.after].map(|value| figure(value, criterion.unit));
    let by = crate::compare::signed(change.after - change.before, criterion.unit);
    let edited = scenario.runs.iter().filter(|run| run.night == change.night).flat_map(|run| &run.edits);
    let edited: Vec<String> = edited.map(|edit| format!("{} {}", edit.kind.word(), edit.text)).collect();
    let with = if edited.is_empty() { String::new() } else { format!("; in the same run: {}", edited.join("; ")) };
    format!(
        "{} {}: median {before}, now {after} ({by}; p = {:.1e}){with}",
        criterion.id,
        change.direction.word(),
        change.p_value
    )
}
