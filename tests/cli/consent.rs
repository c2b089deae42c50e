//! Live clusters are broken with consent only: `--yes` in scripts, one question on a terminal.

use libtest_mimic::{Failed, Trial};

use super::served::Served;
use crate::command::{meshdrill, run, run_dirs, scratch};

pub fn trials() -> Vec<Trial> {
    vec![
        Trial::test("consent::a script without --yes changes nothing", without),
        Trial::test("consent::the lab and validations need none", not_needed),
        Trial::test("consent::--lab and --mesh exclude each other", lab_and_mesh),
    ]
}

fn without() -> Result<(), Failed> {
    let served = Served::start("consent")?;
    let runs = scratch("consent");
    let mut command = meshdrill();
    command.arg("run").arg("--mesh").arg(&served.mesh).arg("--kubeconfig").arg(&served.kubeconfig);
    let ran = run(command.args(["drills/control-plane-failover", "--runs"]).arg(&runs));
    ran.expect_code(2)?;
    let refused = ran.stderr.contains("break live clusters (primary)") && ran.stderr.contains("give --yes");
    if !refused || !run_dirs(&runs).is_empty() {
        return Err(ran.said().into());
    }
    let status = served.meshdrill(&["status"]);
    let free = status.stdout.lines().all(|line| line.ends_with(": free"));
    if free { Ok(()) } else { Err(status.said().into()) }
}

fn not_needed() -> Result<(), Failed> {
    let runs = scratch("consent");
    run(meshdrill().args(["run", "--lab", "drills/ingress-gateway-crash", "--runs"]).arg(&runs)).expect_code(0)?;
    let served = Served::start("consent")?;
    let mut command = meshdrill();
    command.arg("run").arg("--mesh").arg(&served.mesh).arg("--kubeconfig").arg(&served.kubeconfig);
    Ok(run(command.args(["week1/nodes-ready", "--runs"]).arg(&runs)).expect_code(0)?)
}

fn lab_and_mesh() -> Result<(), Failed> {
    let both = run(meshdrill().args(["run", "--lab", "--mesh", "mesh.yaml", "readiness"]));
    both.expect_code(2)?;
    // What the environment names is for clusters.
    let runs = scratch("consent");
    let mut command = meshdrill();
    command.env("MESHDRILL_MESH", "no-such-mesh.yaml").args(["run", "--lab", "week1/nodes-ready", "--runs"]);
    let ran = run(command.arg(&runs));
    ran.expect_code(0)?;
    let last = ran.stdout.lines().last().unwrap_or_default();
    if last.contains(" (lab)  ") { Ok(()) } else { Err(format!("the last line is `{last}`").into()) }
}
