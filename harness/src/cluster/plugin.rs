//! Credential plugins of a kubeconfig: each runs once for all clients of the process, within a deadline, and again just before
//! its credential expires or as soon as an API server has rejected that.

use std::collections::{BTreeMap, HashMap};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use futures::future::{BoxFuture, FutureExt as _, Shared};
use jiff::{SignedDuration, Timestamp};
use kube::config::ExecConfig;
use serde::Deserialize;
use serde_json::json;

use crate::local::run_command;

/// The longest that a credential plugin may take.
const DEADLINE: Duration = Duration::from_secs(10);
/// The longest time before its expiry that a credential is renewed. A tenth of its lifetime if that is shorter.
const LARGEST_MARGIN: SignedDuration = SignedDuration::from_secs(30);
/// The shortest time between two runs because of an expiry.
const SHORTEST_PAUSE: SignedDuration = SignedDuration::from_secs(1);
/// The time before a renewal that failed is repeated, while the credential is still valid.
const PAUSE_AFTER_FAILURE: SignedDuration = SignedDuration::from_secs(5);

/// What a plugin returned. It has no `Debug`, so that no message can show it.
#[derive(Clone)]
pub(super) struct Credential {
    /// The bearer token.
    pub token: Option<String>,
    /// The client certificate and its key, as PEM.
    pub identity: Option<(String, String)>,
    /// Which run of the plugin returned it.
    pub number: u64,
    expires: Option<Timestamp>,
    /// When it is renewed.
    due: Option<Timestamp>,
}

impl Credential {
    fn is_due(&self, now: Timestamp) -> bool {
        self.due.is_some_and(|due| due <= now)
    }
}

/// The plugins of a process, by command, arguments and environment, as kubectl tells them apart.
#[derive(Clone, Default)]
pub(super) struct Plugins {
    known: Arc<Mutex<HashMap<Command, Arc<Plugin>>>>,
}

impl Plugins {
    /// The plugin of a user entry.
    pub fn plugin(&self, exec: &ExecConfig) -> Result<Arc<Plugin>, String> {
        let command = Command::new(exec)?;
        let mut known = self.known.lock().unwrap_or_else(PoisonError::into_inner);
        Ok(Arc::clone(known.entry(command.clone()).or_insert_with(|| Arc::new(Plugin::new(command)))))
    }
}

/// How a plugin is run.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
struct Command {
    argv: Vec<String>,
    environment: BTreeMap<String, String>,
    api_version: Option<String>,
    hint: Option<String>,
}

type Run = Shared<BoxFuture<'static, Result<Credential, String>>>;

/// One plugin and what it returned.
pub(super) struct Plugin {
    command: Command,
    state: Mutex<State>,
}

#[derive(Default)]
struct State {
    credential: Option<Credential>,
    /// The run that all callers wait for.
    running: Option<Run>,
    runs: u64,
}

impl Plugin {
    fn new(command: Command) -> Self {
        Self { command, state: Mutex::default() }
    }

    /// The credential; the plugin runs if there is none yet, or if it is about to expire.
    pub async fn credential(self: &Arc<Self>) -> Result<Credential, String> {
        let running = {
            let mut state = self.state.lock().unwrap_or_else(PoisonError::into_inner);
            if let Some(credential) = state.credential.as_ref().filter(|one| !one.is_due(Timestamp::now())) {
                return Ok(credential.clone());
            }
            self.running(&mut state)
        };
        running.await
    }

    /// Discards a credential that an API server has rejected, unless a newer one is there already.
    pub fn reject(&self, number: u64) {
        let mut state = self.state.lock().unwrap_or_else(PoisonError::into_inner);
        state.credential.take_if(|credential| credential.number == number);
    }

    /// The run that is under way, or a new one. It is a task of its own: a caller that gives up does not end it.
    fn running(self: &Arc<Self>, state: &mut State) -> Run {
        if let Some(run) = state.running.as_ref().filter(|run| run.peek().is_none()) {
            return run.clone();
        }
        state.runs += 1;
        let (this, number) = (Arc::clone(self), state.runs);
        let task = tokio::spawn(async move {
            let returned = this.command.run(number).await;
            this.keep(returned)
        });
        let run = task
            .map(|ended| ended.unwrap_or_else(|error| Err(format!("the credential plugin's task ended: {error}"))))
            .boxed()
            .shared();
        state.running = Some(run.clone());
        run
    }

    /// Keeps what a run returned. If it failed, a credential that is still valid goes on.
    fn keep(&self, returned: Result<Credential, String>) -> Result<Credential, String> {
        let mut state = self.state.lock().unwrap_or_else(PoisonError::into_inner);
        state.running = None;
        let now = Timestamp::now();
        match (returned, &mut state.credential) {
            (Ok(credential), _) => state.credential = Some(credential),
            (Err(_), Some(old)) if old.expires.is_some_and(|expires| expires > now) => {
                old.due = Some(now + PAUSE_AFTER_FAILURE);
            }
            (Err(error), _) => return Err(error),
        }
        state.credential.clone().ok_or_else(|| "the credential plugin returned nothing".to_owned())
    }
}

impl Command {
    fn new(exec: &ExecConfig) -> Result<Self, String> {
        let Some(program) = exec.command.clone() else { return Err("the plugin's `command` is missing".to_owned()) };
        let argv = std::iter::once(program).chain(exec.args.iter().flatten().cloned()).collect();
        let hint = exec.install_hint.as_ref().map(|hint| hint.trim().to_owned());
        Ok(Self { argv, environment: environment(exec), api_version: exec.api_version.clone(), hint })
    }

    async fn run(&self, number: u64) -> Result<Credential, String> {
        let words = self.argv.join(" ");
        let hint = self.hint.as_ref().map_or_else(String::new, |hint| format!("; {hint}"));
        let result = run_command(&self.argv, &self.environment, DEADLINE).await;
        match result.map_err(|error| format!("the credential plugin {error}{hint}"))? {
            Some((0, stdout, _)) => parse(&stdout, self.api_version.as_deref(), number, Timestamp::now())
                .map_err(|error| format!("the credential plugin `{words}` {error}; run it by hand")),
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
}

/// The environment that kubectl gives to a plugin. It never has a terminal here.
fn environment(exec: &ExecConfig) -> BTreeMap<String, String> {
    let mut spec = json!({ "interactive": false });
    if exec.provide_cluster_info {
        spec["cluster"] = json!(exec.cluster);
    }
    let info = json!({ "apiVersion": exec.api_version, "kind": "ExecCredential", "spec": spec });
    let written =
        exec.env.iter().flatten().filter_map(|pair| Some((pair.get("name")?.clone(), pair.get("value")?.clone())));
    written.chain([("KUBERNETES_EXEC_INFO".to_owned(), info.to_string())]).collect()
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct ExecCredential {
    api_version: Option<String>,
    kind: Option<String>,
    status: Option<Status>,
}

#[derive(Default, Deserialize)]
#[serde(rename_all = "camelCase", default)]
struct Status {
    expiration_timestamp: Option<Timestamp>,
    token: Option<String>,
    client_certificate_data: Option<String>,
    client_key_data: Option<String>,
}

/// The credential in the output of a plugin, JSON or YAML. No error shows the output.
fn parse(stdout: &str, api_version: Option<&str>, number: u64, now: Timestamp) -> Result<Credential, String> {
    // The parser quotes the text in its errors.
    let read: ExecCredential =
        serde_saphyr::from_str(stdout).map_err(|_| "returned no ExecCredential (JSON or YAML)".to_owned())?;
    if let Some(kind) = read.kind.filter(|kind| kind != "ExecCredential") {
        return Err(format!("returned kind {kind}, not ExecCredential"));
    }
    if let (Some(returned), Some(wanted)) = (&read.api_version, api_version)
        && returned != wanted
    {
        return Err(format!("returned apiVersion {returned}; the kubeconfig has {wanted}"));
    }
    let status = read.status.ok_or("returned an ExecCredential without `status`")?;
    let filled = |text: Option<String>| text.filter(|text| !text.is_empty());
    let token = filled(status.token);
    let identity = match (filled(status.client_certificate_data), filled(status.client_key_data)) {
        (Some(certificate), Some(key)) => Some((certificate, key)),
        (None, None) => None,
        _ => return Err("returned a certificate without its key, or a key without its certificate".to_owned()),
    };
    if token.is_none() && identity.is_none() {
        return Err("returned neither a token nor a client certificate".to_owned());
    }
    let expires = status.expiration_timestamp;
    Ok(Credential { token, identity, number, expires, due: expires.map(|expires| due(expires, now)) })
}

/// When a credential is renewed: before its expiry, but never at once.
fn due(expires: Timestamp, now: Timestamp) -> Timestamp {
    let lifetime = expires.duration_since(now);
    (expires - LARGEST_MARGIN.min(lifetime / 10)).max(now + SHORTEST_PAUSE)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn now() -> Timestamp {
        "2026-11-23T02:00:00Z".parse().unwrap()
    }

    #[test]
    fn a_credential_is_renewed_just_before_it_expires() {
        let after = |seconds: i64| {
            let expires = now() + SignedDuration::from_secs(seconds);
            due(expires, now()).duration_since(now()).as_millis()
        };
        assert_eq!(after(3600), 3_570_000);
        assert_eq!(after(20), 18_000);
        assert_eq!(after(1), 1000);
        // The clocks differ, or the plugin keeps what has expired.
        assert_eq!(after(-60), 1000);
    }

    #[test]
    fn json_and_yaml_are_read_and_no_error_shows_the_token() {
        let version = Some("client.authentication.k8s.io/v1");
        let json =
            r#"{"apiVersion":"client.authentication.k8s.io/v1","kind":"ExecCredential","status":{"token":"secret"}}"#;
        assert_eq!(parse(json, version, 1, now()).ok().and_then(|read| read.token).as_deref(), Some("secret"));
        let yaml = "kind: ExecCredential\nstatus:\n  token: secret\n  expirationTimestamp: \"2026-11-23T03:00:00Z\"\n";
        assert!(parse(yaml, version, 1, now()).is_ok_and(|read| read.due.is_some()));
        let wrong = [
            ("secret", "no ExecCredential"),
            ("{\"status\": [secret", "no ExecCredential"),
            ("{\"kind\": \"ExecCredential\"}", "without `status`"),
            ("{\"status\": {}}", "neither a token"),
            ("{\"status\": {\"clientKeyData\": \"secret\"}}", "without its certificate"),
            (
                "{\"apiVersion\": \"client.authentication.k8s.io/v1beta1\", \"status\": {\"token\": \"secret\"}}",
                "v1beta1",
            ),
        ];
        for (text, says) in wrong {
            let error = parse(text, version, 1, now()).err().unwrap_or_default();
            assert!(error.contains(says) && !error.contains("secret"), "{text}: {error}");
        }
    }

    #[tokio::test]
    async fn callers_wait_for_one_run_and_a_rejected_credential_is_not_used_again() {
        let log = std::env::temp_dir().join(format!("meshdrill-plugin-{}", std::process::id()));
        let script = format!(
            "echo run >> {0}; sleep 0.2; echo '{{\"status\": {{\"token\": \"'$(wc -l < {0} | tr -d ' ')'\"}}}}'",
            log.display()
        );
        let exec = ExecConfig {
            command: Some("sh".to_owned()),
            args: Some(vec!["-c".to_owned(), script]),
            ..ExecConfig::default()
        };
        let plugins = Plugins::default();
        let plugin = plugins.plugin(&exec).unwrap();
        // One caller gives up early; that does not start a second run.
        let impatient = tokio::time::timeout(Duration::from_millis(20), plugin.credential()).await;
        assert!(impatient.is_err());
        let same = plugins.plugin(&exec).unwrap();
        let (one, two) = tokio::join!(plugin.credential(), same.credential());
        let (one, two) = (one.ok().unwrap(), two.ok().unwrap());
        assert_eq!((one.token.as_deref(), two.token.as_deref(), two.number), (Some("1"), Some("1"), 1));
        plugin.reject(one.number);
        plugin.reject(two.number);
        let next = plugin.credential().await.ok().unwrap();
        assert_eq!((next.token.as_deref(), next.number), (Some("2"), 2));
        plugin.reject(one.number);
        assert_eq!(plugin.credential().await.ok().map(|same| same.number), Some(2));
        let _ = std::fs::remove_file(&log);
    }
}
