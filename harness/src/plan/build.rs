//! Builds a plan from a decoded scenario, with every problem that can be found without contacting anything.

use std::collections::BTreeSet;

use meshdrill_checks::criterion::{Claim, Criterion, During};
use meshdrill_checks::units::TimeSpan;

use super::building::{Building, OBSERVE_VALIDATION};
use super::criteria;
use super::layout::Layout;
use super::types::{Phases, Plan, PlanWarning, PlannedCheck, PlannedFault, PlannedProbe};
use crate::fault::{BlastRadius, FaultKind};
use crate::format::MeshFile;
use crate::spec::{CheckSpec, FaultSpec, Loaded, Stage};
use meshdrill_document::{Path, Problem};

const BASELINE: TimeSpan = TimeSpan::secs(15);
const HOLD: TimeSpan = TimeSpan::secs(15);
const OBSERVE_DRILL: TimeSpan = TimeSpan::secs(30);
const TIMEOUT: TimeSpan = TimeSpan::secs(25);
/// How much longer than its probes a validation may take.
const AFTER_OBSERVE: std::time::Duration = std::time::Duration::from_secs(15);
/// The deadline of recovery where no criterion names one.
const RECOVERY: TimeSpan = TimeSpan::secs(300);
/// A faster probe is a load test.
const FASTEST_ALLOWED: TimeSpan = TimeSpan(std::time::Duration::from_micros(50));

/// Builds the plan of one binding. Without a mesh file, what needs one is taken as given.
pub fn build(loaded: &Loaded, mesh: Option<&MeshFile>, seed: u64) -> Result<Plan, Vec<Problem>> {
    let spec = &loaded.file.spec;
    let mut building = Building {
        loaded,
        mesh,
        probes: Vec::new(),
        faults: Vec::new(),
        fixed: Vec::new(),
        clusters: BTreeSet::new(),
        problems: Vec::new(),
        defaults: Vec::new(),
    };
    check_shape(&mut building);
    build_probes(&mut building);
    build_faults(&mut building, seed);
    let mut checks = Vec::new();
    for stage in [Stage::SteadyState, Stage::Recovered, Stage::Verify, Stage::Checks] {
        let place = Path::of(&["spec", stage.key()]);
        checks.extend(build_checks(&mut building, spec.stage(stage), stage, &place));
    }
    let criteria = criteria::resolve(&mut building, &spec.sla, &Path::of(&["spec", "sla"]));
    let abort_when = criteria::resolve(&mut building, &spec.abort_when, &Path::of(&["spec", "abortWhen"]));
    for (index, row) in spec.abort_when.iter().enumerate() {
        if matches!(row.during, Some(During::Baseline | During::Recovered)) {
            let place = Path::of(&["spec", "abortWhen"]).index(index).key("during");
            let message = "`during` has no effect in `abortWhen`, which judges the time since the fault";
            building.problem(&place, message, "remove it");
        }
    }
    let (phases, warnings) = lay_out(&mut building, &criteria);
    if !building.problems.is_empty() {
        return Err(building.problems);
    }
    let broken = building.faults.iter().filter_map(|fault| fault.kind.cluster().map(str::to_owned)).collect();
    Ok(Plan {
        name: loaded.file.metadata.name.clone(),
        aliases: loaded.file.metadata.aliases.clone(),
        suite: loaded.file.metadata.labels.get("suite").cloned().unwrap_or_default(),
        path: loaded.path.clone(),
        sha256: loaded.sha256.clone(),
        objective: spec.objective.clone().unwrap_or_default(),
        binding: loaded.binding.clone(),
        needs: spec.needs.clone(),
        clusters: building.clusters,
        broken,
        phases,
        probes: building.probes,
        faults: building.faults,
        checks,
        criteria,
        abort_when,
        defaults: building.defaults,
        warnings,
    })
}

/// Whether a text can name a scenario.
fn is_name(name: &str) -> bool {
    let letters = name.chars().all(|c| c.is_ascii_lowercase() || c.is_ascii_digit() || c == '-');
    !name.is_empty() && name.len() <= 63 && letters && !name.starts_with('-') && !name.ends_with('-')
}

/// The names that the scenario had before.
fn check_aliases(building: &mut Building<'_>) {
    let metadata = &building.loaded.file.metadata;
    for (index, alias) in metadata.aliases.iter().enumerate() {
        let place = Path::of(&["metadata", "aliases"]).index(index);
        let (message, help) = if !is_name(alias) {
            (format!("`{alias}` cannot be a scenario's name"), "use at most 63 lower-case letters, digits and dashes")
        } else if *alias == metadata.name {
            (format!("`{alias}` is the scenario's own name"), "list only names that it had before")
        } else if metadata.aliases[..index].contains(alias) {
            (format!("`{alias}` is listed twice"), "remove one of the two")
        } else {
            continue;
        };
        let span = building.loaded.node.span_at(&place);
        building.problem_at(span, &place, message, help);
    }
}

/// The shape of the file: what belongs into a drill and what into a validation.
fn check_shape(building: &mut Building<'_>) {
    let file = &building.loaded.file;
    let spec = &file.spec;
    let at = |key: &str| Path::of(&["spec", key]);
    let name = &file.metadata.name;
    if !is_name(name) {
        building.problem(
            &Path::of(&["metadata", "name"]),
            format!("`{name}` cannot be a scenario's name"),
            "use at most 63 lower-case letters, digits and dashes",
        );
    }
    check_aliases(building);
    if spec.faults.is_empty() && !building.lacks("faults") {
        let misplaced = [
            ("steadyState", !spec.steady_state.is_empty()),
            ("recovered", !spec.recovered.is_empty()),
            ("verify", !spec.verify.is_empty()),
            ("abortWhen", !spec.abort_when.is_empty()),
            ("baseline", spec.baseline.is_some()),
            ("hold", spec.hold.is_some()),
        ];
        for (key, _) in misplaced.iter().filter(|(_, present)| *present) {
            building.problem(
                &at(key),
                format!("`{key}` belongs to a drill, and this scenario has no `faults`"),
                "write `checks:` for the checks of a validation, or add `faults:`",
            );
        }
        let nothing = spec.checks.is_empty() && spec.sla.is_empty();
        if nothing && building.loaded.lost.is_empty() {
            building.problem(
                &at("checks"),
                "the scenario verifies nothing: it has no check and no criterion",
                "add `checks:`, or `probes:` with `sla:`",
            );
        }
    } else if !spec.faults.is_empty() {
        if !spec.checks.is_empty() {
            building.problem(
                &at("checks"),
                "`checks` belongs to a validation, and this scenario has `faults`",
                "write `steadyState:`, `recovered:` or `verify:`",
            );
        }
        if spec.timeout.is_some() {
            building.problem(
                &at("timeout"),
                "`timeout` belongs to a validation",
                "remove it: the phases of a drill set its length",
            );
        }
        let held = |fault: &FaultSpec| fault.kind.as_behavior().sustained() && fault.hold.is_none();
        if spec.hold.is_some() && !spec.faults.iter().any(held) && !building.lacks("faults") {
            building.problem(
                &at("hold"),
                "`hold` has no effect: every fault ends by itself or has `for`",
                "remove it, or remove `for`",
            );
        }
        if spec.sla.is_empty() && !building.lacks("sla") {
            building.problem(
                &at("sla"),
                "a drill without a criterion judges nothing",
                "add `sla:` with at least one row",
            );
        }
    }
    if !spec.sla.is_empty() && building.judges_nothing() && !building.lacks("probes") && !building.lacks("faults") {
        building.problem(&at("sla"), "criteria without a probe have nothing to judge", "add `probes:`");
    }
}

fn build_probes(building: &mut Building<'_>) {
    for (name, probe) in &building.loaded.file.spec.probes {
        let place = Path::of(&["spec", "probes", name]);
        let inside = place.key(probe.kind.name());
        building.complain(probe.kind.as_observation().spec_errors(), &inside);
        if probe.every.is_some_and(|every| every < FASTEST_ALLOWED) {
            building.problem(
                &place.key("every"),
                "a probe can take at most 20,000 samples per second",
                "write at least 50us",
            );
        }
        for copy in building.copies(&probe.kind, &inside) {
            let timing = copy.kind.as_observation().timing();
            building.probes.push(PlannedProbe {
                name: format!("{name}{}", copy.suffix),
                every: probe.every.unwrap_or(timing.every),
                timeout: timing.timeout,
                slow: timing.slow,
                series: timing.series,
                batch: timing.batch.map(|length| building.batch(length)),
                needs: probe.needs.clone(),
                kind: copy.kind,
            });
            building.fixed.push(probe.every.is_some());
        }
    }
}

fn build_checks(building: &mut Building<'_>, specs: &[CheckSpec], stage: Stage, place: &Path) -> Vec<PlannedCheck> {
    let mut checks: Vec<PlannedCheck> = Vec::new();
    for (index, spec) in specs.iter().enumerate() {
        let inside = place.index(index).key(spec.kind.name());
        let kind = spec.kind.as_observation();
        let complaints = kind.spec_errors().into_iter().chain(kind.only_sampled()).chain(kind.only_once());
        building.complain(complaints.collect(), &inside);
        for copy in building.copies(&spec.kind, &inside) {
            let stem = spec
                .name
                .clone()
                .unwrap_or_else(|| format!("{}/{}", spec.kind.name(), copy.kind.as_observation().subject()));
            let mut id = format!("{stem}{}", copy.suffix);
            let mut twin = 2;
            while checks.iter().any(|known| known.id == id) {
                id = format!("{stem}-{twin}{}", copy.suffix);
                twin += 1;
            }
            checks.push(PlannedCheck { id, stage, within: spec.within, needs: spec.needs.clone(), kind: copy.kind });
        }
    }
    checks
}

fn build_faults(building: &mut Building<'_>, seed: u64) {
    let keys = building.keys();
    let hold = building.loaded.file.spec.hold.unwrap_or(HOLD);
    for (index, spec) in building.loaded.file.spec.faults.iter().enumerate() {
        let place = Path::of(&["spec", "faults"]).index(index);
        let inside = place.key(spec.kind.name());
        let mut kind = spec.kind.clone();
        building.complain(kind.as_behavior().spec_errors(), &inside);
        let radius = BlastRadius { grace: spec.grace, count: spec.count, percent: spec.percent };
        building.complain(kind.apply_blast_radius(radius), &place);
        check_fault(building, spec, &place);
        let effect = build_checks(building, &spec.effect, Stage::Effect, &place.key("effect"));
        for mut copy in building.expand::<FaultKind>(&kind, FaultKind::choices, &keys, &inside) {
            building.know(copy.kind.choices(), &inside);
            let folder = building.loaded.path.parent().map(std::path::Path::to_path_buf).unwrap_or_default();
            if let Err(complaint) = copy.kind.load(&folder) {
                building.complain(vec![complaint], &inside);
            }
            let id = format!("f{}{}", index + 1, copy.suffix);
            building.faults.push(PlannedFault {
                id,
                after: spec.after.unwrap_or_default(),
                hold: spec.hold.unwrap_or(hold),
                repeat: spec.repeat,
                effect: effect.clone(),
                seed,
                kind: copy.kind,
            });
        }
    }
}

fn check_fault(building: &mut Building<'_>, spec: &FaultSpec, place: &Path) {
    let role = spec.kind.as_behavior();
    if spec.hold.is_some() && !role.sustained() {
        building.problem(
            &place.key("for"),
            format!("{} ends by itself; it cannot be held", spec.kind.name()),
            "remove `for`",
        );
    }
    if spec.repeat.is_some_and(|repeat| repeat.times == 0 || repeat.every.0.is_zero()) {
        building.problem(
            &place.key("repeat"),
            "a repetition needs a period and at least one time",
            "write `repeat: { every: 10s, times: 6 }`",
        );
    }
    if role.needs_effect_check() && spec.effect.is_empty() {
        building.problem(
            place,
            format!("no check proves that {} took effect", spec.kind.name()),
            "add `effect:` with a check that passes only while the fault is in effect",
        );
    }
}

/// The timeline and the periods of the probes.
fn lay_out(building: &mut Building<'_>, criteria: &[Criterion]) -> (Phases, Vec<PlanWarning>) {
    let spec = &building.loaded.file.spec;
    let drill = building.is_drill();
    let baseline = spec.baseline.unwrap_or(BASELINE);
    let default_observe = if drill { OBSERVE_DRILL } else { OBSERVE_VALIDATION };
    let layout = Layout { criteria, faults: &building.faults, baseline, observe: spec.observe, default_observe };
    let mut probes: Vec<(PlannedProbe, bool)> =
        std::mem::take(&mut building.probes).into_iter().zip(building.fixed.iter().copied()).collect();
    let chosen = layout.choose(&mut probes);
    building.probes = probes.into_iter().map(|(probe, _)| probe).collect();
    let tightest = criteria.iter().filter_map(|one| match &one.claim {
        Claim::RecoveryTime(claim) => Some(claim.target),
        _ => None,
    });
    let recovery =
        tightest.min().or_else(|| building.mesh.and_then(|mesh| mesh.spec.sla.recovery_time)).unwrap_or(RECOVERY);
    // A target that is soon missed is no reason to give an undo up, or not to see what a replacement took.
    let replaced = criteria.iter().filter_map(|one| match &one.claim {
        Claim::RestartTime(claim) => Some(claim.target),
        _ => None,
    });
    let undo = replaced.max().unwrap_or(RECOVERY).max(recovery).max(RECOVERY);
    let timeout = spec.timeout.unwrap_or_else(|| TIMEOUT.max(TimeSpan(chosen.observe.0 + AFTER_OBSERVE)));
    // A length that was laid out for values that were wrong says nothing.
    if !drill && chosen.observe > timeout && building.loaded.lost.is_empty() {
        let place = Path::of(&["spec", "observe"]);
        building.problem(
            &place,
            format!("the probes run for {}, longer than the timeout of this validation ({timeout})", chosen.observe),
            "write a longer `timeout:`",
        );
    }
    let mut filled = chosen.notes;
    if drill {
        if spec.baseline.is_none() {
            filled.push(format!("baseline: {baseline}"));
        }
        let defaulted = |fault: &PlannedFault| fault.kind.as_behavior().sustained() && fault.hold == HOLD;
        if spec.hold.is_none() && building.faults.iter().any(defaulted) {
            filled.push(format!("hold: {HOLD}"));
        }
        if spec.steady_state.is_empty() {
            filled.push("steadyState: no bad sample in the last 10 s of the baseline".to_owned());
        }
        if spec.abort_when.is_empty() {
            filled.push("abortWhen: none".to_owned());
        }
    } else if spec.timeout.is_none() {
        filled.push(format!("timeout: {timeout}"));
    }
    if spec.observe.is_none() && !building.probes.is_empty() {
        filled.push(format!("observe: {}", chosen.observe));
    }
    building.defaults = filled;
    (Phases { baseline, observe: chosen.observe, recovery, undo, timeout, conclusive: false }, chosen.warnings)
}
