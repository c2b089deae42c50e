//! What history and comparison need of a scorecard. Everything else in the file is skipped, so that thousands are read quickly.

use std::collections::{BTreeMap, BTreeSet};

use jiff::Timestamp;
use meshdrill_checks::exit_code::ExitCode;
use meshdrill_checks::record::CheckStage;
use meshdrill_checks::scorecard::{Limit, SCORECARD_SCHEMA, Scorecard, Unit, titled};
use meshdrill_checks::verdict::Verdict;
use serde::Deserialize;
use serde_json::Value;

/// Why a file is not a scorecard that can be used.
#[derive(Debug, thiserror::Error)]
pub enum CardError {
    /// No JSON, or not that of a scorecard.
    #[error("not a scorecard: {0}")]
    Json(#[from] serde_json::Error),
    /// JSON of something else.
    #[error("not a scorecard: its schema is `{0}`, not `{SCORECARD_SCHEMA}`")]
    Schema(String),
    /// A time that is none.
    #[error("not a scorecard: `started` is `{0}`, not a time in RFC 3339")]
    Time(String),
    /// Parts that cannot belong together.
    #[error("the scorecard contradicts itself, so it was altered after the run: {0}")]
    Contradiction(String),
}

/// A scorecard, without what nobody compares.
#[derive(Debug, Clone, PartialEq, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Card {
    schema: String,
    /// What was run, and when.
    pub run: RunFacts,
    /// The verdict on all of it.
    pub verdict: Verdict,
    exit_code: ExitCode,
    /// One sentence that says why.
    #[serde(default)]
    pub message: String,
    /// The criteria.
    #[serde(default)]
    pub criteria: Vec<CriterionFacts>,
    /// The checks.
    #[serde(default)]
    pub checks: Vec<CheckFacts>,
    /// The probes.
    #[serde(default)]
    pub probes: Vec<ProbeFacts>,
    /// The faults.
    #[serde(default)]
    pub faults: Vec<FaultFacts>,
}

/// What was run, and when.
#[derive(Debug, Clone, PartialEq, Deserialize)]
pub struct RunFacts {
    /// The run's id.
    pub id: String,
    /// The scenario's name.
    pub scenario: String,
    /// Names that the scenario had before.
    #[serde(default)]
    pub aliases: Vec<String>,
    /// What `forEach` bound.
    #[serde(default)]
    pub binding: String,
    /// Its suite.
    #[serde(default)]
    pub suite: String,
    /// Wall time of t = 0.
    pub started: String,
    /// The mesh file's name.
    pub mesh: Option<String>,
    /// Whether it ran on the embedded mesh.
    pub lab: bool,
    /// What it ran on and with; scorecards of older versions have none.
    #[serde(default)]
    identity: Value,
}

/// A criterion, judged.
#[derive(Debug, Clone, PartialEq, Deserialize)]
#[expect(missing_docs, reason = "as in the scorecard")]
pub struct CriterionFacts {
    pub id: String,
    pub kind: String,
    #[serde(default)]
    pub target: String,
    #[serde(default)]
    pub limit: Option<Limit>,
    pub value: Option<f64>,
    pub low: Option<f64>,
    pub high: Option<f64>,
    pub unit: Unit,
    pub n: usize,
    pub verdict: Verdict,
    #[serde(default)]
    pub message: String,
}

/// A check.
#[derive(Debug, Clone, PartialEq, Deserialize)]
#[expect(missing_docs, reason = "as in the scorecard")]
pub struct CheckFacts {
    pub id: String,
    pub phase: CheckStage,
    pub verdict: Verdict,
}

/// A probe and its failures.
#[derive(Debug, Clone, PartialEq, Deserialize)]
pub struct ProbeFacts {
    /// Its key in the scenario.
    pub name: String,
    /// Its kind.
    pub kind: String,
    #[serde(default)]
    outages: Vec<OutageFacts>,
}

#[derive(Debug, Clone, PartialEq, Deserialize)]
struct OutageFacts {
    #[serde(default)]
    classes: BTreeMap<String, u64>,
}

/// A fault.
#[derive(Debug, Clone, PartialEq, Deserialize)]
#[expect(missing_docs, reason = "as in the scorecard")]
pub struct FaultFacts {
    pub id: String,
    pub kind: String,
    #[serde(default)]
    pub clusters: Vec<String>,
}

impl Card {
    /// Reads the bytes of a `scorecard.json`.
    pub fn read(bytes: &[u8]) -> Result<Self, CardError> {
        /// What a file of another kind may have too.
        #[derive(Deserialize)]
        struct Kind {
            schema: String,
        }
        let card: Self = match serde_json::from_slice(bytes) {
            Ok(card) => card,
            Err(error) => {
                return Err(match serde_json::from_slice::<Kind>(bytes) {
                    Ok(Kind { schema }) if schema != SCORECARD_SCHEMA => CardError::Schema(schema),
                    _ => CardError::Json(error),
                });
            }
        };
        card.checked()
    }

    /// That of a run that was judged again.
    pub fn of(scorecard: &Scorecard) -> Result<Self, CardError> {
        serde_json::from_value::<Self>(serde_json::to_value(scorecard)?)?.checked()
    }

    fn checked(self) -> Result<Self, CardError> {
        if self.schema != SCORECARD_SCHEMA {
            return Err(CardError::Schema(self.schema));
        }
        if self.run.started.parse::<Timestamp>().is_err() {
            return Err(CardError::Time(self.run.started));
        }
        let judged = self.criteria.iter().map(|one| (&one.id, one.verdict));
        let all = judged.chain(self.checks.iter().map(|one| (&one.id, one.verdict)));
        let worst = all.max_by_key(|(_, verdict)| u8::from(matches!(verdict, Verdict::Fail | Verdict::Error)));
        if let (Verdict::Pass, Some((id, verdict @ (Verdict::Fail | Verdict::Error)))) = (self.verdict, worst) {
            return Err(CardError::Contradiction(format!("its verdict is pass, and that of {id} is {verdict}")));
        }
        if (self.verdict == Verdict::Pass) != (self.exit_code == ExitCode::Pass) && self.verdict != Verdict::NotRun {
            let code = self.exit_code.number();
            return Err(CardError::Contradiction(format!("its verdict is {}, and its exit code {code}", self.verdict)));
        }
        let mut ids = BTreeSet::new();
        if let Some(twice) = self.criteria.iter().find(|one| !ids.insert(one.id.as_str())) {
            return Err(CardError::Contradiction(format!("it has the criterion {} twice", twice.id)));
        }
        Ok(self)
    }

    /// `scenario`, or `scenario@binding`.
    pub fn title(&self) -> String {
        titled(&self.run.scenario, &self.run.binding)
    }

    /// When it started. The text was read before.
    pub fn started(&self) -> Timestamp {
        self.run.started.parse().unwrap_or(Timestamp::UNIX_EPOCH)
    }

    /// How often each probe saw each failure class.
    pub(crate) fn failure_classes(&self) -> BTreeMap<(&str, &str), u64> {
        let mut found = BTreeMap::new();
        for probe in &self.probes {
            for (class, count) in probe.outages.iter().flat_map(|outage| &outage.classes) {
                *found.entry((probe.name.as_str(), class.as_str())).or_default() += count;
            }
        }
        found
    }

    /// The versions that the run names, by what has them; those that it does not name are unknown.
    pub fn versions(&self) -> BTreeMap<String, String> {
        versions(&self.run.identity)
    }
}

/// All texts of an identity that are, or lie below, a version, an image or a revision, by their place.
pub(crate) fn versions(identity: &Value) -> BTreeMap<String, String> {
    fn walk(value: &Value, place: &str, wanted: bool, out: &mut BTreeMap<String, String>) {
        const WORDS: [&str; 6] = ["version", "image", "revision", "kubernetes", "istio", "tool"];
        match value {
            Value::Object(entries) => entries.iter().for_each(|(key, value)| {
                let low = key.to_lowercase();
                let place = if place.is_empty() { key.clone() } else { format!("{place}.{key}") };
                walk(value, &place, wanted || WORDS.iter().any(|word| low.contains(word)), out);
            }),
            Value::Array(items) => items.iter().enumerate().for_each(|(index, value)| {
                walk(value, &format!("{place}.{index}"), wanted, out);
            }),
            Value::String(text) if wanted => {
                out.insert(place.to_owned(), text.clone());
            }
            _ => {}
        }
    }
    let mut out = BTreeMap::new();
    walk(identity, "", false, &mut out);
    out
}

#[cfg(test)]
pub(crate) mod tests {
    use serde_json::json;

    use super::*;

    /// A scorecard of a night with one criterion, and what is to be changed in it.
    pub(crate) fn card(night: usize, value: f64, change: impl Fn(&mut Value)) -> Card {
        let verdict = if value < 0.5 { "pass" } else { "fail" };
        let started = format!("2026-{:02}-{:02}T02:00:00.000Z", night / 28 + 1, night % 28 + 1);
        let mut card = json!({
            "schema": SCORECARD_SCHEMA, "verdict": verdict, "exitCode": if value < 0.5 { 0 } else { 10 }, "message": "",
            "run": { "id": night.to_string(), "scenario": "drill", "suite": "s", "started": started, "finished": started,
                     "mesh": "m", "lab": false },
            "criteria": [{ "id": "page/latency-p99", "kind": "latency", "target": "< 500ms", "limit": { "below": 0.5 }, "unit": "s",
                           "value": value, "low": value - 0.005, "high": value + 0.005, "n": 900, "verdict": verdict, "message": "" }],
            "checks": [], "faults": [{ "id": "f1", "kind": "deletePods", "clusters": ["primary"] }],
            "probes": [{ "name": "page", "kind": "http", "outages": [] }],
        });
        change(&mut card);
        Card::read(card.to_string().as_bytes()).unwrap()
    }

    #[test]
    fn files_that_are_no_scorecards_are_refused() {
        let read = |text: &str| Card::read(text.as_bytes()).unwrap_err().to_string();
        assert!(read("").starts_with("not a scorecard"));
        assert!(read(r#"{"schema":"other/v1"}"#).contains("`other/v1`"));
        let mut good = serde_json::to_value(json!({})).unwrap();
        card(1, 0.1, |_| {});
        good["schema"] = json!(SCORECARD_SCHEMA);
        assert!(read(&good.to_string()).contains("missing field"));
    }

    #[test]
    fn an_altered_scorecard_contradicts_itself() {
        let altered = std::panic::catch_unwind(|| card(1, 0.1, |card| card["criteria"][0]["verdict"] = json!("fail")));
        assert!(altered.is_err());
        let altered = std::panic::catch_unwind(|| card(1, 0.9, |card| card["verdict"] = json!("pass")));
        assert!(altered.is_err());
    }

    #[test]
    fn versions_are_found_wherever_they_stand() {
        let identity = json!({ "tool": "meshdrill 1", "clusters": { "a": { "kubernetesVersion": "v1.34", "uid": "x" } },
                               "application": { "images": ["app:1"] } });
        let found = versions(&identity);
        assert_eq!(found["clusters.a.kubernetesVersion"], "v1.34");
        assert_eq!(found["application.images.0"], "app:1");
        assert!(!found.contains_key("clusters.a.uid"));
    }
}
