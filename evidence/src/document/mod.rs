//! `evidence.json`: who did what, when, to which clusters, and what was measured. Made from a record and its scorecard
//! alone, so that it can be made again; what was not recorded says so, or is absent.

mod schema;
mod timeline;

use meshdrill_checks::criterion::Criterion;
use meshdrill_checks::record::{At, Header, History, Note, RECORD_FILES, Record};
use meshdrill_checks::scorecard::{CriterionResult, Scorecard, UndoState};
use meshdrill_checks::verdict::Verdict;

use crate::manifest::FileEntry;
pub use schema::{
    Authority, CheckLine, Clock, ClockComparison, Document, Exclusion, Identity, NOT_RECORDED, Objective, Person,
    RecoveryProof, ResultLine, Scope, ScopeCluster, TimelineStep, UndoLine,
};

/// Its name in a run directory.
pub const EVIDENCE: &str = "evidence.json";
/// The schema name written into every evidence document.
pub const EVIDENCE_SCHEMA: &str = "meshdrill.io/evidence/v1";

/// The files that a run itself writes, apart from its record; everything else is made from them.
const RAW_FILES: [&str; 2] = ["plan.yaml", "journal.jsonl"];
/// How a verdict follows from a measurement.
const DECISION_RULE: &str = "pass if the bounds of the measured value at the stated confidence all meet the target, fail if none does, else inconclusive; without data never a pass";
/// What a lab run is not.
const LAB: &str = "run on the embedded lab: no evidence about any cluster";

/// The evidence document of a run. Of the `files` of its directory, those that the run itself wrote are listed.
pub fn document(record: &Record, card: &Scorecard, files: &[FileEntry]) -> Document {
    let (header, history) = (&record.header, record.history());
    Document {
        schema: EVIDENCE_SCHEMA.to_owned(),
        lab: record.is_lab(),
        notice: record.is_lab().then(|| LAB.to_owned()),
        verdict: card.verdict,
        exit_code: card.exit_code,
        message: card.message.clone(),
        identity: identity(header),
        authority: authority(header),
        scope: scope(header, card, &history),
        objectives: header.criteria.iter().map(objective).collect(),
        participants: header
            .change
            .participants
            .iter()
            .map(|one| Person { name: one.name.clone(), role: one.role.clone() })
            .collect(),
        started: card.run.started.clone(),
        finished: card.run.finished.clone(),
        timeline: timeline::timeline(record, card),
        results: card.criteria.iter().map(|one| result(one, card, &history)).collect(),
        checks: card
            .checks
            .iter()
            .map(|one| CheckLine {
                check: one.id.clone(),
                phase: one.phase,
                verdict: one.verdict,
                message: one.message.clone(),
            })
            .collect(),
        recovery: recovery(card, &history),
        deviations: deviations(card, &history),
        clock: clock(header, &history),
        files: raw_files(files),
    }
}

impl Document {
    /// The bytes of its file.
    ///
    /// # Panics
    /// Never: a document has nothing that JSON lacks.
    pub fn to_bytes(&self) -> Vec<u8> {
        let text = serde_json::to_string_pretty(self).expect("texts and finite numbers are JSON");
        (text + "\n").into_bytes()
    }
}

/// A text, or that it was not recorded.
fn recorded(text: Option<&str>) -> String {
    text.map_or_else(|| NOT_RECORDED.to_owned(), str::to_owned)
}

fn identity(header: &Header) -> Identity {
    Identity {
        run: header.id.clone(),
        tool: header.tool.clone(),
        binary_sha256: recorded(header.identity.binary_sha256.as_deref()),
        scenario: header.scenario.clone(),
        suite: header.suite.clone(),
        binding: header.binding.clone(),
        scenario_file: header.identity.scenario_file.clone(),
    }
}

fn authority(header: &Header) -> Authority {
    let change = &header.change;
    let owner = change.participants.iter().find(|one| one.role.to_lowercase().contains("halt"));
    Authority {
        requester: recorded(change.by.as_deref()),
        approver: recorded(change.approver.as_ref().map(|one| one.name.as_str())),
        approved_at: recorded(change.approver.as_ref().and_then(|one| one.at.as_deref())),
        ticket: recorded(change.ticket.as_deref()),
        window: recorded(change.window.as_deref()),
        halt_owner: recorded(owner.map(|one| one.name.as_str())),
    }
}

fn scope(header: &Header, card: &Scorecard, history: &History<'_>) -> Scope {
    // Some scenarios contact clusters that they do not name.
    let contacted = history.clusters.iter().map(|(key, _)| *key);
    let contacted = contacted.filter(|key| !header.clusters.iter().any(|named| named == key));
    let clusters = header.clusters.iter().map(String::as_str).chain(contacted).map(|key| {
        let facts = history.clusters.iter().find(|(cluster, _)| *cluster == key).map(|(_, facts)| *facts);
        let fact = |text: Option<&String>| recorded(text.map(String::as_str));
        ScopeCluster {
            cluster: key.to_owned(),
            uid: fact(facts.and_then(|facts| facts.uid.as_ref())),
            kubernetes: fact(facts.and_then(|facts| facts.kubernetes.as_ref())),
            istio: fact(facts.and_then(|facts| facts.istio.as_ref())),
            region: fact(facts.and_then(|facts| facts.region.as_ref())),
        }
    });
    let waivers = header.identity.waivers.iter().map(|one| Exclusion {
        what: one.name.clone(),
        reason: one.reason.clone(),
        owner: Some(one.owner.clone()),
        until: Some(one.until.clone()),
    });
    let not_run = card.not_run.iter().map(|one| Exclusion {
        what: one.id.clone(),
        reason: one.reason.clone(),
        owner: None,
        until: None,
    });
    Scope { mesh: header.mesh.clone(), clusters: clusters.collect(), exclusions: waivers.chain(not_run).collect() }
}

fn objective(criterion: &Criterion) -> Objective {
    Objective {
        criterion: criterion.id.clone(),
        kind: criterion.claim.kind().to_owned(),
        target: criterion.claim.target(),
        decision_rule: DECISION_RULE.to_owned(),
        confidence: criterion.confidence.get(),
    }
}

fn result(one: &CriterionResult, card: &Scorecard, history: &History<'_>) -> ResultLine {
    let probe = one.probe.as_ref().and_then(|name| card.probes.iter().find(|probe| probe.name == *name));
    ResultLine {
        criterion: one.id.clone(),
        target: one.target.clone(),
        verdict: one.verdict,
        value: one.value,
        low: one.low,
        high: one.high,
        unit: one.unit,
        n: one.n,
        coverage: probe.map(|probe| probe.all.coverage),
        needed_samples: one.needed_samples,
        infeasible: history.infeasible.get(one.id.as_str()).map(|why| (*why).to_owned()),
        message: one.message.clone(),
    }
}

fn recovery(card: &Scorecard, history: &History<'_>) -> RecoveryProof {
    let undos = card.faults.iter().map(|fault| {
        let known = history.faults.get(fault.id.as_str());
        UndoLine {
            fault: fault.id.clone(),
            targets: fault.targets.clone(),
            requested: known.and_then(|known| known.undo_begun).map(At::secs),
            state: fault.undo,
            failures: known
                .map(|known| known.undo_failures.iter().map(|why| (*why).to_owned()).collect())
                .unwrap_or_default(),
        }
    });
    RecoveryProof {
        verified: card.recovery.verified,
        leftovers: card.recovery.leftovers.clone(),
        message: card.recovery.message.clone(),
        undos: undos.collect(),
    }
}

/// Everything that did not go as planned, in words.
fn deviations(card: &Scorecard, history: &History<'_>) -> Vec<String> {
    let mut all: Vec<String> = Vec::new();
    if !history.finished {
        all.push("the record is incomplete: the run did not reach its end".to_owned());
    }
    if card.verdict == Verdict::Error || card.verdict == Verdict::NotRun {
        all.push(card.message.clone());
    }
    let flaws = card.faults.iter().filter_map(|fault| Some((&fault.id, fault.flaw.as_ref()?)));
    all.extend(flaws.map(|(id, flaw)| format!("fault {id} {}: {}", flaw.what, flaw.why)));
    let undos = card.faults.iter().filter(|fault| fault.undo == UndoState::Failed);
    all.extend(undos.map(|fault| format!("the undo of fault {} failed", fault.id)));
    all.extend(history.failed_probes.iter().map(|(probe, why)| format!("probe {probe}: {why}")));
    all.extend(card.not_run.iter().map(|one| format!("{} did not run: {}", one.id, one.reason)));
    let unsent = card.probes.iter().filter(|probe| probe.all.not_sent > 0);
    all.extend(unsent.map(|probe| {
        format!("probe {}: {} of {} samples were not sent", probe.name, probe.all.not_sent, probe.all.planned)
    }));
    all.extend(history.notes.iter().map(|note| match note {
        Note::Text(text) => (*text).to_owned(),
        Note::Aborted(why) => format!("aborted: {why}"),
        Note::Interrupted(by) => format!("interrupted by {by}"),
    }));
    all
}

fn clock(header: &Header, history: &History<'_>) -> Clock {
    let runner = header.identity.clock.as_ref();
    let compared = history.clusters.iter().filter_map(|(cluster, facts)| {
        let clock = facts.clock?;
        Some(ClockComparison {
            cluster: (*cluster).to_owned(),
            offset: clock.offset,
            uncertainty: clock.uncertainty,
            round_trip: clock.round_trip,
        })
    });
    Clock {
        virtual_time: header.lab,
        source: recorded(runner.and_then(|clock| clock.source.as_deref())),
        synchronized_by: recorded(runner.and_then(|clock| clock.synchronized_by.as_deref())),
        sync: runner.and_then(|clock| clock.sync.clone()),
        moved: history.clock_moved,
        api_servers: compared.collect(),
    }
}

/// The files that the run itself wrote, with their hashes.
fn raw_files(files: &[FileEntry]) -> Vec<FileEntry> {
    let is_raw = |name: &str| RECORD_FILES.contains(&name) || RAW_FILES.contains(&name);
    files.iter().filter(|file| is_raw(&file.name)).cloned().collect()
}
