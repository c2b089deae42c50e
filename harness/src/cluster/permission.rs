//! The permissions that a run needs in a cluster, and the cache of those that were granted.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use tokio::time::Instant;

use super::ObjectName;
use crate::format::{ClusterSpec, MeshSpec};

/// How long a granted permission is cached: about the time in which all runs of a validation suite start.
const FRESH: Duration = Duration::from_secs(30);

/// A permission that an observation or a fault needs in a cluster.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct Permission {
    /// The cluster's key.
    pub cluster: String,
    /// The namespace; empty for cluster-wide.
    pub namespace: String,
    /// The API group; empty for core.
    pub group: String,
    /// The resource, with its subresource after a slash.
    pub resource: String,
    /// The verb.
    pub verb: &'static str,
}

impl Permission {
    /// The verbs on each resource, by cluster, namespace and resource; an empty namespace stands for all of them.
    pub fn verbs_by_resource(permissions: &BTreeSet<Self>) -> BTreeMap<(&str, &str, String), Vec<&str>> {
        let mut verbs: BTreeMap<_, Vec<&str>> = BTreeMap::new();
        for one in permissions {
            let place = (one.cluster.as_str(), one.namespace.as_str(), one.full_resource());
            verbs.entry(place).or_default().push(one.verb);
        }
        verbs
    }

    /// A permission in a namespace.
    pub fn new(cluster: &str, namespace: &str, group: &str, resource: &str, verb: &'static str) -> Self {
        Self {
            cluster: cluster.to_owned(),
            namespace: namespace.to_owned(),
            group: group.to_owned(),
            resource: resource.to_owned(),
            verb,
        }
    }

    /// The resource with its group, as kubectl writes it: `deployments.apps/scale`.
    pub fn full_resource(&self) -> String {
        let (plural, sub) = self.resource.split_once('/').map_or((self.resource.as_str(), None), |(a, b)| (a, Some(b)));
        let group = if self.group.is_empty() { String::new() } else { format!(".{}", self.group) };
        format!("{plural}{group}{}", sub.map_or_else(String::new, |sub| format!("/{sub}")))
    }

    /// A permission on an object of any kind.
    pub fn for_object(cluster: &str, object: ObjectName<'_>, verb: &'static str) -> Self {
        Self::new(cluster, object.namespace.unwrap_or_default(), object.group(), &object.plural(), verb)
    }

    /// What discovery of an endpoint needs: nothing if the mesh file names it.
    pub fn for_discovery(mesh: &MeshSpec, cluster: &str, is_named: fn(&ClusterSpec) -> bool) -> Vec<Self> {
        let known = mesh.clusters.get(cluster).is_some_and(is_named);
        if known { Vec::new() } else { vec![Self::new(cluster, "", "", "services", "list")] }
    }

    /// What a port-forward to a pod found by a selector needs: `get` for the WebSocket, and also `create` from Kubernetes 1.35
    /// on.
    pub fn for_port_forward(cluster: &str, namespace: &str) -> Vec<Self> {
        let need = |resource, verb| Self::new(cluster, namespace, "", resource, verb);
        vec![
            need("pods", "list"),
            need("pods", "get"),
            need("pods/portforward", "get"),
            need("pods/portforward", "create"),
        ]
    }
}

impl fmt::Display for Permission {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let place = if self.namespace.is_empty() { "all namespaces" } else { &self.namespace };
        write!(f, "{} {} in {place} of {}", self.verb, self.resource, self.cluster)
    }
}

/// Permissions that were granted, and when. A denial is not cached: it may be fixed at any time.
#[derive(Debug, Clone, Default)]
pub(super) struct Granted(Arc<Mutex<BTreeMap<Permission, Instant>>>);

impl Granted {
    /// Whether both belong to the same client.
    pub(super) fn is_same(&self, other: &Self) -> bool {
        Arc::ptr_eq(&self.0, &other.0)
    }

    pub(super) fn lately(&self, permission: &Permission) -> bool {
        let known = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        known.get(permission).is_some_and(|at| at.elapsed() < FRESH)
    }

    pub(super) fn note(&self, permission: &Permission) {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).insert(permission.clone(), Instant::now());
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test(start_paused = true)]
    async fn what_was_permitted_is_asked_again_after_a_while() {
        let granted = Granted::default();
        let list = Permission::new("a", "", "", "pods", "list");
        assert!(!granted.lately(&list));
        granted.note(&list);
        assert!(granted.lately(&list) && !granted.lately(&Permission::new("b", "", "", "pods", "list")));
        tokio::time::advance(FRESH).await;
        assert!(!granted.lately(&list));
    }
}
