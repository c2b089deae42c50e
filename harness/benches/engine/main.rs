//! The open-loop engine on one core, up to 10,000 requests a second: how late requests start when the target answers and
//! when it never does. Sampler, HTTP client and recorder share one thread; the target has another.
//!
//! What counts is a quantile of the lag and not the mean time of a call, so this is a program of its own:
//! `cargo bench -p meshdrill --bench engine [-- SECONDS]`. A thread that had to wait for a core measured the machine and
//! not the engine; the last two columns tell.

mod target;

use std::sync::Arc;
use std::time::Duration;

use meshdrill::engine::{
    Clock, Interrupts, Net, NoProgress, PlannedProbe, ProbeKind, Recorder, Role, RunDir, World, make_room, sample,
};
use meshdrill_checks::record::{Change, Class, FaultWindow, Header, Identity, RECORD_SCHEMA, Record, Sample};
use meshdrill_checks::units::TimeSpan;
use target::Target;

/// Requests a second.
const RATES: [u32; 3] = [100, 1_000, 10_000];
/// The lag of the 99th percentile that the engine is to stay below.
const WANTED: Duration = Duration::from_millis(5);

type Failure = Box<dyn std::error::Error>;

fn main() -> Result<(), Failure> {
    // Cargo hands benchmarks a flag of its own.
    let seconds = std::env::args().skip(1).find_map(|argument| argument.parse().ok()).unwrap_or(5);
    let length = Duration::from_secs(seconds);
    // The target's sockets are this process's too.
    make_room(16_384);
    let answering = Target::start(true)?;
    let silent = Target::start(false)?;
    println!("lag = started - scheduled, in ms; {seconds} s each; p99 is to be below {} ms", WANTED.as_millis());
    println!(
        "{:<28} {:>7} {:>9} {:>9} {:>8} {:>8} {:>8} {:>5} {:>8}",
        "", "per s", "planned", "not sent", "p50", "p99", "max", "cpu", "waiting"
    );
    for (name, target, connection, timeout) in [
        ("kept connections", &answering, "kept", "5s"),
        ("new connections", &answering, "new", "5s"),
        ("no answer, kept connections", &silent, "kept", "500ms"),
        ("no answer, new connections", &silent, "new", "500ms"),
    ] {
        for rate in RATES {
            let http = serde_json::json!({ "url": target.url, "connection": connection, "timeout": timeout });
            let kind = serde_json::from_value(serde_json::json!({ "http": http }))?;
            let before = spent();
            let record = run(&kind, Duration::from_secs(1) / rate, length)?;
            let after = spent();
            print!("{name:<28} {rate:>7} ");
            report(record.samples("target"), [after[0].saturating_sub(before[0]), after[1].saturating_sub(before[1])]);
        }
    }
    Ok(())
}

/// How long this thread has had a core, and how long it has waited for one, as Linux counts it.
fn spent() -> [Duration; 2] {
    let text = std::fs::read_to_string("/proc/thread-self/schedstat").unwrap_or_default();
    let mut nanos = text.split(' ').filter_map(|number| number.parse().ok()).map(Duration::from_nanos);
    [nanos.next().unwrap_or_default(), nanos.next().unwrap_or_default()]
}

/// Samples for a while on this thread alone.
fn run(kind: &ProbeKind, every: Duration, length: Duration) -> Result<Record, Failure> {
    // As the command line makes it.
    let runtime = tokio::runtime::Builder::new_current_thread().event_interval(8).enable_all().build()?;
    runtime.block_on(async {
        let id = uuid::Uuid::now_v7().to_string();
        let dir = RunDir::create(&std::env::temp_dir(), "bench", "engine", &id)?;
        let (recorder, _task) = Recorder::open(&dir, header(&id), Clock::start(&Net::Machine), Box::new(NoProgress))?;
        let world = World::without_clusters(Net::Machine);
        let observer = kind.as_observation().prepare(&world, Role::Probe).await.map_err(|error| error.to_string())?;
        let timing = kind.as_observation().timing();
        let probe = PlannedProbe {
            name: "target".to_owned(),
            every: TimeSpan(every),
            timeout: timing.timeout,
            slow: timing.slow,
            series: timing.series.clone(),
            batch: None,
            needs: Vec::new(),
            kind: kind.clone(),
        };
        let sampler = sample(&probe, &Arc::from(observer), &recorder);
        tokio::time::sleep(length).await;
        sampler.stop(&Interrupts::default()).await;
        let record = recorder.close().await?;
        std::fs::remove_dir_all(dir.path())?;
        Ok(record)
    })
}

/// Prints the rest of one row.
fn report(samples: &[Sample], [had, waited]: [Duration; 2]) {
    let sent = samples.iter().filter(|sample| sample.class != Class::NotSent);
    let mut lags: Vec<Duration> = sent.map(|sample| sample.started.since(sample.scheduled)).collect();
    lags.sort_unstable();
    let last = lags.last().copied().unwrap_or(Duration::MAX);
    let quantile = |share: f64| lags.get((lags.len() as f64 * share) as usize).copied().unwrap_or(last);
    let millis = |lag: Duration| format!("{:.3}", lag.as_secs_f64() * 1000.0);
    let length = samples.iter().map(|sample| sample.completed).max().unwrap_or_default().secs();
    let share = |time: Duration| format!("{:.0}%", time.as_secs_f64() / length * 100.0);
    println!(
        "{:>9} {:>9} {:>8} {:>8} {:>8} {:>5} {:>8}",
        samples.len(),
        samples.len() - lags.len(),
        millis(quantile(0.5)),
        millis(quantile(0.99)),
        millis(last),
        share(had),
        share(waited),
    );
}

fn header(id: &str) -> Header {
    Header {
        fault_window: FaultWindow::Effect,
        schema: RECORD_SCHEMA.to_owned(),
        id: id.to_owned(),
        scenario: "engine".to_owned(),
        aliases: Vec::new(),
        suite: String::new(),
        binding: String::new(),
        mesh: None,
        clusters: Vec::new(),
        lab: false,
        started: "2026-01-01T00:00:00.000Z".to_owned(),
        tool: "bench".to_owned(),
        change: Change::default(),
        identity: Identity::default(),
        probes: Vec::new(),
        faults: Vec::new(),
        checks: Vec::new(),
        criteria: Vec::new(),
    }
}
