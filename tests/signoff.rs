//! `signoff`: GO only for what was shown, and the name of whatever is missing.

use std::path::Path;

use libtest_mimic::{Failed, Trial};

use crate::cli::served::Served;
use crate::command::{Ran, meshdrill, run, run_dirs, scratch};

pub fn trials() -> Vec<Trial> {
    vec![
        Trial::test("signoff::runs of clusters, then less and less of them", of_clusters),
        Trial::test("signoff::runs on the lab are no evidence", of_the_lab),
        Trial::test("signoff::runs against a served lab are no evidence either", of_a_served_lab),
        Trial::test("signoff::its files are checked and scaffolded", files),
    ]
}

const REQUIRED: &str = "apiVersion: meshdrill.io/v1\nkind: SignOff\nmetadata: { name: go-live }\nspec:\n  require:\n    - claim: The clusters are there.\n      scenarios: [nodes-ready, cluster-access]\n    - claim: Operators are trained.\n      attested: training\n";
const ATTESTED: &str = "apiVersion: meshdrill.io/v1\nkind: Attestations\nmetadata: { name: people }\nspec:\n  training: { by: Ana, on: 2026-01-31, statement: All took part. }\n";

fn signoff(served: &Served, runs: &Path, more: &[&str]) -> Ran {
    let folder = &served.folder;
    run(meshdrill()
        .arg("signoff")
        .arg(runs)
        .arg("--mesh")
        .arg(&served.mesh)
        .arg("--required")
        .arg(folder.join("signoff.yaml"))
        .args(more))
}

fn expect(ran: &Ran, code: i32, words: &[&str]) -> Result<(), Failed> {
    ran.expect_code(code)?;
    match words.iter().find(|word| !ran.stdout.contains(**word)) {
        Some(word) => Err(format!("it does not say `{word}`\n{}", ran.said()).into()),
        None => Ok(()),
    }
}

fn of_clusters() -> Result<(), Failed> {
    let served = Served::start_as_clusters("signoff")?;
    let runs = served.folder.join("runs");
    std::fs::write(served.folder.join("signoff.yaml"), REQUIRED)?;
    let attested = served.folder.join("people.yaml");
    std::fs::write(&attested, ATTESTED)?;
    let attested = attested.to_str().ok_or("a path that is no text")?.to_owned();
    let attest = ["--attest", attested.as_str()];
    let folder = runs.to_str().ok_or("a path that is no text")?.to_owned();
    served.meshdrill(&["run", "nodes-ready", "cluster-access", "--runs", &folder]).expect_code(0)?;

    let out = served.folder.join("signoff.html");
    let out = out.to_str().ok_or("a path that is no text")?;
    expect(
        &signoff(&served, &runs, &[attest[0], attest[1], "--out", out]),
        0,
        &["\nGO  go-live  2 of 2 lines in order\n"],
    )?;
    if !std::fs::read_to_string(out)?.contains("attested by Ana on 2026-01-31") {
        return Err("the page does not say who attests what".into());
    }
    expect(
        &signoff(&served, &runs, &[]),
        10,
        &["training: not evidenced: nobody attests `training`", "NO-GO  go-live"],
    )?;
    expect(
        &signoff(&served, &runs, &[attest[0], attest[1], "--max-age", "1us"]),
        10,
        &["nodes-ready: stale: it is 0.0 days old"],
    )?;

    // An edited record: the byte in the middle.
    let dirs = run_dirs(&runs);
    let of = |name: &str| {
        let found = dirs.iter().find(|dir| dir.to_string_lossy().contains(name));
        found.ok_or_else(|| format!("no run of {name}"))
    };
    let record = of("cluster-access")?.join("run.jsonl.gz");
    let good = std::fs::read(&record)?;
    let mut edited = good.clone();
    let middle = edited.len() / 2;
    edited[middle] ^= 1;
    std::fs::write(&record, edited)?;
    expect(&signoff(&served, &runs, &attest), 10, &["NO-GO", "cluster-access", "altered", "run.jsonl.gz"])?;
    std::fs::write(&record, good)?;
    expect(&signoff(&served, &runs, &attest), 0, &["GO  go-live"])?;

    // A page that no longer is what the run wrote.
    let page = of("nodes-ready")?.join("report.html");
    let text = std::fs::read_to_string(&page)?;
    std::fs::write(&page, text.replacen("PASS", "FAIL", 1))?;
    expect(&signoff(&served, &runs, &attest), 10, &["nodes-ready: altered", "report.html"])?;

    std::fs::remove_dir_all(of("nodes-ready")?)?;
    let missing = ["nodes-ready: missing: no run of it was given", "meshdrill run nodes-ready --mesh "];
    expect(&signoff(&served, &runs, &attest), 10, &missing)
}

fn of_the_lab() -> Result<(), Failed> {
    let served = Served::start("signoff-lab")?;
    std::fs::write(served.folder.join("signoff.yaml"), REQUIRED)?;
    let runs = scratch("signoff-lab-runs");
    run(meshdrill().args(["run", "--lab", "nodes-ready", "cluster-access", "--runs"]).arg(&runs)).expect_code(0)?;
    let words =
        ["nodes-ready: missing: no run of it was given; runs on the lab are no evidence", "no run backs any line"];
    let ran = signoff(&served, &runs, &["--out", "/dev/full.txt"]);
    ran.expect_code(2)?;
    let out = runs.join("signoff.json");
    let ran = signoff(&served, &runs, &["--out", out.to_str().ok_or("a path that is no text")?]);
    expect(&ran, 10, &words[..1])?;
    let decision: serde_json::Value = serde_json::from_slice(&std::fs::read(out)?)?;
    let reasons = decision["reasons"].to_string();
    if decision["decision"] == "NO-GO" && reasons.contains(words[1]) {
        Ok(())
    } else {
        Err(decision.to_string().into())
    }
}

/// With a mesh file and a kubeconfig it looks like clusters; every output marks it as the lab that it is.
fn of_a_served_lab() -> Result<(), Failed> {
    let served = Served::start("signoff-served")?;
    std::fs::write(served.folder.join("signoff.yaml"), REQUIRED)?;
    let path = |name: &str| served.folder.join(name).display().to_string();
    let [runs, junit, metrics, summary] = ["runs", "junit.xml", "nightly.prom", "summary.md"].map(path);
    let reports = ["--junit", junit.as_str(), "--openmetrics", metrics.as_str(), "--md", summary.as_str()];
    let ran = served.meshdrill(&[&["run", "nodes-ready", "cluster-access", "--runs", &runs], &reports[..]].concat());
    ran.expect_code(0)?;
    let marked = |what: &str, text: &str, mark: &str| {
        if text.contains(mark) { Ok(()) } else { Err(Failed::from(format!("{what} has no `{mark}`:\n{text}"))) }
    };
    marked("the last line", ran.stdout.lines().last().unwrap_or_default(), "(lab)")?;
    marked("JUnit", &std::fs::read_to_string(&junit)?, "nodes-ready (lab)")?;
    marked("OpenMetrics", &std::fs::read_to_string(&metrics)?, "lab=\"true\"")?;
    marked("Markdown", &std::fs::read_to_string(&summary)?, "lab")?;
    for dir in run_dirs(Path::new(&runs)) {
        let read = |name: &str| std::fs::read_to_string(dir.join(name));
        marked("the scorecard", &read("scorecard.json")?, "\"lab\": true")?;
        marked("the evidence", &read("evidence.json")?, "run on the embedded lab: no evidence about any cluster")?;
        marked("the page", &read("report.html")?, "class=\"lab\"")?;
        let (dir, bundle) = (dir.display().to_string(), format!("{}.tar.gz", dir.display()));
        run(meshdrill().args(["bundle", dir.as_str(), "--out", bundle.as_str()])).expect_code(0)?;
        let verified = run(meshdrill().args(["verify", bundle.as_str()]));
        marked("verify", &verified.said(), "no evidence about any cluster")?;
    }
    expect(&signoff(&served, Path::new(&runs), &[]), 10, &["runs on the lab are no evidence"])?;
    marked("history", &run(meshdrill().args(["history", runs.as_str()])).said(), "lab")?;
    // A Kubernetes client sees it too.
    marked(
        "the label",
        &served.get("primary", "api", "/api/v1/namespaces/kube-system")?,
        "\"meshdrill.io/lab\":\"true\"",
    )
}

fn files() -> Result<(), Failed> {
    let folder = scratch("signoff-files");
    for (age, why) in [("7", "no unit"), ("week", "is not a duration"), ("-1d", "is not a duration")] {
        let age = format!("--max-age={age}");
        let ran = run(meshdrill().args(["signoff", "runs", age.as_str()]));
        ran.expect_code(2)?;
        if !ran.stderr.contains(why) {
            return Err(format!("{age} is not refused with `{why}`\n{}", ran.said()).into());
        }
    }
    for (kind, name) in [("signoff", "go-live"), ("attestations", "people")] {
        let scaffold = run(meshdrill().args(["new", kind, name]));
        scaffold.expect_code(0)?;
        std::fs::write(folder.join(format!("{kind}.yaml")), &scaffold.stdout)?;
        run(meshdrill().args(["schema", kind])).expect_code(0)?;
        run(meshdrill().args(["explain", kind])).expect_code(0)?;
    }
    let checked = run(meshdrill().arg("check").arg(&folder));
    expect(&checked, 0, &["valid files: 2 of 2"])?;
    let wrong = [
        ("spec: { require: [] }", "a sign-off that requires nothing would always be GO"),
        ("spec: { require: [{ claim: x }] }", "the row requires nothing"),
        ("spec: { require: [{ scenarios: [a], waiver: refused }] }", "unknown key `waiver`"),
        ("spec: { maxAge: 7, require: [{ scenarios: [a] }] }", "7"),
    ];
    for (spec, words) in wrong {
        let path = folder.join("wrong.yaml");
        std::fs::write(
            &path,
            format!("apiVersion: meshdrill.io/v1\nkind: SignOff\nmetadata: {{ name: x }}\n{spec}\n"),
        )?;
        let ran = run(meshdrill().arg("check").arg(&path));
        ran.expect_code(2)?;
        if !ran.stderr.contains(words) || !ran.stderr.contains("wrong.yaml:") {
            return Err(format!("it does not say `{words}`\n{}", ran.said()).into());
        }
    }
    let dated = folder.join("dated.yaml");
    std::fs::write(&dated, ATTESTED.replace("2026-01-31", "31.01.2026"))?;
    let ran = run(meshdrill().arg("check").arg(&dated));
    ran.expect_code(2)?;
    if ran.stderr.contains("`31.01.2026` is not a date") { Ok(()) } else { Err(ran.said().into()) }
}
