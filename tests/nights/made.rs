//! Nights of a drill on the embedded mesh: each is a real run with a seed of its own. What is planted that no scenario can say, a
//! latency that shifts from some night on, is added to the good samples of the record, which is judged again.

use std::path::{Path, PathBuf};
use std::time::Duration;

use libtest_mimic::Failed;
use meshdrill_checks::record::{RECORD_FILES, Record, Sample};
use meshdrill_checks::score::score;
use serde_json::Value;

use crate::command::{meshdrill, run, run_dirs, scratch};

/// What is planted in a series of nights, counted from 0.
#[derive(Debug, Clone, Copy, Default)]
pub struct Planted {
    /// From this night on, latencies are longer.
    pub slower: Option<(usize, Duration)>,
    /// From this night on, the target of the latency is longer.
    pub loosened: Option<usize>,
}

/// A drill that takes half a minute of virtual time.
pub fn scenario(folder: &Path, name: &str, target: &str, metadata: &str) -> Result<PathBuf, Failed> {
    let text = format!(
        r"apiVersion: meshdrill.io/v1
kind: Scenario
metadata: {{ name: {name}, labels: {{ suite: nightly }}{metadata} }}
spec:
  objective: The application is back soon after the ingress gateway pods vanish.
  baseline: 10s
  observe: 15s
  probes:
    productpage:
      http: {{ via: ingress/primary, path: /productpage, expect: {{ status: 200 }} }}
      every: 50ms
  faults:
    - deletePods: {{ cluster: primary, namespace: istio-system, selector: app=istio-ingressgateway, grace: 0s }}
  sla:
    - {{ probe: productpage, recoveryTime: 5m }}
    - {{ probe: productpage, availability: 99.95%, over: 30d }}
    - {{ probe: productpage, latency: {{ p50: 300ms, p99: {target} }}, during: recovered }}
    - {{ fault: f1, restartTime: 2m }}
"
    );
    let path = folder.join(format!("{name}-{target}.yaml"));
    std::fs::write(&path, text)?;
    Ok(path)
}

/// Runs a scenario on the embedded mesh; its run directory.
pub fn lab_run(file: &Path, runs: &Path, seed: u64) -> Result<PathBuf, Failed> {
    let mut command = meshdrill();
    command.args(["run", "--lab", "--quiet", "--seed", &seed.to_string(), "--runs"]).arg(runs).arg(file);
    let ran = run(&mut command);
    if ran.code != 0 && ran.code != 11 {
        ran.expect_code(0)?;
    }
    Ok(run_dirs(runs).pop().ok_or("no run directory")?)
}

/// The record of a run.
pub fn record(dir: &Path) -> Result<Record, Failed> {
    let file = RECORD_FILES.iter().map(|name| dir.join(name)).find(|path| path.exists()).ok_or("no record")?;
    Ok(Record::read(&std::fs::read(file)?).map_err(|error| error.to_string())?)
}

/// Nights of the drill, each in a folder of its own with its scorecard only, oldest first.
pub fn nights(count: usize, seed: u64, planted: Planted) -> Result<PathBuf, Failed> {
    let folder = scratch("nights");
    let first = scenario(&folder, "drill", "500ms", "")?;
    let loosened = scenario(&folder, "drill", "600ms", "")?;
    let made = |night: usize| -> Result<(), Failed> {
        let loose = planted.loosened.is_some_and(|from| night >= from);
        let runs = folder.join("made").join(night.to_string());
        let dir = lab_run(if loose { &loosened } else { &first }, &runs, seed * 1_000 + night as u64)?;
        let mut record = record(&dir)?;
        record.header.started = format!("2026-{:02}-{:02}T02:00:00.000Z", night / 28 + 1, night % 28 + 1);
        if let Some((_, by)) = planted.slower.filter(|(from, _)| night >= *from) {
            record = record.with_samples(|_, sample| {
                sample.class.is_good().then(|| Sample { completed: sample.completed.plus(by), ..sample.clone() })
            });
        }
        let night = folder.join("nights").join(format!("{night:03}"));
        std::fs::create_dir_all(&night)?;
        std::fs::write(night.join("scorecard.json"), serde_json::to_vec(&score(&record))?)?;
        Ok(())
    };
    // Two at a time: each is a process of its own.
    std::thread::scope(|scope| {
        let half = |parity: usize| (0..count).filter(move |night| night % 2 == parity).try_for_each(made);
        let other = scope.spawn(move || half(1).map_err(|error| format!("{error:?}")));
        half(0)?;
        other.join().map_err(|_| "a thread panicked")?.map_err(Failed::from)
    })?;
    Ok(folder.join("nights"))
}

/// `history --json` of some files.
pub fn history(paths: &[&Path]) -> Result<Value, Failed> {
    let ran = run(meshdrill().args(["history", "--json"]).args(paths));
    ran.expect_code(0)?;
    Ok(serde_json::from_str(&ran.stdout)?)
}
