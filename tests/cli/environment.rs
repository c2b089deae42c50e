//! Environments that do not allow a run: each has its own message and ends in 3, with a scorecard that says so.

use std::path::{Path, PathBuf};

use libtest_mimic::Failed;

use crate::command::{meshdrill, root, run, run_dirs, scorecard, scratch};

/// A mesh file of one cluster.
fn mesh(folder: &Path, context: &str, faults: &str) -> PathBuf {
    let path = folder.join("mesh.yaml");
    let text = format!(
        "apiVersion: meshdrill.io/v1\nkind: Mesh\nmetadata: {{ name: m }}\nspec:\n  clusters:\n    primary: {{ context: {context}, uid: x, faults: {faults} }}\n"
    );
    std::fs::write(&path, text).expect("the scratch folder can be written");
    path
}

fn kubeconfig(folder: &Path) -> PathBuf {
    let path = folder.join("kubeconfig");
    let text = "apiVersion: v1\nkind: Config\nclusters: [{name: c, cluster: {server: 'http://127.0.0.1:9'}}]\nusers: [{name: u, user: {}}]\ncontexts: [{name: known, context: {cluster: c, user: u}}]\n";
    std::fs::write(&path, text).expect("the scratch folder can be written");
    path
}

/// Runs a drill; it must be refused in preflight with these words.
fn refused(folder: &Path, context: &str, faults: &str, kubeconfig: &Path, says: &str) -> Result<(), Failed> {
    let runs = folder.join("runs");
    let mut command = meshdrill();
    command.arg("run").arg("--mesh").arg(mesh(folder, context, faults)).arg("--kubeconfig").arg(kubeconfig);
    command.arg("--runs").arg(&runs).arg(root().join("scenarios/drills/ingress-gateway-failover.yaml"));
    let ran = run(&mut command);
    ran.expect_code(3)?;
    let card = scorecard(&run_dirs(&runs).pop().ok_or("no run directory")?)?;
    let said = card["message"].as_str().unwrap_or_default();
    if said.contains(says) && ran.stdout.contains(says) {
        Ok(())
    } else {
        Err(format!("nothing says `{says}`\n{}", ran.said()).into())
    }
}

pub fn no_kubeconfig() -> Result<(), Failed> {
    let folder = scratch("no-kubeconfig");
    refused(&folder, "known", "allowed", &folder.join("missing"), "no kubeconfig")
}

pub fn no_context() -> Result<(), Failed> {
    let folder = scratch("no-context");
    let config = kubeconfig(&folder);
    refused(&folder, "other", "allowed", &config, "the kubeconfig has no context `other` (it has known)")
}

pub fn unreachable() -> Result<(), Failed> {
    let folder = scratch("unreachable");
    let config = kubeconfig(&folder);
    refused(&folder, "known", "allowed", &config, "cluster `primary`: the API server cannot be reached")
}

/// A cluster that may not be broken is not even asked.
pub fn forbidden() -> Result<(), Failed> {
    let folder = scratch("forbidden");
    let config = kubeconfig(&folder);
    refused(&folder, "known", "forbidden", &config, "the mesh file says `faults: forbidden`")
}
