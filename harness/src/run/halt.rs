//! The halt switch: an object in a cluster that stops every run on it and blocks new ones.

use serde_json::{Value, json};

use crate::cluster::{AccessError, Cluster};

const NAME: &str = "meshdrill-halt";

fn path(namespace: &str) -> String {
    format!("/api/v1/namespaces/{namespace}/configmaps")
}

/// Who halted a cluster and why; none if nobody did.
pub async fn halted(cluster: &Cluster, namespace: &str) -> Result<Option<String>, AccessError> {
    let found = cluster.find::<Value>(&format!("{}/{NAME}", path(namespace))).await?;
    Ok(found.map(|switch| switch["data"]["by"].as_str().unwrap_or("someone").to_owned()))
}

/// Stops and blocks all runs on a cluster.
pub async fn halt(cluster: &Cluster, namespace: &str, by: &str) -> Result<(), AccessError> {
    let object = json!({
        "apiVersion": "v1",
        "kind": "ConfigMap",
        "metadata": { "name": NAME, "namespace": namespace, "labels": { "app.kubernetes.io/managed-by": "meshdrill" } },
        "data": { "by": by, "at": jiff::Timestamp::now().to_string() }
    });
    match cluster.send(http::Method::POST, &path(namespace), "application/json", &object).await {
        Err(error) if !error.is_conflict() => Err(error),
        _ => Ok(()),
    }
}

/// Lifts the halt.
pub async fn resume(cluster: &Cluster, namespace: &str) -> Result<(), AccessError> {
    let path = format!("{}/{NAME}", path(namespace));
    cluster.delete(&path, &json!({})).await
}
