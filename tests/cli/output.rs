//! What a run of several scenarios writes, and where.

use libtest_mimic::{Failed, Trial};

use crate::command::{Ran, meshdrill, root, run, run_dirs, scorecard, scratch};

pub fn trials() -> Vec<Trial> {
    vec![
        Trial::test("cli::output has a line per scenario and failures once", lines_and_failures),
        Trial::test("cli::output of a suite agrees with its exit code", word_and_code),
        Trial::test("cli::output says what --fail-fast left out", fail_fast),
        Trial::test("cli::output with --quiet names what did not pass", quiet),
        Trial::test("cli::output has one error for all scenarios that it stops", one_error),
        Trial::test("cli::output has a failed recovery once", recovery_once),
        Trial::test("cli::output cuts long messages on the screen only", long_messages),
        Trial::test("cli::output has one word for what did not run", not_run),
        Trial::test("cli::output has a heartbeat after silence", heartbeat),
        Trial::test("cli::two files of one name", namesakes),
    ]
}

fn week1(arguments: &[&str]) -> Ran {
    let runs = scratch("output");
    run(meshdrill().args(["run", "--lab", "week=1", "--runs"]).arg(&runs).args(arguments))
}

fn expect(ran: &Ran, holds: bool, what: &str) -> Result<(), Failed> {
    if holds { Ok(()) } else { Err(format!("{what}\n{}", ran.said()).into()) }
}

const DEFECTS: [&str; 4] = ["--lab-defect", "node-not-ready", "--lab-defect", "api-no-exec"];

fn lines_and_failures() -> Result<(), Failed> {
    let ran = week1(&DEFECTS);
    ran.expect_code(10)?;
    let lines: Vec<&str> = ran.stdout.lines().collect();
    expect(&ran, lines.iter().filter(|line| line.contains("/8] ")).count() == 8, "not one line per scenario")?;
    expect(
        &ran,
        lines.iter().any(|line| line.starts_with("FAIL  [ 4/8] nodes-ready  0.0 s")),
        "no line of nodes-ready",
    )?;
    expect(
        &ran,
        ran.stdout.matches("node secondary-node-3 is not ready").count() == 1,
        "the failure is not there once",
    )?;
    expect(
        &ran,
        !ran.stdout.contains("3 of 3 nodes ready and schedulable in primary\n\n"),
        "passed runs have a screen",
    )?;
    let (fail, error) = (ran.stdout.find("\nFAIL  nodes-ready"), ran.stdout.find("\nERROR  cross-cluster-ping"));
    expect(&ran, fail.is_some() && fail < error, "failures are not in the order of severity")?;
    expect(&ran, ran.stderr.is_empty(), "a suite of validations has nothing to say on stderr")?;
    // The command that it names runs those alone.
    let again = lines.iter().find_map(|line| line.strip_prefix("rerun: meshdrill ")).ok_or("no rerun")?;
    let again = run(meshdrill().args(again.split(' ')));
    again.expect_code(10)?;
    expect(&again, again.stdout.contains("2 of 2 runs: 1 fail, 1 error; worst: nodes-ready (lab)  "), "other runs")
}

fn word_and_code() -> Result<(), Failed> {
    let ran = week1(&DEFECTS);
    ran.expect_code(10)?;
    let last: Vec<&str> = ran.stdout.lines().last().unwrap_or_default().split("  ").collect();
    let agrees = last.len() == 4 && last[0] == "FAIL" && last[2].ends_with("worst: nodes-ready (lab)");
    expect(&ran, agrees, "the last line does not agree with exit code 10")
}

fn fail_fast() -> Result<(), Failed> {
    let runs = scratch("fail-fast");
    let mut command = meshdrill();
    command.args(["run", "--lab", "week=1", "--fail-fast", "--lab-defect", "node-not-ready", "--runs"]).arg(&runs);
    let ran = run(&mut command);
    ran.expect_code(10)?;
    let says = "NOT-RUN  4 scenarios did not start: --fail-fast: nodes-ready did not pass";
    expect(&ran, ran.stdout.contains(says), "what was not run is not said")?;
    expect(&ran, ran.stdout.contains("  4 of 8 runs: "), "the last line counts what did not run as run")?;
    let dirs = run_dirs(&runs);
    let left_out = dirs
        .iter()
        .map(|dir| scorecard(dir))
        .filter(|card| card.as_ref().is_ok_and(|card| card["verdict"] == "not-run"))
        .count();
    expect(&ran, dirs.len() == 8 && left_out == 4, "not every selected scenario has a scorecard")
}

fn quiet() -> Result<(), Failed> {
    let ran = week1(&[&DEFECTS[..], &["--quiet"]].concat());
    ran.expect_code(10)?;
    let starts = [
        "FAIL  nodes-ready  nodes/all@secondary: node ",
        "ERROR  cross-cluster-ping@secondary-primary  ",
        "FAIL  guide+readiness  ",
    ];
    let good =
        ran.stdout.lines().count() == 3 && ran.stdout.lines().zip(starts).all(|(line, start)| line.starts_with(start));
    expect(&ran, good, "not the failures and the last line")
}

fn one_error() -> Result<(), Failed> {
    let folder = scratch("one-error");
    let mesh = super::environment::mesh_file(&folder, "known", "forbidden");
    let mut command = meshdrill();
    command.args(["run", "--kubeconfig", "/nope", "week3/ingress-access", "week1/nodes-ready", "week1/cluster-access"]);
    let ran = run(command.arg("--mesh").arg(mesh).arg("--runs").arg(&folder));
    ran.expect_code(3)?;
    expect(&ran, (ran.stdout.clone() + &ran.stderr).matches("no kubeconfig").count() == 1, "more than one error")?;
    let names = ran.stdout.contains("ERROR  3 scenarios did not start: no kubeconfig")
        && ran.stdout.contains("ingress-access, ");
    expect(&ran, names, "the error does not name what it stops")
}

fn recovery_once() -> Result<(), Failed> {
    let runs = scratch("recovery-once");
    let mut command = meshdrill();
    command.args([
        "run",
        "--lab",
        "drills/control-plane-failover",
        "--lab-defect",
        "replica-restore-blocked",
        "--runs",
    ]);
    let ran = run(command.arg(&runs));
    ran.expect_code(12)?;
    let card = scorecard(&run_dirs(&runs).pop().ok_or("no run directory")?)?;
    let message = card["recovery"]["message"].as_str().unwrap_or_default();
    let begins: String = message.chars().take(250).collect();
    let all = format!("{}{}", ran.stdout, ran.stderr);
    // The screen, and the last line, which is cut.
    expect(&ran, ran.stdout.matches(&begins).count() == 1, "the paragraph is not on the screen once")?;
    expect(&ran, all.matches("damage may remain: `meshdrill recover`").count() <= 1, "it is repeated")
}

fn long_messages() -> Result<(), Failed> {
    // Its check names every query with its result: 3,000 characters.
    let folder = scratch("long");
    let ran = run(meshdrill().args(["run", "--lab", "week4/example-queries", "--runs"]).arg(&folder));
    ran.expect_code(0)?;
    let longest = ran.stdout.lines().chain(ran.stderr.lines()).map(|line| line.chars().count()).max().unwrap_or(0);
    let dir = run_dirs(&folder).pop().ok_or("no run directory")?;
    let card = scorecard(&dir)?;
    let whole = card["checks"][0]["message"].as_str().unwrap_or_default().len();
    expect(&ran, whole > 300, "the scorecard has less than the whole message")?;
    expect(&ran, longest < 300 + 40 + dir.display().to_string().len(), "a line is longer than a cut message")?;
    let text = run(meshdrill().arg("report").arg(&dir).args(["--format", "text"]));
    expect(&text, text.stdout.lines().any(|line| line.len() > 300), "the report is cut")
}

fn not_run() -> Result<(), Failed> {
    let ran = week1(&["--verbose"]);
    ran.expect_code(0)?;
    let all = format!("{}{}", ran.stdout, ran.stderr);
    expect(&ran, !all.contains("SKIP") && !all.contains("skip"), "another word than NOT-RUN")?;
    expect(
        &ran,
        ran.stdout.contains("NOT-RUN [ 5/8] remote-peering@primary-secondary  0.0 s  (waived: without oci: "),
        "no NOT-RUN",
    )
}

/// A run without a terminal that has nothing to say shows after 30 s that it lives.
fn heartbeat() -> Result<(), Failed> {
    let folder = scratch("heartbeat");
    let path = folder.join("still.yaml");
    let text = "apiVersion: meshdrill.io/v1\nkind: Scenario\nmetadata: { name: still }\nspec:\n  observe: 32s\n  probes:\n    nothing: { command: { argv: [\"true\"] }, every: 2s }\n  sla:\n    - { probe: nothing, errorRate: 90% }\n";
    std::fs::write(&path, text).map_err(|error| error.to_string())?;
    let ran = run(meshdrill().args(["run", "--runs"]).arg(&folder).arg(&path));
    ran.expect_code(0)?;
    let beat = ran.stderr.lines().any(|line| {
        line.starts_with("still (sampling ") && line.contains(" s left; ") && line.ends_with(" samples, 0 bad)")
    });
    expect(&ran, beat && !ran.stderr.contains("verify"), "no heartbeat, or a validation that verifies")
}

fn namesakes() -> Result<(), Failed> {
    let folder = scratch("namesakes");
    let text = std::fs::read_to_string(root().join("scenarios/validation/week1/nodes-ready.yaml"))
        .map_err(|error| error.to_string())?;
    for name in ["a.yaml", "b.yaml"] {
        std::fs::write(folder.join(name), &text).map_err(|error| error.to_string())?;
    }
    for command in ["run", "plan"] {
        let ran = run(meshdrill().current_dir(&folder).args([command, "--lab", "a.yaml", "b.yaml"]));
        ran.expect_code(2)?;
        let says = "two selected scenarios are named `nodes-ready`: a.yaml and b.yaml; change `metadata.name`";
        expect(&ran, ran.stderr.contains(says), "the two files are not named")?;
    }
    Ok(run(meshdrill().current_dir(&folder).args(["plan", "--lab", "a.yaml"])).expect_code(0)?)
}
