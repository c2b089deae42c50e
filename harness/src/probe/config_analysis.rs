//! `configAnalysis`: the configuration of a cluster refers to nothing that is not there, and its controllers accept it, much
//! as `istioctl analyze` looks at it.

use std::collections::BTreeMap;
use std::sync::Arc;

use futures::future::BoxFuture;
use meshdrill_checks::observe::analysis::Configuration;
use meshdrill_checks::record::Series;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use serde_json::json;

use super::configuration::{
    API_GATEWAY, API_ROUTES, ConfigKind, DESTINATION_RULE, GATEWAY, SERVICE_ENTRY, VIRTUAL_SERVICE, lists,
};
use super::outcome::settle;
use super::role::{Observation, Observer, Role};
use super::summary::Summary;
use super::{Outcome, ProbeError};
use crate::cluster::{Cluster, Object, Permission, World};
use crate::format::{ClusterChoice, MeshSpec};

/// The configuration of a cluster: hosts, ports, subsets, gateways and backends that it refers to exist, and routes and
/// gateways of the Gateway API are accepted.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct ConfigAnalysis {
    /// The cluster.
    pub cluster: ClusterChoice,
}

const KINDS: [ConfigKind; 9] = [
    VIRTUAL_SERVICE,
    DESTINATION_RULE,
    GATEWAY,
    SERVICE_ENTRY,
    API_GATEWAY,
    API_ROUTES[0],
    API_ROUTES[1],
    API_ROUTES[2],
    API_ROUTES[3],
];

impl Observation for ConfigAnalysis {
    fn describe(&self) -> String {
        format!("references and conditions of the configuration ({})", self.cluster)
    }

    fn subject(&self) -> String {
        "references".to_owned()
    }

    fn choices(&mut self) -> Vec<&mut ClusterChoice> {
        vec![&mut self.cluster]
    }

    fn needs_all_clusters(&self) -> bool {
        true
    }

    fn permissions(&self, mesh: &MeshSpec) -> Vec<Permission> {
        let key = self.cluster.key();
        let pods = Permission::new(key, "", "", "pods", "list");
        let services = mesh.clusters.keys().map(|key| Permission::new(key, "", "", "services", "list"));
        KINDS.iter().map(|kind| kind.permission(key)).chain([pods]).chain(services).collect()
    }

    fn prepare<'a>(&'a self, world: &'a World, _: Role) -> BoxFuture<'a, Result<Box<dyn Observer>, ProbeError>> {
        Box::pin(async move {
            let cluster = Arc::clone(world.cluster(self.cluster.key())?);
            let all = world.clusters.values().cloned().collect();
            Ok(Box::new(AnalysisObserver { cluster, all }) as Box<dyn Observer>)
        })
    }
}

struct AnalysisObserver {
    cluster: Arc<Cluster>,
    all: Vec<Arc<Cluster>>,
}

impl AnalysisObserver {
    async fn ask(&self) -> Result<Outcome, ProbeError> {
        let key = &self.cluster.key;
        let configuration = self.configuration().await?;
        let findings = configuration.findings();
        let mut of_objects: BTreeMap<&str, Vec<&str>> = BTreeMap::new();
        for finding in &findings {
            of_objects.entry(&finding.object).or_default().push(&finding.what);
        }
        let mut summary = Summary::default();
        (0..configuration.objects().saturating_sub(of_objects.len())).for_each(|_| summary.ok());
        for (object, whats) in &of_objects {
            summary.missed(format!("{object}: {}", whats.join(", ")));
        }
        let seen = json!({ "objects": configuration.objects(), "findings": of_objects });
        let counted = format!("{} objects refer to what exists and are accepted", summary.of());
        Ok(summary.outcome(&counted, key, seen))
    }

    async fn configuration(&self) -> Result<Configuration<Object>, ProbeError> {
        let mut listed = lists(&self.cluster, &KINDS).await?.into_iter();
        let mut next = || listed.next().unwrap_or_default();
        let (virtual_services, destination_rules, gateways, service_entries, api_gateways) =
            (next(), next(), next(), next(), next());
        let mut api_routes = Vec::new();
        for kind in API_ROUTES {
            let named = next().into_iter().map(|mut route| {
                route["kind"] = kind.kind.into();
                route
            });
            api_routes.extend(named);
        }
        let mut services = Vec::new();
        for cluster in &self.all {
            services.extend(cluster.list("/api/v1/services", None).await?);
        }
        let pods = self.cluster.list("/api/v1/pods", None).await?;
        let labels = |pod: &Object| {
            let labels = pod.labels().as_object().into_iter().flatten();
            labels.filter_map(|(key, value)| Some((key.clone(), value.as_str()?.to_owned()))).collect()
        };
        Ok(Configuration {
            services,
            service_entries,
            virtual_services,
            destination_rules,
            gateways,
            api_gateways,
            api_routes,
            pods: pods.iter().map(labels).collect(),
        })
    }
}

impl Observer for AnalysisObserver {
    fn observe(&self, _: Series) -> BoxFuture<'_, Outcome> {
        Box::pin(async move { settle(self.ask().await) })
    }
}
