//! Live clusters are broken with consent only: `--yes` in scripts, one question on a terminal.

use libtest_mimic::{Failed, Trial};

use super::served::Served;
use crate::command::{meshdrill, run, run_dirs, scratch};

pub fn trials() -> Vec<Trial> {
    vec![
        Trial::test("consent::a script without --yes changes nothing", without),
        Trial::test("consent::the lab and validations need none", not_needed),
        Trial::test("consent::--lab and --mesh exclude each other", lab_and_mesh),
        Trial::test("consent::--set of a name that nothing uses", unused_name),
        Trial::test("consent::what list prints can be run", instances),
        Trial::test("consent::a name that is nearly right", nearly),
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

fn unused_name() -> Result<(), Failed> {
    let ran = run(meshdrill().args(["plan", "--lab", "--set", "gatewayNamspace=x", "drills/ingress-gateway-crash"]));
    ran.expect_code(2)?;
    let says = "no selected scenario uses `${gatewayNamspace}`; did you mean `gatewayNamespace`?";
    if ran.stderr.contains(says) { Ok(()) } else { Err(ran.said().into()) }
}

/// One instance of a scenario that runs once per cluster.
fn instances() -> Result<(), Failed> {
    let listed = run(meshdrill().args(["list", "drills"]));
    listed.expect_code(0)?;
    let instance =
        listed.stdout.lines().filter_map(|line| line.split_whitespace().next()).find(|name| name.contains('@'));
    let instance = instance.ok_or("no instance is listed")?;
    let again = run(meshdrill().args(["list", instance]));
    again.expect_code(0)?;
    let names: Vec<&str> = again.stdout.lines().skip(1).filter_map(|line| line.split_whitespace().next()).collect();
    if names != [instance] {
        return Err(format!("`list {instance}` lists {names:?}").into());
    }
    let other = run(meshdrill().args(["list", "latency-injection@primry"]));
    other.expect_code(2)?;
    let meant = other.stderr.contains("did you mean `latency-injection@primary`?");
    if meant { Ok(()) } else { Err(other.said().into()) }
}

fn nearly() -> Result<(), Failed> {
    for (word, meant) in [("readines", "readiness"), ("drills/ingress-gateway-crsh", "ingress-gateway-crash")] {
        let ran = run(meshdrill().args(["list", word]));
        ran.expect_code(2)?;
        if !ran.stderr.contains(&format!("did you mean `{meant}`?")) {
            return Err(ran.said().into());
        }
    }
    Ok(())
}
