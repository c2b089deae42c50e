//! Findings: a failed criterion of a drill in the page, the bundle, the history and the sign-off, until a later run closes it.

use std::path::{Path, PathBuf};
use std::process::Command;

use libtest_mimic::{Failed, Trial};
use serde_json::Value;

use crate::cli::served::Served;
use crate::command::{Ran, meshdrill, run, run_dirs};

pub fn trials() -> Vec<Trial> {
    vec![Trial::test("findings::opened, owned, closed, and shown everywhere", everywhere)]
}

const DRILL: &str = r#"apiVersion: meshdrill.io/v1
kind: Scenario
metadata: { name: slow }
spec:
  objective: Pages are fast.
  baseline: 1s
  observe: 8s
  probes:
    page: { http: { via: ingress/primary, path: PATH, expect: { status: STATUS } }, every: 40ms }
  faults:
    - command: { argv: ["true"], undo: ["true"] }
      for: 1s
      effect: [{ command: { argv: ["true"] } }]
  sla:
    - { probe: page, latency: { p50: LIMIT } }
"#;
const ID: &str = "slow/page/latency-p50 (primary)";
const OWNERS: &str = "apiVersion: meshdrill.io/v1\nkind: Findings\nmetadata: { name: open }\nspec:\n  \"slow/page/latency-p50 (primary)\": { owner: Ana, due: 2099-12-31, note: CHG-7 }\n";

/// A page that takes 100 ms, and one that is answered at once.
const PAGES: [[&str; 2]; 2] = [["/productpage", "200"], ["/no-such-page", "404"]];

fn scenario(limit: &str, [path, status]: [&str; 2]) -> String {
    DRILL.replace("LIMIT", limit).replace("PATH", path).replace("STATUS", status)
}

/// Runs the drill with a limit on one of the pages, and gives its directory.
fn drill(served: &Served, limit: &str, page: [&str; 2], code: i32) -> Result<PathBuf, Failed> {
    let (path, runs) = (served.folder.join("slow.yaml"), served.folder.join("runs"));
    std::fs::write(&path, scenario(limit, page))?;
    let [path, all] = [&path, &runs].map(|path| path.display().to_string());
    served.meshdrill(&["run", &path, "--yes", "--runs", &all]).expect_code(code)?;
    Ok(run_dirs(&runs).pop().ok_or("no run directory")?)
}

/// A command of this program with some paths.
fn command(arguments: &[&str], paths: &[&Path]) -> Result<Ran, Failed> {
    let ran = run(meshdrill().args(arguments).args(paths));
    ran.expect_code(0)?;
    Ok(ran)
}

/// Fails unless a text has some words.
fn has(what: &str, text: &str, words: &[&str]) -> Result<(), Failed> {
    match words.iter().find(|word| !text.contains(**word)) {
        Some(word) => Err(format!("{what} has no `{word}`:\n{text}").into()),
        None => Ok(()),
    }
}

/// What a bundle says of findings.
fn bundled(folder: &Path, name: &str, runs: &[&Path], more: &[&str]) -> Result<Value, Failed> {
    let bundle = folder.join(name);
    let out = bundle.display().to_string();
    command(&[&["bundle", "--out", &out], more].concat(), runs)?;
    command(&["verify"], &[&bundle])?;
    let listed = Command::new("tar").arg("-xOzf").arg(&bundle).arg("findings.json").output()?.stdout;
    Ok(serde_json::from_slice(&listed)?)
}

fn everywhere() -> Result<(), Failed> {
    let served = Served::start_as_clusters("findings")?;
    let folder = served.folder.as_path();
    let owners = folder.join("findings.yaml");
    std::fs::write(&owners, OWNERS)?;
    let owned = ["--findings", owners.to_str().ok_or("a path that is no text")?];
    let (runs, site) = (folder.join("runs"), folder.join("site"));
    let index = |more: &[&str]| -> Result<(String, String), Failed> {
        let site = site.display().to_string();
        let ran = command(&[&["history", "--html", site.as_str()], more].concat(), &[&runs])?;
        Ok((std::fs::read_to_string(Path::new(&site).join("index.html"))?, ran.stdout))
    };

    let bad = drill(&served, "50ms", PAGES[0], 10)?;
    has(
        "the page",
        &std::fs::read_to_string(bad.join("report.html"))?,
        &["id=\"findings\"", ID, "open, no owner, no due date"],
    )?;
    let page = command(&[&["report", "--format", "html"], &owned[..]].concat(), &[&bad])?.stdout;
    has("the page with owners", &page, &[ID, "open, Ana, due 2099-12-31, CHG-7"])?;
    let found = bundled(folder, "bad.tar.gz", &[&bad], &owned)?;
    if found["findings"][0]["id"] != ID || found["findings"][0]["owner"] != "Ana" {
        return Err(format!("{found:#}").into());
    }
    let (page, text) = index(&owned)?;
    has("the index", &page, &["id=\"findings\"", ID, "open, Ana, due 2099-12-31, CHG-7"])?;
    has("the history", &text, &["finding  slow/page/latency-p50 (primary): opened on "])?;

    // A target that is easier to meet closes nothing.
    let easier = drill(&served, "5s", PAGES[0], 0)?;
    let suite = command(&["report", "--format", "html"], &[&bad, &easier])?.stdout;
    has("the page of an easier target", &suite, &[ID, "open, no owner"])?;
    std::fs::remove_dir_all(easier)?;

    let good = drill(&served, "50ms", PAGES[1], 0)?;
    let closed = format!("by {}", good.file_name().unwrap_or_default().display());
    let suite = command(&["report", "--format", "html"], &[&bad, &good])?.stdout;
    has("the page of both", &suite, &["id=\"findings\"", ID, "closed on ", &closed])?;
    let found = bundled(folder, "both.tar.gz", &[&bad, &good], &[])?;
    if found["findings"][0]["closedBy"].as_str() != good.file_name().and_then(|name| name.to_str()) {
        return Err(format!("{found:#}").into());
    }
    let (page, text) = index(&[])?;
    has("the index", &page, &[ID, "closed on ", &closed])?;
    if text.contains("finding  ") {
        return Err(format!("a closed finding is shown as open\n{text}").into());
    }
    // Of a lab run there is none.
    let lab = folder.join("lab");
    std::fs::write(folder.join("slow.yaml"), scenario("50ms", PAGES[0]))?;
    let ran = run(meshdrill().args(["run", "--lab", "--runs"]).arg(&lab).arg(folder.join("slow.yaml")));
    ran.expect_code(10)?;
    let page = std::fs::read_to_string(run_dirs(&lab).pop().ok_or("no run directory")?.join("report.html"))?;
    if page.contains("id=\"findings\"") { Err("a lab run opened a finding".into()) } else { Ok(()) }
}
