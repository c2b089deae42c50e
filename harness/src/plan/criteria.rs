//! The rows of `sla:` resolved: subjects found, `default` replaced, one criterion per quantile.

use meshdrill_checks::criterion::{
    Claim, Criterion, CriterionSpec, During, RowKey, RowOptions, RowProblem, SlaDefaults, Subject, SubjectFacts,
    SubjectKind,
};
use meshdrill_checks::units::Ratio;

use super::building::Building;
use crate::spec::SlaRow;
use meshdrill_document::Path;

/// The confidence if neither the row nor the mesh file sets one.
fn default_confidence() -> Ratio {
    Ratio::new(0.95)
}

/// Resolves rows that stand at a path.
pub(super) fn resolve(building: &mut Building<'_>, rows: &[SlaRow], path: &Path) -> Vec<Criterion> {
    let mut criteria: Vec<Criterion> = Vec::new();
    for (index, row) in rows.iter().enumerate() {
        let place = path.index(index);
        let nothing_broken = !building.is_drill() && !building.lacks("faults");
        for subject in subjects(building, row, &place) {
            let facts = facts(building, &subject);
            for claim in claims(building, row, &place) {
                let claim = match &facts {
                    SubjectFacts::Probe(probe) => claim.on_probe(probe),
                    SubjectFacts::Fault { .. } => claim,
                };
                let mismatch = match row.kind.without_fault() {
                    Some(message) if nothing_broken => Some((message, "remove this row, or add `faults:`")),
                    _ => claim.accepts(&facts).err().map(|mismatch| (mismatch.message, mismatch.help)),
                };
                if let Some((message, help)) = mismatch {
                    building.problem(&place, message, help);
                }
                let id = format!("{}/{}", subject.name(), claim.id_suffix());
                if criteria.iter().any(|known| known.id == id) {
                    let help = "reports cannot distinguish two rows with one id; remove one";
                    building.problem(&place, format!("`{id}` is defined twice"), help);
                }
                let confidence =
                    row.confidence.or_else(|| defaults(building).confidence).unwrap_or_else(default_confidence);
                if !(0.5..1.0).contains(&confidence.get()) {
                    building.problem(
                        &place.key("confidence"),
                        format!("a confidence of {confidence} is out of range"),
                        "write at least 50% and less than 100%",
                    );
                }
                criteria.push(Criterion { id, subject: subject.clone(), claim, confidence });
            }
        }
    }
    criteria
}

/// The targets of the entry point that the run is about, and for the rest those of the mesh.
fn defaults(building: &Building<'_>) -> SlaDefaults {
    let Some(mesh) = building.mesh else { return SlaDefaults::default() };
    let item = building.loaded.binding.item.as_ref();
    let name =
        item.and_then(|item| if item.kind == "entrypoint" { Some(item.name.as_str()) } else { item.entrypoint() });
    let inventory = mesh.spec.inventory();
    let own = name.and_then(|name| inventory.entrypoints.get(name)?.sla.clone());
    own.unwrap_or_default().or(mesh.spec.sla.clone())
}

/// The subjects of a row: every copy of an expanded probe or fault.
fn subjects(building: &mut Building<'_>, row: &SlaRow, place: &Path) -> Vec<Subject> {
    let of_fault = row.kind.subject() == SubjectKind::Fault;
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
                let message = row.kind.without_fault().unwrap_or("a validation breaks nothing");
                building.problem(place, message, "remove this row, or add `faults:`");
            }
            return Vec::new();
        }
        None if known.is_empty() && (building.judges_nothing() || building.lacks("probes")) => return Vec::new(),
        None => {
            let message = format!("this row does not name its {key}");
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

/// The claims of a row, for every subject the same.
fn claims(building: &mut Building<'_>, row: &SlaRow, place: &Path) -> Vec<Claim> {
    check_keys(building, row, place);
    let defaults = defaults(building);
    let mut options = RowOptions {
        during: row.during.unwrap_or_default(),
        over: row.over,
        spend: row.spend,
        fault: row.fault.as_deref(),
        defaults: &defaults,
        problems: Vec::new(),
    };
    let claims = row.kind.claims(&mut options);
    for problem in options.problems {
        match problem {
            RowProblem::Wrong { key, message, help } => building.problem(&place.key(key), message, help),
            // Without a mesh file any value stands for it.
            RowProblem::NoDefault(_) if building.mesh.is_none() => {}
            RowProblem::NoDefault(key) => building.problem(
                &place.key(key),
                "the mesh file has no value for `default`",
                format!("write the target here, or `sla.{key}` into the mesh file"),
            ),
        }
    }
    claims
}

/// The keys beside the criterion: whether it takes them, and whether they mean something here.
fn check_keys(building: &mut Building<'_>, row: &SlaRow, place: &Path) {
    let takes = |key| row.kind.keys().contains(&key);
    if row.during.is_some() && !takes(RowKey::During) {
        building.problem(&place.key("during"), "`during` does not apply to this criterion", "remove it");
    }
    let given = [(RowKey::Over, row.over.is_some()), (RowKey::Spend, row.spend.is_some())];
    if let Some((key, _)) = given.into_iter().find(|(key, given)| *given && !takes(*key)) {
        let name = key.name();
        let takers = CriterionSpec::names_with(key).join(" and ");
        building.problem(&place.key(name), format!("`{name}` applies to {takers} only"), "remove it");
    }
    let parts = row.during.is_some_and(|during| during != During::All);
    if !building.is_drill() && !building.lacks("faults") && parts {
        building.problem(&place.key("during"), "`during` does not apply: a validation has no fault", "remove it");
    }
    if row.fault.is_some() && !takes(RowKey::Fault) && row.kind.subject() != SubjectKind::Fault {
        building.problem(
            &place.key("fault"),
            "`fault` does not apply to this criterion: it judges a probe",
            "remove it",
        );
    }
    if row.probe.is_some() && row.kind.subject() == SubjectKind::Fault {
        building.problem(
            &place.key("probe"),
            "`probe` does not apply to this criterion: it judges a fault",
            "remove it",
        );
    }
    if let Some(fault) = row.fault.as_ref().filter(|_| takes(RowKey::Fault))
        && building.faults.iter().all(|known| known.id != *fault)
    {
        let known: Vec<String> = building.faults.iter().map(|fault| fault.id.clone()).collect();
        let help = format!("known here: {}", quoted(&known));
        building.problem(&place.key("fault"), format!("no fault is named `{fault}`"), help);
    }
}

/// What criteria must know of a subject.
fn facts(building: &Building<'_>, subject: &Subject) -> SubjectFacts {
    match subject {
        Subject::Probe(name) => {
            let probe = building.probes.iter().find(|probe| probe.name == *name);
            SubjectFacts::Probe(probe.map(|probe| probe.kind.facts()).unwrap_or_default())
        }
        Subject::Fault(id) => {
            let fault = building.faults.iter().find(|fault| fault.id == *id);
            SubjectFacts::Fault { removes_pods: fault.is_some_and(|fault| fault.kind.as_behavior().selects_pods()) }
        }
    }
}
