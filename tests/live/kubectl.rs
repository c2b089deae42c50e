//! What kubectl sees: the judge of whether a mesh is as it was. Knows nothing of our own records.

use std::process::Command;
use std::time::{Duration, Instant};

use base64::Engine as _;
use libtest_mimic::Failed;
use serde_json::Value;

use crate::command::scratch;

/// The contexts of the testbed, which are those of the guide.
pub const CONTEXTS: [&str; 2] = ["primary-cluster-context", "secondary-cluster"];

/// The contexts of the clusters that may be broken.
pub fn contexts() -> Result<Vec<String>, Failed> {
    let names = call(&["config", "get-contexts", "-o", "name"])?;
    Ok(names.lines().map(str::to_owned).collect())
}

/// The output of a kubectl command in one context.
pub fn kubectl(context: &str, arguments: &[&str]) -> Result<String, Failed> {
    call(&[&["--context", context], arguments].concat())
}

fn call(arguments: &[&str]) -> Result<String, Failed> {
    let program = std::env::var("MESHDRILL_LIVE_KUBECTL").unwrap_or_else(|_| "kubectl".to_owned());
    let mut words = program.split_whitespace();
    let mut command = Command::new(words.next().unwrap_or("kubectl"));
    command.args(words).args(arguments);
    let output = command.output().map_err(|error| format!("{program}: {error}"))?;
    if !output.status.success() {
        return Err(format!("kubectl {}: {}", arguments.join(" "), String::from_utf8_lossy(&output.stderr)).into());
    }
    Ok(String::from_utf8_lossy(&output.stdout).into_owned())
}

/// Creates or replaces an object.
pub fn apply(context: &str, how: &str, object: &Value) -> Result<(), Failed> {
    let path = scratch("object").join("object.json");
    std::fs::write(&path, object.to_string()).map_err(|error| error.to_string())?;
    kubectl(context, &[how, "-f", &path.display().to_string()]).map(drop)
}

/// The text of a Secret's entry.
pub fn decoded(text: &str) -> String {
    let bytes = base64::engine::general_purpose::STANDARD.decode(text).unwrap_or_default();
    String::from_utf8_lossy(&bytes).into_owned()
}

/// Every workload with its replicas, desired and ready, and everything that carries our label.
pub fn state() -> Result<String, Failed> {
    let workloads = "jsonpath={range .items[*]}{.metadata.namespace}/{.metadata.name} {.spec.replicas} {.status.readyReplicas}{\"\\n\"}{end}";
    let names = "jsonpath={range .items[*]}{.kind} {.metadata.namespace}/{.metadata.name}{\"\\n\"}{end}";
    let mut state = String::new();
    for context in &contexts()? {
        state += &kubectl(context, &["get", "deployments", "-A", "-o", workloads])?;
        state += &kubectl(
            context,
            &["get", "configmaps", "-A", "-l", "app.kubernetes.io/managed-by=meshdrill", "-o", names],
        )?;
        state +=
            &kubectl(context, &["get", "leases", "-n", "istio-system", "-o", names])?.replace("istio-system/istio", "");
    }
    Ok(state)
}

/// Waits until the mesh is as it was; a condition with a deadline.
pub fn as_before(before: &str) -> Result<(), Failed> {
    let deadline = Instant::now() + Duration::from_mins(1);
    loop {
        let now = state()?;
        if now == before {
            return Ok(());
        }
        if Instant::now() >= deadline {
            return Err(format!("the mesh is not as it was\n--- before\n{before}\n--- now\n{now}").into());
        }
        std::thread::sleep(Duration::from_millis(500));
    }
}

/// The desired replicas of a Deployment.
pub fn replicas(context: &str, namespace: &str, deployment: &str) -> Result<String, Failed> {
    kubectl(context, &["get", "deployment", "-n", namespace, deployment, "-o", "jsonpath={.spec.replicas}"])
}
