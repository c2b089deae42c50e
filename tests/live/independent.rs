//! A prober of the tests' own, with threads and plain sockets, beside a run of the binary: both must have seen the same.

use std::io::{Read as _, Write as _};
use std::net::{SocketAddr, TcpStream};
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

use libtest_mimic::Failed;
use serde_json::Value;

use super::kubectl;
use crate::command::{meshdrill, root, run, run_dirs, scorecard, scratch};

/// The scenarios that are run beside the prober.
pub const SCENARIOS: [&str; 2] = ["drills/ingress-gateway-crash.yaml", "drills/east-west-gateway-outage.yaml"];

/// Twenty requests a second, each on a connection of its own.
const EVERY: Duration = Duration::from_millis(50);
/// Later than this is bad.
const LATE: Duration = Duration::from_millis(500);
/// How far the two may differ.
const TOLERANCE: f64 = 0.2;

/// When a request was due and done (Unix seconds), and whether it was answered with 200 in time.
#[derive(Debug, Clone, Copy)]
struct Seen {
    due: f64,
    done: f64,
    good: bool,
}

/// What a run and the prober beside it saw.
struct Beside {
    /// The run's scorecards.
    cards: Vec<Value>,
    /// What the prober saw.
    seen: Vec<Seen>,
    /// The run directories.
    dirs: Vec<PathBuf>,
}

/// Probes until it is stopped.
struct Prober {
    stop: Arc<Mutex<bool>>,
    schedule: std::thread::JoinHandle<Vec<Seen>>,
}

impl Prober {
    fn start(address: SocketAddr, path: &'static str) -> Self {
        let stop = Arc::new(Mutex::new(false));
        let told = Arc::clone(&stop);
        let schedule = std::thread::spawn(move || {
            let (start, wall) = (Instant::now(), unix_now());
            let mut requests = Vec::new();
            for slot in 0_u32.. {
                let due = EVERY * slot;
                std::thread::sleep(due.saturating_sub(start.elapsed()));
                if *told.lock().expect("no holder panics") {
                    break;
                }
                requests.push(std::thread::spawn(move || {
                    let good = get(address, path);
                    let took = start.elapsed();
                    Seen {
                        due: wall + due.as_secs_f64(),
                        done: wall + took.as_secs_f64(),
                        good: good && took.saturating_sub(due) <= LATE,
                    }
                }));
            }
            requests.into_iter().map(|request| request.join().expect("a request does not panic")).collect()
        });
        Self { stop, schedule }
    }

    fn stop(self) -> Vec<Seen> {
        *self.stop.lock().expect("no holder panics") = true;
        self.schedule.join().expect("the schedule does not panic")
    }
}

fn unix_now() -> f64 {
    SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default().as_secs_f64()
}

/// One request; true for a complete answer with status 200.
fn get(address: SocketAddr, path: &str) -> bool {
    let exchange = || -> std::io::Result<bool> {
        let mut stream = TcpStream::connect_timeout(&address, Duration::from_secs(5))?;
        stream.set_read_timeout(Some(Duration::from_secs(5)))?;
        write!(stream, "GET {path} HTTP/1.1\r\nHost: {}\r\n\r\n", address.ip())?;
        let mut answer = Vec::new();
        let mut buffer = [0; 4096];
        while !is_complete(&answer) {
            match stream.read(&mut buffer)? {
                0 => return Ok(false),
                count => answer.extend_from_slice(&buffer[..count]),
            }
        }
        Ok(answer.starts_with(b"HTTP/1.1 200"))
    };
    exchange().unwrap_or(false)
}

/// Whether an answer is whole: by its length, or by its last chunk.
fn is_complete(answer: &[u8]) -> bool {
    let text = String::from_utf8_lossy(answer);
    let Some((head, body)) = text.split_once("\r\n\r\n") else { return false };
    let head = head.to_lowercase();
    match head.lines().find_map(|line| line.strip_prefix("content-length:")?.trim().parse::<usize>().ok()) {
        Some(length) => body.len() >= length,
        None => body.ends_with("0\r\n\r\n"),
    }
}

/// The longest outage: from its first bad request due to the first good one done after its last bad one. A second without a
/// bad request parts two outages.
fn outage(seen: &[Seen]) -> Option<(f64, f64)> {
    let mut outages: Vec<(usize, usize)> = Vec::new();
    for (index, one) in seen.iter().enumerate().filter(|(_, one)| !one.good) {
        match outages.last_mut() {
            Some((_, last)) if one.due - seen[*last].due < 1.0 => *last = index,
            _ => outages.push((index, index)),
        }
    }
    let ends = outages.into_iter().filter_map(|(first, last)| Some((seen[first].due, seen.get(last + 1)?.done)));
    ends.max_by(|(from, to), (other_from, other_to)| (to - from).total_cmp(&(other_to - other_from)))
}

/// The Unix time of t = 0 of a run.
fn started(card: &Value) -> Result<f64, Failed> {
    let text = card["run"]["started"].as_str().unwrap_or_default();
    let at: jiff::Timestamp = text.parse().map_err(|error| format!("{text}: {error}"))?;
    Ok(at.as_microsecond() as f64 / 1e6)
}

fn ingress(context: &str) -> Result<SocketAddr, Failed> {
    let address = kubectl::kubectl(
        context,
        &[
            "get",
            "service",
            "-n",
            "istio-system",
            "istio-ingressgateway",
            "-o",
            "jsonpath={.status.loadBalancer.ingress[0].ip}",
        ],
    )?;
    Ok(format!("{address}:80").parse().map_err(|error| format!("{address}: {error}"))?)
}

/// Runs a scenario beside a prober: the scorecards, and what the prober saw.
fn beside(mesh: &Path, scenario: &str, address: SocketAddr, path: &'static str) -> Result<Beside, Failed> {
    let before = kubectl::state()?;
    let prober = Prober::start(address, path);
    let runs = scratch("independent");
    let ran = run(meshdrill()
        .args(["run", "--yes"])
        .arg("--mesh")
        .arg(mesh)
        .arg("--runs")
        .arg(&runs)
        .arg(root().join("scenarios").join(scenario)));
    let seen = prober.stop();
    ran.expect_code(0)?;
    let cards = run_dirs(&runs).iter().map(|dir| scorecard(dir)).collect::<Result<Vec<_>, _>>()?;
    kubectl::as_before(&before)?;
    let dirs = run_dirs(&runs);
    super::signoff::keep(&dirs);
    Ok(Beside { cards, seen, dirs })
}

/// A forced deletion of the ingress gateway: start and end of the outage agree.
pub fn crash(mesh: &Path) -> Result<(), Failed> {
    let Beside { cards, seen, dirs } = beside(mesh, SCENARIOS[0], ingress("primary-cluster-context")?, "/productpage")?;
    let card = cards.first().ok_or("no scorecard")?;
    let outages = card["probes"][0]["outages"].as_array().cloned().unwrap_or_default();
    let zero = started(card)?;
    let (Some((from, to)), [ours]) = (outage(&seen), outages.as_slice()) else {
        let dir = dirs.first().ok_or("no run directory")?;
        return by_the_second(dir, card, &seen, zero);
    };
    let (start, end) =
        (zero + ours["start"].as_f64().unwrap_or(f64::NAN), zero + ours["end"].as_f64().unwrap_or(f64::NAN));
    let differ = (start - from).abs().max((end - to).abs());
    if differ <= TOLERANCE {
        return Ok(());
    }
    eprintln!("start {:+.3} s, end {:+.3} s beside the prober: compared second by second", start - from, end - to);
    by_the_second(dirs.first().ok_or("no run directory")?, card, &seen, zero)
}

/// On a machine that starves the mesh, answers are late before and long after the outage, and which of them one prober or the
/// other meets is chance. What the fault did is not: both see its first bad answer at the same time, and as many bad ones in
/// each second.
fn by_the_second(dir: &Path, card: &Value, seen: &[Seen], zero: f64) -> Result<(), Failed> {
    let requested = zero + card["faults"][0]["requested"].as_f64().ok_or("no fault was requested")?;
    let lines = crate::command::record(dir)?;
    let lines = lines.lines().filter_map(|line| serde_json::from_str::<Value>(line).ok());
    let samples = lines.filter(|line| line["event"] == "sample" && line["series"] == "new");
    let ours: Vec<(f64, bool)> = samples
        .filter_map(|line| Some((zero + line["scheduled"].as_f64()? - requested, line["class"] == "good")))
        .collect();
    let theirs: Vec<(f64, bool)> = seen.iter().map(|one| (one.due - requested, one.good)).collect();
    let first = |all: &[(f64, bool)]| all.iter().find(|(due, good)| *due >= 0.0 && !good).map(|(due, _)| *due);
    let (Some(our_first), Some(their_first)) = (first(&ours), first(&theirs)) else {
        return Err(format!("the first bad answer after the fault: {:?} and {:?}", first(&ours), first(&theirs)).into());
    };
    let share = |all: &[(f64, bool)], second: u32| {
        let within = |(due, _): &&(f64, bool)| (f64::from(second)..f64::from(second + 1)).contains(due);
        let (bad, count) = all
            .iter()
            .filter(within)
            .fold((0.0, 0.0), |(bad, count), (_, good)| (bad + if *good { 0.0 } else { 1.0 }, count + 1.0));
        bad / f64::max(count, 1.0)
    };
    let apart: f64 = (0..20).map(|second| (share(&ours, second) - share(&theirs, second)).abs()).sum::<f64>() / 20.0;
    let message = format!(
        "first bad answer {our_first:.3} s and {their_first:.3} s after the fault, shares of bad answers {apart:.3} apart"
    );
    eprintln!("{message}");
    if (our_first - their_first).abs() <= TOLERANCE && apart <= 0.1 { Ok(()) } else { Err(message.into()) }
}

/// The east-west gateway of the primary away for 15 s, seen through the secondary's ingress.
pub fn east_west(mesh: &Path) -> Result<(), Failed> {
    let Beside { cards, seen, .. } =
        beside(mesh, SCENARIOS[1], ingress("secondary-cluster")?, "/api/v1/products/0/reviews")?;
    let card = cards.iter().find(|card| card["run"]["binding"] == "primary-secondary").ok_or("no such pair")?;
    let zero = started(card)?;
    let during = |one: &&Seen| (zero..=unix(card, "finished").unwrap_or(f64::MAX)).contains(&one.due);
    let theirs: Vec<Seen> = seen.iter().filter(during).copied().collect();
    let bad = theirs.iter().filter(|one| !one.good).count() as f64 / theirs.len().max(1) as f64;
    let probe = &card["probes"][0];
    let ours = probe["bad"].as_f64().unwrap_or(0.0) / probe["planned"].as_f64().unwrap_or(1.0);
    let (Some((from, to)), Some(outage)) = (outage(&theirs), probe["outages"][0].as_object()) else {
        return Err(format!("the prober saw a bad share of {bad}, the scorecard has {}", probe["outages"]).into());
    };
    let length = outage["end"].as_f64().unwrap_or(f64::NAN) - outage["start"].as_f64().unwrap_or(f64::NAN);
    // Which request meets the dead gateway is chance; how long there is trouble, and how much of it, is not.
    if (length - (to - from)).abs() <= 3.0 && (ours - bad).abs() <= 0.05 {
        return Ok(());
    }
    Err(format!(
        "the prober saw {:.1} s and {:.1} % bad, we {length:.1} s and {:.1} %",
        to - from,
        bad * 100.0,
        ours * 100.0
    )
    .into())
}

fn unix(card: &Value, key: &str) -> Option<f64> {
    let at: jiff::Timestamp = card["run"][key].as_str()?.parse().ok()?;
    Some(at.as_microsecond() as f64 / 1e6)
}
