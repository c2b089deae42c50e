//! Monitoring, kubeconfigs and applications as people run them: behind logins and proxies, at several addresses, with
//! credentials that expire.

use libtest_mimic::{Failed, Trial};
use serde_json::{Value, json};

use crate::command::{meshdrill, run};
use crate::stand_in::{Answer, Asked, Folder, Server, UID, api_server, expect};

pub fn trials() -> Vec<Trial> {
    vec![
        Trial::test("monitoring::rules of one name are distinguished by their labels", same_name),
        Trial::test("monitoring::a rule fails only where its targets vanish", up_equals_0),
        Trial::test("monitoring::a hub that renames and aggregates declares it", renamed),
        Trial::test("monitoring::credentials in a URL are sent and masked", credentials),
        Trial::test("monitoring::the second address is asked where the first does not answer", second_address),
        Trial::test("monitoring::a login page is no answer", login_page),
        Trial::test("monitoring::the Prometheus of a chart is found by its labels", found_by_labels),
        Trial::test("monitoring::bodies and headers are what a client sees", as_a_client_sees),
        Trial::test("monitoring::a vars value keeps its spelling", spelled),
        Trial::test("access::the plugin is asked again after a 401", renewed),
        Trial::test("access::a kubeconfig is what kubectl accepts", kubeconfigs),
        Trial::test("access::a proxy of the kubeconfig is the way", proxied),
    ]
}

fn vector(series: &[(Value, f64)]) -> Answer {
    let result: Vec<Value> = series
        .iter()
        .map(|(labels, value)| json!({ "metric": labels, "value": [1_700_000_000, value.to_string()] }))
        .collect();
    Answer::json(200, &json!({ "status": "success", "data": { "resultType": "vector", "result": result } }))
}

fn now() -> f64 {
    let since = std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH);
    since.map(|since| since.as_secs_f64()).unwrap_or_default()
}

/// The query of a request, decoded.
fn query(asked: &Asked) -> String {
    let form = asked.body.split('&').find_map(|pair| pair.strip_prefix("query=")).unwrap_or_default();
    let mut out = Vec::new();
    let bytes = form.as_bytes();
    let mut at = 0;
    while at < bytes.len() {
        let code =
            form.get(at + 1..at + 3).filter(|_| bytes[at] == b'%').and_then(|code| u8::from_str_radix(code, 16).ok());
        out.push(code.unwrap_or(bytes[at]));
        at += if code.is_some() { 3 } else { 1 };
    }
    String::from_utf8_lossy(&out).into_owned()
}

/// A Prometheus that answers queries with `answer`, and its clock.
fn prometheus(
    answer: impl Fn(&str) -> Option<Answer> + Send + Sync + 'static,
    paths: Vec<(&'static str, Value)>,
) -> Result<Server, Failed> {
    Server::start(move |asked| {
        let path = asked.path.split('?').next().unwrap_or_default();
        if let Some((_, data)) = paths.iter().find(|(known, _)| *known == path) {
            return Answer::json(200, &json!({ "status": "success", "data": data }));
        }
        let data = match path {
            "/api/v1/query" => {
                let query = query(asked);
                if query == "time()" {
                    json!({ "resultType": "scalar", "result": [now(), now().to_string()] })
                } else {
                    return answer(&query).unwrap_or_else(|| vector(&[]));
                }
            }
            "/api/v1/alertmanagers" => {
                json!({ "activeAlertmanagers": [{ "url": "http://a:9093" }], "droppedAlertmanagers": [] })
            }
            "/api/v1/targets" => {
                json!({ "activeTargets": [{ "labels": { "job": "x" }, "scrapeUrl": "u", "health": "up", "scrapeInterval": "15s" }] })
            }
            _ => {
                return Answer::json(
                    404,
                    &json!({ "status": "error", "errorType": "not_found", "error": "not found" }),
                );
            }
        };
        Answer::json(200, &json!({ "status": "success", "data": data }))
    })
}

fn rule(name: &str, query: &str, hold: u64, severity: &str) -> Value {
    json!({ "name": name, "type": "alerting", "query": query, "duration": hold, "health": "ok", "state": "inactive",
        "labels": { "severity": severity }, "annotations": {}, "alerts": [] })
}

/// A folder with a Prometheus that has some rules and targets.
fn with_rules(rules: &[Value], targets: &Value) -> Result<Folder, Failed> {
    let groups = json!({ "groups": [{ "name": "g", "file": "f", "interval": 60, "rules": rules }] });
    let paths = vec![("/api/v1/rules", groups), ("/api/v1/targets", json!({ "activeTargets": targets }))];
    let server = prometheus(|_| Some(vector(&[(json!({}), 1.0)])), paths)?;
    Folder::new("rules", &api_server(|_| None)?.url, &format!("prometheus: [\"{}\"]", server.url))
}

fn same_name() -> Result<(), Failed> {
    let rules =
        [rule("Full", "free / size < 0.03", 60, "critical"), rule("Full", "free / size < 0.15", 3600, "warning")];
    let folder = with_rules(&rules, &json!([]))?;
    let check = |rules: &str| format!("alertRules: {{ cluster: one, rules: [{rules}] }}");
    let both =
        "{ name: Full, severity: critical, for: 1m, threshold: < 0.03 }, { name: Full, severity: warning, for: 1h }";
    expect(&folder.check(&check(both))?, 0, &[])?;
    let labels = "{ name: Full, labels: { severity: warning }, for: 1h }";
    expect(&folder.check(&check(labels))?, 0, &[])?;
    expect(
        &folder.check(&check("{ name: Full, severity: critical, for: 1h }"))?,
        10,
        &["waits for 1m, expected for: 1h"],
    )?;
    expect(&folder.check(&check("{ name: Full, severity: page }"))?, 10, &["expected page"])
}

fn up_equals_0() -> Result<(), Failed> {
    let rules = [
        rule("JobDown", "sum by (job) (up) == 0", 60, "page"),
        rule("IstiodDown", "up{app=\"istiod\"} == 0", 60, "page"),
        rule("Backlog", "backlog_seconds > 15 * 60", 60, "page"),
        rule("Turned", "0.05 < errors:ratio5m", 60, "page"),
    ];
    let target = |discovered: Value| json!([{ "labels": { "app": "istiod", "job": "x" }, "scrapeUrl": "u", "health": "up", "discoveredLabels": discovered }]);
    let check = |rule: &str| format!("alertRules: {{ cluster: one, rules: [{{ name: {rule} }}] }}");
    let unknown = with_rules(&rules, &json!([]))?;
    let ran = unknown.check(&check("JobDown"))?;
    expect(&ran, 11, &["fires only while its targets exist"])?;
    if ran.stdout.contains("; write ") {
        return Err(format!("a remedy for a rule that has none\n{}", ran.said()).into());
    }
    expect(&unknown.check(&check("IstiodDown"))?, 11, &["fires only while its targets exist"])?;
    let pods = with_rules(&rules, &target(json!({ "__meta_kubernetes_pod_name": "istiod-1" })))?;
    expect(
        &pods.check(&check("IstiodDown"))?,
        10,
        &["cannot fire in the case it is for", "write absent(up{app=\"istiod\"} == 1)"],
    )?;
    expect(&pods.check(&check("JobDown"))?, 0, &["not for a group whose pods are all gone"])?;
    let fixed = with_rules(&rules, &target(json!({ "__address__": "10.0.0.1:15014" })))?;
    expect(&fixed.check(&check("IstiodDown"))?, 0, &[])?;
    let thresholds = "alertRules: { cluster: one, rules: [{ name: Backlog, threshold: '> 900' }, { name: Turned, threshold: '> 0.05' }] }";
    expect(&fixed.check(thresholds)?, 0, &[])
}

fn renamed() -> Result<(), Failed> {
    let labels = json!({ "reporter": "destination", "workload": "reviews" });
    let at_hub = |name: Option<&str>| {
        let mut labels = json!({ "reporter": "destination", "workload": "reviews", "cluster": "one" });
        if let Some(name) = name {
            labels["__name__"] = json!(name);
        }
        labels
    };
    let raw =
        json!({ "__name__": "requests_total", "pod": "reviews-1", "reporter": "destination", "workload": "reviews" });
    let source = prometheus(
        move |query| match query {
            "requests_total" => Some(vector(&[(raw.clone(), 40.0)])),
            "workload:requests_total" => Some(vector(&[(labels.clone(), 83.0)])),
            _ => None,
        },
        Vec::new(),
    )?;
    let (sample, time) = (at_hub(Some("requests_total")), at_hub(None));
    let hub = prometheus(
        move |query| match query {
            "requests_total{cluster=\"one\"}" => Some(vector(&[(sample.clone(), 83.0)])),
            "timestamp(requests_total{cluster=\"one\"})" => Some(vector(&[(time.clone(), now() - 2.0)])),
            _ => None,
        },
        Vec::new(),
    )?;
    let folder = Folder::new("federation", &api_server(|_| None)?.url, &format!("prometheus: [\"{}\"]", source.url))?;
    let mesh = std::fs::read_to_string(folder.0.join("mesh.yaml"))?;
    folder.write("mesh.yaml", &format!("{mesh}    hub: {{ context: hub, prometheus: [\"{}\"] }}\n", hub.url))?;
    let kubeconfig = std::fs::read_to_string(folder.0.join("kubeconfig"))?;
    let mut config: Value = serde_json::from_str(&kubeconfig)?;
    if let Some(contexts) = config["contexts"].as_array_mut() {
        contexts.push(json!({ "name": "hub", "context": { "cluster": "one", "user": "one" } }));
    }
    folder.write("kubeconfig", &config.to_string())?;
    let hint = "declare it: `series: { hub: requests_total, source: QUERY }`";
    expect(&folder.check("federation: { hub: hub, of: one, metrics: [requests_total] }")?, 10, &[hint])?;
    let declared =
        "federation: { hub: hub, of: one, series: { hub: requests_total, source: \"workload:requests_total\" } }";
    expect(&folder.check(declared)?, 0, &["1 series of one"])?;
    let listed = "federation: { hub: hub, of: one, series: [{ hub: requests_total, source: requests_total }] }";
    expect(&folder.check(listed)?, 10, &["comes from elsewhere"])
}

/// A server that wants the password `p@w` of `drill`.
fn guarded(body: &'static str) -> Result<Server, Failed> {
    Server::start(move |asked| {
        let known = asked.headers.get("authorization").is_some_and(|value| value == "Basic ZHJpbGw6cEB3");
        if known { Answer::text(200, body) } else { Answer::text(401, "who are you?") }
    })
}

const ONE: &str =
    r#"{"status":"success","data":{"resultType":"vector","result":[{"metric":{},"value":[1700000000,"3"]}]}}"#;
const QUERY: &str = "promql: { cluster: one, query: count(up == 1), expect: '>= 1' }";

fn credentials() -> Result<(), Failed> {
    let server = guarded(ONE)?;
    let with_user = server.url.replace("http://", "http://drill:p%40w@");
    let folder = Folder::new("auth", &api_server(|_| None)?.url, &format!("prometheus: [\"{with_user}\"]"))?;
    let ran = folder.check(QUERY)?;
    expect(&ran, 0, &[])?;
    let page = folder.check(&format!("http: {{ url: \"{with_user}/\" }}"))?;
    expect(&page, 0, &[])?;
    for dir in crate::command::run_dirs(&folder.runs()) {
        if crate::command::record(&dir)?.contains("p%40w") {
            return Err(format!("the password is in the record of {}", dir.display()).into());
        }
        for file in std::fs::read_dir(dir)?.flatten() {
            if String::from_utf8_lossy(&std::fs::read(file.path())?).contains("p%40w") {
                return Err(format!("the password is in {}", file.path().display()).into());
            }
        }
    }
    if ran.said().contains("p%40w") || page.said().contains("p%40w") {
        return Err("the password is shown".into());
    }
    let folder = Folder::new("no-auth", &api_server(|_| None)?.url, &format!("prometheus: [\"{}\"]", server.url))?;
    expect(&folder.check(QUERY)?, 13, &["answered 401", "it wants credentials"])
}

fn second_address() -> Result<(), Failed> {
    let server = Server::start(|_| Answer::text(200, ONE))?;
    let folder = Folder::new(
        "two",
        &api_server(|_| None)?.url,
        &format!("prometheus: [\"http://127.0.0.1:9\", \"{}/prometheus/\"]", server.url),
    )?;
    expect(&folder.check(QUERY)?, 0, &[])?;
    if server.asked().iter().all(|asked| asked == "POST /prometheus/api/v1/query") {
        Ok(())
    } else {
        Err(format!("{:?}", server.asked()).into())
    }
}

fn login_page() -> Result<(), Failed> {
    let api = api_server(|_| None)?;
    let redirects = Server::start(|_| Answer::text(302, "Found").header("Location", "https://login.example/start"))?;
    let folder = Folder::new("login", &api.url, &format!("prometheus: [\"{}\"]", redirects.url))?;
    expect(&folder.check(QUERY)?, 13, &["redirects to https://login.example/start", "login"])?;
    let page = Server::start(|_| Answer::text(200, "<html><body>Log in</body></html>"))?;
    let folder = Folder::new("login", &api.url, &format!("prometheus: [\"{}\"]", page.url))?;
    expect(&folder.check(QUERY)?, 13, &["an HTML page"])
}

fn found_by_labels() -> Result<(), Failed> {
    for (labels, path) in [
        (json!({ "app": "kube-prometheus-stack-prometheus" }), "monitoring/service/mon-prometheus:9090"),
        (json!({ "app.kubernetes.io/name": "thanos-query" }), "monitoring/service/mon-prometheus:9090"),
        (
            json!({ "app.kubernetes.io/name": "mimir", "app.kubernetes.io/component": "query-frontend" }),
            "mon-prometheus:9090/prometheus",
        ),
        (json!({ "app.kubernetes.io/name": "vmselect" }), "mon-prometheus:9090/select/0/prometheus"),
    ] {
        let service = |name: &str, labels: &Value, port: u16| json!({ "metadata": { "name": name, "namespace": "monitoring", "labels": labels }, "spec": { "ports": [{ "port": port }] } });
        let exporter = json!({ "app.kubernetes.io/name": "prometheus-node-exporter" });
        let services = json!({ "kind": "ServiceList", "items": [service("mon-prometheus-node-exporter", &exporter, 9100), service("mon-prometheus", &labels, 9090)] });
        let api = api_server(move |asked| (asked.path == "/api/v1/services").then(|| Answer::json(200, &services)))?;
        let folder = Folder::new("labels", &api.url, "")?;
        expect(&folder.check(QUERY)?, 13, &[path])?;
    }
    let api =
        api_server(|asked| (asked.path == "/api/v1/services").then(|| Answer::json(200, &json!({ "items": [] }))))?;
    expect(&Folder::new("labels", &api.url, "")?.check(QUERY)?, 13, &["forward/one/NAMESPACE/service/NAME:PORT"])?;
    let named =
        Folder::new("labels", &api.url, "prometheus: [\"forward/one/monitoring/service/prometheus-operated:9090\"]")?;
    expect(&named.check(QUERY)?, 13, &["forward/one/monitoring/service/prometheus-operated:9090: "])
}

fn as_a_client_sees() -> Result<(), Failed> {
    // `packed café` in ISO 8859-1, by `gzip -n`.
    let gzip: [u8; 31] = [
        31, 139, 8, 0, 0, 0, 0, 0, 2, 3, 43, 72, 76, 206, 78, 77, 81, 72, 78, 76, 123, 9, 0, 208, 227, 50, 66, 11, 0,
        0, 0,
    ];
    let server = Server::start(move |asked| match asked.path.as_str() {
        "/packed" => {
            let answer = Answer { status: 200, headers: Vec::new(), body: gzip.to_vec() };
            answer.header("Content-Encoding", "gzip").header("Content-Type", "text/plain; charset=iso-8859-1")
        }
        "/brotli" => Answer::text(200, "x").header("Content-Encoding", "br"),
        "/cookies" => Answer::text(200, "x").header("X-Pod", "a").header("X-Pod", "b"),
        _ => Answer::text(301, "moved").header("Location", "/elsewhere"),
    })?;
    let folder = Folder::new("client", &api_server(|_| None)?.url, "")?;
    let check = |path: &str, more: &str| format!("http: {{ url: \"{}{path}\", expect: {{ {more} }} }}", server.url);
    expect(&folder.check(&check("/packed", "body: packed café"))?, 0, &[])?;
    expect(&folder.check(&check("/packed", "bodyLacks: packed"))?, 10, &["the body contains `packed`"])?;
    expect(&folder.check(&check("/brotli", "status: 200"))?, 0, &[])?;
    expect(
        &folder.check(&check("/brotli", "bodyLacks: error"))?,
        10,
        &["content encoding `br`, which cannot be decoded"],
    )?;
    for value in ["a", "b"] {
        expect(&folder.check(&check("/cookies", &format!("headers: {{ X-Pod: {value} }}")))?, 0, &[])?;
    }
    expect(&folder.check(&check("/cookies", "headers: { X-Pod: c }"))?, 10, &["header X-Pod is a, b, expected c"])?;
    expect(&folder.check(&check("/moved", "status: 200"))?, 10, &["status 301 to /elsewhere, expected 200"])
}

fn spelled() -> Result<(), Failed> {
    let server = Server::start(|asked| Answer::text(if asked.path == "/v1.30/health" { 200 } else { 404 }, "x"))?;
    let folder = Folder::new("spelled", &api_server(|_| None)?.url, "")?;
    let mesh = std::fs::read_to_string(folder.0.join("mesh.yaml"))?;
    folder.write("mesh.yaml", &format!("{mesh}  vars: {{ release: 1.30, path: /v1.30/health, status: \"200\" }}\n"))?;
    let part =
        format!("http: {{ url: \"{}/v${{release}}/health\", expect: {{ status: \"${{status}}\" }} }}", server.url);
    expect(&folder.check(&part)?, 0, &[])?;
    let ran = folder.check(&format!("{{ name: \"${{release}}\", http: {{ url: \"{}${{path}}\" }} }}", server.url))?;
    expect(&ran, 0, &["1.30"])
}

fn one_pod() -> Value {
    let pod = json!({ "metadata": { "name": "a", "namespace": "shop", "uid": "a", "labels": { "app": "x" } },
        "spec": { "containers": [{ "name": "c" }] }, "status": { "phase": "Running" } });
    json!({ "kind": "PodList", "metadata": {}, "items": [pod] })
}

fn renewed() -> Result<(), Failed> {
    let folder = Folder::new("renewed", "http://127.0.0.1:9", "")?;
    let token = folder.0.join("token");
    std::fs::write(&token, "one")?;
    // From the sixth request on, only the second token is good; the plugin gives what is in the file.
    let (file, count) = (token.clone(), std::sync::atomic::AtomicUsize::new(0));
    let api = api_server(move |asked| {
        let requests = count.fetch_add(1, std::sync::atomic::Ordering::SeqCst);
        if requests == 5 {
            let _ = std::fs::write(&file, "two");
        }
        let good = if requests < 5 { "Bearer one" } else { "Bearer two" };
        let known = asked.headers.get("authorization").is_some_and(|value| value == good);
        let status = json!({ "kind": "Status", "apiVersion": "v1", "status": "Failure", "reason": "Unauthorized", "message": "Unauthorized", "code": 401 });
        if known && asked.path.contains("/pods") {
            return Some(Answer::json(200, &one_pod()));
        }
        (!known).then(|| Answer::json(401, &status))
    })?;
    let plugin = folder.0.join("plugin.sh");
    folder.write("plugin.sh", &format!("#!/bin/sh\nprintf '{{\"apiVersion\":\"client.authentication.k8s.io/v1\",\"kind\":\"ExecCredential\",\"status\":{{\"token\":\"%s\"}}}}' \"$(cat {})\"\n", token.display()))?;
    std::fs::set_permissions(&plugin, std::os::unix::fs::PermissionsExt::from_mode(0o755))?;
    let exec =
        json!({ "apiVersion": "client.authentication.k8s.io/v1", "command": plugin, "interactiveMode": "Never" });
    let config = json!({ "apiVersion": "v1", "kind": "Config", "clusters": [{ "name": "one", "cluster": { "server": api.url } }],
        "users": [{ "name": "one", "user": { "exec": exec } }], "contexts": [{ "name": "one", "context": { "cluster": "one", "user": "one" } }] });
    folder.write("kubeconfig", &config.to_string())?;
    folder.write("probe.yaml", "apiVersion: meshdrill.io/v1\nkind: Scenario\nmetadata: { name: probe }\nspec:\n  observe: 2s\n  probes:\n    api: { pods: { cluster: one, namespace: shop, selector: app=x, expect: { count: 1 } }, every: 100ms }\n  sla:\n    - { probe: api, errorRate: 20% }\n")?;
    expect(&folder.run(&["probe.yaml"]), 0, &[])
}

fn kubeconfigs() -> Result<(), Failed> {
    let api = api_server(|asked| asked.path.contains("/pods").then(|| Answer::json(200, &one_pod())))?;
    let folder = Folder::new("kubeconfigs", &api.url, "")?;
    let check = "apiVersion: meshdrill.io/v1\nkind: Scenario\nmetadata: { name: check }\nspec:\n  checks:\n    - pods: { cluster: one, namespace: shop, selector: app=x, expect: { count: 1 } }\n";
    folder.write("check.yaml", check)?;
    let with = |list: &str| {
        let mut command = meshdrill();
        command.current_dir(&folder.0).env("KUBECONFIG", list);
        run(command.args(["run", "--mesh", "mesh.yaml", "check.yaml"]))
    };
    expect(&with("missing:kubeconfig:"), 0, &[])?;
    expect(&with("missing:other"), 3, &["none of the files of KUBECONFIG exists: missing, other"])?;
    let config = json!({ "apiVersion": "v1", "kind": "Config", "clusters": [{ "name": "one", "cluster": { "server": api.url } }],
        "users": [{ "name": "ops", "user": { "token": "t" } }], "contexts": [{ "name": "one", "context": { "cluster": "one", "user": "one" } }] });
    folder.write("kubeconfig", &config.to_string())?;
    expect(&with("kubeconfig"), 3, &["the kubeconfig has no user `one` (it has ops)"])?;
    let gone = Folder::new("kubeconfigs", "http://127.0.0.1:9", "")?;
    expect(&gone.check("apiServer: { cluster: one }")?, 3, &["http://127.0.0.1:9"])
}

fn proxied() -> Result<(), Failed> {
    let proxy = Server::start(|asked| {
        let path = asked.path.strip_prefix("http://api.invalid").unwrap_or(&asked.path);
        match path {
            "/api/v1/namespaces/kube-system" => {
                Answer::json(200, &json!({ "metadata": { "name": "kube-system", "uid": UID } }))
            }
            "/version" => Answer::json(200, &json!({ "major": "1", "minor": "34", "gitVersion": "v1.34.1" })),
            _ => Answer::json(201, &json!({ "status": { "allowed": true } })),
        }
    })?;
    let folder = Folder::new("proxied", "http://api.invalid", "")?;
    let text = std::fs::read_to_string(folder.0.join("kubeconfig"))?;
    let mut config: Value = serde_json::from_str(&text)?;
    config["clusters"][0]["cluster"]["proxy-url"] = json!(proxy.url);
    folder.write("kubeconfig", &config.to_string())?;
    let _ = folder.check("apiServer: { cluster: one }")?;
    if proxy.asked().is_empty() {
        return Err("the proxy was not asked".into());
    }
    config["clusters"][0]["cluster"]["proxy-url"] = json!("http://127.0.0.1:9");
    folder.write("kubeconfig", &config.to_string())?;
    expect(&folder.check("apiServer: { cluster: one }")?, 3, &["api.invalid", "through the proxy http://127.0.0.1:9"])
}
