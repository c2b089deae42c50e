//! How often the bounds and intervals of a scorecard hold the true value, and how wide they are, in simulated runs whose truth is
//! known. The table of docs/measurement.md is what this makes: `UPDATE_SNAPSHOTS=1 cargo test -p meshdrill-checks --test coverage`.

use std::collections::HashMap;
use std::fmt::Write as _;
use std::time::Duration;

use meshdrill_checks::outage::find;
use meshdrill_checks::record::{At, Class, Sample, Series};
use meshdrill_checks::stats::proportion::Proportion;
use meshdrill_checks::stats::quantile::{Quantile, Ranked, Samples};
use meshdrill_checks::stats::split::{Finding, Part, compare};
use meshdrill_checks::stats::{Confidence, poisson};

/// What 95 % must reach: less would be more than the noise of so many runs.
const LEAST: f64 = 0.945;
/// Simulated runs for each row.
const RUNS: usize = 4_000;
/// Where the table is in the document.
const MARKS: [&str; 2] = ["<!-- coverage: made by checks/tests/coverage.rs -->\n", "<!-- end of coverage -->"];
const DOCUMENT: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/../docs/measurement.md");

/// Numbers that look random and are the same in every run.
struct Random(u64);

impl Random {
    /// Uniform in [0, 1).
    fn unit(&mut self) -> f64 {
        // SplitMix64.
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut z = self.0;
        z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        ((z ^ (z >> 31)) >> 11) as f64 / (1_u64 << 53) as f64
    }

    /// Exponential.
    fn wait(&mut self, mean: f64) -> f64 {
        -mean * (1.0 - self.unit()).ln()
    }

    /// Standard normal (Box-Muller).
    fn normal(&mut self) -> f64 {
        let radius = (-2.0 * (1.0 - self.unit()).ln()).sqrt();
        radius * (std::f64::consts::TAU * self.unit()).cos()
    }
}

/// What the runs of one row gave.
struct Row {
    what: &'static str,
    situation: String,
    /// Whether the interval held the truth, and its width, for each run.
    runs: Vec<(bool, f64)>,
    /// Digits and unit of the width.
    width: fn(f64) -> String,
    /// Whether it is stated to hold: intervals of independent samples say nothing of samples that depend on each other.
    stated: bool,
}

impl Row {
    fn coverage(&self) -> f64 {
        self.runs.iter().filter(|(held, _)| *held).count() as f64 / self.runs.len() as f64
    }

    fn line(&self) -> String {
        let width = self.runs.iter().map(|(_, width)| width).sum::<f64>() / self.runs.len() as f64;
        let coverage = format!("{:.1} %", self.coverage() * 100.0);
        let coverage = if self.stated { coverage } else { format!("{coverage} (not stated)") };
        format!("| {} | {} | {coverage} | {} |", self.what, self.situation, (self.width)(width))
    }
}

fn points(width: f64) -> String {
    format!("{:.3} points", width * 100.0)
}

fn millis(width: f64) -> String {
    format!("{:.0} ms", width * 1e3)
}

fn events(width: f64) -> String {
    format!("{width:.1} outages")
}

/// Which of `n` samples are bad: each by itself, or in bursts of `burst` on average, with the same share.
fn bad(random: &mut Random, n: usize, share: f64, burst: f64) -> Vec<bool> {
    // A two-state chain that stays bad with 1 - 1/burst.
    let (leave, enter) = (1.0 / burst, share / (1.0 - share) / burst);
    let mut now = random.unit() < share;
    let next = |_| {
        let is = now;
        now = if burst <= 1.0 {
            random.unit() < share
        } else if now {
            random.unit() >= leave
        } else {
            random.unit() < enter
        };
        is
    };
    (0..n).map(next).collect()
}

/// The lower bound of availability, which its criterion gates on. The width is from the bound to the measured value.
fn availability(seed: u64, n: usize, target: f64, burst: f64) -> Row {
    let mut known: HashMap<u64, f64> = HashMap::new();
    let runs = (0..RUNS as u64).map(|run| {
        let mut random = Random(seed << 32 | run);
        let failed = bad(&mut random, n, 1.0 - target, burst).into_iter().filter(|bad| *bad).count() as u64;
        let bound = *known
            .entry(failed)
            .or_insert_with(|| 1.0 - Proportion::new(failed, n as u64).expect("fewer than all").upper(Confidence::P95));
        (bound <= target, 1.0 - failed as f64 / n as f64 - bound)
    });
    let kind = if burst > 1.0 { format!("bad in bursts of {burst:.0}") } else { "independent".to_owned() };
    Row {
        what: "`availability`, lower bound",
        situation: format!("{n} samples, true value {:.2} %, {kind}", target * 100.0),
        runs: runs.collect(),
        width: points,
        stated: burst <= 1.0,
    }
}

/// The upper bound of a quantile of log-normal latencies of which a share fails.
fn quantile(seed: u64, n: usize, share: f64, burst: f64) -> Row {
    let median = 0.1_f64;
    // The quantile of the answered requests that is P99 of all.
    let wanted = 1.0 - (0.01 - share) / (1.0 - share);
    let truth = median * (0.5 * inverse_normal(wanted)).exp();
    let runs = (0..RUNS as u64).map(|run| {
        let mut random = Random(seed << 32 | run);
        let failed = bad(&mut random, n, share, burst);
        let count = failed.iter().filter(|bad| **bad).count();
        let answered = (count..n).map(|_| Duration::from_secs_f64(median * (0.5 * random.normal()).exp())).collect();
        let latencies = Samples::new(answered, count as u64);
        let value = |ranked: Option<Ranked>| match ranked {
            Some(Ranked::Within(latency)) => latency.as_secs_f64(),
            _ => f64::INFINITY,
        };
        let bound = value(latencies.upper_bound(Quantile::P99, Confidence::P95));
        let width = bound - value(latencies.quantile(Quantile::P99));
        (bound >= truth, if width.is_finite() { width } else { 0.0 })
    });
    let kind = match (share > 0.0, burst > 1.0) {
        (false, _) => "none fails".to_owned(),
        (true, false) => format!("{:.1} % fail, independent", share * 100.0),
        (true, true) => format!("{:.1} % fail in bursts of {burst:.0}", share * 100.0),
    };
    Row {
        what: "`latency` P99, upper bound",
        situation: format!("{n} samples, {kind}"),
        runs: runs.collect(),
        width: millis,
        stated: burst <= 1.0,
    }
}

/// The standard normal quantile, by halving.
fn inverse_normal(p: f64) -> f64 {
    let cdf = |x: f64| {
        // The tail as a continued fraction beyond 2, else by the series.
        let steps = 4_000;
        let from = -8.0_f64;
        let width = (x - from) / f64::from(steps);
        let density = |x: f64| (-x * x / 2.0).exp() / std::f64::consts::TAU.sqrt();
        (0..steps).map(|step| density(from + (f64::from(step) + 0.5) * width) * width).sum::<f64>()
    };
    let (mut low, mut high) = (-6.0, 6.0);
    for _ in 0..50 {
        let middle = f64::midpoint(low, high);
        if cdf(middle) < p { low = middle } else { high = middle }
    }
    high
}

/// A sample of a service that is good or bad.
fn sample(slot: u64, due: f64, latency: f64, good: bool) -> Sample {
    let at = |seconds: f64| At::after_start(Duration::from_secs_f64(seconds));
    Sample {
        series: Series::New,
        slot,
        scheduled: at(due),
        started: at(due),
        completed: at(due + latency),
        class: if good { Class::Good } else { Class::Refused },
        responder: None,
        phases: None,
        seen: None,
        message: None,
    }
}

/// The interval of recovery time and of an outage's length. A service that goes down at 10 s, comes back some time later, and fails
/// again for a while with `flaps` short outages before it stays up.
fn recovery(seed: u64, every: f64, flaps: usize) -> [Row; 2] {
    let mut results = [Vec::new(), Vec::new()];
    for run in 0..RUNS as u64 / 4 {
        let mut random = Random(seed << 32 | run);
        let begin = 10.0 + random.unit() * every;
        let mut down = vec![(begin, begin + 1.0 + random.wait(8.0))];
        for _ in 0..flaps {
            let up = down[down.len() - 1].1 + every + random.wait(2.0);
            down.push((up, up + every + random.wait(0.5)));
        }
        let end = down[down.len() - 1].1;
        let count = ((end + 40.0) / every) as u64;
        let samples: Vec<Sample> = (0..count)
            .map(|slot| {
                let (due, latency) = (slot as f64 * every, 0.005 + random.wait(0.02));
                let good = !down.iter().any(|(from, to)| (*from..*to).contains(&due));
                sample(slot, due, if good { latency } else { 0.001 }, good)
            })
            .collect();
        let outages = find(&samples.iter().collect::<Vec<_>>());
        let [outage] = outages.as_slice() else { panic!("{} outages", outages.len()) };
        let (low, high) = (outage.last_bad.secs() - begin, outage.end.expect("it ended").secs() - begin);
        results[0].push(((low..=high).contains(&(end - begin)), high - low));
        let bounds = outage.bounds();
        let (low, high) = (bounds.low.as_secs_f64(), bounds.high.expect("it ended").as_secs_f64());
        results[1].push(((low..=high).contains(&(end - begin)), high - low));
    }
    let situation = match flaps {
        0 => format!("every {:.0} ms, one outage", every * 1e3),
        flaps => format!("every {:.0} ms, {flaps} more outages of a period or longer before it stays up", every * 1e3),
    };
    let [times, lengths] = results;
    let row = |what, runs| Row { what, situation: situation.clone(), runs, width: millis, stated: true };
    [row("`recoveryTime`, interval", times), row("length of an outage, interval", lengths)]
}

/// The upper bound of the number of outages in a run of this length, which stands beside availability. The failures of an outage
/// depend on each other; the outages do not.
fn outages(seed: u64, expected: f64, burst: f64) -> Row {
    let seconds = 7_200_u64;
    let runs = (0..RUNS as u64).map(|run| {
        let mut random = Random(seed << 32 | run);
        let mut down: Vec<(f64, f64)> = Vec::new();
        let mut at = random.wait(seconds as f64 / expected);
        while at < seconds as f64 {
            down.push((at, at + 1.0 + random.wait(burst)));
            at += random.wait(seconds as f64 / expected);
        }
        let is_bad = |due: f64| down.iter().any(|(from, to)| (*from..*to).contains(&due));
        let samples: Vec<Sample> =
            (0..seconds + 60).map(|slot| sample(slot, slot as f64, 0.01, !is_bad(slot as f64))).collect();
        let seen = find(&samples.iter().collect::<Vec<_>>()).len() as u64;
        let bound = poisson::upper(seen, Confidence::P95);
        (bound >= expected, bound - seen as f64)
    });
    Row {
        what: "number of outages beside `availability`, upper bound",
        situation: format!("2 h, {expected} expected, bad for {:.0} s each", burst + 1.0),
        runs: runs.collect(),
        width: events,
        stated: true,
    }
}

/// A split that is as declared is not contradicted; the width is that of the interval of a share.
fn split(seed: u64, n: u64, weights: &'static [f64]) -> Row {
    let total: f64 = weights.iter().sum();
    let runs = (0..RUNS as u64).map(|run| {
        let mut random = Random(seed << 32 | run);
        let mut counts = vec![0; weights.len()];
        for _ in 0..n {
            let mut left = random.unit() * total;
            let part = weights.iter().position(|weight| {
                left -= weight;
                left < 0.0
            });
            counts[part.unwrap_or(0)] += 1;
        }
        let parts = weights.iter().zip(&counts).enumerate();
        let parts =
            parts.map(|(index, (weight, count))| Part { name: index.to_string(), weight: *weight, observed: *count });
        let found = compare(&parts.collect::<Vec<_>>(), Confidence::P95).expect("weights above zero");
        (found.finding != Finding::Inconsistent, found.shares[0].interval.width())
    });
    let words: Vec<String> = weights.iter().map(|weight| format!("{weight:.0}")).collect();
    Row {
        what: "`split`, as declared and not contradicted",
        situation: format!("{n} answers, {}", words.join("/")),
        runs: runs.collect(),
        width: points,
        stated: true,
    }
}

fn rows() -> Vec<Row> {
    let mut rows = vec![
        availability(1, 300, 0.99, 1.0),
        availability(2, 6_000, 0.9995, 1.0),
        availability(3, 6_000, 0.99, 1.0),
        availability(4, 6_000, 0.99, 20.0),
        outages(5, 0.5, 20.0),
        outages(6, 2.0, 20.0),
        outages(7, 6.0, 5.0),
        quantile(8, 299, 0.0, 1.0),
        quantile(9, 1_000, 0.0, 1.0),
        quantile(10, 1_000, 0.005, 1.0),
        quantile(11, 1_000, 0.005, 10.0),
    ];
    rows.extend(recovery(12, 0.1, 0));
    rows.extend(recovery(13, 0.1, 5));
    rows.extend([split(14, 245, &[70.0, 30.0]), split(15, 631, &[70.0, 30.0]), split(16, 600, &[60.0, 30.0, 10.0])]);
    rows
}

fn table(rows: &[Row]) -> String {
    let mut text = String::from("| bound or interval | simulated | holds the truth | width |\n|---|---|---|---|\n");
    rows.iter().for_each(|row| _ = writeln!(text, "{}", row.line()));
    text
}

#[test]
fn intervals_hold_the_truth_as_often_as_they_say() {
    let rows = rows();
    let table = table(&rows);
    println!("{table}");
    for row in rows.iter().filter(|row| row.stated) {
        assert!(row.coverage() >= LEAST, "{}", row.line());
    }
    let document = std::fs::read_to_string(DOCUMENT).expect("docs/measurement.md");
    let (before, rest) = document.split_once(MARKS[0]).expect("the table begins");
    let (written, after) = rest.split_once(MARKS[1]).expect("the table ends");
    if written == table {
        return;
    }
    assert!(std::env::var_os("UPDATE_SNAPSHOTS").is_some(), "docs/measurement.md has another table:\n{table}");
    std::fs::write(DOCUMENT, [before, MARKS[0], &table, MARKS[1], after].concat()).expect("docs/measurement.md");
}
