//! What an API reports about its own answers, and names that lead nowhere.

use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Mutex, PoisonError};

use libtest_mimic::{Failed, Trial};
use serde_json::{Value, json};

use crate::command::Ran;
use crate::stand_in::{Answer, Asked, Folder, Server, api_server, expect, record};

pub fn trials() -> Vec<Trial> {
    vec![
        Trial::test("answers::a partial answer of Prometheus is no data", partial),
        Trial::test("answers::remarks of Prometheus are recorded", remarks),
        Trial::test("answers::a partial answer of VictoriaMetrics or of a proxy is no data", partial_elsewhere),
        Trial::test("answers::a value that is not finite is no data", not_finite),
        Trial::test("answers::all pages of a list are read", pages),
        Trial::test("answers::a list with missing items is no list", cut_list),
        Trial::test("answers::warnings of an API server are recorded", deprecated),
        Trial::test("answers::what an API reports during a fault is recorded once", remarks_of_a_fault),
        Trial::test("answers::a stale answer proves no effect", stale_effect),
        Trial::test("answers::a stale answer reverts no fault", stale_hold),
        Trial::test("answers::a stale answer verifies no undo", stale_undo),
        Trial::test("answers::nothing in a namespace that does not exist is no result", no_namespace),
        Trial::test("answers::an object that does not exist has a nearest name", near_names),
        Trial::test("answers::who refuses an eviction is named", refused_evictions),
        Trial::test("answers::a throttle is waited for and named", throttled),
    ]
}

/// A cluster of the mesh file that faults may break.
const MAY_BREAK: &str = "faults: allowed, uid: 11111111-2222-3333-4444-555555555555";

const QUERY: &str = "promql: { cluster: one, query: sum(errors), expect: '< 1' }";

/// A Prometheus whose every answer has one value and more keys beside the data.
fn prometheus(
    value: &'static str,
    more: Value,
    header: Option<(&'static str, &'static str)>,
) -> Result<Folder, Failed> {
    let server = Server::start(move |_| {
        let result = json!([{ "metric": {}, "value": [1_700_000_000, value] }]);
        let mut body = json!({ "status": "success", "data": { "resultType": "vector", "result": result } });
        if let (Some(body), Some(more)) = (body.as_object_mut(), more.as_object()) {
            body.extend(more.clone());
        }
        let answer = Answer::json(200, &body);
        match header {
            Some((name, value)) => answer.header(name, value),
            None => answer,
        }
    })?;
    Folder::new("answers", &api_server(|_| None)?.url, &format!("prometheus: [\"{}\"]", server.url))
}

fn partial() -> Result<(), Failed> {
    let warning = "receive StoreAPI for query: no such host";
    let folder = prometheus("0.2", json!({ "warnings": [warning] }), None)?;
    expect(&folder.check(QUERY)?, 11, &[warning, "INCONCLUSIVE"])?;
    if record(&folder.runs())?.contains(warning) { Ok(()) } else { Err("the record lacks the warning".into()) }
}

fn remarks() -> Result<(), Failed> {
    let info = "PromQL info: metric might not be a counter";
    let folder = prometheus("0.2", json!({ "infos": [info] }), None)?;
    expect(&folder.check(QUERY)?, 0, &[])?;
    if record(&folder.runs())?.contains(info) { Ok(()) } else { Err("the record lacks the remark".into()) }
}

fn partial_elsewhere() -> Result<(), Failed> {
    expect(&prometheus("0.2", json!({ "isPartial": true }), None)?.check(QUERY)?, 11, &["isPartial"])?;
    for header in [
        ("X-Thanos-Partial-Response", "true"),
        ("X-Cortex-Partial", "1"),
        ("X-Mimir-Results-Truncated", "max series reached"),
        ("X-Prometheus-Warnings", "one store is gone"),
        ("Warning", "110 - \"Response is Stale\""),
        ("Age", "900"),
    ] {
        expect(&prometheus("0.2", json!({}), Some(header))?.check(QUERY)?, 11, &["may be incomplete"])?;
    }
    Ok(())
}

fn not_finite() -> Result<(), Failed> {
    let at_least = QUERY.replace("< 1", ">= 0");
    for value in ["+Inf", "NaN"] {
        expect(&prometheus(value, json!({}), None)?.check(&at_least)?, 11, &["no measured value"])?;
    }
    Ok(())
}

fn pod(name: &str) -> Value {
    json!({ "metadata": { "name": name, "namespace": "shop", "uid": name, "labels": { "app": "x" } }, "spec": { "containers": [{ "name": "c" }] },
        "status": { "phase": "Running", "conditions": [{ "type": "Ready", "status": "True" }] } })
}

fn namespaces(asked: &Asked) -> Option<Answer> {
    let named = |name: &str| json!({ "metadata": { "name": name, "uid": name } });
    match asked.path.as_str() {
        "/api/v1/namespaces" => Some(Answer::json(200, &json!({ "items": [named("shop"), named("kube-system")] }))),
        "/api/v1/namespaces/shop" => Some(Answer::json(200, &named("shop"))),
        _ => None,
    }
}

fn pages() -> Result<(), Failed> {
    let api = api_server(|asked| {
        if !asked.path.starts_with("/api/v1/namespaces/shop/pods") {
            return namespaces(asked);
        }
        let (item, next) = if asked.path.contains("continue=two") { ("b", "") } else { ("a", "two") };
        Some(Answer::json(200, &json!({ "kind": "PodList", "items": [pod(item)], "metadata": { "continue": next } })))
    })?;
    let folder = Folder::new("pages", &api.url, "")?;
    expect(
        &folder.check("pods: { cluster: one, namespace: shop, selector: app=x, expect: { count: 2 } }")?,
        0,
        &["2 ready"],
    )
}

/// A list that was cut says how many items are missing, and gives no token for them.
fn cut_list() -> Result<(), Failed> {
    let api = api_server(|asked| {
        let list = json!({ "kind": "PodList", "items": [pod("a")], "metadata": { "remainingItemCount": 3 } });
        let pods = asked.path.starts_with("/api/v1/namespaces/shop/pods").then(|| Answer::json(200, &list));
        pods.or_else(|| namespaces(asked))
    })?;
    let folder = Folder::new("cut-list", &api.url, "")?;
    let check = "pods: { cluster: one, namespace: shop, selector: app=x, expect: { count: 1 } }";
    expect(&folder.check(check)?, 13, &["returned a part of the list: 3 items are missing"])
}

fn deprecated() -> Result<(), Failed> {
    let api = api_server(|asked| {
        let pods = asked.path.starts_with("/api/v1/namespaces/shop/pods");
        let list = json!({ "kind": "PodList", "items": [pod("a")], "metadata": {} });
        let answer = pods.then(|| Answer::json(200, &list).header("Warning", "299 - \"this version is deprecated\""));
        answer.or_else(|| namespaces(asked))
    })?;
    let folder = Folder::new("deprecated", &api.url, "")?;
    expect(&folder.check("pods: { cluster: one, namespace: shop, selector: app=x, expect: { count: 1 } }")?, 0, &[])?;
    if record(&folder.runs())?.contains("this version is deprecated") {
        Ok(())
    } else {
        Err("the record lacks the warning".into())
    }
}

/// How often the node was written, and how often it was read since.
#[derive(Clone, Copy)]
struct Count {
    patches: usize,
    gets: usize,
}

/// A drill that cordons the node of a cluster. `answer` changes what is answered when the node is read after the fault.
fn cordoned(
    name: &str,
    answer: impl Fn(Count, Value) -> Answer + Send + Sync + 'static,
) -> Result<(Server, Folder, Ran), Failed> {
    let state = Mutex::new((Count { patches: 0, gets: 0 }, false));
    let node = |cordoned: bool| {
        json!({ "kind": "Node", "metadata": { "name": "n1", "uid": "n1" }, "spec": { "unschedulable": cordoned },
            "status": { "conditions": [{ "type": "Ready", "status": "True" }] } })
    };
    let api = api_server(move |asked| {
        let mut state = state.lock().unwrap_or_else(PoisonError::into_inner);
        let (path, query) = asked.path.split_once('?').unwrap_or((&asked.path, ""));
        match (path, asked.method.as_str()) {
            ("/api/v1/nodes/n1", "PATCH") if !query.contains("dryRun") => {
                let patch: Value = serde_json::from_str(&asked.body).unwrap_or_default();
                state.1 = patch["spec"]["unschedulable"] == true;
                state.0 = Count { patches: state.0.patches + 1, gets: 0 };
                Some(Answer::json(200, &node(state.1)))
            }
            ("/api/v1/nodes/n1", "GET") if state.0.patches > 0 => {
                state.0.gets += 1;
                Some(answer(state.0, node(state.1)))
            }
            ("/api/v1/nodes", "GET") => Some(Answer::json(200, &json!({ "items": [node(state.1)], "metadata": {} }))),
            ("/api/v1/nodes/n1", _) => Some(Answer::json(200, &node(state.1))),
            // Where the undo is kept.
            (path, "POST" | "PATCH" | "PUT") if path.contains("/configmaps") => {
                Some(Answer::json(200, &serde_json::from_str(&asked.body).unwrap_or_default()))
            }
            (path, "DELETE") if path.contains("/configmaps") => Some(Answer::json(200, &json!({ "kind": "Status" }))),
            _ => namespaces(asked),
        }
    })?;
    let folder = Folder::new(name, &api.url, MAY_BREAK)?;
    let ran = folder.fault("cordon: { cluster: one, node: n1 }\n      for: 3s")?;
    Ok((api, folder, ran))
}

const STALE: &str = "110 - \"Response is Stale\"";

fn schedulable(mut node: Value, schedulable: bool) -> Value {
    node["spec"]["unschedulable"] = json!(!schedulable);
    node
}

/// Every answer of the API server has a warning while the effect is awaited, held and undone.
fn remarks_of_a_fault() -> Result<(), Failed> {
    let warning = "299 - \"this version of Node is deprecated\"";
    let (_, folder, ran) =
        cordoned("remarks-of-a-fault", |_, node| Answer::json(200, &node).header("Warning", warning))?;
    ran.expect_code(0)?;
    let record = record(&folder.runs())?;
    let notes: Vec<&str> = record.lines().filter(|line| line.contains("this version of Node is deprecated")).collect();
    match notes.as_slice() {
        [one] if one.contains("fault f1: warning of an API") => Ok(()),
        _ => Err(format!("not one note: {notes:?}\n{}", ran.said()).into()),
    }
}

/// A stale answer has the effect, and the next one shows that the node is gone.
fn stale_effect() -> Result<(), Failed> {
    let (_, folder, ran) = cordoned("stale-effect", |count, node| {
        if count.gets == 1 {
            return Answer::json(200, &node).header("Warning", STALE);
        }
        let gone = json!({ "kind": "Status", "status": "Failure", "reason": "NotFound", "code": 404 });
        Answer::json(404, &gone)
    })?;
    expect(&ran, 13, &["the answer may be incomplete"])?;
    let record = record(&folder.runs())?;
    if record.contains("fault-effective") { Err(format!("it took effect: {}", ran.said()).into()) } else { Ok(()) }
}

/// While the fault is held, one answer shows the state of before and is stale.
fn stale_hold() -> Result<(), Failed> {
    let (_, _, ran) = cordoned("stale-hold", |count, node| {
        if count.patches == 1 && count.gets == 2 {
            return Answer::json(200, &schedulable(node, true)).header("Warning", STALE);
        }
        Answer::json(200, &node)
    })?;
    expect(&ran, 0, &["the answer may be incomplete"])
}

/// After the undo, a first answer is stale; the next shows that the node is cordoned for a while.
fn stale_undo() -> Result<(), Failed> {
    let (api, _, ran) = cordoned("stale-undo", |count, node| match (count.patches, count.gets) {
        (2, 1) => Answer::json(200, &schedulable(node, true)).header("Warning", STALE),
        (2, 2..5) => Answer::json(200, &schedulable(node, false)),
        _ => Answer::json(200, &node),
    })?;
    ran.expect_code(0)?;
    let asked = api.asked();
    let undone = asked.iter().rposition(|one| one.starts_with("PATCH /api/v1/nodes/n1")).ok_or("no undo")?;
    let reads = asked[undone..].iter().filter(|one| one.starts_with("GET /api/v1/nodes/n1")).count();
    if reads >= 5 { Ok(()) } else { Err(format!("verified after {reads} reads\n{}", ran.said()).into()) }
}

fn no_namespace() -> Result<(), Failed> {
    let api = api_server(|asked| {
        let empty = json!({ "kind": "PodList", "items": [], "metadata": {} });
        let kinds = json!({ "kind": "APIResourceList", "resources": [{ "name": "configmaps", "kind": "ConfigMap", "namespaced": true, "verbs": ["get"] }] });
        match asked.path.as_str() {
            path if path.contains("/pods?") => Some(Answer::json(200, &empty)),
            "/api/v1" => Some(Answer::json(200, &kinds)),
            _ => namespaces(asked),
        }
    })?;
    let folder = Folder::new("namespaces", &api.url, MAY_BREAK)?;
    let pods = |namespace: &str, expect: &str| {
        format!("pods: {{ cluster: one, namespace: {namespace}, selector: app=x, expect: {{ {expect} }} }}")
    };
    for nothing in ["count: 0", "ready: 0", "restarts: 0"] {
        let hint = ["there is no namespace `shopp`", "did you mean `shop`?"];
        expect(&folder.check(&pods("shopp", nothing))?, 13, &hint)?;
    }
    expect(&folder.check(&pods("shop", "count: 0"))?, 0, &[])?;
    let object = |namespace: &str, kind: &str| {
        format!(
            "resource: {{ cluster: one, apiVersion: v1, kind: {kind}, namespace: {namespace}, name: old, expect: {{ exists: false }} }}"
        )
    };
    expect(&folder.check(&object("shop", "ConfigMap"))?, 0, &[])?;
    expect(&folder.check(&object("shopp", "ConfigMap"))?, 13, &["there is no namespace `shopp`"])?;
    expect(&folder.check(&object("shop", "ConfigMapp"))?, 13, &["there is no kind ConfigMapp"])?;
    let place = "cluster: one, namespace: shopp";
    for check in [
        format!("exec: {{ {place}, selector: app=x, command: [\"true\"] }}"),
        format!("tcp: {{ from: {{ {place}, selector: app=x }}, to: \"cart:80\" }}"),
        format!("ping: {{ to: {{ pod: {{ {place}, selector: app=x }} }} }}"),
        format!("deployment: {{ {place}, name: cart }}"),
        format!("service: {{ {place}, name: cart }}"),
    ] {
        let ran = folder.check(&check)?;
        expect(&ran, ran.code, &["there is no namespace `shopp`; did you mean `shop`?"])?;
        if ran.code == 0 {
            return Err(format!("{check} passed").into());
        }
    }
    for fault in [
        format!("isolate: {{ {place}, selector: app=x, control: {{ tcp: {{ to: \"127.0.0.1:9\" }} }} }}"),
        format!("scale: {{ {place}, deployment: cart, replicas: 0 }}\n      for: 5s"),
        format!("rolloutRestart: {{ {place}, deployment: cart }}"),
        format!("deletePods: {{ {place}, selector: app=x }}"),
    ] {
        expect(&folder.fault(&fault)?, 3, &["there is no namespace `shopp`; did you mean `shop`?"])?;
    }
    Ok(())
}

/// A workload that does not exist in a namespace that does: the error has the nearest name.
fn near_names() -> Result<(), Failed> {
    let api = api_server(|asked| match asked.path.as_str() {
        "/apis/apps/v1/namespaces/shop/deployments?limit=500" => {
            Some(Answer::json(200, &json!({ "items": [{ "metadata": { "name": "cart-v1" } }] })))
        }
        _ => namespaces(asked),
    })?;
    let folder = Folder::new("near-names", &api.url, MAY_BREAK)?;
    expect(
        &folder.check("deployment: { cluster: one, namespace: shop, name: cart-v2 }")?,
        10,
        &["did you mean `cart-v1`?"],
    )?;
    let scale = "scale: { cluster: one, namespace: shop, deployment: cart-v2, replicas: 0 }\n      for: 5s";
    expect(&folder.fault(scale)?, 3, &["did you mean `cart-v1`?"])
}

/// What an eviction is answered with.
fn eviction(answer: impl Fn(usize) -> Answer + Send + Sync + 'static) -> Result<(Server, Ran), Failed> {
    let count = AtomicUsize::new(0);
    let api = api_server(move |asked| match asked.path.split('?').next().unwrap_or_default() {
        "/api/v1/namespaces/shop/pods" => Some(Answer::json(200, &json!({ "items": [pod("a")], "metadata": {} }))),
        path if path.ends_with("/eviction") => Some(answer(count.fetch_add(1, Ordering::Relaxed))),
        _ => namespaces(asked),
    })?;
    let folder = Folder::new("eviction", &api.url, MAY_BREAK)?;
    let ran = folder.fault("evictPods: { cluster: one, namespace: shop, selector: app=x }")?;
    Ok((api, ran))
}

fn evictions(server: &Server) -> usize {
    server.asked().iter().filter(|asked| asked.contains("/eviction")).count()
}

/// Who refuses an eviction is named, with the words of the server, and nothing breaks.
fn refused_evictions() -> Result<(), Failed> {
    let status = |code: u16, message: &str, details: Value| json!({ "kind": "Status", "apiVersion": "v1", "metadata": {}, "status": "Failure", "message": message, "code": code, "details": details });
    let budget = json!({ "causes": [{ "reason": "DisruptionBudget", "message": "The disruption budget x needs 1 healthy pods" }] });
    let violated = "Cannot evict pod as it would violate the pod's disruption budget.";
    let (server, ran) = eviction(move |_| Answer::json(429, &status(429, violated, budget.clone())))?;
    expect(&ran, 3, &["a disruption budget refuses the eviction", violated])?;
    if evictions(&server) != 1 {
        return Err(format!("the budget was asked {} times", evictions(&server)).into());
    }
    let budget = json!({ "causes": [{ "reason": "DisruptionBudget", "message": "is still being processed" }], "retryAfterSeconds": 10 });
    let processed = "Cannot evict pod as the disruption budget is still being processed by the server.";
    let (_, ran) =
        eviction(move |_| Answer::json(429, &status(429, processed, budget.clone())).header("Retry-After", "10"))?;
    expect(&ran, 3, &["a disruption budget refuses the eviction", processed, "Retry-After: 10 s"])?;
    let two = "This pod has more than one PodDisruptionBudget, which the eviction subresource does not support.";
    let (_, ran) = eviction(move |_| Answer::json(500, &status(500, two, Value::Null)))?;
    expect(&ran, 3, &[two])
}

/// A 429 with `Retry-After` of the API server: waited for within the deadline of the request, and named.
fn throttled() -> Result<(), Failed> {
    let busy = || Answer::text(429, "Too many requests, please try again later.\n").header("Retry-After", "1");
    let (server, ran) = eviction(move |count| {
        if count == 0 {
            busy()
        } else {
            Answer::json(
                403,
                &json!({ "kind": "Status", "apiVersion": "v1", "metadata": {}, "status": "Failure", "reason": "Forbidden", "code": 403, "message": "after the pause" }),
            )
        }
    })?;
    expect(&ran, 3, &["after the pause"])?;
    if evictions(&server) != 2 {
        return Err(format!("{} requests, not 2", evictions(&server)).into());
    }
    let (_, ran) = eviction(move |_| busy())?;
    expect(
        &ran,
        3,
        &[
            "the API server throttles requests (429)",
            "Retry-After: 1 s",
            "please try again later",
            "nothing was injected",
        ],
    )?;
    let said = format!("{}{}", ran.stdout, ran.stderr);
    if said.contains("disruption budget") {
        return Err(format!("a throttle is no budget: {said}").into());
    }
    let app = Server::start(|_| Answer::text(429, "slow down").header("Retry-After", "30"))?;
    let folder = Folder::new("throttled", &app.url, "")?;
    expect(&folder.check(&format!("http: {{ url: {} }}", app.url))?, 10, &["status 429 (Retry-After: 30)", "slow down"])
}
