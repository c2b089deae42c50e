//! The `OpenAPI` that kubectl needs to leave validation to the server. It has no schemas.

use serde_json::{Map, Value, json};

use crate::store::Resource;

fn prefix(group: &str, version: &str) -> String {
    if group.is_empty() { format!("api/{version}") } else { format!("apis/{group}/{version}") }
}

/// `/openapi/v3` and its documents.
pub(crate) fn v3(served: &[&'static Resource], rest: &[&str]) -> Option<Value> {
    if rest.is_empty() {
        let mut paths = Map::new();
        for resource in served {
            for version in resource.versions {
                let path = prefix(resource.group, version);
                paths.insert(path.clone(), json!({"serverRelativeURL": format!("/openapi/v3/{path}?hash=1")}));
            }
        }
        return Some(json!({"paths": paths}));
    }
    let wanted = rest.join("/");
    let mut paths = Map::new();
    for resource in served {
        for version in resource.versions.iter().filter(|v| prefix(resource.group, v) == wanted) {
            let space = if resource.namespaced { "/namespaces/{namespace}" } else { "" };
            let path = format!("/{wanted}{space}/{}/{{name}}", resource.plural);
            paths.insert(path, json!({"patch": operation(resource, version), "get": operation(resource, version)}));
        }
    }
    let info = json!({"title": "Kubernetes", "version": "v1.34.1"});
    (!paths.is_empty())
        .then(|| json!({"openapi": "3.0.0", "info": info, "paths": paths, "components": {"schemas": {}}}))
}

fn operation(resource: &Resource, version: &str) -> Value {
    let gvk = json!({"group": resource.group, "version": version, "kind": resource.kind});
    let parameters = json!([
        {"name": "fieldValidation", "in": "query", "schema": {"type": "string", "uniqueItems": true}},
        {"name": "dryRun", "in": "query", "schema": {"type": "string", "uniqueItems": true}},
    ]);
    json!({"x-kubernetes-group-version-kind": gvk, "parameters": parameters, "responses": {"200": {"description": "OK"}}})
}

/// `/openapi/v2`, empty.
pub(crate) fn v2() -> Value {
    json!({"swagger": "2.0", "info": {"title": "Kubernetes", "version": "v1.34.1"}, "paths": {}, "definitions": {}})
}
