//! `resource`: any object, by group, version and kind: it exists, and values in it are as expected.

use std::sync::Arc;

use futures::future::BoxFuture;
use meshdrill_checks::record::Series;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};

use super::kind::{Complaint, Kind, Observer, Role};
use super::outcome::settle;
use super::{CannotAsk, JsonExpect, Outcome};
use crate::cluster::{Cluster, ObjectName, Permission, World};
use crate::spec::{ClusterChoice, MeshSpec};

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
    fn object(&self) -> ObjectName<'_> {
        ObjectName {
            api_version: &self.api_version,
            kind: &self.kind,
            namespace: self.namespace.as_deref(),
            name: &self.name,
        }
    }

    fn place(&self) -> String {
        format!("{} in {}", self.object(), self.cluster)
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

    fn permissions(&self, _: &MeshSpec) -> Vec<Permission> {
        vec![Permission::of_object(self.cluster.key(), self.object(), "get")]
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
        let name = spec.object();
        let object = match self.cluster.find_object(name).await {
            Ok((_, object)) => object,
            Err(error) if error.is_not_found() => {
                let message = format!("{} does not exist: {error}", spec.place());
                return Ok(Outcome::judged(!wanted, message, Value::Null));
            }
            Err(error) => return Err(error.into()),
        };
        if !wanted {
            return Ok(Outcome::judged(false, format!("{} exists", spec.place()), Value::Null));
        }
        let missed: Vec<String> = spec
            .expect
            .values
            .iter()
            .filter_map(
                |value| if spec.kind == "Secret" { value.missed_in_secret(&object) } else { value.missed(&object) },
            )
            .collect();
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
