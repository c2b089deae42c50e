//! Gauges for the textfile collector of the node exporter and for a Pushgateway: text that both Prometheus and `OpenMetrics` parsers
//! read, without times. Labels are names of the scenario files only, so that there are never more series than criteria and probes.

use std::collections::BTreeMap;
use std::fmt::Write as _;

use meshdrill_checks::scorecard::{CriterionResult, ProbeResult, Scorecard, Unit};
use meshdrill_checks::verdict::Verdict;

use super::{Run, SuiteRun};

const VERDICTS: [Verdict; 5] = [Verdict::Pass, Verdict::Inconclusive, Verdict::Fail, Verdict::Error, Verdict::NotRun];

/// One metric with its samples, which must stand together.
struct Family {
    name: String,
    help: &'static str,
    /// Values by their labels. The same scenario twice: the last one counts, since a series can have one value only.
    samples: BTreeMap<String, f64>,
}

/// The metrics of some runs.
#[derive(Default)]
struct Families(Vec<Family>);

impl Families {
    fn add(&mut self, name: &str, help: &'static str, labels: &[(&str, &str)], value: f64) {
        let labels: Vec<String> = labels.iter().map(|(name, value)| format!("{name}=\"{}\"", escaped(value))).collect();
        let family = match self.0.iter().position(|family| family.name == name) {
            Some(known) => known,
            None => {
                self.0.push(Family { name: name.to_owned(), help, samples: BTreeMap::new() });
                self.0.len() - 1
            }
        };
        self.0[family].samples.insert(labels.join(","), value);
    }
}

/// Renders one run.
pub(super) fn render(run: &Run<'_>) -> String {
    render_all(&[SuiteRun { run: *run, page: None }])
}

/// Renders several runs.
pub(super) fn render_all(runs: &[SuiteRun<'_>]) -> String {
    let mut families = Families::default();
    for one in runs {
        add_run(&mut families, &one.run);
    }
    let mut out = String::new();
    for family in &families.0 {
        let _ = writeln!(out, "# HELP {} {}", family.name, family.help);
        let _ = writeln!(out, "# TYPE {} gauge", family.name);
        for (labels, value) in &family.samples {
            let _ = writeln!(out, "{}{{{labels}}} {}", family.name, number(*value));
        }
    }
    out.push_str("# EOF\n");
    out
}

fn add_run(families: &mut Families, run: &Run<'_>) {
    let card = run.scorecard;
    let lab = if card.run.lab { "true" } else { "false" };
    let mesh = card.run.mesh.as_deref().unwrap_or_default();
    let of_run = [
        ("suite", card.run.suite.as_str()),
        ("scenario", &card.run.scenario),
        ("binding", &card.run.binding),
        ("mesh", mesh),
        ("lab", lab),
    ];
    for verdict in VERDICTS {
        let labels = with(&of_run, &[("verdict", verdict.word())]);
        families.add(
            "meshdrill_run_verdict",
            "1 for the verdict of the last run, 0 for the others.",
            &labels,
            f64::from(u8::from(card.verdict == verdict)),
        );
    }
    let mut one = |name, help, value| families.add(name, help, &of_run, value);
    one("meshdrill_run_exit_code", "Exit code of the last run.", f64::from(card.exit_code.number()));
    one("meshdrill_run_duration_seconds", "Length of the last run.", run.record.end().secs());
    if let Some(finished) = finished(card) {
        one("meshdrill_run_finished_timestamp_seconds", "When the last run ended, in seconds since 1970.", finished);
    }
    one(
        "meshdrill_run_recovery_verified",
        "1 if everything was put back and that was observed.",
        f64::from(u8::from(card.recovery.verified)),
    );
    card.criteria.iter().for_each(|criterion| add_criterion(families, &of_run, criterion));
    card.probes.iter().for_each(|probe| add_probe(families, &of_run, probe));
}

fn add_criterion(families: &mut Families, of_run: &[(&str, &str)], criterion: &CriterionResult) {
    let own = with(of_run, &[("criterion", criterion.id.as_str())]);
    for verdict in VERDICTS {
        let labels = with(&own, &[("verdict", verdict.word())]);
        families.add(
            "meshdrill_criterion_verdict",
            "1 for the verdict of the criterion, 0 for the others.",
            &labels,
            f64::from(u8::from(criterion.verdict == verdict)),
        );
    }
    families.add("meshdrill_criterion_samples", "Samples that the criterion is judged by.", &own, criterion.n as f64);
    let unit = match criterion.unit {
        Unit::Seconds => "_seconds",
        Unit::Ratio | Unit::PValue => "_ratio",
        Unit::Count | Unit::None => "",
    };
    let figures = [
        ("value", "Measured value of the criterion.", criterion.value),
        ("low", "Lower bound of the measured value.", criterion.low),
        ("high", "Upper bound of the measured value.", criterion.high),
        ("target", "Target of the criterion.", criterion.limit.map(meshdrill_checks::scorecard::Limit::value)),
    ];
    for (figure, help, value) in figures {
        if let Some(value) = value {
            families.add(&format!("meshdrill_criterion_{figure}{unit}"), help, &own, value);
        }
    }
}

fn add_probe(families: &mut Families, of_run: &[(&str, &str)], probe: &ProbeResult) {
    let own = with(of_run, &[("probe", probe.name.as_str())]);
    let counts = [
        ("good", probe.all.good),
        ("bad", probe.all.bad),
        ("no_data", probe.all.no_data),
        ("not_sent", probe.all.not_sent),
    ];
    for (outcome, count) in counts {
        let labels = with(&own, &[("outcome", outcome)]);
        families.add("meshdrill_probe_samples", "Samples of the probe by outcome.", &labels, count as f64);
    }
    let down: f64 = probe.all.outages.iter().map(|outage| outage.down).sum();
    families.add("meshdrill_probe_down_seconds", "Down time that the probe observed.", &own, down);
    if let Some(latency) = &probe.all.latency {
        for (quantile, value) in [("0.5", latency.p50), ("0.9", latency.p90), ("0.99", latency.p99), ("1", latency.max)]
        {
            let labels = with(&own, &[("quantile", quantile)]);
            families.add(
                "meshdrill_probe_latency_seconds",
                "Latency of the right answers, from when they were due.",
                &labels,
                value,
            );
        }
    }
}

fn with<'a>(labels: &[(&'a str, &'a str)], more: &[(&'a str, &'a str)]) -> Vec<(&'a str, &'a str)> {
    labels.iter().chain(more).copied().collect()
}

/// The end of a run, in seconds since 1970.
fn finished(card: &Scorecard) -> Option<f64> {
    let at = chrono::DateTime::parse_from_rfc3339(&card.run.finished).ok()?;
    Some(at.timestamp_millis() as f64 / 1e3)
}

/// A label value: both formats know these three escapes.
fn escaped(value: &str) -> String {
    value.replace('\\', "\\\\").replace('"', "\\\"").replace(['\n', '\r'], "\\n")
}

fn number(value: f64) -> String {
    if value.is_nan() {
        "NaN".to_owned()
    } else if value.is_infinite() {
        if value > 0.0 { "+Inf" } else { "-Inf" }.to_owned()
    } else {
        value.to_string()
    }
}
