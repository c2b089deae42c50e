//! The runs of many nights: what changed in each criterion, and since when.

mod flags;
mod group;
mod scenario;
mod text;

use std::collections::BTreeMap;

use jiff::civil::Date;
use meshdrill_checks::findings::{DrillCriterion, DrillRun, Finding, FindingOwners, findings};
use meshdrill_checks::stats::rank::{ChangeSearch, windows};
use serde::Serialize;

pub use flags::{Flag, FlagKind};
pub use scenario::{ChangePoint, CriterionHistory, NightRun, Point, ScenarioHistory, Streak};
pub(crate) use text::summary;
pub use text::{rule_text, to_text};

use crate::card::Card;

/// The schema name written into every history.
pub const HISTORY_SCHEMA: &str = "meshdrill.io/history/v1";
/// A history in which nothing changes shows a change point with this probability at most, however many criteria it has.
pub const FALSE_ALARMS: f64 = 0.01;

/// A scorecard and where it is.
#[derive(Debug)]
pub struct Source {
    /// What it says.
    pub card: Card,
    /// Its file or run directory.
    pub path: String,
    /// A link to the run's page, relative to the pages of the history; none if it has none.
    pub report: Option<String>,
    /// The clusters with the UIDs of their namespaces kube-system, where its evidence names them.
    pub clusters: BTreeMap<String, Option<String>>,
}

impl Source {
    /// As a run that can open and close findings; none for a validation and for a lab run.
    fn as_drill(&self) -> Option<DrillRun> {
        let card = &self.card;
        let criteria = card.criteria.iter().map(|one| DrillCriterion {
            id: one.id.clone(),
            limit: one.limit,
            verdict: one.verdict,
            message: one.message.clone(),
        });
        (!card.run.lab && !card.faults.is_empty()).then(|| DrillRun {
            place: self.path.rsplit('/').next().unwrap_or_default().to_owned(),
            title: card.title(),
            started: card.run.started.clone(),
            clusters: self.clusters.clone(),
            criteria: criteria.collect(),
        })
    }
}

/// All nights.
#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct History {
    /// [`HISTORY_SCHEMA`].
    pub schema: &'static str,
    /// How many runs.
    pub runs: usize,
    /// What change points are flagged by.
    pub rule: Rule,
    /// Meshes; the embedded lab and clusters are apart.
    pub meshes: Vec<MeshHistory>,
    /// Files that were left out, and why.
    pub warnings: Vec<String>,
}

/// What change points are flagged by.
#[derive(Debug, Clone, Copy, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Rule {
    /// The probability at most that any change point is shown if nothing changes.
    pub false_alarms: f64,
    /// How many tests were made.
    pub tests: usize,
    /// The level of each: a p-value at most this high is flagged.
    pub level: f64,
    /// How many runs a series needs at that level.
    pub fewest_runs: usize,
}

/// The nights of one mesh.
#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct MeshHistory {
    /// The mesh; none for scenarios that need no cluster.
    pub mesh: Option<String>,
    /// Whether it is the embedded one.
    pub lab: bool,
    /// The nights, oldest first.
    pub nights: Vec<Night>,
    /// What changed, newest first.
    pub flags: Vec<Flag>,
    /// The scenarios.
    pub scenarios: Vec<ScenarioHistory>,
    /// Failed criteria of drills, and the runs that closed them.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub findings: Vec<Finding>,
    #[serde(skip)]
    drills: Vec<DrillRun>,
}

impl MeshHistory {
    /// Its name for readers.
    pub fn title(&self) -> String {
        let name = self.mesh.as_deref().unwrap_or("no mesh");
        if self.lab { format!("{name} (embedded lab)") } else { name.to_owned() }
    }
}

/// Runs that belong together: a scenario is in it once.
#[derive(Debug, Clone, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Night {
    /// The date on which it began, with `#2`, `#3`, … where a date has several.
    pub label: String,
    /// When its first run started.
    pub started: String,
    /// How many runs.
    pub runs: usize,
}

impl History {
    /// Sorts runs into meshes, nights and scenarios, and finds what changed.
    pub fn new(sources: Vec<Source>, mut warnings: Vec<String>) -> Self {
        let runs = sources.len();
        let groups = group::by_mesh(sources, &mut warnings);
        let mut meshes: Vec<MeshHistory> = groups
            .into_iter()
            .map(|(key, group)| {
                let scenarios = group.series.iter().map(scenario::collect).collect();
                let sources = group.series.iter().flat_map(|series| &series.runs);
                let drills = sources.filter_map(|(_, source)| source.as_drill()).collect();
                let (flags, findings) = (Vec::new(), Vec::new());
                MeshHistory { mesh: key.0, lab: key.1, nights: group.nights, flags, scenarios, findings, drills }
            })
            .collect();
        let rule = find_changes(&mut meshes);
        for mesh in &mut meshes {
            mesh.flags = flags::collect(mesh);
        }
        Self { schema: HISTORY_SCHEMA, runs, rule, meshes, warnings }
    }

    /// Adds the findings of its drills, with who takes care of them.
    #[must_use]
    pub fn with_findings(mut self, owners: &FindingOwners, today: Date) -> Self {
        for mesh in &mut self.meshes {
            mesh.findings = findings(&mesh.drills, owners, today);
        }
        self
    }

    /// The same as JSON.
    pub fn to_json(&self) -> Result<String, serde_json::Error> {
        serde_json::to_string_pretty(self)
    }
}

/// Tests every series that can be tested; the level of each test follows from how many there are.
fn find_changes(meshes: &mut [MeshHistory]) -> Rule {
    let criteria = || meshes.iter().flat_map(|mesh| &mesh.scenarios).flat_map(|scenario| &scenario.criteria);
    let tests: usize = criteria()
        .map(CriterionHistory::values)
        .filter(|values| varies(values))
        .map(|values| windows(values.len()))
        .sum();
    let level = FALSE_ALARMS / tests.max(1) as f64;
    let mut search = ChangeSearch::default();
    let rule = Rule { false_alarms: FALSE_ALARMS, tests, level, fewest_runs: search.fewest(level) };
    for mesh in meshes {
        for criterion in mesh.scenarios.iter_mut().flat_map(|scenario| &mut scenario.criteria) {
            criterion.find_changes(&mut search, &rule);
        }
    }
    rule
}

fn varies(values: &[f64]) -> bool {
    values.windows(2).any(|two| two[0].total_cmp(&two[1]).is_ne())
}
