//! Runs that are stopped, killed, doubled or led astray: nothing is ever left broken.

use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use libtest_mimic::Failed;

use super::kubectl;
use crate::command::{meshdrill, root, run, run_dirs, scorecard, scratch};

const CONTEXT: &str = "primary-cluster-context";
const SYSTEM: &str = "istio-system";

/// A control-plane drill that has taken istiod to zero.
struct Broken {
    child: Child,
    runs: PathBuf,
}

impl Broken {
    fn begin(mesh: &Path) -> Result<Self, Failed> {
        let runs = scratch("rescue");
        let mut command = meshdrill();
        command
            .args(["run", "--yes"])
            .arg("--mesh")
            .arg(mesh)
            .arg("--runs")
            .arg(&runs)
            .arg(root().join("scenarios/drills/control-plane-failover.yaml"));
        let child = command.stdout(Stdio::null()).stderr(Stdio::null()).spawn().map_err(|error| error.to_string())?;
        let broken = Self { child, runs };
        until(
            "istiod is at zero",
            Duration::from_mins(2),
            || Ok(kubectl::replicas(CONTEXT, SYSTEM, "istiod")? == "0"),
        )?;
        Ok(broken)
    }

    fn signal(&self, signal: &str) -> Result<(), Failed> {
        let sent = Command::new("kill").args([signal, &self.child.id().to_string()]).status();
        if sent.is_ok_and(|status| status.success()) { Ok(()) } else { Err("the signal could not be sent".into()) }
    }
}

fn until(what: &str, patience: Duration, mut holds: impl FnMut() -> Result<bool, Failed>) -> Result<(), Failed> {
    let deadline = Instant::now() + patience;
    while !holds()? {
        if Instant::now() >= deadline {
            return Err(format!("waited {} s in vain until {what}", patience.as_secs()).into());
        }
        std::thread::sleep(Duration::from_millis(200));
    }
    Ok(())
}

/// SIGTERM in the middle: istiod has its old replicas when the process exits.
pub fn terminated(mesh: &Path) -> Result<(), Failed> {
    let before = kubectl::state()?;
    let replicas = kubectl::replicas(CONTEXT, SYSTEM, "istiod")?;
    let mut broken = Broken::begin(mesh)?;
    broken.signal("-TERM")?;
    let status = broken.child.wait().map_err(|error| error.to_string())?;
    let after = kubectl::replicas(CONTEXT, SYSTEM, "istiod")?;
    if after != replicas || status.code() != Some(130) {
        return Err(format!("istiod has {after} replicas instead of {replicas}, exit code {:?}", status.code()).into());
    }
    let dirs = run_dirs(&broken.runs);
    let card = scorecard(dirs.first().ok_or("no run directory")?)?;
    if card["recovery"]["verified"] != true || card["verdict"] == "pass" {
        return Err(format!("the scorecard does not tell: {card}").into());
    }
    kubectl::as_before(&before)
}

/// SIGKILL in the middle: `recover`, from another directory, brings it back.
pub fn killed(mesh: &Path) -> Result<(), Failed> {
    let before = kubectl::state()?;
    let mut broken = Broken::begin(mesh)?;
    broken.signal("-KILL")?;
    let _ = broken.child.wait();
    std::fs::remove_dir_all(&broken.runs).map_err(|error| error.to_string())?;
    let elsewhere = scratch("elsewhere");
    let refused = run(meshdrill().current_dir(&elsewhere).args(["recover", "--list", "--mesh"]).arg(mesh));
    if !refused.stdout.contains("istiod") {
        return Err(format!("recover --list does not name istiod\n{}", refused.said()).into());
    }
    let recovered = run(meshdrill().current_dir(&elsewhere).args(["recover", "--mesh"]).arg(mesh));
    recovered.expect_code(0)?;
    kubectl::as_before(&before)?;
    let again = run(meshdrill().current_dir(&elsewhere).args(["recover", "--mesh"]).arg(mesh));
    again.expect_code(0)?;
    if again.stdout.contains("scale") { Err(format!("recovered twice\n{}", again.said()).into()) } else { Ok(()) }
}

/// While one run holds a cluster, another is refused at once and names the holder.
pub fn second_run(mesh: &Path) -> Result<(), Failed> {
    let before = kubectl::state()?;
    let mut broken = Broken::begin(mesh)?;
    let start = Instant::now();
    let runs = scratch("second");
    let second = run(meshdrill()
        .args(["run", "--yes"])
        .arg("--mesh")
        .arg(mesh)
        .arg("--runs")
        .arg(&runs)
        .arg(root().join("scenarios/drills/ingress-gateway-failover.yaml")));
    let took = start.elapsed();
    broken.signal("-TERM")?;
    let _ = broken.child.wait();
    second.expect_code(3)?;
    if !second.stdout.contains("locked by another run") || took > Duration::from_secs(5) {
        return Err(format!("after {took:?}\n{}", second.said()).into());
    }
    kubectl::as_before(&before)
}

/// A mesh file whose UID is another cluster's: refused, nothing sent.
pub fn wrong_cluster(mesh: &Path) -> Result<(), Failed> {
    let before = kubectl::state()?;
    let text = std::fs::read_to_string(mesh).map_err(|error| error.to_string())?;
    let swapped = text
        .replace("primary-cluster-context", "X")
        .replace("secondary-cluster\n", "primary-cluster-context\n")
        .replace("context: X", "context: secondary-cluster");
    let folder = scratch("wrong");
    let path = folder.join("mesh.yaml");
    std::fs::write(&path, swapped).map_err(|error| error.to_string())?;
    let ran = run(meshdrill()
        .args(["run", "--yes"])
        .arg("--mesh")
        .arg(&path)
        .arg("--runs")
        .arg(&folder)
        .arg(root().join("scenarios/drills/ingress-gateway-failover.yaml")));
    ran.expect_code(3)?;
    if !ran.stdout.contains("leads to another cluster") {
        return Err(ran.said().into());
    }
    kubectl::as_before(&before)
}
