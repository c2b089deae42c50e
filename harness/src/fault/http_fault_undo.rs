//! The undo of `httpFault`: the fault is removed from the routes, and no proxy has it any more.

use std::fmt;

use futures::future::BoxFuture;
use serde::{Deserialize, Serialize};
use serde_json::Value;

use super::fields::change;
use super::proxies::{Proxies, Watch, as_seen};
use super::routes;
use super::{UndoAction, UndoKind, UndoOutcome};
use crate::cluster::{Object, World};
use crate::probe::ProbeError;

/// Removes a fault from the HTTP routes of a `VirtualService`, and checks that the proxies drop it.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub(super) struct RemoveRouteFault {
    /// The cluster's key.
    pub(super) cluster: String,
    /// The `VirtualService`'s namespace.
    pub(super) namespace: String,
    /// Its name.
    pub(super) name: String,
    /// Its UID.
    pub(super) uid: String,
    /// The `fault` that was written into its routes.
    pub(super) wrote: Value,
    /// The proxies that must drop it.
    #[serde(deserialize_with = "super::proxies::places")]
    pub(super) proxies: Vec<Proxies>,
}

impl RemoveRouteFault {
    fn path(&self) -> String {
        routes::path(&self.namespace, &self.name)
    }
}

impl UndoKind for RemoveRouteFault {
    const KIND: &'static str = "removeRouteFault";
}

impl UndoAction for RemoveRouteFault {
    fn cluster(&self) -> Option<&str> {
        Some(&self.cluster)
    }

    fn apply<'a>(&'a self, world: &'a World) -> BoxFuture<'a, Result<UndoOutcome, ProbeError>> {
        Box::pin(async move {
            let step = |service: &Object| routes::remove(service, &self.wrote);
            Ok(change(world.cluster(&self.cluster)?, &self.path(), &self.uid, step).await?)
        })
    }

    fn missing<'a>(&'a self, world: &'a World) -> BoxFuture<'a, Result<Option<String>, ProbeError>> {
        Box::pin(async move {
            let Self { namespace, name, wrote, .. } = self;
            let cluster = world.cluster(&self.cluster)?;
            let service = cluster.find::<Object>(&self.path()).await?;
            if service.is_some_and(|service| routes::carries(&service, wrote)) {
                return Ok(Some(format!("VirtualService {namespace}/{name} ({}) still has the fault", cluster.key)));
            }
            let watch = Watch::new(cluster, &self.proxies);
            let seen = watch.ask((namespace, name), None, as_seen(wrote)).await?;
            let still: Vec<String> = seen.complete.into_iter().chain(seen.partial).collect();
            Ok(still.first().map(|pod| {
                format!("{self}: {} proxies still have the fault, such as {pod} ({})", still.len(), cluster.key)
            }))
        })
    }
}

impl fmt::Display for RemoveRouteFault {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { cluster, namespace, name, .. } = self;
        write!(f, "remove the fault from VirtualService {namespace}/{name} ({cluster})")
    }
}
