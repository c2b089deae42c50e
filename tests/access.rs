//! Kubeconfigs and credentials as kubectl has them: plugins that run once, impersonation, TLS server names, token files.

use std::path::Path;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use libtest_mimic::{Failed, Trial};
use serde_json::{Value, json};

use crate::stand_in::{Answer, Asked, Folder, Server, UID, api_server, expect};
use crate::tls::Authority;

pub fn trials() -> Vec<Trial> {
    vec![
        Trial::test("access::a plugin runs once for all clients", plugin_runs_once),
        Trial::test("access::a plugin runs again before its credential expires", plugin_before_expiry),
        Trial::test("access::a plugin may return a client certificate", plugin_certificate),
        Trial::test("access::impersonation is sent", impersonation),
        Trial::test("access::tls-server-name is verified", tls_server_name),
        Trial::test("access::a token file is read again", token_file),
    ]
}

fn unauthorized() -> Answer {
    let status = json!({ "kind": "Status", "apiVersion": "v1", "status": "Failure", "reason": "Unauthorized",
        "message": "Unauthorized", "code": 401 });
    Answer::json(401, &status)
}

fn one_pod(asked: &Asked) -> Option<Answer> {
    let pod = json!({ "metadata": { "name": "a", "namespace": "shop", "uid": "a", "labels": { "app": "x" } },
        "spec": { "containers": [{ "name": "c" }] }, "status": { "phase": "Running" } });
    let list = json!({ "kind": "PodList", "metadata": {}, "items": [pod] });
    asked.path.contains("/pods").then(|| Answer::json(200, &list))
}

/// An API server that answers as `api_server`, to those with a token that `good` accepts.
fn guarded(good: impl Fn(&str) -> bool + Send + Sync + 'static) -> Result<Server, Failed> {
    api_server(move |asked| {
        let token = asked.headers.get("authorization").and_then(|value| value.strip_prefix("Bearer "));
        if token.is_some_and(&good) { one_pod(asked) } else { Some(unauthorized()) }
    })
}

/// A kubeconfig whose contexts have the same user entry each, under its own name.
fn kubeconfig(folder: &Folder, contexts: &[(&str, &Value)], user: &Value) -> Result<(), Failed> {
    let named = |key: &'static str, value: fn(&str, &Value, &Value) -> Value| {
        contexts
            .iter()
            .map(|(name, cluster)| json!({ "name": name, key: value(name, cluster, user) }))
            .collect::<Vec<_>>()
    };
    let config = json!({ "apiVersion": "v1", "kind": "Config",
        "clusters": named("cluster", |_, cluster, _| cluster.clone()),
        "users": named("user", |_, _, user| user.clone()),
        "contexts": named("context", |name, _, _| json!({ "cluster": name, "user": name })) });
    folder.write("kubeconfig", &config.to_string())
}

/// A plugin that writes a line per run and then runs a script.
fn plugin(folder: &Folder, script: &str) -> Result<Value, Failed> {
    let path = folder.0.join("plugin.sh");
    let text = format!("#!/bin/sh\ncd '{}'\necho run >> runs.log\n{script}\n", folder.0.display());
    std::fs::write(&path, text)?;
    std::fs::set_permissions(&path, std::os::unix::fs::PermissionsExt::from_mode(0o755))?;
    Ok(
        json!({ "exec": { "apiVersion": "client.authentication.k8s.io/v1", "command": path, "interactiveMode": "Never" } }),
    )
}

fn runs_of_plugin(folder: &Folder) -> usize {
    std::fs::read_to_string(folder.0.join("runs.log")).map_or(0, |text| text.lines().count())
}

const CHECK: &str = "pods: { cluster: one, namespace: shop, selector: app=x, expect: { count: 1 } }";

/// A validation that lists a pod every 100 ms.
fn probe(folder: &Folder, seconds: u32, error_rate: &str) -> Result<(), Failed> {
    let text = format!(
        "apiVersion: meshdrill.io/v1\nkind: Scenario\nmetadata: {{ name: probe }}\nspec:\n  observe: {seconds}s\n  probes:\n    api: {{ {CHECK}, every: 100ms }}\n  sla:\n    - {{ probe: api, errorRate: {error_rate} }}\n"
    );
    folder.write("probe.yaml", &text)
}

/// Two contexts with one plugin, several checks at once.
fn plugin_runs_once() -> Result<(), Failed> {
    let api = guarded(|token| token == "t")?;
    let folder = Folder::new("plugin-once", &api.url, "")?;
    let credential =
        r#"{"apiVersion":"client.authentication.k8s.io/v1","kind":"ExecCredential","status":{"token":"t"}}"#;
    let user = plugin(&folder, &format!("sleep 0.3; echo '{credential}'"))?;
    let cluster = json!({ "server": api.url });
    kubeconfig(&folder, &[("one", &cluster), ("two", &cluster)], &user)?;
    folder.write("mesh.yaml", "apiVersion: meshdrill.io/v1\nkind: Mesh\nmetadata: { name: m }\nspec:\n  clusters:\n    one: { context: one }\n    two: { context: two }\n")?;
    let two = CHECK.replace("cluster: one", "cluster: two");
    folder.write("checks.yaml", &format!("apiVersion: meshdrill.io/v1\nkind: Scenario\nmetadata: {{ name: checks }}\nspec:\n  checks:\n    - {CHECK}\n    - {two}\n"))?;
    probe(&folder, 1, "40%")?;
    expect(&folder.run(&["checks.yaml", "probe.yaml"]), 0, &[])?;
    match runs_of_plugin(&folder) {
        1 => Ok(()),
        count => Err(format!("the plugin ran {count} times").into()),
    }
}

fn now() -> Duration {
    SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default()
}

/// Tokens that are good for 3 s: none is used after that, and the plugin runs no more often than it must.
fn plugin_before_expiry() -> Result<(), Failed> {
    static REFUSED: AtomicU64 = AtomicU64::new(0);
    let api = guarded(|token| {
        let good = token.parse().is_ok_and(|until: u64| now() < Duration::from_secs(until));
        REFUSED.fetch_add(u64::from(!good), Ordering::SeqCst);
        good
    })?;
    let folder = Folder::new("plugin-expiry", &api.url, "")?;
    let script = r#"until=$(($(date +%s) + 3))
echo "{\"kind\":\"ExecCredential\",\"status\":{\"token\":\"$until\",\"expirationTimestamp\":\"$(date -u -d "@$until" +%Y-%m-%dT%H:%M:%SZ)\"}}""#;
    let user = plugin(&folder, script)?;
    kubeconfig(&folder, &[("one", &json!({ "server": api.url }))], &user)?;
    probe(&folder, 8, "5%")?;
    expect(&folder.run(&["probe.yaml"]), 0, &[])?;
    let (runs, refused) = (runs_of_plugin(&folder), REFUSED.load(Ordering::SeqCst));
    if (3..=7).contains(&runs) && refused == 0 {
        Ok(())
    } else {
        Err(format!("the plugin ran {runs} times, {refused} requests were refused").into())
    }
}

/// A server that knows its clients by their certificates.
fn plugin_certificate() -> Result<(), Failed> {
    let folder = Folder::new("plugin-certificate", "https://127.0.0.1:9", "")?;
    let authority = Authority::new(&folder.0)?;
    let server = Server::start_tls(authority.server("127.0.0.1", true)?, api)?;
    let pem = |path: &Path| std::fs::read_to_string(path);
    let status =
        json!({ "clientCertificateData": pem(&authority.cert_file)?, "clientKeyData": pem(&authority.key_file)? });
    folder.write("credential.json", &json!({ "kind": "ExecCredential", "status": status }).to_string())?;
    let user = plugin(&folder, "cat credential.json")?;
    let cluster = json!({ "server": server.url, "certificate-authority": authority.ca_file });
    kubeconfig(&folder, &[("one", &cluster)], &user)?;
    expect(&folder.check(CHECK)?, 0, &[])?;
    match runs_of_plugin(&folder) {
        1 => Ok(()),
        count => Err(format!("the plugin ran {count} times").into()),
    }
}

/// The answers of an API server with one pod.
fn api(asked: &Asked) -> Answer {
    match asked.path.as_str() {
        "/api/v1/namespaces/kube-system" => {
            Answer::json(200, &json!({ "metadata": { "name": "kube-system", "uid": UID } }))
        }
        "/version" => Answer::json(200, &json!({ "major": "1", "minor": "34", "gitVersion": "v1.34.1" })),
        "/api/v1/namespaces/shop" => Answer::json(200, &json!({ "metadata": { "name": "shop", "uid": "s" } })),
        path if path.ends_with("selfsubjectaccessreviews") => {
            Answer::json(201, &json!({ "status": { "allowed": true } }))
        }
        _ => one_pod(asked)
            .unwrap_or_else(|| Answer::json(404, &json!({ "kind": "Status", "code": 404, "reason": "NotFound" }))),
    }
}

fn impersonation() -> Result<(), Failed> {
    let server = api_server(|asked| {
        let header = |name: &str| asked.headers.get(name).map(String::as_str);
        let groups = header("impersonate-group").unwrap_or_default();
        let good = header("impersonate-user") == Some("drill")
            && groups == "sre, oncall"
            && header("impersonate-uid") == Some("42")
            && header("impersonate-extra-example.com%2fteam") == Some("mesh");
        if good { one_pod(asked) } else { Some(unauthorized()) }
    })?;
    let folder = Folder::new("impersonation", &server.url, "")?;
    let cluster = json!({ "server": server.url });
    let mut user = json!({ "token": "t", "as": "drill", "as-uid": "42", "as-groups": ["sre", "oncall"],
        "as-user-extra": { "example.com/team": ["mesh"] } });
    kubeconfig(&folder, &[("one", &cluster)], &user)?;
    expect(&folder.check(CHECK)?, 0, &[])?;
    user["as"] = Value::Null;
    user["as-uid"] = Value::Null;
    kubeconfig(&folder, &[("one", &cluster)], &user)?;
    expect(&folder.check(CHECK)?, 3, &["the user entry has `as-groups` without `as`"])
}

fn tls_server_name() -> Result<(), Failed> {
    let folder = Folder::new("tls-server-name", "https://127.0.0.1:9", "")?;
    let authority = Authority::new(&folder.0)?;
    let server = Server::start_tls(authority.server("kubernetes.example", false)?, api)?;
    let mut cluster = json!({ "server": server.url, "certificate-authority": authority.ca_file });
    let user = json!({ "token": "t" });
    kubeconfig(&folder, &[("one", &cluster)], &user)?;
    expect(&folder.check(CHECK)?, 3, &["certificate"])?;
    cluster["tls-server-name"] = json!("kubernetes.example");
    kubeconfig(&folder, &[("one", &cluster)], &user)?;
    expect(&folder.check(CHECK)?, 0, &[])
}

/// A file with a line end, whose token is exchanged while the run goes on.
fn token_file() -> Result<(), Failed> {
    let folder = Folder::new("token-file", "http://127.0.0.1:9", "")?;
    let path = folder.0.join("token");
    std::fs::write(&path, "one\n")?;
    let (file, count) = (path.clone(), AtomicU64::new(0));
    let api = guarded(move |token| {
        let requests = count.fetch_add(1, Ordering::SeqCst);
        if requests == 5 {
            let _ = std::fs::write(&file, "two\n");
        }
        token == if requests < 5 { "one" } else { "two" }
    })?;
    kubeconfig(&folder, &[("one", &json!({ "server": api.url }))], &json!({ "token": "stale", "tokenFile": path }))?;
    probe(&folder, 2, "20%")?;
    expect(&folder.run(&["probe.yaml"]), 0, &[])
}
