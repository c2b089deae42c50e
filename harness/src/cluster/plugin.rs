//! Credentials of a kubeconfig that cannot be used: plugins that hang or fail, certificates that have expired.
//!
//! The Kubernetes client runs a plugin by itself, at once and whenever a token expires, and has no timeout for it. So it is
//! configured to run this program, which runs the plugin and kills it at the deadline.

use std::collections::BTreeMap;
use std::time::Duration;

use kube::config::{AuthInfo, ExecConfig, ExecInteractiveMode};
use meshdrill_checks::observe::certs::certificates;
use serde_json::json;

use crate::local::{run_command, run_to_end};

/// The longest that a credential plugin may take.
const DEADLINE: Duration = Duration::from_secs(10);
/// The hidden subcommand that runs a plugin with a deadline.
const COMMAND: &str = "credential-plugin";

/// Runs a plugin once, to report its own error, and puts a deadline on every later run.
pub(super) async fn bound(auth: &mut AuthInfo) -> Result<(), String> {
    let Some(exec) = &mut auth.exec else { return Ok(()) };
    let Some(program) = exec.command.take() else { return Err("the plugin's `command` is missing".to_owned()) };
    let own = std::env::current_exe().map_err(|error| format!("the path of this program is unknown: {error}"))?;
    let argv: Vec<String> = std::iter::once(program).chain(exec.args.take().unwrap_or_default()).collect();
    try_once(exec, &argv).await?;
    exec.command = Some(own.display().to_string());
    exec.args = Some([COMMAND.to_owned(), "--".to_owned()].into_iter().chain(argv).collect());
    Ok(())
}

async fn try_once(exec: &ExecConfig, argv: &[String]) -> Result<(), String> {
    let words = argv.join(" ");
    let result = run_command(argv, &environment(exec), DEADLINE).await;
    let hint = exec.install_hint.as_ref().map_or_else(String::new, |hint| format!("; {}", hint.trim()));
    match result.map_err(|error| format!("the credential plugin {error}{hint}"))? {
        Some((0, ..)) => Ok(()),
        Some((code, _, stderr)) => Err(format!(
            "the credential plugin `{words}` failed with exit code {code}: {}; run it by hand, or log in again",
            stderr.trim()
        )),
        None => Err(format!(
            "the credential plugin `{words}` timed out after {} s; run it by hand, or log in again",
            DEADLINE.as_secs()
        )),
    }
}

/// The environment that the Kubernetes client gives to a plugin.
fn environment(exec: &ExecConfig) -> BTreeMap<String, String> {
    let interactive = exec.interactive_mode != Some(ExecInteractiveMode::Never);
    let mut spec = json!({ "interactive": interactive });
    if exec.provide_cluster_info {
        spec["cluster"] = json!(exec.cluster);
    }
    let info = json!({ "apiVersion": exec.api_version, "kind": "ExecCredential", "spec": spec });
    let written =
        exec.env.iter().flatten().filter_map(|pair| Some((pair.get("name")?.clone(), pair.get("value")?.clone())));
    written.chain([("KUBERNETES_EXEC_INFO".to_owned(), info.to_string())]).collect()
}

/// Runs a plugin for the Kubernetes client: its stdout, or the error.
pub(crate) fn run_bounded(argv: &[String]) -> Result<String, String> {
    match run_to_end(argv, &BTreeMap::new(), DEADLINE)? {
        Some((0, stdout, _)) => Ok(stdout),
        Some((code, _, stderr)) => Err(format!("{} failed with exit code {code}: {}", argv.join(" "), stderr.trim())),
        None => Err(format!("{} timed out after {} s", argv.join(" "), DEADLINE.as_secs())),
    }
}

/// Reports a client certificate of the kubeconfig that has expired. The API server answers it with nothing but "401".
pub(super) fn expired(auth: &AuthInfo) -> Result<(), String> {
    use base64::Engine as _;
    let inline =
        auth.client_certificate_data.as_ref().map(|data| base64::engine::general_purpose::STANDARD.decode(data));
    let pem = match (inline, &auth.client_certificate) {
        (Some(decoded), _) => decoded.map_err(|error| format!("`client-certificate-data` is not base64: {error}"))?,
        (None, Some(path)) => std::fs::read(path).map_err(|error| format!("{path}: {error}"))?,
        (None, None) => return Ok(()),
    };
    let now = jiff::Timestamp::now();
    match certificates(&pem).first() {
        Some(certificate) if certificate.not_after < now => Err(format!(
            "the client certificate of {} expired on {:.0}; renew it",
            certificate.subject, certificate.not_after
        )),
        _ => Ok(()),
    }
}
