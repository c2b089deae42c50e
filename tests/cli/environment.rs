//! Environments that do not allow a run: each has its own message and ends in 3, with a scorecard that says so.

use std::path::{Path, PathBuf};

use libtest_mimic::Failed;

use crate::command::{meshdrill, root, run, run_dirs, scorecard, scratch};

/// A mesh file of one cluster.
pub fn mesh_file(folder: &Path, context: &str, faults: &str) -> PathBuf {
    let path = folder.join("mesh.yaml");
    let text = format!(
        "apiVersion: meshdrill.io/v1\nkind: Mesh\nmetadata: {{ name: m }}\nspec:\n  clusters:\n    primary: {{ context: {context}, uid: x, faults: {faults} }}\n"
    );
    std::fs::write(&path, text).expect("the scratch folder can be written");
    path
}

fn kubeconfig(folder: &Path) -> PathBuf {
    kubeconfig_of(folder, "{}")
}

/// A kubeconfig with one context, whose user is as given.
fn kubeconfig_of(folder: &Path, user: &str) -> PathBuf {
    let path = folder.join("kubeconfig");
    let text = format!(
        "apiVersion: v1\nkind: Config\nclusters: [{{name: c, cluster: {{server: 'http://127.0.0.1:9'}}}}]\nusers: [{{name: u, user: {user}}}]\ncontexts: [{{name: known, context: {{cluster: c, user: u}}}}]\n"
    );
    std::fs::write(&path, text).expect("the scratch folder can be written");
    path
}

/// A drill whose credentials come from this plugin, and its environment.
fn plugin(name: &str, argv: &[&str], says: &str) -> Result<(), Failed> {
    let folder = scratch(name);
    let (program, arguments) = argv.split_first().ok_or("no plugin")?;
    let user = serde_json::json!({ "exec": {
        "apiVersion": "client.authentication.k8s.io/v1",
        "interactiveMode": "Never",
        "installHint": "install it",
        "command": program,
        "args": arguments,
    } });
    let config = kubeconfig_of(&folder, &user.to_string());
    refused(&folder, "known", "allowed", &config, says)
}

/// Runs a drill; it must be refused in preflight with these words.
fn refused(folder: &Path, context: &str, faults: &str, kubeconfig: &Path, says: &str) -> Result<(), Failed> {
    let runs = folder.join("runs");
    let mut command = meshdrill();
    command
        .args(["run", "--yes"])
        .arg("--mesh")
        .arg(mesh_file(folder, context, faults))
        .arg("--kubeconfig")
        .arg(kubeconfig);
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

/// `mesh init` has no mesh file that could be wrong.
pub fn init_without_context() -> Result<(), Failed> {
    let config = kubeconfig(&scratch("init-context"));
    let ran = run(meshdrill().args(["mesh", "init", "--context", "nope", "--kubeconfig"]).arg(&config));
    ran.expect_code(2)?;
    let says = format!("--context nope: the kubeconfig {} has no such context; it has known", config.display());
    if ran.stderr.contains(&says) { Ok(()) } else { Err(ran.said().into()) }
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
    refused(&folder, "known", "forbidden", &config, "the mesh file has `faults: forbidden`")
}

/// A plugin that never answers is killed, and does not keep the run.
pub fn plugin_hangs() -> Result<(), Failed> {
    let begun = std::time::Instant::now();
    let says =
        "cluster `primary`: no credentials for context `known`: the credential plugin `sleep 600` timed out after 10 s";
    plugin("plugin-hangs", &["sleep", "600"], says)?;
    let took = begun.elapsed();
    if took < std::time::Duration::from_secs(25) { Ok(()) } else { Err(format!("it took {took:?}").into()) }
}

pub fn plugin_fails() -> Result<(), Failed> {
    let argv = ["sh", "-c", "echo the token has expired >&2; exit 7"];
    plugin("plugin-fails", &argv, "failed with exit code 7: the token has expired; run it by hand")
}

pub fn plugin_is_missing() -> Result<(), Failed> {
    let says = "the credential plugin no-such-plugin cannot be run: No such file or directory (os error 2); install it";
    plugin("plugin-missing", &["no-such-plugin"], says)
}

/// What a plugin says is used: the API server is asked with its token, here without success.
pub fn plugin_answers() -> Result<(), Failed> {
    let credential = serde_json::json!({
        "apiVersion": "client.authentication.k8s.io/v1", "kind": "ExecCredential", "status": { "token": "t" },
    });
    plugin("plugin-answers", &["echo", &credential.to_string()], "cluster `primary`: the API server cannot be reached")
}

/// A certificate for `nightly` that ended in January 2020.
const EXPIRED: &str = "LS0tLS1CRUdJTiBDRVJUSUZJQ0FURS0tLS0tCk1JSUJDVENCc2dJQkFUQUtCZ2dxaGtqT1BRUURBakFTTVJBd0RnWURWUVFEREFkdWFXZG9kR3g1TUI0WERUSXcKTURFd01UQXdNREF3TUZvWERUSXdNREV3TWpBd01EQXdNRm93RWpFUU1BNEdBMVVFQXd3SGJtbG5hSFJzZVRCWgpNQk1HQnlxR1NNNDlBZ0VHQ0NxR1NNNDlBd0VIQTBJQUJONnNPSUV2UHdxZzlFK0d5dDh1anB6K3g0QXFEU0puClRzM2F0WDdsTnlqNkpKMFhpYWwyYU03UVRrbU5EMXpmY2VWRHFPM1RaaDYranR6aUtDRFRuanN3Q2dZSUtvWkkKemowRUF3SURSZ0F3UXdJZ1k3c0hwaWtBc1hSbDhJZXpNUXE5R2ZaRTgvOVR2UFkvUHZ3VUxvVmVKWE1DSDJVcQpRSWFKZUE2cG1wTFFpQXNwRCtnd01ZcFlmVENwLzZVNXNCRkNSN1k9Ci0tLS0tRU5EIENFUlRJRklDQVRFLS0tLS0K";

pub fn expired_certificate() -> Result<(), Failed> {
    let folder = scratch("expired");
    let config = kubeconfig_of(&folder, &format!("{{client-certificate-data: {EXPIRED}, client-key-data: bm8=}}"));
    refused(&folder, "known", "allowed", &config, "the client certificate of CN=nightly expired on 2020-01-02")
}
