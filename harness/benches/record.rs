//! A run of 1,000,000 samples, and what each command that reads its record takes: time, and the largest resident set.
//!
//! `cargo bench -p meshdrill --bench record [-- SAMPLES]`. The run is a drill on the embedded mesh at 50 requests a second of virtual
//! time. Each command is a process of its own, as a user starts it; GNU time measures it.

use std::path::{Path, PathBuf};
use std::process::Command;

type Failure = Box<dyn std::error::Error>;

/// How often each command is measured. The median counts.
const TIMES: usize = 5;
/// Requests a second.
const RATE: u64 = 50;

/// What one process took.
#[derive(Debug, Clone, Copy)]
struct Cost {
    seconds: f64,
    kilobytes: u64,
}

fn main() -> Result<(), Failure> {
    // Cargo hands benchmarks a flag of its own.
    let samples = std::env::args().skip(1).find_map(|argument| argument.parse().ok()).unwrap_or(1_000_000);
    let folder = std::env::temp_dir().join(format!("meshdrill-record-{}", std::process::id()));
    std::fs::create_dir_all(&folder)?;
    let scenario = folder.join("long.yaml");
    std::fs::write(&scenario, drill(samples / RATE))?;
    let cost = once(&["run", "--lab", "--quiet", "--runs", text(&folder.join("runs")), text(&scenario)])?;
    println!("{:<24} {:>7.2} s {:>6} MB", "run --lab", cost.seconds, cost.kilobytes >> 10);
    let run = std::fs::read_dir(folder.join("runs"))?.next().ok_or("no run directory")??.path();
    for name in ["run.jsonl.gz", "report.html", "report.md", "evidence.json"] {
        println!("{name:<24} {:>10} bytes", std::fs::metadata(run.join(name))?.len());
    }
    let (run, out) = (text(&run).to_owned(), folder.join("out"));
    let bundle = folder.join("bundle.tar.gz");
    let report = |format: &str| command(&["report", &run, "--format", format, "--out", text(&out)]);
    let score = command(&["score", &run]);
    let bundling = command(&["bundle", &run, "--out", text(&bundle)]);
    let commands = [
        ("score", score),
        ("report --format html", report("html")),
        ("report --format md", report("md")),
        ("report --format openmetrics", report("openmetrics")),
        ("verify RUN", command(&["verify", &run])),
        ("record", command(&["record", &run])),
        ("bundle", bundling),
        ("verify BUNDLE", command(&["verify", text(&bundle)])),
    ];
    for (name, arguments) in commands {
        let arguments: Vec<&str> = arguments.iter().map(String::as_str).collect();
        let mut costs = Vec::new();
        for _ in 0..TIMES {
            if name == "bundle" && bundle.exists() {
                std::fs::remove_file(&bundle)?;
            }
            costs.push(once(&arguments)?);
        }
        costs.sort_by(|one, other| one.seconds.total_cmp(&other.seconds));
        let (least, median, most) = (costs[0], costs[TIMES / 2], costs[TIMES - 1]);
        let kilobytes = costs.iter().map(|cost| cost.kilobytes).max().unwrap_or_default();
        println!(
            "{name:<28} {:>6.2} s ({:.2} to {:.2}) {:>6} MB",
            median.seconds,
            least.seconds,
            most.seconds,
            kilobytes >> 10
        );
    }
    std::fs::remove_dir_all(&folder)?;
    Ok(())
}

/// A drill that samples for some seconds after its fault.
fn drill(seconds: u64) -> String {
    format!(
        r#"apiVersion: meshdrill.io/v1
kind: Scenario
metadata: {{ name: long }}
spec:
  objective: The application stays reachable while the gateway's pods are replaced.
  observe: {seconds}s
  probes:
    productpage:
      http: {{ via: ingress/primary, path: /productpage, expect: {{ status: 200 }} }}
      every: 20ms
  faults:
    - deletePods: {{ cluster: primary, namespace: "${{gatewayNamespace}}", selector: "${{ingressSelector}}" }}
  sla:
    - {{ probe: productpage, availability: 99.95%, over: 30d }}
    - {{ probe: productpage, recoveryTime: 5m }}
    - {{ probe: productpage, latency: {{ p99: 500ms }} }}
    - {{ probe: productpage, jitter: {{ p99: 1s }} }}
"#
    )
}

fn text(path: &Path) -> &str {
    path.to_str().unwrap_or_default()
}

fn command(arguments: &[&str]) -> Vec<String> {
    arguments.iter().map(|argument| (*argument).to_owned()).collect()
}

/// Runs the program under GNU time. Its exit code is its verdict, and does not count here.
fn once(arguments: &[&str]) -> Result<Cost, Failure> {
    let figures: PathBuf = std::env::temp_dir().join(format!("meshdrill-cost-{}", std::process::id()));
    let output = Command::new("/usr/bin/time")
        .args(["--quiet", "-f", "%e %M", "-o", text(&figures), env!("CARGO_BIN_EXE_meshdrill")])
        .args(arguments)
        .stdout(std::process::Stdio::null())
        .stderr(std::process::Stdio::piped())
        .output()?;
    let measured = std::fs::read_to_string(&figures)?;
    let mut numbers = measured.split_whitespace();
    let cost = |seconds: &str, kilobytes: &str| {
        Some(Cost { seconds: seconds.parse().ok()?, kilobytes: kilobytes.parse().ok()? })
    };
    let cost = numbers.next().zip(numbers.next()).and_then(|(seconds, kilobytes)| cost(seconds, kilobytes));
    if output.status.code().is_none_or(|code| code == 1 || code == 2) {
        return Err(format!("{arguments:?}: {}", String::from_utf8_lossy(&output.stderr)).into());
    }
    std::fs::remove_file(&figures)?;
    cost.ok_or_else(|| format!("{arguments:?}: no figures in `{measured}`").into())
}
