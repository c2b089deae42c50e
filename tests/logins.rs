//! Monitoring APIs with tokens, passwords and client certificates: what is sent, what is read again, what is never shown.

use std::path::Path;
use std::sync::atomic::{AtomicU64, Ordering};

use libtest_mimic::{Failed, Trial};
use serde_json::json;

use crate::command::{Ran, meshdrill, run, run_dirs};
use crate::stand_in::{Answer, Folder, Server, api_server, expect};
use crate::tls::Authority;

pub fn trials() -> Vec<Trial> {
    vec![
        Trial::test("logins::a token of a file is read again", token_of_file),
        Trial::test("logins::a token of the environment", token_of_environment),
        Trial::test("logins::a user with a password in a file", password_of_file),
        Trial::test("logins::a token that is echoed is masked", echoed),
        Trial::test("logins::a client certificate", client_certificate),
        Trial::test("logins::a password in a URL should be in a file", password_in_url),
        Trial::test("logins::explained", explained),
    ]
}

const QUERY: &str = "promql: { cluster: one, query: count(up == 1), expect: '>= 1' }";
const SECRET: &str = "s3cr3t-token";

fn three() -> Answer {
    let data = json!({ "resultType": "vector", "result": [{ "metric": {}, "value": [1_700_000_000, "3"] }] });
    Answer::json(200, &json!({ "status": "success", "data": data }))
}

/// A Prometheus that answers those with this `Authorization`.
fn guarded(good: impl Fn(&str) -> bool + Send + Sync + 'static) -> Result<Server, Failed> {
    Server::start(move |asked| {
        let given = asked.headers.get("authorization").map(String::as_str).unwrap_or_default();
        if good(given) { three() } else { Answer::text(401, "Unauthorized\n") }
    })
}

fn folder(name: &str, prometheus: &str) -> Result<Folder, Failed> {
    Folder::new(name, &api_server(|_| None)?.url, &format!("prometheus: [{prometheus}]"))
}

/// Fails if a secret is on the screen or in a file of a run.
fn hides(ran: &Ran, runs: &Path, secret: &str) -> Result<(), Failed> {
    if ran.said().contains(secret) {
        return Err(format!("the secret is shown\n{}", ran.said()).into());
    }
    for dir in run_dirs(runs) {
        for file in std::fs::read_dir(dir)?.flatten() {
            if String::from_utf8_lossy(&std::fs::read(file.path())?).contains(secret) {
                return Err(format!("the secret is in {}", file.path().display()).into());
            }
        }
    }
    Ok(())
}

/// The token is exchanged in the fifth request; the file has the new one by then, or a little later.
fn token_of_file() -> Result<(), Failed> {
    let folder = folder("token-of-file", "\"http://127.0.0.1:9\"")?;
    let token = folder.0.join("token");
    std::fs::write(&token, format!("{SECRET}-one\n"))?;
    let (file, count) = (token.clone(), AtomicU64::new(0));
    let server = guarded(move |given| {
        let requests = count.fetch_add(1, Ordering::SeqCst);
        if requests == 5 {
            let _ = std::fs::write(&file, format!("{SECRET}-two\n"));
        }
        given == format!("Bearer {SECRET}-{}", if requests < 5 { "one" } else { "two" })
    })?;
    let mesh = std::fs::read_to_string(folder.0.join("mesh.yaml"))?;
    let place = format!("{{ url: \"{}\", token: {{ file: token }} }}", server.url);
    folder.write("mesh.yaml", &mesh.replace("\"http://127.0.0.1:9\"", &place))?;
    folder.write("probe.yaml", &format!("apiVersion: meshdrill.io/v1\nkind: Scenario\nmetadata: {{ name: probe }}\nspec:\n  observe: 3s\n  probes:\n    up: {{ {QUERY}, every: 100ms }}\n  sla:\n    - {{ probe: up, errorRate: 15% }}\n"))?;
    let ran = folder.run(&["probe.yaml"]);
    expect(&ran, 0, &["0 bad"])?;
    hides(&ran, &folder.runs(), SECRET)?;
    std::fs::remove_file(&token)?;
    expect(&folder.check(QUERY)?, 13, &["the token: token cannot be read: No such file"])
}

fn token_of_environment() -> Result<(), Failed> {
    let server = guarded(|given| given == format!("Bearer {SECRET}"))?;
    let folder = folder("token-of-env", &format!("{{ url: \"{}\", token: {{ env: PROM_TOKEN }} }}", server.url))?;
    expect(&folder.check(QUERY)?, 13, &["the token: the environment variable PROM_TOKEN is not set"])?;
    let with = |token: &str| {
        let mut command = meshdrill();
        command.current_dir(&folder.0).env("PROM_TOKEN", token);
        command.args(["run", "--mesh", "mesh.yaml", "--kubeconfig", "kubeconfig", "check.yaml"]);
        run(&mut command)
    };
    let ran = with(SECRET);
    expect(&ran, 0, &[])?;
    hides(&ran, &folder.runs(), SECRET)?;
    expect(&with("another"), 13, &["answered 401; it does not accept the token of the environment variable PROM_TOKEN"])
}

fn password_of_file() -> Result<(), Failed> {
    let server = guarded(|given| given == "Basic ZHJpbGw6aHVudGVyMg==")?;
    let place = format!("{{ url: \"{}\", user: drill, password: {{ file: password }} }}", server.url);
    let folder = folder("password-of-file", &place)?;
    folder.write("password", "hunter2\n")?;
    let ran = folder.check(QUERY)?;
    expect(&ran, 0, &[])?;
    hides(&ran, &folder.runs(), "hunter2")?;
    hides(&ran, &folder.runs(), "ZHJpbGw6aHVudGVyMg")
}

/// A page that shows the headers of its request.
fn echoed() -> Result<(), Failed> {
    let server = Server::start(|asked| {
        let given = asked.headers.get("authorization").map(String::as_str).unwrap_or_default();
        Answer::text(200, &format!("<html>you sent {given}</html>")).header("Content-Type", "text/html")
    })?;
    let folder = folder("echoed", &format!("{{ url: \"{}\", token: {{ file: token }} }}", server.url))?;
    folder.write("token", SECRET)?;
    let ran = folder.check(QUERY)?;
    expect(&ran, 13, &["***"])?;
    hides(&ran, &folder.runs(), SECRET)
}

fn client_certificate() -> Result<(), Failed> {
    let folder = folder("client-certificate", "\"http://127.0.0.1:9\"")?;
    let authority = Authority::new(&folder.0)?;
    let server = Server::start_tls(authority.server("prometheus.example", true)?, |_| three())?;
    let mesh = std::fs::read_to_string(folder.0.join("mesh.yaml"))?;
    let ask = |tls: &str| {
        let place = format!("{{ url: \"{}\", tls: {{ {tls} }} }}", server.url);
        folder.write("mesh.yaml", &mesh.replace("\"http://127.0.0.1:9\"", &place))?;
        folder.check(QUERY)
    };
    expect(&ask("ca: ca.pem, cert: client.pem, key: client.key, sni: prometheus.example")?, 0, &[])?;
    expect(&ask("ca: ca.pem, sni: prometheus.example")?, 13, &["certificate"])?;
    expect(&ask("ca: ca.pem, cert: client.pem, sni: prometheus.example")?, 2, &["`tls.cert` needs `tls.key`"])?;
    expect(&ask("cert: client.pem, key: none")?, 13, &["none: cannot be read: No such file"])?;
    folder.write("mesh.yaml", &mesh)?;
    let probe = |tls: &str| folder.check(&format!("http: {{ url: \"{}/\", tls: {{ {tls} }} }}", server.url));
    expect(&probe("ca: ca.pem, cert: client.pem, key: client.key, sni: prometheus.example")?, 0, &[])?;
    expect(&probe("ca: ca.pem, key: client.key")?, 2, &["`tls.key` needs `tls.cert`"])
}

fn password_in_url() -> Result<(), Failed> {
    let server = guarded(|given| given == "Basic ZHJpbGw6cHc=")?;
    let folder = folder("password-in-url", &format!("\"{}\"", server.url.replace("http://", "http://drill:pw@")))?;
    let says = "warning: mesh.yaml: clusters.one.prometheus has a password in its URL; put it in a file";
    expect(&folder.check(QUERY)?, 0, &[says])?;
    let mut command = meshdrill();
    expect(&run(command.current_dir(&folder.0).args(["check", "mesh.yaml"])), 0, &[says])
}

fn explained() -> Result<(), Failed> {
    let ran = run(meshdrill().args(["explain", "cluster.prometheus", "--recursive"]));
    expect(&ran, 0, &["token", "file", "env", "password", "cert", "sni"])
}
