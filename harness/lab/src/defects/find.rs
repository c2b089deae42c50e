//! Finds in a mesh what defects change.

use std::collections::{BTreeMap, BTreeSet};

use serde_json::Value;

use crate::store::selector::Selector;
use crate::store::{Resource, object, resources};
use crate::world::{Cluster, Pod, Role, World};

/// The first Service with pods of an app.
pub(super) fn service_of_app(world: &World, cluster: usize, app: &str) -> Option<Place> {
    service(world, cluster, |pod| pod.app() == app)
}

/// Namespace and name of an object.
pub(super) type Place = (String, String);

fn place(value: &Value) -> Place {
    (object::namespace(value).to_owned(), object::name(value).to_owned())
}

/// The first object of a resource that passes a test.
fn first(world: &World, cluster: usize, resource: &Resource, test: impl Fn(&Value) -> bool) -> Option<Place> {
    let mut list = world.clusters[cluster].store.list(resource, None);
    list.find(|one| test(one)).map(|one| place(one))
}

/// The first Service that selects a pod which passes a test.
fn service(world: &World, cluster: usize, test: impl Fn(&Pod) -> bool) -> Option<Place> {
    let here = &world.clusters[cluster];
    first(world, cluster, resources::services(), |service| selects(here, service, &test))
}

fn selects(here: &Cluster, service: &Value, test: &impl Fn(&Pod) -> bool) -> bool {
    let Some(map) = service.pointer("/spec/selector").filter(|map| map.is_object()) else { return false };
    let selector = Selector::map(Some(map));
    let namespace = object::namespace(service);
    here.pods.values().any(|pod| pod.namespace == namespace && selector.matches(Some(&pod.labels)) && test(pod))
}

/// The Service of an ingress gateway.
pub(super) fn ingress(world: &World, cluster: usize) -> Option<Place> {
    service(world, cluster, |pod| pod.gateway() && !pod.network_view)
}

/// The Service of the east-west gateway.
pub(super) fn east_west(world: &World, cluster: usize) -> Option<Place> {
    service(world, cluster, |pod| pod.gateway() && pod.network_view)
}

/// What the pods of a gateway are called by their labels.
pub(super) fn gateway_app(world: &World, cluster: usize, network_view: bool) -> Option<String> {
    let mut pods = world.clusters[cluster].pods.values();
    pods.find(|pod| pod.gateway() && pod.network_view == network_view).map(|pod| pod.app().to_owned())
}

/// The workload whose pods have a role: its resource, namespace and name.
pub(super) fn workload(world: &World, cluster: usize, role: Role) -> Option<(&'static Resource, Place)> {
    let here = &world.clusters[cluster];
    let pod = here.pods.values().find(|pod| pod.role == role)?;
    let name = pod.workload();
    let found = [resources::deployments(), resources::statefulsets()].into_iter();
    let mut found = found.filter(|resource| here.store.get(resource, &pod.namespace, name).is_some());
    found.next().map(|resource| (resource, (pod.namespace.clone(), name.to_owned())))
}

/// The Deployment that receives the notifications of Alertmanager.
pub(super) fn receiver(world: &World, cluster: usize) -> Option<Place> {
    let here = &world.clusters[cluster];
    let host = here.quirks.webhooks.first()?.strip_prefix("http://")?.split(':').next()?;
    let (name, namespace) = host.split_once('.')?;
    let service = here.store.get(resources::services(), namespace, name)?;
    let pod = here.pods.values().find(|pod| selects(here, service, &|own: &Pod| own.uid == pod.uid))?;
    Some((namespace.to_owned(), pod.workload().to_owned()))
}

/// The application with several versions: its namespace, and the label `app`.
pub(super) fn application(world: &World, cluster: usize) -> Option<Place> {
    let mut versions: BTreeMap<Place, BTreeSet<&str>> = BTreeMap::new();
    for pod in world.clusters[cluster].pods.values().filter(|pod| !pod.label("version").is_empty()) {
        let key = (pod.namespace.clone(), pod.label("app").to_owned());
        versions.entry(key).or_default().insert(pod.label("version"));
    }
    versions.into_iter().find(|(_, versions)| versions.len() > 1).map(|(key, _)| key)
}

/// The names of the Deployments of an application, in order.
pub(super) fn deployments(world: &World, cluster: usize, (namespace, app): &Place) -> Vec<String> {
    let list = world.clusters[cluster].store.list(resources::deployments(), Some(namespace));
    let own = list.filter(|one| object::text(one, "/spec/template/metadata/labels/app") == app);
    own.map(|one| object::name(one).to_owned()).collect()
}

fn is_bound(service: &Value) -> bool {
    let mut gateways = object::items(service, "/spec/gateways").iter().filter_map(Value::as_str);
    gateways.any(|gateway| gateway != "mesh")
}

/// The `VirtualService` that distributes requests over several destinations inside the mesh.
pub(super) fn split(world: &World, cluster: usize) -> Option<Place> {
    first(world, cluster, resources::virtualservices(), |service| {
        !is_bound(service) && object::items(service, "/spec/http/0/route").len() > 1
    })
}

/// The `VirtualService` that is bound to an ingress gateway.
pub(super) fn entry_point(world: &World, cluster: usize) -> Option<Place> {
    first(world, cluster, resources::virtualservices(), |service| {
        is_bound(service) && !object::items(service, "/spec/http").is_empty()
    })
}

/// The first `DestinationRule`.
pub(super) fn rule(world: &World, cluster: usize) -> Option<Place> {
    first(world, cluster, resources::destinationrules(), |_| true)
}

/// The Service to which the split belongs.
pub(super) fn split_service(world: &World, cluster: usize) -> Option<Place> {
    let (namespace, name) = split(world, cluster)?;
    let service = world.clusters[cluster].store.get(resources::virtualservices(), &namespace, &name)?;
    let host = object::text(service, "/spec/hosts/0").split('.').next().unwrap_or_default().to_owned();
    Some((namespace, host))
}

fn has_tls(gateway: &Value, mode: &str) -> bool {
    object::items(gateway, "/spec/servers").iter().any(|server| object::text(server, "/tls/mode") == mode)
}

/// The Gateway object by which an ingress gateway serves HTTP.
pub(super) fn http_gateway(world: &World, cluster: usize) -> Option<Place> {
    first(world, cluster, resources::gateways(), |gateway| {
        object::items(gateway, "/spec/servers").iter().any(|one| object::text(one, "/port/protocol") == "HTTP")
    })
}

/// The Gateway object that lets other networks in.
pub(super) fn passthrough_gateway(world: &World, cluster: usize) -> Option<Place> {
    first(world, cluster, resources::gateways(), |gateway| has_tls(gateway, "AUTO_PASSTHROUGH"))
}

/// The Service of an istiod whose revision is not the default.
pub(super) fn revision_service(world: &World, cluster: usize) -> Option<Place> {
    service(world, cluster, |pod| pod.role == Role::Istiod && pod.revision != "default")
}

/// The webhook configuration that injects pods, or that validates the objects of Istio.
pub(super) fn webhooks(world: &World, cluster: usize, resource: &Resource) -> Option<Place> {
    first(world, cluster, resource, |one| {
        object::label(one, "istio.io/rev") == Some("default") && object::label(one, "istio.io/tag").is_none()
    })
}

/// The Gateway of the Gateway API with HTTP listeners.
pub(super) fn api_gateway(world: &World, cluster: usize) -> Option<Place> {
    first(world, cluster, resources::api_gateways(), |gateway| {
        object::items(gateway, "/spec/listeners").iter().any(|one| object::text(one, "/protocol") == "HTTP")
    })
}

/// The first object of a resource.
pub(super) fn any(world: &World, cluster: usize, resource: &Resource) -> Option<Place> {
    first(world, cluster, resource, |_| true)
}
