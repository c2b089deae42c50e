//! What the words of the command line select: names, instances, folders.

use libtest_mimic::{Failed, Trial};

use crate::command::{meshdrill, run, scratch};

pub fn trials() -> Vec<Trial> {
    vec![
        Trial::test("selection::--set of a name that nothing uses", unused_name),
        Trial::test("selection::what list prints can be run", instances),
        Trial::test("selection::a name that is nearly right", nearly),
        Trial::test("selection::files of others are skipped in folders", foreign_files),
        Trial::test("selection::observe needs no timeout", observe_alone),
        Trial::test("selection::one bad file does not block the others", bad_files),
    ]
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

/// A folder with a scenario, the plan of a run and a manifest; then with a version that is nearly right.
fn foreign_files() -> Result<(), Failed> {
    let folder = scratch("foreign");
    let scenario = "kind: Scenario\nmetadata: { name: own }\nspec:\n  probes:\n    page: { http: { url: 'http://127.0.0.1/' } }\n  sla:\n    - { probe: page, errorRate: 1% }\n";
    let write = |name: &str, text: &str| std::fs::write(folder.join(name), text);
    write("own.yaml", &format!("apiVersion: meshdrill.io/v1\n{scenario}"))?;
    write("service.yaml", "apiVersion: v1\nkind: Service\nmetadata: { name: x }\n")?;
    write("chart.yaml", "a: {{ .Values.template }}\n")?;
    run(meshdrill().args(["plan", "--lab", "--offline", "own.yaml"]).current_dir(&folder)).expect_code(0)?;
    run(meshdrill().args(["run", "--lab", "week1/nodes-ready"]).current_dir(&folder)).expect_code(0)?;
    let checked = run(meshdrill().args(["check", "."]).current_dir(&folder));
    checked.expect_code(0)?;
    let skipped = checked.stderr.contains("skipped 3 YAML files") && checked.stdout.contains("valid files: 1 of 1");
    if !skipped {
        return Err(checked.said().into());
    }
    let listed = run(meshdrill().args(["list", "."]).current_dir(&folder));
    listed.expect_code(0)?;
    // Named, it is an error; and so is a version that is nearly right.
    run(meshdrill().args(["check", "service.yaml"]).current_dir(&folder)).expect_code(2)?;
    write("near.yaml", &format!("apiVersion: meshdril.io/v1\n{scenario}"))?;
    let near = run(meshdrill().args(["check", "."]).current_dir(&folder));
    near.expect_code(2)?;
    if near.stderr.contains("near.yaml:1:13") { Ok(()) } else { Err(near.said().into()) }
}

fn observe_alone() -> Result<(), Failed> {
    let folder = scratch("observe");
    let text = "apiVersion: meshdrill.io/v1\nkind: Scenario\nmetadata: { name: long }\nspec:\n  observe: 32s\n  probes:\n    page: { http: { via: ingress/primary, path: /productpage }, every: 1s }\n  sla:\n    - { probe: page, errorRate: 20% }\n";
    std::fs::write(folder.join("long.yaml"), text)?;
    Ok(run(meshdrill().args(["run", "--lab", "long.yaml"]).current_dir(&folder)).expect_code(0)?)
}

/// A good file, one that is no YAML and one with an unknown key, named as a folder and as the catalogue.
fn bad_files() -> Result<(), Failed> {
    let folder = scratch("bad-files");
    std::fs::create_dir(folder.join("scenarios"))?;
    let good = "apiVersion: meshdrill.io/v1\nkind: Scenario\nmetadata: { name: good }\nspec:\n  probes:\n    page: { http: { url: 'http://127.0.0.1/' } }\n  sla:\n    - { probe: page, errorRate: 1% }\n";
    let write = |name: &str, text: &str| std::fs::write(folder.join("scenarios").join(name), text);
    write("a-broken.yaml", "apiVersion: meshdrill.io/v1\nkind: Scenario\nmetadata: { name: [broken }\n")?;
    write("b-wrong.yaml", &good.replace("good", "wrong").replace("  sla:", "  slo:"))?;
    write("c-also-broken.yaml", "apiVersion: meshdrill.io/v1\nkind: Scenario\nspec: { x: }}\n")?;
    write("good.yaml", good)?;
    let places = ["a-broken.yaml:3:", "b-wrong.yaml:7:", "c-also-broken.yaml:3:"];
    let listed: [&[&str]; 3] = [&["list"], &["list", "scenarios"], &["list", "good"]];
    let others: [&[&str]; 5] = [
        &["check", "scenarios"],
        &["check"],
        &["plan", "--lab", "--offline", "scenarios"],
        &["run", "--lab", "scenarios"],
        &["run", "--lab", "scenarios/good.yaml", "scenarios"],
    ];
    for arguments in listed.into_iter().chain(others) {
        let ran = run(meshdrill().args(arguments).current_dir(&folder));
        ran.expect_code(2)?;
        // A file that was not selected by name is a problem only where it hides its name.
        let named = arguments.contains(&"good");
        if let Some(place) =
            places.iter().find(|place| !(named && place.starts_with('b') || ran.stderr.contains(**place)))
        {
            return Err(format!("{arguments:?} does not say `{place}`: {}", ran.said()).into());
        }
        let shows = arguments[0] == "list";
        let row = ran.stdout.lines().any(|line| line.starts_with("good "));
        if shows != row || ran.stdout.lines().any(|line| line.starts_with("wrong ")) {
            return Err(format!("{arguments:?}: {}", ran.said()).into());
        }
    }
    Ok(())
}
