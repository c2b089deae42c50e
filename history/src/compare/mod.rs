//! Two runs of a scenario, or two folders of runs, side by side.

mod criteria;
mod gate;
mod latency;
mod side;
mod text;

use std::collections::BTreeMap;

use meshdrill_checks::scorecard::titled;
use meshdrill_checks::verdict::Verdict;
use serde::Serialize;

pub use criteria::CriterionComparison;
pub(crate) use criteria::signed;
pub use gate::{Gate, UnknownGate};
pub use latency::LatencyComparison;
pub use side::{RunRef, Side};
pub use text::to_text;

use crate::area::Area;
use crate::edits::{Edit, EditKind, edits, parts, version_changes};

/// The schema name written into every comparison.
pub const COMPARISON_SCHEMA: &str = "meshdrill.io/comparison/v1";

/// What can be concluded of two measurements.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum Outcome {
    /// The second is worse.
    Worse,
    /// The second is better.
    Better,
    /// They differ, and neither is known to be better.
    Changed,
    /// A difference that matters would have shown.
    Same,
    /// The samples leave it undecided.
    CannotTell,
}

impl Outcome {
    /// The word in texts.
    pub const fn word(self) -> &'static str {
        match self {
            Self::Worse => "worse",
            Self::Better => "better",
            Self::Changed => "changed",
            Self::Same => "same",
            Self::CannotTell => "cannot tell",
        }
    }
}

/// Something that got worse.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Regression {
    /// What it is about.
    pub area: Area,
    /// The scenario with its binding.
    pub scenario: String,
    /// The criterion, if it is one.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub criterion: Option<String>,
    /// What got worse.
    pub text: String,
}

/// A failure class that only the second run saw.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct NewClass {
    /// The probe.
    pub probe: String,
    /// The class.
    pub class: String,
    /// How many samples.
    pub count: u64,
}

/// Two runs of a scenario.
#[derive(Debug, Clone, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Comparison {
    /// The scenario with its binding.
    pub scenario: String,
    /// The names of the scenario in the two runs, where they differ.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub renamed: Option<[String; 2]>,
    /// The mesh.
    pub mesh: Option<String>,
    /// Whether both ran on the embedded mesh.
    pub lab: bool,
    /// The first run.
    pub before: RunRef,
    /// The second run.
    pub after: RunRef,
    /// The criteria.
    pub criteria: Vec<CriterionComparison>,
    /// Latencies by probe and connection.
    pub latency: Vec<LatencyComparison>,
    /// Failure classes that only the second run saw.
    pub new_failure_classes: Vec<NewClass>,
    /// Targets, parts of the scenario and versions that differ.
    pub edits: Vec<Edit>,
}

/// Why two runs cannot be compared.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum Incomparable {
    /// One on the embedded mesh, the other on clusters.
    #[error(
        "one run is of the embedded lab and the other of clusters: their figures have nothing to do with each other"
    )]
    Lab,
    /// Two meshes.
    #[error("the runs are of different meshes, {0} and {1}")]
    Mesh(String, String),
    /// Two scenarios.
    #[error(
        "the runs are of different scenarios, {0} and {1}; if one was renamed, name the old one in `metadata.aliases`"
    )]
    Scenario(String, String),
}

/// Whether two cards are of the same scenario on the same mesh.
pub fn comparable(before: &crate::card::Card, after: &crate::card::Card) -> Result<(), Incomparable> {
    let (old, new) = (&before.run, &after.run);
    if old.lab != new.lab {
        return Err(Incomparable::Lab);
    }
    if old.mesh != new.mesh {
        let name = |mesh: &Option<String>| mesh.clone().unwrap_or_else(|| "none".to_owned());
        return Err(Incomparable::Mesh(name(&old.mesh), name(&new.mesh)));
    }
    let renamed = new.aliases.contains(&old.scenario) || old.aliases.contains(&new.scenario);
    if old.binding != new.binding || (old.scenario != new.scenario && !renamed) {
        return Err(Incomparable::Scenario(before.title(), after.title()));
    }
    Ok(())
}

impl Comparison {
    /// Compares two runs. The outcome of latencies is open until [`Comparisons::new`] knows how many there are.
    pub fn new(before: &Side, after: &Side) -> Result<Self, Incomparable> {
        comparable(&before.card, &after.card)?;
        let (old, new) = (&before.card.run, &after.card.run);
        let known = before.card.failure_classes();
        let classes = after.card.failure_classes().into_iter().filter(|(key, _)| !known.contains_key(key));
        let classes =
            classes.map(|((probe, class), count)| NewClass { probe: probe.into(), class: class.into(), count });
        // What the records show of probes, faults and checks is more than the scorecards do.
        let mut differences: Vec<Edit> =
            edits(&before.card, &after.card).into_iter().filter(|edit| edit.criterion.is_some()).collect();
        for noun in ["probe", "fault", "check"] {
            let shape = |side: &Side| -> BTreeMap<String, String> {
                let of_kind = side.shape.iter().filter(|((kind, _), _)| *kind == noun);
                of_kind.map(|((_, name), text)| (name.clone(), text.clone())).collect()
            };
            parts(noun, &shape(before), &shape(after), &mut differences);
        }
        version_changes(&before.versions, &after.versions, &mut differences);
        differences.sort_by_key(|edit| edit.kind);
        Ok(Self {
            scenario: titled(&new.scenario, &new.binding),
            renamed: (old.scenario != new.scenario).then(|| [old.scenario.clone(), new.scenario.clone()]),
            mesh: new.mesh.clone(),
            lab: new.lab,
            before: before.reference(),
            after: after.reference(),
            criteria: criteria::compare(&before.card, &after.card),
            latency: latency::compare(before, after),
            new_failure_classes: classes.collect(),
            edits: differences,
        })
    }

    fn regressions(&self) -> Vec<Regression> {
        let regression = |area, criterion: Option<&str>, text: String| Regression {
            area,
            scenario: self.scenario.clone(),
            criterion: criterion.map(str::to_owned),
            text,
        };
        let mut found = Vec::new();
        let (old, new) = (self.before.verdict, self.after.verdict);
        if is_worse(old, new) {
            found.push(regression(Area::Verdict, None, format!("verdict {old}, now {new}")));
        }
        for one in &self.criteria {
            let verdicts = one.before.as_ref().zip(one.after.as_ref()).map(|(old, new)| (old.verdict, new.verdict));
            if one.outcome == Outcome::Worse {
                found.push(regression(Area::of_kind(&one.kind), Some(&one.id), format!("{} {}", one.id, one.message)));
            }
            if let Some((old, new)) = verdicts.filter(|(old, new)| is_worse(*old, *new)) {
                found.push(regression(Area::Verdict, Some(&one.id), format!("{}: verdict {old}, now {new}", one.id)));
            }
        }
        for one in self.latency.iter().filter(|one| one.outcome == Outcome::Worse) {
            found.push(regression(
                Area::Latency,
                None,
                format!("latency of {} ({} connections) {}", one.probe, one.series, one.message),
            ));
        }
        for one in &self.new_failure_classes {
            found.push(regression(
                Area::FailureClass,
                None,
                format!("{}: {} samples failed with {}, none before", one.probe, one.count, one.class),
            ));
        }
        for edit in &self.edits {
            if let Some(area) = edit.kind.area() {
                let text =
                    if edit.kind == EditKind::Removed { format!("{} is gone", edit.text) } else { edit.text.clone() };
                found.push(regression(area, edit.criterion.as_deref(), text));
            }
        }
        found
    }
}

/// Whether a verdict is worse than the one before: a run that did not happen is worse than a pass.
pub(crate) fn is_worse(old: Verdict, new: Verdict) -> bool {
    let rank = |verdict| match verdict {
        Verdict::Pass => 0,
        Verdict::NotRun => 1,
        Verdict::Inconclusive => 2,
        Verdict::Fail => 3,
        Verdict::Error => 4,
    };
    rank(new) > rank(old)
}

/// All comparisons of one command.
#[derive(Debug, Clone, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Comparisons {
    /// [`COMPARISON_SCHEMA`].
    pub schema: &'static str,
    /// How many latency tests were made, for which the p-values are corrected.
    pub latency_tests: usize,
    /// The probability at most that any of them shows a difference where there is none.
    pub level: f64,
    /// What got worse.
    pub regressions: Vec<Regression>,
    /// Scenarios that only the first folder has.
    pub only_before: Vec<String>,
    /// Scenarios that only the second folder has.
    pub only_after: Vec<String>,
    /// The comparisons.
    pub comparisons: Vec<Comparison>,
    /// What could not be read or used.
    pub warnings: Vec<String>,
}

impl Comparisons {
    /// Concludes from all comparisons together.
    pub fn new(
        mut comparisons: Vec<Comparison>,
        only_before: Vec<String>,
        only_after: Vec<String>,
        warnings: Vec<String>,
    ) -> Self {
        let mut tests: Vec<&mut LatencyComparison> = comparisons.iter_mut().flat_map(|one| &mut one.latency).collect();
        latency::conclude(&mut tests);
        let latency_tests = tests.iter().filter(|test| test.p_value.is_some()).count();
        let gone = only_before.iter().map(|scenario| Regression {
            area: Area::Coverage,
            scenario: scenario.clone(),
            criterion: None,
            text: "the scenario did not run".to_owned(),
        });
        let regressions = comparisons.iter().flat_map(Comparison::regressions).chain(gone).collect();
        Self {
            schema: COMPARISON_SCHEMA,
            latency_tests,
            level: latency::LEVEL,
            regressions,
            only_before,
            only_after,
            comparisons,
            warnings,
        }
    }

    /// How many criteria and latencies the samples leave undecided.
    pub fn cannot_tell(&self) -> usize {
        self.count(Outcome::CannotTell)
    }

    fn count(&self, outcome: Outcome) -> usize {
        let criteria = self.comparisons.iter().flat_map(|one| &one.criteria).map(|one| one.outcome);
        let latency = self.comparisons.iter().flat_map(|one| &one.latency).map(|one| one.outcome);
        criteria.chain(latency).filter(|one| *one == outcome).count()
    }

    /// The same as JSON.
    pub fn to_json(&self) -> Result<String, serde_json::Error> {
        serde_json::to_string_pretty(self)
    }
}
