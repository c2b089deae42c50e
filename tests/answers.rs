//! What an API reports about its own answers, and names that lead nowhere.

use libtest_mimic::{Failed, Trial};
use serde_json::{Value, json};

use crate::stand_in::{Answer, Asked, Folder, Server, api_server, expect, record};

pub fn trials() -> Vec<Trial> {
    vec![
        Trial::test("answers::a partial answer of Prometheus is no data", partial),
        Trial::test("answers::remarks of Prometheus are recorded", remarks),
        Trial::test("answers::a partial answer of VictoriaMetrics or of a proxy is no data", partial_elsewhere),
        Trial::test("answers::a value that is not finite is no data", not_finite),
        Trial::test("answers::all pages of a list are read", pages),
        Trial::test("answers::warnings of an API server are recorded", deprecated),
        Trial::test("answers::nothing in a namespace that does not exist is no result", no_namespace),
    ]
}

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
    for header in [("X-Thanos-Partial-Response", "true"), ("Warning", "110 - \"Response is Stale\""), ("Age", "900")] {
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
    let folder = Folder::new("namespaces", &api.url, "")?;
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
    expect(&folder.check(&object("shop", "ConfigMapp"))?, 13, &["there is no kind ConfigMapp"])
}
