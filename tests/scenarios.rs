//! Every drill and validation of the catalogue passes on the healthy embedded mesh, and leaves a whole run directory.

use std::path::{Path, PathBuf};
use std::process::Command;

use libtest_mimic::{Failed, Trial};

use crate::command::{meshdrill, root, run, run_dirs, scorecard, scratch, stand_in};

/// The catalogue's files.
pub fn catalogue() -> Vec<PathBuf> {
    let mut files = Vec::new();
    for folder in ["drills", "readiness", "validation"] {
        walk(&root().join("scenarios").join(folder), &mut files);
    }
    files.sort();
    assert!(!files.is_empty(), "the catalogue is empty");
    files
}

pub fn walk(folder: &Path, files: &mut Vec<PathBuf>) {
    for entry in std::fs::read_dir(folder).into_iter().flatten().flatten() {
        let path = entry.path();
        if path.is_dir() {
            walk(&path, files);
        } else if path.extension().is_some_and(|extension| extension == "yaml") {
            files.push(path);
        }
    }
}

/// `drills/NAME` or `validation/weekN/NAME`.
pub fn name(path: &Path) -> String {
    let relative = path.strip_prefix(root().join("scenarios")).unwrap_or(path);
    relative.with_extension("").display().to_string()
}

pub fn trials() -> Vec<Trial> {
    let trial = |path: PathBuf| Trial::test(format!("lab::{}", name(&path)), move || passes_on_the_lab(&path));
    let of_three = |path: PathBuf| {
        Trial::test(format!("lab-of-three::{}", name(&path)), move || {
            passes(&path, |command| {
                // What a run asks permission for is all it needs.
                command.args(["--lab-clusters", "3", "--lab-least-privilege"]);
            })
        })
    };
    let with_cloud = |scenario: &'static str| {
        Trial::test(format!("lab::{scenario} with the cloud's command line"), move || {
            let path = root().join("scenarios").join(scenario).with_extension("yaml");
            passes(&path, |command| stand_in(command, "peered"))
        })
    };
    // What differs from one healthy mesh to another, as defects of the lab; each must also show what is wrong beside it.
    let different: [(&str, &str, &[&str]); 10] = [
        ("drills/network-partition", "client-called-curl", &[]),
        ("validation/week1/cross-cluster-ping", "client-called-curl", &["--set", "clientSelector=app=curl"]),
        ("validation/week2/control-plane-ready", "webhooks-by-url", &[]),
        ("validation/week2/cross-cluster-load-balancing", "client-called-curl", &["--set", "clientSelector=app=curl"]),
        ("validation/week2/cross-cluster-load-balancing", "helloworld-everywhere", &[]),
        ("validation/week2/istio-version", "istio-images-by-digest", &[]),
        ("validation/week4/cross-cluster-metrics", "scraped-every-minute", &[]),
        ("validation/week4/federation", "replicas-labelled", &[]),
        ("validation/week4/federation", "scraped-every-minute", &[]),
        ("validation/week4/prometheus-both-clusters", "scraped-every-minute", &[]),
    ];
    let different = different.into_iter().map(|(scenario, defect, arguments)| {
        Trial::test(format!("lab::{scenario} although {defect}"), move || {
            let path = root().join("scenarios").join(scenario).with_extension("yaml");
            passes(&path, |command| {
                command.args(["--lab-defect", defect]).args(arguments);
            })
        })
    });
    let asking = ["validation/week1/remote-peering", "validation/week1/vcn-native-networking"];
    let declared = Trial::test("lab::drills/network-partition with a declared alert", declared_alert);
    let three = catalogue().into_iter().map(of_three);
    catalogue()
        .into_iter()
        .map(trial)
        .chain(three)
        .chain(asking.into_iter().map(with_cloud))
        .chain(different)
        .chain([declared])
        .collect()
}

fn passes_on_the_lab(path: &Path) -> Result<(), Failed> {
    passes(path, |_| ())
}

fn passes(path: &Path, around: impl FnOnce(&mut Command)) -> Result<(), Failed> {
    let runs = scratch("lab");
    let mut command = meshdrill();
    around(command.args(["run", "--lab", "--runs"]).arg(&runs).arg(path));
    let ran = run(&mut command);
    let dirs = run_dirs(&runs);
    if waived(&dirs)? {
        return Ok(ran.expect_code(11)?);
    }
    ran.expect_code(0)?;
    for dir in dirs {
        whole(&dir)?;
        scored_again(&dir)?;
    }
    Ok(())
}

/// The guide's alert about traffic between clusters looks at one direction only: it reports a partition at the end of that
/// direction, and of none at its beginning.
fn declared_alert() -> Result<(), Failed> {
    let runs = scratch("declared-alert");
    let mut command = meshdrill();
    command.args(["run", "--lab", "drills/network-partition", "--runs"]).arg(&runs);
    for value in ["Alert=CrossClusterConnectivityIssue", "Hold=12m", "Detection=12m", "Recovery=15m"] {
        command.args(["--set", &format!("partition{value}")]);
    }
    run(&mut command).expect_code(10)?;
    for dir in run_dirs(&runs) {
        let card = scorecard(&dir)?;
        let ended = |id: &str| card["criteria"].as_array().into_iter().flatten().find(|one| one["id"] == id).cloned();
        let of_secondary = dir.to_string_lossy().contains("secondary-primary");
        let wanted = if of_secondary { "pass" } else { "fail" };
        let detection = ended("alert/detection-time").unwrap_or_default();
        if detection["verdict"] != wanted || card["recovery"]["verified"] != true {
            return Err(format!("{}: {detection}, expected {wanted}", dir.display()).into());
        }
    }
    Ok(())
}

/// Whether nothing of it ran because the mesh lacks what it needs, and says so by name.
pub fn waived(dirs: &[PathBuf]) -> Result<bool, Failed> {
    let cards = dirs.iter().map(|dir| scorecard(dir)).collect::<Result<Vec<_>, _>>()?;
    if cards.is_empty() {
        return Err("no run directory".into());
    }
    Ok(cards.iter().all(|card| {
        let left_out = card["notRun"].as_array().cloned().unwrap_or_default();
        card["verdict"] == "not-run" && !left_out.is_empty() && left_out.iter().all(|one| one["waived"] == true)
    }))
}

/// A run directory has all its files, and they agree.
pub fn whole(dir: &Path) -> Result<(), Failed> {
    for file in ["plan.yaml", "run.jsonl.gz", "scorecard.json", "junit.xml"] {
        if !dir.join(file).is_file() {
            return Err(format!("{} has no {file}", dir.display()).into());
        }
    }
    let card = scorecard(dir)?;
    if card["verdict"] != "pass" || card["recovery"]["verified"] != true {
        return Err(format!("the scorecard does not say pass: {card}").into());
    }
    for probe in card["probes"].as_array().into_iter().flatten() {
        if probe["sent"].as_u64().unwrap_or(0) + probe["notSent"].as_u64().unwrap_or(0)
            != probe["planned"].as_u64().unwrap_or(1)
        {
            return Err(format!("sent + notSent is not planned: {probe}").into());
        }
    }
    Ok(())
}

/// The same record gives the same scorecard again.
fn scored_again(dir: &Path) -> Result<(), Failed> {
    let again = run(meshdrill().args(["report", "--format", "json"]).arg(dir));
    again.expect_code(0)?;
    let before = std::fs::read_to_string(dir.join("scorecard.json")).map_err(|error| error.to_string())?;
    if before == again.stdout {
        Ok(())
    } else {
        Err(format!("scored again, it differs:\n{before}\n{}", again.stdout).into())
    }
}
