//! The lab on real loopback sockets, so that kubectl, curl and any other client can use it.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt::Write as _;
use std::net::{Ipv4Addr, SocketAddr};

use serde_json::Value;
use tokio::io::copy_bidirectional;
use tokio::net::{TcpListener, TcpStream};
use tokio::task::JoinHandle;

use crate::cluster::LabCluster;
use crate::engine::Engine;
use crate::plane::dial::dial;
use crate::plane::listen::{Kind, Place};
use crate::plane::programs::open;
use crate::plane::stream::LabStream;
use crate::store::selector::Selector;
use crate::store::{object, resources};
use crate::world::{Cluster, Pod, Role, World};

/// What answers at an address.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ServedRole {
    /// The API server.
    Api,
    /// A gateway for clients outside the mesh.
    Ingress,
    /// A gateway for other networks of the mesh.
    EastWest,
    /// Prometheus.
    Prometheus,
    /// Alertmanager.
    Alertmanager,
    /// A dashboard or a receiver of alerts.
    Other,
    /// The admin interface of a proxy.
    Admin,
}

/// One address of the lab, and the loopback address on which it is served.
#[derive(Debug, Clone)]
pub struct ServedAddress {
    /// Key of the cluster.
    pub cluster: String,
    /// The service: `api`, `istio-ingressgateway http2`, `prometheus`, `productpage envoy admin`, ….
    pub what: String,
    /// What answers there.
    pub role: ServedRole,
    /// Namespace and name of the Service, if it is one's.
    pub service: Option<(String, String)>,
    /// The port in the lab.
    pub port: u16,
    /// The address on this machine.
    pub local: SocketAddr,
    /// The address in the lab: `198.18.1.10:80`.
    pub lab: String,
}

impl ServedAddress {
    /// `http://127.0.0.1:PORT`.
    pub fn url(&self) -> String {
        format!("http://{}", self.local)
    }
}

/// A served lab; dropping it closes the sockets.
#[derive(Debug)]
pub struct Served {
    /// Everything that is served.
    pub addresses: Vec<ServedAddress>,
    /// A kubeconfig with the contexts of the mesh.
    pub kubeconfig: String,
    tasks: Vec<JoinHandle<()>>,
}

impl Drop for Served {
    fn drop(&mut self) {
        self.tasks.iter().for_each(JoinHandle::abort);
    }
}

/// What a loopback socket leads to.
#[derive(Debug, Clone)]
enum Destination {
    /// An address, dialled from the runner's machine.
    Dial(String, u16),
    /// The admin interface of a ready pod of a workload, by namespace and name; the pod is chosen per connection.
    Admin(usize, String, String),
    /// The cluster IP of a Service, by namespace and name.
    Service(usize, String, String, u16),
}

struct ServedSocket {
    cluster: String,
    what: String,
    role: ServedRole,
    service: Option<(String, String)>,
    port: u16,
    lab: String,
    destination: Destination,
}

/// Binds and serves everything.
pub(crate) async fn serve(engine: &Engine, clusters: &[LabCluster]) -> std::io::Result<Served> {
    let sockets = engine.with(|world| sockets(world));
    let mut addresses = Vec::new();
    let mut tasks = Vec::new();
    for socket in sockets {
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).await?;
        let local = listener.local_addr()?;
        let ServedSocket { cluster, what, role, service, port, lab, destination } = socket;
        addresses.push(ServedAddress { cluster, what, role, service, port, local, lab });
        tasks.push(tokio::spawn(accept(engine.clone(), listener, destination)));
    }
    let contexts: Vec<(String, String)> = clusters
        .iter()
        .filter_map(|cluster| {
            let api = addresses.iter().find(|a| a.cluster == cluster.key && a.what == "api")?;
            Some((cluster.context.clone(), api.url()))
        })
        .collect();
    Ok(Served { addresses, kubeconfig: kubeconfig(&contexts), tasks })
}

fn sockets(world: &World) -> Vec<ServedSocket> {
    (0..world.clusters.len()).flat_map(|cluster| cluster_sockets(world, cluster)).collect()
}

fn cluster_sockets(world: &World, cluster: usize) -> Vec<ServedSocket> {
    let here = &world.clusters[cluster];
    let key = here.ident.key.to_owned();
    let host = here.ident.api_host();
    let mut list = vec![ServedSocket {
        cluster: key.clone(),
        what: "api".into(),
        role: ServedRole::Api,
        service: None,
        port: 6443,
        lab: format!("{host}:6443"),
        destination: Destination::Dial(host, 6443),
    }];
    for service in here.store.list(resources::services(), None) {
        for ip in object::items(service, "/status/loadBalancer/ingress").iter().map(|i| object::text(i, "/ip")) {
            for port in ports(service) {
                list.push(ServedSocket {
                    cluster: key.clone(),
                    what: format!("{} {}", object::name(service), port.0),
                    role: role(here, service),
                    service: Some(place(service)),
                    port: port.1,
                    lab: format!("{ip}:{}", port.1),
                    destination: Destination::Dial(ip.to_owned(), port.1),
                });
            }
        }
    }
    for service in monitoring(here) {
        let ((namespace, name), port) = (place(service), ports(service).next().map_or(0, |port| port.1));
        list.push(ServedSocket {
            cluster: key.clone(),
            what: name.clone(),
            role: role(here, service),
            service: Some((namespace.clone(), name.clone())),
            port,
            lab: format!("{name}.{namespace}:{port}"),
            destination: Destination::Service(cluster, namespace, name, port),
        });
    }
    list.extend(admins(here).into_iter().map(|(namespace, workload, name)| ServedSocket {
        cluster: key.clone(),
        what: format!("{name} envoy admin"),
        role: ServedRole::Admin,
        service: None,
        port: 15000,
        lab: format!("{name}:15000"),
        destination: Destination::Admin(cluster, namespace, workload),
    }));
    list
}

fn place(service: &Value) -> (String, String) {
    (object::namespace(service).to_owned(), object::name(service).to_owned())
}

/// The names and numbers of the ports of a Service.
fn ports(service: &Value) -> impl Iterator<Item = (&str, u16)> {
    object::items(service, "/spec/ports").iter().map(|port| {
        let number = object::int(port, "/port").and_then(|number| u16::try_from(number).ok());
        (object::text(port, "/name"), number.unwrap_or(0))
    })
}

/// The pods that a Service selects.
fn selected<'a>(here: &'a Cluster, service: &Value) -> impl Iterator<Item = &'a Pod> + use<'a> {
    let map = service.pointer("/spec/selector").filter(|map| map.is_object());
    let (any, selector) = (map.is_some(), Selector::map(map));
    let namespace = object::namespace(service).to_owned();
    let pods = here.pods.values().filter(move |pod| any && pod.namespace == namespace);
    pods.filter(move |pod| selector.matches(Some(&pod.labels)))
}

/// What answers at the address of a Service: it depends on the pods that it selects.
fn role(here: &Cluster, service: &Value) -> ServedRole {
    match selected(here, service).next().map(|pod| (pod.role, pod.network_view)) {
        Some((Role::Gateway, true)) => ServedRole::EastWest,
        Some((Role::Gateway, false)) => ServedRole::Ingress,
        Some((Role::Prometheus, _)) => ServedRole::Prometheus,
        Some((Role::Alertmanager, _)) => ServedRole::Alertmanager,
        _ => ServedRole::Other,
    }
}

/// One Service for each program of the monitoring: of several that select the same pods the one with the fewest ports.
fn monitoring(here: &Cluster) -> Vec<&Value> {
    let mut chosen: BTreeMap<&str, &Value> = BTreeMap::new();
    let simple = |service: &Value| (object::items(service, "/spec/ports").len(), object::name(service).len());
    for service in here.store.list(resources::services(), None) {
        let pod = selected(here, service).next();
        let pod = pod.filter(|pod| matches!(pod.role, Role::Prometheus | Role::Alertmanager | Role::Stub(_)));
        let addressed = object::text(service, "/spec/clusterIP").parse::<Ipv4Addr>().is_ok();
        let Some(pod) = pod.filter(|_| addressed) else { continue };
        let known = chosen.entry(&pod.uid).or_insert(service);
        if simple(service) < simple(known) {
            *known = service;
        }
    }
    let mut services: Vec<&Value> = chosen.into_values().collect();
    services.sort_by_key(|service| place(service));
    services
}

/// The workloads whose proxies have an admin socket: gateways, and applications that request others. Namespace and name of the
/// workload, and how it is called.
fn admins(here: &Cluster) -> BTreeSet<(String, String, String)> {
    let requests = |pod: &&Pod| pod.role == Role::Productpage || !pod.backends.is_empty();
    let proxied = here.pods.values().filter(|pod| pod.proxy.is_some() && (pod.gateway() || requests(pod)));
    proxied
        .map(|pod| {
            let name = if pod.gateway() { pod.workload() } else { pod.label("app") };
            (pod.namespace.clone(), pod.workload().to_owned(), name.to_owned())
        })
        .collect()
}

async fn accept(engine: Engine, listener: TcpListener, destination: Destination) {
    while let Ok((stream, _)) = listener.accept().await {
        tokio::spawn(carry(engine.clone(), stream, destination.clone()));
    }
}

async fn carry(engine: Engine, mut outside: TcpStream, destination: Destination) {
    let inside = match &destination {
        Destination::Dial(host, port) => dial(&engine, host, *port).await.ok(),
        Destination::Admin(cluster, namespace, workload) => admin(&engine, *cluster, namespace, workload),
        Destination::Service(cluster, namespace, name, port) => match engine.with(|world| {
            let service = world.clusters[*cluster].store.get(resources::services(), namespace, name)?;
            Some(object::text(service, "/spec/clusterIP").to_owned())
        }) {
            Some(ip) => dial(&engine, &ip, *port).await.ok(),
            None => None,
        },
    };
    if let Some(mut inside) = inside {
        let _ = copy_bidirectional(&mut outside, &mut inside).await;
    }
}

fn admin(engine: &Engine, cluster: usize, namespace: &str, workload: &str) -> Option<LabStream> {
    let uid = engine.with(|world| {
        let mut pods = world.clusters[cluster].pods.values();
        let of = |pod: &&Pod| pod.namespace == namespace && pod.workload() == workload;
        pods.find(|pod| of(pod) && pod.ready && !pod.terminating()).map(|pod| pod.uid.clone())
    })?;
    Some(open(engine, Place { cluster, uid: Some(uid), kind: Kind::EnvoyAdmin, port: 15000 }))
}

fn kubeconfig(contexts: &[(String, String)]) -> String {
    let current = contexts.first().map_or("", |(name, _)| name);
    let mut out = format!("apiVersion: v1\nkind: Config\ncurrent-context: {current}\nclusters:\n");
    for (name, url) in contexts {
        let _ = write!(out, "- name: {name}\n  cluster:\n    server: {url}\n");
    }
    out.push_str("contexts:\n");
    for (name, _) in contexts {
        let _ = write!(out, "- name: {name}\n  context:\n    cluster: {name}\n    user: lab\n");
    }
    out.push_str("users:\n- name: lab\n  user:\n    token: lab\n");
    out
}
