//! What happened, in sentences for readers who did not write the scenario.

use meshdrill_checks::record::CheckStage;
use meshdrill_checks::scorecard::{CriterionResult, ProbeResult, Scorecard};
use meshdrill_checks::units::{counted, grouped, percent, seconds};
use meshdrill_checks::verdict::Verdict;

use super::Run;
use super::text::figure;
use super::windows::FaultWindow;

/// The sentences, most important first.
pub(super) fn story(run: &Run<'_>, windows: &[FaultWindow<'_>]) -> Vec<String> {
    let card = run.scorecard;
    let mut sentences = vec![broken(run, windows)];
    sentences.extend(noticed(card));
    sentences.extend(recovered(card, windows));
    sentences.extend(decided(card));
    sentences
}

/// What was broken, where and for how long.
fn broken(run: &Run<'_>, windows: &[FaultWindow<'_>]) -> String {
    let header = &run.record.header;
    if header.faults.is_empty() {
        return "Nothing was broken: this run asks whether the mesh is as it should be.".to_owned();
    }
    let faults = header.faults.iter().filter_map(|fault| {
        let own: Vec<&FaultWindow<'_>> = windows.iter().filter(|window| window.fault.id == fault.id).collect();
        let held: f64 = own.iter().filter_map(|window| Some(window.to? - window.from)).sum();
        let when = match (own.len(), own.first()) {
            (_, None) => {
                let requested = run.scorecard.faults.iter().find(|one| one.id == fault.id)?.requested?;
                format!("requested at {} without an observed effect", seconds(requested))
            }
            (1, Some(FaultWindow { from, to: Some(to), .. })) => {
                format!("in effect for {} (from {} to {})", seconds(held), seconds(*from), seconds(*to))
            }
            (1, Some(first)) => format!("at {}", seconds(first.from)),
            (times, Some(FaultWindow { to: Some(_), .. })) => {
                format!("{times} times, in effect for {} in all", seconds(held))
            }
            (times, Some(first)) => format!("{times} times, first at {}", seconds(first.from)),
        };
        Some(format!("{}, {when}", fault.what))
    });
    let faults: Vec<String> = faults.collect();
    if faults.is_empty() {
        "Nothing was broken.".to_owned()
    } else {
        format!("Broken on purpose: {}.", faults.join("; "))
    }
}

/// What a kind of probe observes, in the plural.
pub(super) fn observations(kind: &str) -> &'static str {
    match kind {
        "http" => "requests",
        "tcp" => "connections",
        "ping" => "packets",
        _ => "observations",
    }
}

/// The probes with bad samples, the worst first.
fn bad_probes(card: &Scorecard) -> Vec<&ProbeResult> {
    let down = |probe: &ProbeResult| probe.all.outages.iter().map(|outage| outage.down).sum::<f64>();
    let mut bad: Vec<&ProbeResult> = card.probes.iter().filter(|probe| probe.all.bad > 0).collect();
    bad.sort_by(|one, other| down(other).total_cmp(&down(one)).then(other.all.bad.cmp(&one.all.bad)));
    bad
}

/// What users would have noticed.
fn noticed(card: &Scorecard) -> Option<String> {
    if card.probes.is_empty() {
        return None;
    }
    let detected = detected(card);
    if !detected.is_empty() && card.probes.iter().all(|probe| probe.kind == "alert") {
        return Some(detected.join(" "));
    }
    let measured: u64 = card.probes.iter().map(|probe| probe.all.good + probe.all.bad).sum();
    if measured == 0 {
        return Some("Nothing was measured.".to_owned());
    }
    let bad = bad_probes(card);
    let Some(worst) = bad.first() else {
        let probes = counted(card.probes.len(), "probe");
        return Some(format!("No bad sample among {} of {probes}.", counted(measured as usize, "sample")));
    };
    let all = &worst.all;
    let mut text = format!(
        "{} saw {} of {} {} fail or arrive late",
        worst.name,
        grouped(all.bad),
        grouped(all.good + all.bad),
        observations(&worst.kind)
    );
    if let (Some(first), Some(last)) = (all.outages.first(), all.outages.last()) {
        let down: f64 = all.outages.iter().map(|outage| outage.down).sum();
        let until = last.end.map_or_else(|| "the end".to_owned(), seconds);
        text = format!("{text}, from {} to {until}; it was down for {} in all", seconds(first.start), seconds(down));
    }
    let others: Vec<String> = bad[1..]
        .iter()
        .take(3)
        .map(|probe| {
            format!("{} {} of {}", probe.name, grouped(probe.all.bad), grouped(probe.all.good + probe.all.bad))
        })
        .collect();
    let rest = bad.len().saturating_sub(4);
    let more = if rest > 0 { format!(" and {rest} more") } else { String::new() };
    let also = if others.is_empty() { String::new() } else { format!(" Also: {}{more}.", others.join(", ")) };
    Some(format!("{text}.{also}"))
}

/// How long it took until somebody was notified.
fn detected(card: &Scorecard) -> Vec<String> {
    let times = card.criteria.iter().filter(|one| one.kind == "detectionTime");
    let times = times.filter_map(|one| Some((one.probe.as_deref()?, one.value)));
    times
        .map(|(probe, value)| match value {
            Some(value) => format!("{probe} was detected {} after the fault took effect.", seconds(value)),
            None => format!("{probe} was not seen to be detected."),
        })
        .collect()
}

/// How long after the fault service was back, and whether the mesh is as it was.
fn recovered(card: &Scorecard, windows: &[FaultWindow<'_>]) -> Option<String> {
    if card.faults.is_empty() {
        return None;
    }
    let effective = windows.first().map(|window| window.from);
    let outages = || card.probes.iter().flat_map(|probe| &probe.all.outages);
    let open = outages().any(|outage| outage.end.is_none());
    let last = outages()
        .filter_map(|outage| outage.end)
        .fold(None, |last: Option<f64>, end| Some(last.map_or(end, |last| last.max(end))));
    let service = match (effective, last) {
        (Some(_), _) if open => "Service had not recovered when the run ended. ".to_owned(),
        (Some(effective), Some(last)) if last > effective => {
            format!("Service was back {} after the first fault took effect. ", seconds(last - effective))
        }
        _ => String::new(),
    };
    let mesh = if card.recovery.verified {
        format!("Recovery verified: {}.", card.recovery.message)
    } else {
        format!("RECOVERY NOT VERIFIED: {}.", card.recovery.message)
    };
    Some(format!("{service}{mesh}"))
}

/// What decided the verdict. A pass beside bad samples says which targets that met, and what it would not have met.
fn decided(card: &Scorecard) -> Option<String> {
    if card.verdict != Verdict::Pass {
        // The sentence before has it.
        if !card.faults.is_empty() && card.message.ends_with(&card.recovery.message) {
            return None;
        }
        return Some(format!("{}.", card.message.trim_end_matches('.')));
    }
    let Some(worst) = bad_probes(card).first().copied() else {
        let checks =
            card.checks.iter().filter(|check| check.phase != CheckStage::Effect && check.verdict == Verdict::Pass);
        let parts: Vec<String> = [(met(card).count(), "target"), (checks.count(), "check")]
            .into_iter()
            .filter(|(count, _)| *count > 0)
            .map(|(count, noun)| format!("{} met", counted(count, noun)))
            .collect();
        return (!parts.is_empty()).then(|| format!("{}.", parts.join(", ")));
    };
    let own: Vec<String> = met(card)
        .filter(|one| one.probe.as_deref() == Some(worst.name.as_str()))
        .filter_map(|one| {
            let name = one.id.rsplit('/').next()?;
            Some(format!("{name} {} (target {})", figure(one.value?, one.unit), one.target))
        })
        .collect();
    let share = percent(worst.all.good as f64 / (worst.all.good + worst.all.bad).max(1) as f64);
    let allowed = if own.is_empty() { "no target speaks of it".to_owned() } else { own.join(", ") };
    Some(format!(
        "Only {share} of these {} were good, and the targets allow that: {allowed}.",
        observations(&worst.kind)
    ))
}

fn met(card: &Scorecard) -> impl Iterator<Item = &CriterionResult> {
    card.criteria.iter().filter(|one| one.verdict == Verdict::Pass)
}
