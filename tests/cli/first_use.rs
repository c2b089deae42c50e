//! What a person meets who uses the program for the first time: an empty folder, own scenarios, slips of the keyboard.

use std::fs::File;
use std::path::Path;

use libtest_mimic::{Failed, Trial};
use serde_json::Value;

use crate::command::{Ran, meshdrill, run, scratch};

pub fn trials() -> Vec<Trial> {
    vec![
        Trial::test("first use::check in an empty folder", empty_folder),
        Trial::test("first use::list and plan as JSON", as_json),
        Trial::test("first use::one key for the name of a workload", names_of_workloads),
        Trial::test("first use::./scenarios hides what is built in", own_scenarios),
        Trial::test("first use::a folder of scenarios that is not there", no_folder),
        Trial::test("first use::an unknown key has the three nearest", nearest_keys),
        Trial::test("first use::a key that has no effect", no_effect),
        Trial::test("first use::a full disk and a path below a file", unwritable),
        Trial::test("first use::--set of check", set_of_check),
    ]
}

fn says(ran: &Ran, text: &str) -> Result<(), Failed> {
    let said = format!("{}{}", ran.stdout, ran.stderr);
    if said.contains(text) { Ok(()) } else { Err(format!("it does not say `{text}`\n{}", ran.said()).into()) }
}

fn lacks(ran: &Ran, text: &str) -> Result<(), Failed> {
    let said = format!("{}{}", ran.stdout, ran.stderr);
    if said.contains(text) { Err(format!("it says `{text}`\n{}", ran.said()).into()) } else { Ok(()) }
}

/// Without a mesh file every name of one stands for any value.
fn empty_folder() -> Result<(), Failed> {
    let folder = scratch("empty");
    let ran = run(meshdrill().arg("check").current_dir(&folder));
    ran.expect_code(0)?;
    says(&ran, "were not checked: give --mesh FILE, or --lab")?;
    Ok(run(meshdrill().args(["list"]).current_dir(&folder)).expect_code(0)?)
}

fn as_json() -> Result<(), Failed> {
    let read =
        |ran: &Ran| serde_json::from_str::<Value>(&ran.stdout).map_err(|error| format!("{error}\n{}", ran.said()));
    let text = run(meshdrill().args(["list", "--lab", "drills"]));
    let ran = run(meshdrill().args(["list", "--lab", "--json", "drills"]));
    ran.expect_code(0)?;
    let list = read(&ran)?;
    let listed = list["scenarios"].as_array().ok_or("no scenarios")?;
    let names: Vec<&str> = text.stdout.lines().skip(1).filter_map(|line| line.split_whitespace().next()).collect();
    let instances: Vec<&str> = listed.iter().filter_map(|one| one["instance"].as_str()).collect();
    if instances.is_empty() || names[..instances.len().min(names.len())] != instances[..] {
        return Err(format!("{instances:?} instead of {names:?}").into());
    }
    let one = listed.iter().find(|one| one["instance"] == "latency-injection@primary").ok_or("no instance")?;
    let right = one["name"] == "latency-injection"
        && one["suite"] == "drills"
        && one["clusters"] == serde_json::json!(["primary"])
        && one["faults"] == serde_json::json!(["httpFault"])
        && one["seconds"].as_f64().is_some_and(|seconds| seconds > 60.0);
    if !right {
        return Err(format!("{one:#}").into());
    }
    let ran = run(meshdrill().args(["plan", "--lab", "--json", "latency-injection@primary"]));
    ran.expect_code(0)?;
    let plan = read(&ran)?;
    let run_of = &plan["runs"][0];
    let right = run_of["plan"]["name"] == "latency-injection"
        && run_of["exitCode"] == 0
        && run_of["targets"][0].as_str().is_some_and(|target| target.starts_with("f1: "))
        && run_of["obstacles"].as_array().is_some_and(Vec::is_empty)
        && plan["permissions"].as_array().is_some_and(|all| all.iter().any(|one| one["verbs"].is_array()))
        && plan["exitCode"] == 0;
    if !right {
        return Err(format!("{plan:#}").into());
    }
    // What keeps a run from taking place is there too, and the exit code is that of the run.
    let args = ["plan", "--lab", "--json", "--lab-defect", "application-pod-unready"];
    let ran = run(meshdrill().args(args).arg("data-plane-pod-failure"));
    let plan = read(&ran)?;
    if plan["exitCode"] != ran.code || !plan["runs"][0]["exitCode"].is_u64() {
        return Err(format!("exit code {}: {plan:#}", ran.code).into());
    }
    let ran = run(meshdrill().args(["plan", "--lab", "--json", "--offline", "latency-injection@primary"]));
    ran.expect_code(0)?;
    let plan = read(&ran)?;
    if plan["runs"][0]["plan"]["name"] == "latency-injection" && plan["runs"][0]["exitCode"].is_null() {
        Ok(())
    } else {
        Err(format!("{plan:#}").into())
    }
}

fn names_of_workloads() -> Result<(), Failed> {
    let folder = scratch("names");
    let place = "cluster: primary, namespace: bookinfo";
    let probe = "  probes: { page: { http: { via: ingress/primary, path: /productpage } } }\n  sla: [{ probe: page, errorRate: 50% }]\n";
    for key in ["name", "deployment"] {
        let check = format!("  checks: [{{ deployment: {{ {place}, {key}: details-v1 }} }}]\n");
        let scale = format!("  faults: [{{ scale: {{ {place}, {key}: details-v1, replicas: 0 }} }}]\n{probe}");
        let restart = format!("  faults: [{{ rolloutRestart: {{ {place}, {key}: details-v1 }} }}]\n{probe}");
        for spec in [check, scale, restart] {
            let text = format!(
                "apiVersion: meshdrill.io/v1\nkind: Scenario\nmetadata: {{ name: names }}\nspec:\n  objective: x\n{spec}"
            );
            std::fs::write(folder.join("names.yaml"), text)?;
            let ran = run(meshdrill().args(["plan", "--lab", "names.yaml"]).current_dir(&folder));
            ran.expect_code(0)?;
            says(&ran, "bookinfo/details-v1")?;
        }
    }
    Ok(())
}

fn own_scenario(folder: &Path) -> Result<(), Failed> {
    std::fs::create_dir_all(folder.join("scenarios"))?;
    let text = "apiVersion: meshdrill.io/v1\nkind: Scenario\nmetadata: { name: own }\nspec:\n  checks: [{ nodes: { cluster: primary } }]\n";
    Ok(std::fs::write(folder.join("scenarios/own.yaml"), text)?)
}

fn own_scenarios() -> Result<(), Failed> {
    let folder = scratch("own");
    own_scenario(&folder)?;
    let hint = "./scenarios hides the built-in suites: give --scenarios builtin for those";
    for arguments in
        [&["run", "--lab", "nodes-ready"][..], &["plan", "--lab", "readiness"], &["list", "--lab", "drills"]]
    {
        let ran = run(meshdrill().args(arguments).current_dir(&folder));
        ran.expect_code(2)?;
        says(&ran, hint)?;
        let ran = run(meshdrill().args(arguments).args(["--scenarios", "builtin"]).current_dir(&folder));
        ran.expect_code(0)?;
        lacks(&ran, "hides")?;
    }
    // A list of everything says what it leaves out; a run of an own scenario has nothing to say about it.
    let ran = run(meshdrill().args(["list", "--lab"]).current_dir(&folder));
    ran.expect_code(0)?;
    says(&ran, hint)?;
    if ran.stdout.contains("hides") || ran.stdout.contains("nodes-ready") {
        return Err(ran.said().into());
    }
    let ran = run(meshdrill().args(["run", "--lab", "own"]).current_dir(&folder));
    ran.expect_code(0)?;
    lacks(&ran, "hides")
}

fn no_folder() -> Result<(), Failed> {
    let folder = scratch("no-folder");
    for arguments in [&["list", "--lab"][..], &["plan", "--lab"], &["run", "--lab", "own"]] {
        let ran = run(meshdrill().args(arguments).args(["--scenarios", "scenarois"]).current_dir(&folder));
        ran.expect_code(2)?;
        says(&ran, "scenarois: cannot be read: No such file or directory")?;
        says(&ran, "name a folder with scenarios, or `builtin`")?;
    }
    Ok(())
}

/// A check as the only one of a scenario.
fn checked(folder: &Path, check: &str) -> Result<Ran, Failed> {
    let text = format!(
        "apiVersion: meshdrill.io/v1\nkind: Scenario\nmetadata: {{ name: one }}\nspec:\n  checks:\n    - {check}\n"
    );
    std::fs::write(folder.join("one.yaml"), text)?;
    Ok(run(meshdrill().args(["check", "--lab", "one.yaml"]).current_dir(folder)))
}

fn nearest_keys() -> Result<(), Failed> {
    let folder = scratch("keys");
    let page = "http: { via: ingress/primary, path: /productpage }";
    for (key, remedy) in [
        ("retries: 1", "the nearest are `"),
        ("timeout: 3s", "the nearest are `"),
        ("dploymnt: {}", "did you mean `deployment`?"),
    ] {
        let ran = checked(&folder, &format!("{{ {page}, {key} }}"))?;
        ran.expect_code(2)?;
        says(&ran, remedy)?;
        let helps = ran.stderr.lines().filter(|line| line.contains("= help: "));
        if helps.map(|help| help.matches('`').count() / 2).max() > Some(4) {
            return Err(ran.said().into());
        }
    }
    let ran = checked(&folder, &format!("{{ {page}, series: new }}"))?;
    ran.expect_code(2)?;
    lacks(&ran, "in one entry")?;
    // Where few keys are known, all of them are listed.
    let ran = checked(&folder, "pods: { cluster: primary, namespace: bookinfo, selector: app=x, zzz: 1 }")?;
    says(&ran, "known here: `cluster`, `namespace`, `selector`, `expect`")
}

fn no_effect() -> Result<(), Failed> {
    let folder = scratch("no-effect");
    let drill = |fault: &str, more: &str, row: &str| {
        format!(
            "apiVersion: meshdrill.io/v1\nkind: Scenario\nmetadata: {{ name: one }}\nspec:\n  objective: x\n{more}  probes:\n    page: {{ http: {{ via: ingress/primary, path: /productpage }} }}\n  faults:\n    - {fault}\n  sla:\n    - {{ probe: page, {row} }}\n"
        )
    };
    for (check, says_so) in [
        ("http: { via: ingress/primary, connection: both }", "a check sends one request"),
        ("http: { url: 'http://127.0.0.1/', tls: { insecure: true } }", "`tls` has no effect"),
        (
            "http: { url: 'https://127.0.0.1/', tls: { insecure: true, ca: ca.pem } }",
            "`ca` has no effect beside `insecure`",
        ),
        ("http: { via: ingress/primary, slow: 6s }", "`slow` (6s) is above the timeout (5s)"),
        ("http: { via: ingress/primary, slow: 3s, timeout: 2s }", "`slow` (3s) is above the timeout (2s)"),
        ("tcp: { to: 'x:80', slow: 9s }", "`slow` (9s) is above the timeout (5s)"),
        ("http: { via: ingress/primary, expect: { json: {} } }", "this is empty, so it compares nothing"),
        ("http: { via: ingress/primary, expect: { headers: {} } }", "this is empty, so it compares nothing"),
    ] {
        let ran = checked(&folder, check)?;
        ran.expect_code(2)?;
        says(&ran, says_so)?;
    }
    for good in [
        "http: { via: ingress/primary, connection: kept }",
        "http: { url: 'https://127.0.0.1/', tls: { ca: ca.pem } }",
        "http: { via: ingress/primary, slow: 5s }",
        "http: { via: ingress/primary, slow: 8s, timeout: 10s }",
    ] {
        checked(&folder, good)?.expect_code(0)?;
    }
    let delete = "deletePods: { cluster: primary, namespace: bookinfo, selector: app=details }";
    let scale = "{ scale: { cluster: primary, namespace: bookinfo, deployment: details-v1, replicas: 0 }, for: 9s }";
    for (text, says_so) in [
        (drill(delete, "  hold: 30s\n", "errorRate: 50%"), "`hold` has no effect"),
        (drill(scale, "  hold: 30s\n", "errorRate: 50%"), "`hold` has no effect"),
        (drill(scale, "", "errorRate: 50%, fault: f1"), "`fault` does not apply to this criterion"),
        (
            drill(scale, "  abortWhen: [{ probe: page, errorRate: 50%, during: recovered }]\n", "errorRate: 50%"),
            "`during` has no effect in `abortWhen`",
        ),
    ] {
        std::fs::write(folder.join("drill.yaml"), text)?;
        let ran = run(meshdrill().args(["check", "--lab", "drill.yaml"]).current_dir(&folder));
        ran.expect_code(2)?;
        says(&ran, says_so)?;
    }
    let kept = drill(&scale.replace(", for: 9s", ""), "  hold: 30s\n", "errorRate: 50%");
    std::fs::write(folder.join("drill.yaml"), kept)?;
    Ok(run(meshdrill().args(["check", "--lab", "drill.yaml"]).current_dir(&folder)).expect_code(0)?)
}

fn unwritable() -> Result<(), Failed> {
    let full = File::options().write(true).open("/dev/full")?;
    for shell in ["bash", "zsh", "fish"] {
        let ran = run(meshdrill().args(["completions", shell]).stdout(full.try_clone()?));
        ran.expect_code(2)?;
        says(&ran, "stdout cannot be written: No space left on device")?;
    }
    let folder = scratch("below-a-file");
    std::fs::write(folder.join("file"), "")?;
    for arguments in [["--runs", "file/runs"], ["--junit", "file/junit.xml"]] {
        let ran = run(meshdrill().args(["run", "--lab", "nodes-ready"]).args(arguments).current_dir(&folder));
        ran.expect_code(2)?;
        says(&ran, "Not a directory (os error 20); a folder of this path is a file: name another path")?;
    }
    Ok(())
}

fn set_of_check() -> Result<(), Failed> {
    let folder = scratch("set-of-check");
    for arguments in [&["--lab"][..], &[]] {
        let ran = run(meshdrill().args(["check", "--set", "gatewayNamspace=x"]).args(arguments).current_dir(&folder));
        ran.expect_code(2)?;
        says(&ran, "no selected scenario uses `${gatewayNamspace}`; did you mean `gatewayNamespace`?")?;
    }
    let ran = run(meshdrill().args(["check", "--lab", "--set", "gatewayNamespace=x"]).current_dir(&folder));
    Ok(ran.expect_code(0)?)
}
