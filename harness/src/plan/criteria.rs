//! The rows of `sla:` resolved: subjects found, `default` replaced, one criterion per quantile.

use std::collections::BTreeMap;

use meshdrill_checks::criterion::{Claim, Criterion, During, Subject};
use meshdrill_checks::detection::Stage;
use meshdrill_checks::units::{Ratio, TimeSpan};

use super::build::Building;
use crate::document::Path;
use crate::probe::{BY_CLUSTER, ProbeKind};
use crate::spec::{CriterionSpec, OrDefault, Over, SlaDefaults, SlaRow};

/// The confidence where nobody says otherwise.
fn default_confidence() -> Ratio {
    Ratio::new(0.95)
}

/// Resolves rows that stand at a path.
pub(super) fn resolve(building: &mut Building<'_>, rows: &[SlaRow], path: &Path) -> Vec<Criterion> {
    let mut criteria: Vec<Criterion> = Vec::new();
    for (index, row) in rows.iter().enumerate() {
        let place = path.index(index);
        for subject in subjects(building, row, &place) {
            for claim in claims(building, row, &place) {
                let claim = of_subject(building, claim, &subject);
                check_subject(building, &subject, &claim, &place);
                let id = format!("{}/{}", subject.name(), claim.id_suffix());
                if criteria.iter().any(|known| known.id == id) {
                    let help = "two rows with one id cannot be told apart in reports; remove one";
                    building.problem(&place, format!("`{id}` stands here twice"), help);
                }
                let confidence =
                    row.confidence.or_else(|| defaults(building).confidence).unwrap_or_else(default_confidence);
                if !(0.5..1.0).contains(&confidence.get()) {
                    building.problem(
                        &place.key("confidence"),
                        format!("a confidence of {confidence} means nothing"),
                        "write at least 50% and less than 100%",
                    );
                }
                criteria.push(Criterion { id, subject: subject.clone(), claim, confidence });
            }
        }
    }
    criteria
}

fn defaults(building: &Building<'_>) -> SlaDefaults {
    building.mesh.map(|mesh| mesh.spec.sla.clone()).unwrap_or_default()
}

/// What a row speaks of: every copy of an expanded probe or fault.
fn subjects(building: &mut Building<'_>, row: &SlaRow, place: &Path) -> Vec<Subject> {
    let of_fault = matches!(row.kind, CriterionSpec::RestartTime(_));
    let (named, known, key): (_, Vec<String>, _) = if of_fault {
        (&row.fault, building.faults.iter().map(|fault| fault.id.clone()).collect(), "fault")
    } else {
        (&row.probe, building.probes.iter().map(|probe| probe.name.clone()).collect(), "probe")
    };
    let stems: std::collections::BTreeSet<&str> = known.iter().map(|name| stem(name)).collect();
    let wanted = match named {
        Some(name) => name.clone(),
        None if stems.len() == 1 => stems.first().map(|name| (*name).to_owned()).unwrap_or_default(),
        None if known.is_empty() && of_fault => {
            if !building.lacks("faults") {
                let message = "a validation breaks nothing, so nothing is restarted";
                building.problem(place, message, "remove this row, or add `faults:`");
            }
            return Vec::new();
        }
        None if known.is_empty() && (building.judges_nothing() || building.lacks("probes")) => return Vec::new(),
        None => {
            let message = format!("which {key} does this row speak of?");
            building.problem(place, message, format!("add `{key}:` with one of {}", quoted(&known)));
            return Vec::new();
        }
    };
    let found: Vec<Subject> = known
        .iter()
        .filter(|name| **name == wanted || stem(name) == wanted)
        .map(|name| if of_fault { Subject::Fault(name.clone()) } else { Subject::Probe(name.clone()) })
        .collect();
    let section = if of_fault { "faults" } else { "probes" };
    let lost = building.loaded.lacks(&Path::of(&["spec", section, &wanted]));
    if found.is_empty() && !lost && !(known.is_empty() && building.judges_nothing()) {
        let help =
            if known.is_empty() { format!("add `{section}:`") } else { format!("known here: {}", quoted(&known)) };
        building.problem(&place.key(key), format!("no {key} is named `{wanted}`"), help);
    }
    found
}

fn stem(name: &str) -> &str {
    name.split('@').next().unwrap_or(name)
}

fn quoted(names: &[String]) -> String {
    names.iter().map(|name| format!("`{name}`")).collect::<Vec<_>>().join(", ")
}

fn claims(building: &mut Building<'_>, row: &SlaRow, place: &Path) -> Vec<Claim> {
    let defaults = defaults(building);
    let during = row.during.unwrap_or_default();
    let takes_during = matches!(
        row.kind,
        CriterionSpec::Latency(_)
            | CriterionSpec::Rtt(_)
            | CriterionSpec::ErrorRate(_)
            | CriterionSpec::PacketLoss(_)
            | CriterionSpec::Endpoints(_)
            | CriterionSpec::Split(_)
    );
    let takes_over = matches!(row.kind, CriterionSpec::Availability(_));
    if row.during.is_some() && !takes_during {
        building.problem(&place.key("during"), "`during` does not apply to this criterion", "remove it");
    }
    if (row.over.is_some() || row.spend.is_some()) && !takes_over {
        let key = if row.over.is_some() { "over" } else { "spend" };
        building.problem(&place.key(key), format!("`{key}` applies to availability only"), "remove it");
    }
    if !building.is_drill() && !building.lacks("faults") && during != During::All {
        building.problem(&place.key("during"), "a validation has no fault, so its samples have no parts", "remove it");
    }
    match &row.kind {
        CriterionSpec::Availability(target) => {
            let (Some(target), over) = (
                value(building, place, "availability", *target, defaults.availability),
                row.over.or(match target {
                    OrDefault::Default(_) => defaults.over,
                    OrDefault::Value(_) => None,
                }),
            ) else {
                return Vec::new();
            };
            if target.get() >= 1.0 {
                building.problem(
                    &place.key("availability"),
                    "no number of samples can show 100 %",
                    "write `errorRate: 0%` to say that none may be bad",
                );
            }
            vec![match over {
                Some(Over::Window(over)) => {
                    Claim::ErrorBudget { target, over, spend: row.spend.unwrap_or(Ratio::new(1.0)) }
                }
                Some(Over::Drill(_)) | None => Claim::Availability { target },
            }]
        }
        CriterionSpec::RecoveryTime(target) => value(building, place, "recoveryTime", *target, defaults.recovery_time)
            .map(|target| Claim::RecoveryTime { target })
            .into_iter()
            .collect(),
        CriterionSpec::RestartTime(target) => value(building, place, "restartTime", *target, defaults.restart_time)
            .map(|target| Claim::RestartTime { target })
            .into_iter()
            .collect(),
        CriterionSpec::MaxOutage(target) => vec![Claim::MaxOutage { target: *target }],
        CriterionSpec::ErrorRate(target) => vec![Claim::ErrorRate { target: *target, during }],
        CriterionSpec::PacketLoss(target) => vec![Claim::PacketLoss { target: *target, during }],
        CriterionSpec::Latency(quantiles) => {
            let limits =
                quantiles.limits().or_else(|| defaults.latency.as_ref().and_then(crate::spec::Quantiles::limits));
            let claim = |(quantile, target)| Claim::Latency { quantile, target, during };
            given(building, place, "latency", limits).into_iter().map(claim).collect()
        }
        CriterionSpec::Rtt(quantiles) => {
            let claim = |(quantile, target)| Claim::Rtt { quantile, target, during };
            given(building, place, "rtt", quantiles.limits()).into_iter().map(claim).collect()
        }
        CriterionSpec::Endpoints(expect) => vec![Claim::Endpoints { expect: expect.clone(), during }],
        CriterionSpec::Split(divisions) => {
            if divisions.values().any(|weights| weights.values().sum::<f64>() <= 0.0) || divisions.is_empty() {
                let help = "write `split: { version: { v1: 50, v2: 50 } }`";
                building.problem(&place.key("split"), "no part has a weight above zero", help);
                return Vec::new();
            }
            let claim = |(by, weights): (&String, &BTreeMap<String, f64>)| Claim::Split {
                by: by.clone(),
                weights: weights.clone(),
                during,
            };
            divisions.iter().map(claim).collect()
        }
        CriterionSpec::DetectionTime(target) => {
            if let Some(fault) = row.fault.as_ref().filter(|id| building.faults.iter().all(|fault| fault.id != **id)) {
                let known: Vec<String> = building.faults.iter().map(|fault| fault.id.clone()).collect();
                let help = format!("known here: {}", quoted(&known));
                building.problem(&place.key("fault"), format!("no fault is named `{fault}`"), help);
            }
            vec![Claim::DetectionTime { target: *target, until: Stage::Receiver, fault: row.fault.clone() }]
        }
        CriterionSpec::DataLoss(target) => vec![Claim::DataLoss { target: target.0 }],
    }
}

/// A claim with what only its subject knows: which cluster is `home`, which stage ends a detection.
fn of_subject(building: &Building<'_>, claim: Claim, subject: &Subject) -> Claim {
    let probe = building.probes.iter().find(|probe| probe.name == subject.name());
    match (claim, probe.map(|probe| &probe.kind)) {
        (Claim::Split { by, weights, during }, Some(ProbeKind::TrafficSplit(split))) if by == BY_CLUSTER => {
            let home = split.home();
            let named = weights.into_iter().map(|(name, weight)| match &home {
                Some(home) if name == "home" => (home.clone(), weight),
                _ => (name, weight),
            });
            Claim::Split { by, weights: named.collect(), during }
        }
        (Claim::DetectionTime { target, fault, .. }, Some(ProbeKind::Alert(alert))) => {
            Claim::DetectionTime { target, until: alert.last_stage(), fault }
        }
        (claim, _) => claim,
    }
}

fn given(
    building: &mut Building<'_>,
    place: &Path,
    key: &str,
    limits: Option<Vec<(Ratio, TimeSpan)>>,
) -> Vec<(Ratio, TimeSpan)> {
    limits.unwrap_or_else(|| {
        no_default(building, place, key);
        Vec::new()
    })
}

/// A target, or what the mesh file says for `default`. Without a mesh file any value stands for it.
fn value<T: Copy>(
    building: &mut Building<'_>,
    place: &Path,
    key: &str,
    target: OrDefault<T>,
    default: Option<T>,
) -> Option<T> {
    match (target, default) {
        (OrDefault::Value(value), _) => Some(value),
        (OrDefault::Default(_), Some(value)) => Some(value),
        (OrDefault::Default(_), None) => {
            no_default(building, place, key);
            None
        }
    }
}

fn no_default(building: &mut Building<'_>, place: &Path, key: &str) {
    if building.mesh.is_some() {
        building.problem(
            &place.key(key),
            "the mesh file says nothing for `default`",
            format!("write the target here, or `sla.{key}` into the mesh file"),
        );
    }
}

/// Criteria that cannot speak of the kind of probe they name.
fn check_subject(building: &mut Building<'_>, subject: &Subject, claim: &Claim, place: &Path) {
    let drill = building.is_drill();
    let complaint = match (subject, claim) {
        (Subject::Fault(id), Claim::RestartTime { .. }) => {
            let removes = building.faults.iter().any(|fault| fault.id == *id && fault.kind.as_role().selects_pods());
            (!removes)
                .then_some(("this fault removes nothing that could be replaced", "name a fault that deletes pods"))
        }
        (_, Claim::RecoveryTime { .. }) if !drill && building.lacks("faults") => None,
        (_, Claim::DetectionTime { .. }) if !drill && !building.lacks("faults") => {
            Some(("a validation breaks nothing, so there is nothing to detect", "remove this row, or add `faults:`"))
        }
        (_, Claim::RecoveryTime { .. }) if !drill => {
            Some(("a validation breaks nothing, so there is no recovery", "remove this row, or add `faults:`"))
        }
        (Subject::Probe(name), claim) => {
            let kind = building.probes.iter().find(|probe| probe.name == *name).map_or("", |probe| probe.kind.name());
            match (claim, kind) {
                (Claim::PacketLoss { .. } | Claim::Rtt { .. }, kind) if kind != "ping" => Some((
                    "packets are counted by `ping` probes only",
                    "name a ping probe, or use errorRate or latency",
                )),
                (Claim::Endpoints { .. }, kind) if kind != "envoyEndpoints" => {
                    Some(("endpoints are seen by `envoyEndpoints` probes only", "name an envoyEndpoints probe"))
                }
                (Claim::Split { .. }, kind) if kind != "trafficSplit" => {
                    Some(("who answered is told by `trafficSplit` probes only", "name a trafficSplit probe"))
                }
                (Claim::DetectionTime { .. }, kind) if kind != "alert" => {
                    Some(("a detection is seen by `alert` probes only", "name an alert probe"))
                }
                (Claim::DataLoss { .. }, kind) if kind != "ledger" => {
                    Some(("what is written is read back by `ledger` probes only", "name a ledger probe"))
                }
                (Claim::Latency { .. }, "ping") => {
                    Some(("a ping has a round-trip time", "write `rtt:` instead of `latency:`"))
                }
                (Claim::Latency { .. }, kind)
                    if !matches!(kind, "http" | "trafficSplit" | "ledger" | "tcp" | "exec" | "command" | "promql") =>
                {
                    Some(("the time this probe takes says nothing of the mesh", "name an http or tcp probe"))
                }
                _ => None,
            }
        }
        (Subject::Fault(_), _) => None,
    };
    if let Some((message, help)) = complaint {
        building.problem(place, message, help);
    }
}
