//! `resource`: an object of any kind: it exists, and its values are as expected.

use std::sync::Arc;

use futures::future::BoxFuture;
use meshdrill_checks::observe::routing::{self, Rival};
use meshdrill_checks::record::Series;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};

use super::outcome::settle;
use super::role::{Observation, Observer, Role, SpecError};
use super::{JsonExpect, Outcome, ProbeError};
use crate::cluster::{Cluster, ObjectName, Permission, World};
use crate::format::{ClusterChoice, MeshSpec};

/// The API group of `VirtualServices`.
const ROUTING: &str = "networking.istio.io";

/// An object of any kind: it exists, and its values are as expected. A `VirtualService` also fails if another one claims one
/// of its hosts for the same sidecars, because Istio applies only the oldest.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct Resource {
    /// The cluster.
    pub cluster: ClusterChoice,
    /// The API version of the object, such as `networking.istio.io/v1`.
    pub api_version: String,
    /// The kind of the object, such as `DestinationRule`.
    pub kind: String,
    /// The namespace; omit it for objects of the cluster.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub namespace: Option<String>,
    /// The name.
    pub name: String,
    /// The expectations; by default the object exists.
    #[serde(default)]
    pub expect: ResourceExpect,
}

/// The expectations of an object.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct ResourceExpect {
    /// Whether it exists; default `true`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub exists: Option<bool>,
    /// Expectations of its values.
    #[serde(default, rename = "where", skip_serializing_if = "Vec::is_empty")]
    pub values: Vec<JsonExpect>,
}

impl Resource {
    fn object(&self) -> ObjectName<'_> {
        ObjectName {
            api_version: &self.api_version,
            kind: &self.kind,
            namespace: self.namespace.as_deref(),
            name: &self.name,
        }
    }

    /// Whether another object may claim the same hosts.
    fn may_have_rivals(&self) -> bool {
        let object = self.object();
        object.group() == ROUTING && object.kind == "VirtualService" && !self.expect.values.is_empty()
    }

    fn place(&self) -> String {
        format!("{} ({})", self.object(), self.cluster)
    }
}

impl Observation for Resource {
    fn describe(&self) -> String {
        self.place()
    }

    fn subject(&self) -> String {
        format!("{}-{}", self.kind, self.name).to_lowercase()
    }

    fn choices(&mut self) -> Vec<&mut ClusterChoice> {
        vec![&mut self.cluster]
    }

    fn spec_errors(&self) -> Vec<SpecError> {
        let absent = self.expect.exists == Some(false) && !self.expect.values.is_empty();
        let absent = absent.then(|| {
            SpecError::new("expect", "an object that must not exist has no values", "remove `where` or `exists: false`")
        });
        let values = self.expect.values.iter().flat_map(|value| value.spec_errors("expect"));
        absent.into_iter().chain(values).collect()
    }

    fn permissions(&self, _: &MeshSpec) -> Vec<Permission> {
        let cluster = self.cluster.key();
        let rivals = self.may_have_rivals().then(|| Permission::new(cluster, "", ROUTING, "virtualservices", "list"));
        std::iter::once(Permission::for_object(cluster, self.object(), "get")).chain(rivals).collect()
    }

    fn prepare<'a>(&'a self, world: &'a World, _: Role) -> BoxFuture<'a, Result<Box<dyn Observer>, ProbeError>> {
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
    /// Reports other objects that claim the same hosts.
    async fn rivals(&self, object: &Value) -> Result<Vec<String>, ProbeError> {
        if !self.spec.may_have_rivals() {
            return Ok(Vec::new());
        }
        let path = format!("/apis/{}/virtualservices", self.spec.api_version);
        let services = self.cluster.list(&path, None).await?;
        let words = |Rival { namespace, name, host }: Rival<'_>| {
            format!(
                "{} {namespace}/{name} also claims {host}, and Istio applies only the oldest; remove one",
                self.spec.kind
            )
        };
        Ok(routing::rivals(&services, object).into_iter().map(words).collect())
    }

    /// Fails if the cluster has no such kind or namespace: of those, no object can exist.
    async fn must_be_known(&self) -> Result<(), ProbeError> {
        let object = self.spec.object();
        self.cluster.collection_path(object).await?;
        match object.namespace {
            Some(namespace) => Ok(self.cluster.must_have_namespace(namespace).await?),
            None => Ok(()),
        }
    }

    async fn ask(&self) -> Result<Outcome, ProbeError> {
        let spec = &self.spec;
        let wanted = spec.expect.exists.unwrap_or(true);
        let name = spec.object();
        let object = match self.cluster.find_object(name).await {
            Ok((_, object)) => object,
            Err(error) if error.is_not_found() => {
                if !wanted {
                    self.must_be_known().await?;
                }
                let message = format!("{} does not exist: {error}", spec.place());
                return Ok(Outcome::judged(!wanted, message, Value::Null));
            }
            Err(error) => return Err(error.into()),
        };
        if !wanted {
            return Ok(Outcome::judged(false, format!("{} exists", spec.place()), Value::Null));
        }
        let mut missed: Vec<String> = spec
            .expect
            .values
            .iter()
            .filter_map(
                |value| if spec.kind == "Secret" { value.missed_in_secret(&object) } else { value.missed(&object) },
            )
            .collect();
        missed.extend(self.rivals(&object).await?);
        let seen = json!({ "resourceVersion": object.resource_version(), "missed": missed });
        let message = match missed.as_slice() {
            [] => format!("{} is as expected ({} values)", spec.place(), spec.expect.values.len()),
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
