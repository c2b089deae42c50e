//! Discovery, version and health.

use serde_json::{Value, json};

use super::body::{Body, json as json_response, with_type};
use super::openapi;
use crate::engine::Engine;
use crate::store::resources::RESOURCES;
use crate::store::{Resource, Store};
use crate::world::KUBERNETES;

/// Answers the paths that are not about objects.
pub(crate) fn answer(engine: &Engine, cluster: usize, path: &str, accept: &str) -> Option<http::Response<Body>> {
    let parts: Vec<&str> = path.split('/').filter(|p| !p.is_empty()).collect();
    if !matches!(parts.first(), None | Some(&("version" | "healthz" | "readyz" | "livez" | "api" | "apis" | "openapi")))
    {
        return None;
    }
    let served = engine.with(|world| served(&world.clusters[cluster].store));
    let value = match parts.as_slice() {
        ["version"] => version(engine, cluster),
        ["healthz" | "readyz" | "livez", ..] => return Some(with_type(200, "text/plain; charset=utf-8", "ok".into())),
        ["api"] => json!({"kind": "APIVersions", "versions": ["v1"], "serverAddressByClientCIDRs": []}),
        ["apis"] => json!({"kind": "APIGroupList", "apiVersion": "v1", "groups": groups(&served)}),
        ["api", "v1"] => list(&served, "", "v1")?,
        ["apis", group] => groups(&served).into_iter().find(|g| g["name"] == *group).map(|mut g| {
            g["kind"] = json!("APIGroup");
            g["apiVersion"] = json!("v1");
            g
        })?,
        ["apis", group, version] => list(&served, group, version)?,
        ["openapi", "v3", rest @ ..] => openapi::v3(&served, rest)?,
        ["openapi", "v2"] if !accept.contains("protobuf") || accept.contains("json") => openapi::v2(),
        [] => {
            json!({"paths": ["/api", "/api/v1", "/apis", "/healthz", "/livez", "/openapi/v2", "/openapi/v3", "/readyz", "/version"]})
        }
        _ => return None,
    };
    Some(json_response(200, &value))
}

fn version(engine: &Engine, cluster: usize) -> Value {
    let version = engine
        .with(|world| world.clusters[cluster].quirks.kubernetes_version.clone())
        .unwrap_or_else(|| KUBERNETES.into());
    let minor = version.split('.').nth(1).unwrap_or("34").to_owned();
    json!({"major": "1", "minor": minor, "emulationMajor": "1", "emulationMinor": minor, "minCompatibilityMajor": "1",
        "minCompatibilityMinor": "33", "gitVersion": version, "gitCommit": "93248f9ae092f571eb870b7664c534bfc7d00f03",
        "gitTreeState": "clean", "buildDate": "2025-09-09T19:37:33Z", "goVersion": "go1.24.6", "compiler": "gc", "platform": "linux/amd64"})
}

const REVIEW_GROUPS: [(&str, &[(&str, &str)]); 2] = [
    (
        "authorization.k8s.io",
        &[
            ("selfsubjectaccessreviews", "SelfSubjectAccessReview"),
            ("selfsubjectrulesreviews", "SelfSubjectRulesReview"),
            ("subjectaccessreviews", "SubjectAccessReview"),
        ],
    ),
    ("authentication.k8s.io", &[("selfsubjectreviews", "SelfSubjectReview")]),
];

/// The resources that a cluster serves.
fn served(store: &Store) -> Vec<&'static Resource> {
    RESOURCES.iter().filter(|resource| store.serves(resource)).collect()
}

fn groups(served: &[&'static Resource]) -> Vec<Value> {
    let mut names: Vec<(&str, Vec<&str>)> = Vec::new();
    for resource in served.iter().filter(|r| !r.group.is_empty()) {
        match names.iter_mut().find(|(group, _)| *group == resource.group) {
            Some((_, versions)) => {
                versions
                    .extend(resource.versions.iter().filter(|v| !versions.contains(v)).copied().collect::<Vec<_>>());
            }
            None => names.push((resource.group, resource.versions.to_vec())),
        }
    }
    names.extend(REVIEW_GROUPS.iter().map(|(group, _)| (*group, vec!["v1"])));
    names
        .into_iter()
        .map(|(group, versions)| {
            let all: Vec<Value> =
                versions.iter().map(|v| json!({"groupVersion": format!("{group}/{v}"), "version": v})).collect();
            json!({"name": group, "versions": all, "preferredVersion": all[0]})
        })
        .collect()
}

fn list(served: &[&'static Resource], group: &str, version: &str) -> Option<Value> {
    let mut found = Vec::new();
    for resource in served.iter().filter(|r| r.group == group && r.versions.contains(&version)) {
        let verbs = ["create", "delete", "deletecollection", "get", "list", "patch", "update", "watch"];
        let mut one = json!({"name": resource.plural, "singularName": resource.singular(), "namespaced": resource.namespaced,
            "kind": resource.kind, "verbs": verbs});
        if !resource.short.is_empty() {
            one["shortNames"] = json!(resource.short);
        }
        if matches!(
            resource.plural,
            "pods" | "services" | "deployments" | "replicasets" | "statefulsets" | "daemonsets" | "jobs"
        ) || resource.plural == "horizontalpodautoscalers"
        {
            one["categories"] = json!(["all"]);
        }
        found.push(one);
        for sub in resource.subresources {
            let name = format!("{}/{sub}", resource.plural);
            let (kind, gv, verbs): (&str, Option<(&str, &str)>, &[&str]) = match *sub {
                "scale" => ("Scale", Some(("autoscaling", "v1")), &["get", "patch", "update"]),
                "eviction" => ("Eviction", Some(("policy", "v1")), &["create"]),
                "exec" => ("PodExecOptions", None, &["create", "get"]),
                "attach" => ("PodAttachOptions", None, &["create", "get"]),
                "portforward" => ("PodPortForwardOptions", None, &["create", "get"]),
                "log" => ("Pod", None, &["get"]),
                _ => (resource.kind, None, &["get", "patch", "update"]),
            };
            let mut entry = json!({"name": name, "singularName": "", "namespaced": resource.namespaced, "kind": kind, "verbs": verbs});
            if let Some((group, version)) = gv {
                entry["group"] = json!(group);
                entry["version"] = json!(version);
            }
            found.push(entry);
        }
    }
    for (own, kinds) in REVIEW_GROUPS.iter().filter(|(own, _)| *own == group && version == "v1") {
        let _ = own;
        found.extend(kinds.iter().map(|(plural, kind)| {
            json!({"name": plural, "singularName": kind.to_lowercase(), "namespaced": false, "kind": kind, "verbs": ["create"]})
        }));
    }
    let gv = if group.is_empty() { version.to_owned() } else { format!("{group}/{version}") };
    (!found.is_empty())
        .then(|| json!({"kind": "APIResourceList", "apiVersion": "v1", "groupVersion": gv, "resources": found}))
}
