//! Which proxies have a fault in the routes of a `VirtualService`.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt;
use std::sync::Arc;

use futures::stream::{self, StreamExt as _, TryStreamExt as _};
use meshdrill_checks::observe::envoy::routes::{self, RouteFault};
use serde::{Deserialize, Deserializer, Serialize};
use serde_json::Value;
use tokio::sync::Mutex;

use crate::cluster::{AccessError, Cluster, Object, ObjectRef, is_serving};
use crate::probe::{ProbeError, ProxyAdmin};

/// How many proxies are queried at a time.
const SIDE_BY_SIDE: usize = 32;
/// The part of a proxy's configuration with its routes.
const ROUTES: &str = "/config_dump?resource=dynamic_route_configs";

/// A fault of a `VirtualService` in the form that proxies show.
pub(super) fn as_seen(fault: &Value) -> RouteFault {
    RouteFault {
        delay: fault["delay"]["fixedDelay"].as_str().and_then(routes::seconds),
        abort: fault["abort"]["httpStatus"].as_u64().and_then(|status| u16::try_from(status).ok()),
    }
}

/// One route of a `VirtualService`. Proxies give its name to every route made of it: one per match, or per route of the
/// delegate.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Named {
    name: String,
    delegates: bool,
}

impl Named {
    /// The route with a name; none if there is none.
    pub fn find(service: &Value, name: &str) -> Option<Self> {
        let route = service["spec"]["http"].as_array()?.iter().find(|one| one["name"] == name)?;
        Some(Self { name: name.to_owned(), delegates: !route["delegate"].is_null() })
    }

    fn is_of(&self, route: &str) -> bool {
        route
            .strip_prefix(&self.name)
            .is_some_and(|rest| rest.is_empty() || rest.starts_with('.') || (self.delegates && rest.starts_with('-')))
    }
}

/// A choice of proxies.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Proxies {
    /// Their namespace; all namespaces if none.
    pub namespace: Option<String>,
    /// The label selector of their pods; all pods with a proxy if none.
    pub selector: Option<String>,
}

/// Reads a list, as this version writes it, or a single entry, as earlier versions did.
pub(super) fn places<'de, D: Deserializer<'de>>(from: D) -> Result<Vec<Proxies>, D::Error> {
    #[derive(Deserialize)]
    #[serde(untagged)]
    enum Written {
        One(Proxies),
        Several(Vec<Proxies>),
    }
    Ok(match Written::deserialize(from)? {
        Written::One(one) => vec![one],
        Written::Several(several) => several,
    })
}

impl fmt::Display for Proxies {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let namespace = self.namespace.as_deref().unwrap_or("all namespaces");
        match self.selector.as_deref().filter(|selector| !selector.is_empty()) {
            Some(selector) => write!(f, "{namespace}/{selector}"),
            None => f.write_str(namespace),
        }
    }
}

/// The proxies that have routes of a `VirtualService`, by whether all, some or none of these have the fault.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(super) struct Carried {
    pub complete: Vec<String>,
    pub partial: Vec<String>,
    pub none: Vec<String>,
}

impl Proxies {
    async fn pods(&self, cluster: &Cluster) -> Result<Vec<ObjectRef>, AccessError> {
        let place = self.namespace.as_ref().map_or_else(String::new, |namespace| format!("/namespaces/{namespace}"));
        let pods = cluster.list(&format!("/api/v1{place}/pods"), self.selector.as_deref()).await?;
        if let Some(namespace) = self.namespace.as_deref().filter(|_| pods.is_empty()) {
            cluster.may_have_namespace(namespace).await?;
        }
        let has_proxy = |pod: &&Object| {
            let lists = ["containers", "initContainers"].map(|list| pod["spec"][list].as_array());
            lists.into_iter().flatten().flatten().any(|container| container["name"] == "istio-proxy")
        };
        let live = pods.iter().filter(|pod| is_serving(pod));
        Ok(live.filter(has_proxy).map(Object::object_ref).collect())
    }
}

/// Queries the same proxies repeatedly, over connections that stay open.
pub(super) struct Watch {
    cluster: Arc<Cluster>,
    places: Vec<Proxies>,
    admins: Mutex<BTreeMap<ObjectRef, Arc<ProxyAdmin>>>,
}

impl Watch {
    pub fn new(cluster: &Arc<Cluster>, places: &[Proxies]) -> Self {
        Self { cluster: Arc::clone(cluster), places: places.to_vec(), admins: Mutex::default() }
    }

    /// Asks each proxy which routes of a `VirtualService`, or which with one name, have the fault.
    pub async fn ask(
        &self,
        (namespace, name): (&str, &str),
        named: Option<&Named>,
        fault: RouteFault,
    ) -> Result<Carried, ProbeError> {
        let mut pods = BTreeSet::new();
        for place in &self.places {
            pods.extend(place.pods(&self.cluster).await?);
        }
        let mut admins = self.admins.lock().await;
        let known: Vec<Arc<ProxyAdmin>> = pods
            .into_iter()
            .map(|pod| {
                let fresh = || Arc::new(ProxyAdmin::for_pod(Arc::clone(&self.cluster), pod.clone()));
                Arc::clone(admins.entry(pod.clone()).or_insert_with(fresh))
            })
            .collect();
        drop(admins);
        let asked = known.into_iter().map(|admin| async move {
            let (body, pod) = admin.get(ROUTES).await?;
            let routes = routes::parse(&body).map_err(|error| ProbeError(format!("{pod}: {error}")))?;
            let own: Vec<_> = routes
                .into_iter()
                .filter(|route| route.is_of(namespace, name))
                .filter(|route| named.is_none_or(|named| named.is_of(&route.name)))
                .collect();
            let with = own.iter().filter(|route| route.fault == Some(fault)).count();
            Ok::<_, ProbeError>((pod.to_string(), own.len(), with))
        });
        let mut carried = Carried::default();
        let answers: Vec<_> = stream::iter(asked).buffered(SIDE_BY_SIDE).try_collect().await?;
        for (pod, own, with) in answers {
            match with {
                _ if own == 0 => {}
                0 => carried.none.push(pod),
                with if with == own => carried.complete.push(pod),
                _ => carried.partial.push(pod),
            }
        }
        Ok(carried)
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use serde_json::json;

    use super::*;

    #[test]
    fn a_named_route_is_known_by_what_proxies_make_of_its_name() {
        let mut root = json!({ "spec": { "http": [{ "name": "a" }, { "route": [] }] } });
        let named = Named::find(&root, "a").unwrap();
        assert!(named.is_of("a") && named.is_of("a.first-match") && !named.is_of("a-b") && !named.is_of("ab"));
        root["spec"]["http"][0]["delegate"] = json!({ "name": "part" });
        assert!(Named::find(&root, "a").is_some_and(|named| named.is_of("a-b")));
        assert_eq!(Named::find(&root, "b"), None);
    }

    #[test]
    fn places_of_earlier_versions_are_read() {
        #[derive(Deserialize)]
        struct Old(#[serde(deserialize_with = "places")] Vec<Proxies>);
        let one = json!({ "namespace": "shop", "selector": null });
        for written in [one.clone(), json!([one])] {
            let read: Old = serde_json::from_value(written).unwrap();
            assert_eq!(read.0, [Proxies { namespace: Some("shop".into()), selector: None }]);
        }
    }

    #[test]
    fn a_fault_is_recognised_in_a_proxy() {
        let fault = json!({ "delay": { "fixedDelay": "0.25s" }, "abort": { "httpStatus": 503 } });
        assert_eq!(as_seen(&fault), RouteFault { delay: Some(Duration::from_millis(250)), abort: Some(503) });
    }
}
