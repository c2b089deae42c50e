//! The runs of one scenario, and each of its criteria as a series.

use std::collections::BTreeSet;

use meshdrill_checks::scorecard::{Limit, Unit, titled};
use meshdrill_checks::stats::rank::ChangeSearch;
use meshdrill_checks::units::counted;
use meshdrill_checks::verdict::Verdict;
use serde::Serialize;

use super::group::Series;
use super::{Rule, varies};
use crate::area::Direction;
use crate::edits::{Edit, edits};
use crate::measured::Measured;

/// Runs in which flapping is looked for.
const LATELY: usize = 20;
/// So many changes between pass and no pass among them are flapping.
const FLAPPING: usize = 5;

/// A scenario over the nights.
#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct ScenarioHistory {
    /// Its name with its binding.
    pub title: String,
    /// Its suite.
    pub suite: String,
    /// Names that it had before.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub formerly: Vec<String>,
    /// Its runs, oldest first.
    pub runs: Vec<NightRun>,
    /// The criteria of any of its runs, in the order of the newest.
    pub criteria: Vec<CriterionHistory>,
    /// How long its verdict has been what it is.
    pub streak: Streak,
    /// How often its verdict changed between pass and another in its last 20 runs, if that is often.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub flapping: Option<usize>,
}

/// A run of a scenario.
#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct NightRun {
    /// Index of its night.
    pub night: usize,
    /// The run's id.
    pub id: String,
    /// When it started.
    pub started: String,
    /// Its verdict.
    pub verdict: Verdict,
    /// One sentence that says why.
    pub message: String,
    /// Where it is.
    pub path: String,
    /// A link to its page.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub report: Option<String>,
    /// What differs from the run before in what is tested, and on what.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub edits: Vec<Edit>,
    /// Probes with failure classes that none of the runs before saw.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub new_failure_classes: Vec<(String, String)>,
}

/// How long a verdict has been what it is.
#[derive(Debug, Clone, Copy, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Streak {
    /// The verdict.
    pub verdict: Verdict,
    /// How many runs.
    pub runs: usize,
    /// The night of the first of them.
    pub since: usize,
}

/// A criterion over the nights.
#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct CriterionHistory {
    /// Its id.
    pub id: String,
    /// Its kind.
    pub kind: String,
    /// The unit of its values.
    pub unit: Unit,
    /// What each run measured, oldest first.
    pub points: Vec<Point>,
    /// Where its values change.
    pub changes: Vec<ChangePoint>,
    /// What its values show, or why they do not.
    pub status: String,
}

/// What the run of one night measured.
#[derive(Debug, Clone, Serialize)]
pub struct Point {
    /// Index of the night.
    pub night: usize,
    /// What it measured.
    #[serde(flatten)]
    pub measured: Measured,
}

/// Where the values of a criterion change.
#[derive(Debug, Clone, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct ChangePoint {
    /// Index of the first night after it.
    pub night: usize,
    /// Median of the values before, back to the change before.
    pub before: f64,
    /// Median of the values since, up to the next change.
    pub after: f64,
    /// Whether that is worse.
    pub direction: Direction,
    /// How rarely a series in which nothing changes shows a change as clear.
    pub p_value: f64,
}

/// The runs of a scenario as its history.
pub(super) fn collect(series: &Series) -> ScenarioHistory {
    let mut seen: BTreeSet<(String, String)> = BTreeSet::new();
    let mut runs: Vec<NightRun> = Vec::with_capacity(series.runs.len());
    let mut before = None;
    for (night, source) in &series.runs {
        let card = &source.card;
        let classes = card.failure_classes().into_keys().map(|(probe, class)| (probe.to_owned(), class.to_owned()));
        let new: Vec<(String, String)> = classes.filter(|key| seen.insert(key.clone())).collect();
        runs.push(NightRun {
            night: *night,
            id: card.run.id.clone(),
            started: card.run.started.clone(),
            verdict: card.verdict,
            message: card.message.clone(),
            path: source.path.clone(),
            report: source.report.clone(),
            edits: before.map(|before| edits(before, card)).unwrap_or_default(),
            // The first run has nothing before it.
            new_failure_classes: if before.is_some() { new } else { Vec::new() },
        });
        before = Some(card);
    }
    ScenarioHistory {
        title: title(series),
        suite: series.runs.last().map(|(_, source)| source.card.run.suite.clone()).unwrap_or_default(),
        formerly: series.formerly.clone(),
        criteria: criteria(series),
        streak: streak(&runs),
        flapping: flapping(&runs),
        runs,
    }
}

fn title(series: &Series) -> String {
    let title = titled(&series.scenario, &series.binding);
    if series.suite.is_empty() { title } else { format!("{}/{title}", series.suite) }
}

fn criteria(series: &Series) -> Vec<CriterionHistory> {
    let mut order: Vec<&str> = Vec::new();
    let mut known: BTreeSet<&str> = BTreeSet::new();
    for (_, source) in series.runs.iter().rev() {
        order.extend(source.card.criteria.iter().map(|one| one.id.as_str()).filter(|id| known.insert(id)));
    }
    let mut found: Vec<CriterionHistory> = order
        .iter()
        .map(|id| CriterionHistory {
            id: (*id).to_owned(),
            kind: String::new(),
            unit: Unit::None,
            points: Vec::new(),
            changes: Vec::new(),
            status: String::new(),
        })
        .collect();
    let places: std::collections::BTreeMap<&str, usize> =
        order.iter().enumerate().map(|(place, id)| (*id, place)).collect();
    for (night, source) in &series.runs {
        for one in &source.card.criteria {
            let Some(criterion) = places.get(one.id.as_str()).map(|place| &mut found[*place]) else { continue };
            one.kind.clone_into(&mut criterion.kind);
            if one.unit != Unit::None {
                criterion.unit = one.unit;
            }
            criterion.points.push(Point { night: *night, measured: one.into() });
        }
    }
    found
}

fn streak(runs: &[NightRun]) -> Streak {
    let verdict = runs.last().map_or(Verdict::NotRun, |run| run.verdict);
    let same = runs.iter().rev().take_while(|run| run.verdict == verdict).count();
    Streak { verdict, runs: same, since: runs.iter().rev().nth(same.saturating_sub(1)).map_or(0, |run| run.night) }
}

fn flapping(runs: &[NightRun]) -> Option<usize> {
    // A run that did not happen is neither.
    let passed: Vec<bool> = runs
        .iter()
        .rev()
        .filter(|run| run.verdict != Verdict::NotRun)
        .take(LATELY)
        .map(|run| run.verdict == Verdict::Pass)
        .collect();
    let changes = passed.windows(2).filter(|two| two[0] != two[1]).count();
    (changes >= FLAPPING).then_some(changes)
}

impl CriterionHistory {
    /// The values that can be tested: those of runs that measured.
    fn measured(&self) -> impl DoubleEndedIterator<Item = (&Point, f64)> {
        let valid =
            self.points.iter().filter(|point| !matches!(point.measured.verdict, Verdict::Error | Verdict::NotRun));
        valid.filter_map(|point| Some((point, point.measured.value?)))
    }

    pub(super) fn values(&self) -> Vec<f64> {
        self.measured().map(|(_, value)| value).collect()
    }

    /// The newest run that has it.
    pub fn last(&self) -> Option<&Point> {
        self.points.last()
    }

    /// Median of all values.
    pub fn median(&self) -> Option<f64> {
        median(&self.values())
    }

    pub(super) fn find_changes(&mut self, search: &mut ChangeSearch, rule: &Rule) {
        let values = self.values();
        if values.len() < rule.fewest_runs {
            let needs = rule.fewest_runs;
            self.status =
                format!("cannot tell: {}, and a change shows with {needs} or more", counted(values.len(), "value"));
            return;
        }
        if !varies(&values) {
            self.status = format!("the same in all {} runs", values.len());
            return;
        }
        let found = search.changes(&values, rule.level);
        let points: Vec<(usize, Option<Limit>)> =
            self.measured().map(|(point, _)| (point.night, point.measured.limit)).collect();
        let mut ends: Vec<usize> = found.iter().map(|change| change.at).collect();
        ends.push(values.len());
        let mut start = 0;
        for (change, end) in found.iter().zip(&ends[1..]) {
            let (before, after) = (median(&values[start..change.at]), median(&values[change.at..*end]));
            if let (Some(before), Some(after)) = (before, after) {
                let (night, limit) = points[change.at];
                let direction = Direction::of(limit, before, after);
                self.changes.push(ChangePoint { night, before, after, direction, p_value: change.p_value });
            }
            start = change.at;
        }
        self.status = match self.changes.len() {
            0 => format!("no change shows in {} values", values.len()),
            count => counted(count, "change"),
        };
    }
}

fn median(values: &[f64]) -> Option<f64> {
    let mut sorted = values.to_vec();
    sorted.sort_unstable_by(f64::total_cmp);
    let middle = sorted.len() / 2;
    if sorted.len() % 2 == 1 {
        return sorted.get(middle).copied();
    }
    Some(f64::midpoint(*sorted.get(middle.checked_sub(1)?)?, *sorted.get(middle)?))
}
