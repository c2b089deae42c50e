//! The command line: what scripts rely on, and what the messages say when something is wrong.

mod agree;
mod consent;
mod environment;
mod first_use;
mod inventory;
mod kubectl;
mod output;
mod plans;
mod rescued;
mod run_flags;
mod selection;
pub mod served;

use std::path::PathBuf;

use libtest_mimic::{Failed, Trial};
use meshdrill_checks::exit_code::ExitCode;

use crate::command::{Ran, meshdrill, root, run, run_dirs, scratch};

pub fn trials() -> Vec<Trial> {
    let mut trials = kubectl::trials();
    trials.extend(first_use::trials());
    trials.extend([
        Trial::test("cli::no kubeconfig", environment::no_kubeconfig),
        Trial::test("cli::a context that is not there", environment::no_context),
        Trial::test("cli::mesh init with a context that is not there", environment::init_without_context),
        Trial::test("cli::an API server that is not there", environment::unreachable),
        Trial::test("cli::a credential plugin that hangs", environment::plugin_hangs),
        Trial::test("cli::a credential plugin that fails", environment::plugin_fails),
        Trial::test("cli::a credential plugin that is not there", environment::plugin_is_missing),
        Trial::test("cli::a credential plugin that answers", environment::plugin_answers),
        Trial::test("cli::a client certificate that has expired", environment::expired_certificate),
        Trial::test("cli::a fault that the mesh file forbids", environment::forbidden),
        Trial::test("cli::clusters without a mesh file", without_a_mesh_file),
        Trial::test("cli::the last line names verdict, scenario and directory", last_line),
        Trial::test("cli::scaffolds are valid", scaffolds_are_valid),
        Trial::test("cli::every kind is explained", every_kind_is_explained),
        Trial::test("cli::a drill that names no period is decided the first time", first_drill),
        Trial::test("cli::the README's scenario is valid", the_readme_is_right),
        Trial::test("cli::a path that cannot be written fails at once", unwritable_junit),
        Trial::test("cli::an altered record is refused", altered_record),
        Trial::test("cli::words that are not known get the nearest one", nearest_words),
        Trial::test("cli::the lab on real sockets passes the readiness suite", served::readiness),
        Trial::test("cli::SIGTERM undoes what is sustained", || rescued::terminated(&rescued::OBJECTS)),
        Trial::test("cli::SIGTERM ends the outage of a cluster", || rescued::terminated(&rescued::CLUSTER)),
        Trial::test("cli::SIGQUIT undoes what is sustained", rescued::quit),
        Trial::test("cli::SIGHUP undoes what is sustained", rescued::hung_up),
        Trial::test("cli::SIGHUP under nohup", rescued::no_hang_up),
        Trial::test("cli::a terminal of another session that hangs up", rescued::terminal_gone),
        Trial::test("cli::SIGKILL leaves what recover needs", || rescued::killed(&rescued::OBJECTS)),
        Trial::test("cli::SIGKILL in the outage of a cluster", || rescued::killed(&rescued::CLUSTER)),
        Trial::test("cli::the ports of the served lab answer", served::ports),
        Trial::test("cli::the other meshes of the lab are served", served::meshes),
        Trial::test("cli::--lab-mesh takes the names of meshes", served::mesh_names),
        Trial::test("cli::a change window that is over", run_flags::window),
        Trial::test("cli::a conclusive run is observed longer", run_flags::conclusive),
        Trial::test("cli::a check is late where it says so", run_flags::slow_check),
        Trial::test("cli::JSON and headers of a response", run_flags::json_response),
        Trial::test("cli::a loopback URL on the lab", run_flags::loopback_on_the_lab),
        Trial::test("cli::a verbose run tells every bad sample", run_flags::verbose),
    ]);
    trials.extend(agree::trials());
    trials.extend(inventory::trials());
    trials.extend(consent::trials());
    trials.extend(plans::trials());
    trials.extend(selection::trials());
    trials.extend(output::trials());
    trials
}

/// A run of a scenario on the lab.
fn on_the_lab(scenario: &str, runs: &PathBuf) -> Ran {
    run(meshdrill().args(["run", "--lab", "--runs"]).arg(runs).arg(scenario))
}

fn without_a_mesh_file() -> Result<(), Failed> {
    let empty = scratch("empty");
    let ran = run(meshdrill().current_dir(&empty).args(["run", "drills/ingress-gateway-failover"]));
    ran.expect_code(2)?;
    if ran.stderr.contains("mesh init") && ran.stderr.contains("--lab") { Ok(()) } else { Err(ran.said().into()) }
}

fn last_line() -> Result<(), Failed> {
    let runs = scratch("last-line");
    let ran = on_the_lab("week3/ingress-access", &runs);
    ran.expect_code(0)?;
    let dir = run_dirs(&runs).pop().ok_or("no run directory")?;
    let last = ran.stdout.lines().last().unwrap_or_default();
    let good = last.starts_with("PASS  ingress-access  ") && last.ends_with(&dir.display().to_string());
    if good { Ok(()) } else { Err(format!("the last line is `{last}`").into()) }
}

fn scaffolds_are_valid() -> Result<(), Failed> {
    let folder = scratch("scaffold");
    for kind in ["drill", "validation"] {
        let made = run(meshdrill().args(["new", kind, "mine"]));
        made.expect_code(0)?;
        let path = folder.join(format!("{kind}.yaml"));
        std::fs::write(&path, &made.stdout).map_err(|error| error.to_string())?;
        run(meshdrill().arg("check").arg(&path)).expect_code(0)?;
        run(meshdrill().args(["run", "--lab", "--runs"]).arg(&folder).arg(&path)).expect_code(0)?;
    }
    Ok(())
}

fn every_kind_is_explained() -> Result<(), Failed> {
    let kinds = run(meshdrill().arg("explain"));
    kinds.expect_code(0)?;
    for kind in kinds.stdout.lines().filter_map(|line| line.split_whitespace().next()) {
        let explained = run(meshdrill().args(["explain", kind, "--recursive"]));
        explained.expect_code(0)?;
        if explained.stdout.lines().count() < 3 {
            return Err(format!("`explain {kind}` says next to nothing\n{}", explained.said()).into());
        }
    }
    Ok(())
}

/// What somebody writes who knows the README, `new` and `explain` only: no period, no length, a percentile.
fn first_drill() -> Result<(), Failed> {
    let folder = scratch("first-drill");
    let path = folder.join("first.yaml");
    let text = "apiVersion: meshdrill.io/v1\nkind: Scenario\nmetadata: { name: first }\nspec:\n  probes:\n    reviews:\n      http: { via: ingress/secondary, path: /api/v1/products/0/reviews, expect: { status: 200 } }\n  faults:\n    - deletePods: { cluster: secondary, namespace: bookinfo, selector: app=reviews, count: 1 }\n      repeat: { every: 10s, times: 6 }\n  recovered:\n    - pods: { cluster: secondary, namespace: bookinfo, selector: app=reviews, expect: { ready: all } }\n  sla:\n    - { probe: reviews, latency: { p99: 300ms }, during: fault }\n";
    std::fs::write(&path, text).map_err(|error| error.to_string())?;
    run(meshdrill().args(["check", "--lab"]).arg(&path)).expect_code(0)?;
    Ok(run(meshdrill().args(["run", "--lab", "--runs"]).arg(&folder).arg(&path)).expect_code(0)?)
}

/// The YAML of the README is a scenario, and its exit codes are those of the design.
fn the_readme_is_right() -> Result<(), Failed> {
    let text = std::fs::read_to_string(root().join("README.md")).map_err(|error| error.to_string())?;
    let yaml =
        text.split("```yaml\n").nth(1).and_then(|rest| rest.split("```").next()).ok_or("no YAML in the README")?;
    let path = scratch("readme").join("readme.yaml");
    std::fs::write(&path, yaml).map_err(|error| error.to_string())?;
    run(meshdrill().arg("check").arg(&path)).expect_code(0)?;
    let table = text.split("## Exit codes").nth(1).and_then(|rest| rest.split("\n## ").next()).unwrap_or_default();
    let rows = table.lines().filter_map(|line| line.strip_prefix("| ")?.split(' ').next()?.parse().ok());
    let (listed, mut known): (Vec<u8>, Vec<u8>) = (rows.collect(), ExitCode::PRECEDENCE.map(ExitCode::number).to_vec());
    known.sort_unstable();
    if listed == known { Ok(()) } else { Err(format!("README lists {listed:?}, the program has {known:?}").into()) }
}

fn unwritable_junit() -> Result<(), Failed> {
    let runs = scratch("unwritable");
    let mut command = meshdrill();
    command
        .args(["run", "--lab", "--junit", "/no/such/folder/junit.xml", "--runs"])
        .arg(&runs)
        .arg("week3/ingress-access");
    let ran = run(&mut command);
    ran.expect_code(2)?;
    let says =
        "/no/such/folder/junit.xml: cannot be written: No such file or directory (os error 2); make its folder first";
    if !ran.stderr.contains(says) {
        return Err(ran.said().into());
    }
    if run_dirs(&runs).is_empty() { Ok(()) } else { Err("a run was begun whose report could not be written".into()) }
}

/// A misspelt or wrong argument, and the remedy that the message has.
fn nearest_words() -> Result<(), Failed> {
    let cases: [(&[&str], &str); 5] = [
        (&["explain", "htp"], "`htp` is not a kind or section; `meshdrill explain` lists all; did you mean `http`?"),
        (&["list", "redines"], "`meshdrill list` shows all; did you mean `readiness`?"),
        (&["score", "no-such-run"], "cannot be read: No such file or directory (os error 2); name a run directory"),
        (&["report", "no-such-run", "--format", "junit"], "; name a run directory"),
        (&["run"], "no scenario is selected"),
    ];
    for (arguments, says) in cases {
        let ran = run(meshdrill().args(arguments));
        ran.expect_code(2)?;
        if !ran.stderr.contains(says) {
            return Err(ran.said().into());
        }
    }
    Ok(())
}

fn altered_record() -> Result<(), Failed> {
    let runs = scratch("altered");
    on_the_lab("week3/ingress-access", &runs).expect_code(0)?;
    let dir = run_dirs(&runs).pop().ok_or("no run directory")?;
    let path = dir.join("run.jsonl.gz");
    let mut bytes = std::fs::read(&path)?;
    let middle = bytes.len() / 2;
    bytes[middle] ^= 1;
    std::fs::write(&path, bytes)?;
    let ran = run(meshdrill().arg("score").arg(&dir));
    ran.expect_code(2)?;
    if ran.stderr.contains("altered") && ran.stderr.contains("block ") { Ok(()) } else { Err(ran.said().into()) }
}
