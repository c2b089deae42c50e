//! `resource`: any object, by group, version and kind: it exists, and values in it are as expected.

use std::sync::Arc;

use futures::future::BoxFuture;
use kube::core::{DynamicObject, GroupVersionKind};
use meshdrill_checks::record::Series;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};

use super::kind::{Complaint, Kind, Observer, Role};
use super::outcome::settle;
use super::{CannotAsk, JsonExpect, Outcome};
use crate::cluster::{AccessError, Cluster, World};
use crate::spec::ClusterChoice;

/// An object.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct Resource {
    /// The cluster.
    pub cluster: ClusterChoice,
    /// Its group and version, such as `networking.istio.io/v1`.
    pub api_version: String,
    /// Its kind, such as `DestinationRule`.
    pub kind: String,
    /// Its namespace; none for objects that have none.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub namespace: Option<String>,
    /// Its name.
    pub name: String,
    /// What it must be; it must exist without it.
    #[serde(default)]
    pub expect: ResourceExpect,
}

/// What an object must be.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct ResourceExpect {
    /// Whether it exists; true.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub exists: Option<bool>,
    /// Values in it.
    #[serde(default, rename = "where", skip_serializing_if = "Vec::is_empty")]
    pub values: Vec<JsonExpect>,
}

impl Resource {
    fn gvk(&self) -> GroupVersionKind {
        let (group, version) = self.api_version.split_once('/').unwrap_or(("", &self.api_version));
        GroupVersionKind::gvk(group, version, &self.kind)
    }

    fn place(&self) -> String {
        let namespace = self.namespace.as_ref().map_or_else(String::new, |namespace| format!("{namespace}/"));
        format!("{} {namespace}{} in {}", self.kind, self.name, self.cluster)
    }
}

impl Kind for Resource {
    fn describe(&self) -> String {
        self.place()
    }

    fn subject(&self) -> String {
        format!("{}-{}", self.kind, self.name).to_lowercase()
    }

    fn choices(&mut self) -> Vec<&mut ClusterChoice> {
        vec![&mut self.cluster]
    }

    fn complaints(&self) -> Vec<Complaint> {
        let absent = self.expect.exists == Some(false) && !self.expect.values.is_empty();
        let absent = absent.then(|| {
            Complaint::new("expect", "values of an object that must not exist", "remove `where` or `exists: false`")
        });
        let values = self.expect.values.iter().flat_map(|value| value.complaints("expect"));
        absent.into_iter().chain(values).collect()
    }

    fn prepare<'a>(&'a self, world: &'a World, _: Role) -> BoxFuture<'a, Result<Box<dyn Observer>, CannotAsk>> {
        Box::pin(async move {
            let cluster = Arc::clone(world.cluster(self.cluster.key())?);
            Ok(Box::new(ResourceObserver { cluster, spec: self.clone() }) as Box<dyn Observer>)
        })
    }
}

struct ResourceObserver {
    cluster: Arc<Cluster>,
    spec: Resource,
}

impl ResourceObserver {
    async fn ask(&self) -> Result<Outcome, CannotAsk> {
        let spec = &self.spec;
        let wanted = spec.expect.exists.unwrap_or(true);
        let gvk = spec.gvk();
        let discovered = self.cluster.bounded(kube::discovery::pinned_kind(&self.cluster.client, &gvk)).await;
        let resource = match discovered {
            Ok((resource, _)) => resource,
            Err(error) => {
                let message = format!("the cluster has no kind {} in {}: {error}", spec.kind, spec.api_version);
                return Ok(Outcome::judged(!wanted, message, Value::Null));
            }
        };
        let api: kube::Api<DynamicObject> = match &spec.namespace {
            Some(namespace) => kube::Api::namespaced_with(self.cluster.client.clone(), namespace, &resource),
            None => kube::Api::all_with(self.cluster.client.clone(), &resource),
        };
        let object = match self.cluster.bounded(api.get(&spec.name)).await {
            Ok(object) => serde_json::to_value(object).map_err(|error| CannotAsk(error.to_string()))?,
            Err(AccessError::NotFound { why, .. }) => {
                return Ok(Outcome::judged(!wanted, format!("{} does not exist: {why}", spec.place()), Value::Null));
            }
            Err(error) => return Err(error.into()),
        };
        if !wanted {
            return Ok(Outcome::judged(false, format!("{} exists", spec.place()), Value::Null));
        }
        let missed: Vec<String> = spec.expect.values.iter().filter_map(|value| value.missed(&object)).collect();
        let seen = json!({ "resourceVersion": object["metadata"]["resourceVersion"], "missed": missed });
        let message = match missed.as_slice() {
            [] => format!("{} is as declared ({} values)", spec.place(), spec.expect.values.len()),
            missed => format!("{}: {}", spec.place(), missed.join("; ")),
        };
        Ok(Outcome::judged(missed.is_empty(), message, seen))
    }
}

impl Observer for ResourceObserver {
    fn observe(&self, _: Series) -> BoxFuture<'_, Outcome> {
        Box::pin(async move { settle(self.ask().await) })
    }
}
