//! The lab on real loopback sockets, so that kubectl, curl and any other client can use it.

use std::fmt::Write as _;
use std::net::{Ipv4Addr, SocketAddr};

use tokio::io::copy_bidirectional;
use tokio::net::{TcpListener, TcpStream};
use tokio::task::JoinHandle;

use crate::cluster::LabCluster;
use crate::engine::Engine;
use crate::plane::dial::dial;
use crate::plane::listen::{Kind, Place};
use crate::plane::programs::open;
use crate::plane::stream::LabStream;
use crate::store::{object, resources};
use crate::world::{Role, World};

/// One address of the lab, and the loopback address on which it is served.
#[derive(Debug, Clone)]
pub struct ServedAddress {
    /// Key of the cluster.
    pub cluster: String,
    /// The service: `api`, `istio-ingressgateway http2`, `prometheus`, `productpage envoy admin`, ….
    pub what: String,
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
    /// A kubeconfig with the guide's contexts.
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
    /// A loopback port of a ready pod of a role; the pod is chosen per connection.
    Admin(usize, Role),
    /// The cluster IP of a Service.
    Service(usize, &'static str, u16),
}

struct ServedSocket {
    cluster: String,
    what: String,
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
        addresses.push(ServedAddress { cluster: socket.cluster, what: socket.what, local, lab: socket.lab });
        tasks.push(tokio::spawn(accept(engine.clone(), listener, socket.destination)));
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
    let mut list = Vec::new();
    for (cluster, here) in world.clusters.iter().enumerate() {
        let key = here.ident.key.to_owned();
        let mut add = |what: String, lab: String, destination: Destination| {
            list.push(ServedSocket { cluster: key.clone(), what, lab, destination })
        };
        let host = here.ident.api_host();
        add("api".into(), format!("{host}:6443"), Destination::Dial(host, 6443));
        for service in here.store.list(resources::services(), None) {
            for ip in object::items(service, "/status/loadBalancer/ingress").iter().map(|i| object::text(i, "/ip")) {
                for port in object::items(service, "/spec/ports") {
                    let number = object::int(port, "/port").and_then(|p| u16::try_from(p).ok()).unwrap_or(0);
                    let what = format!("{} {}", object::name(service), object::text(port, "/name"));
                    add(what, format!("{ip}:{number}"), Destination::Dial(ip.to_owned(), number));
                }
            }
        }
        for (name, port) in [
            ("prometheus", 9090),
            ("alertmanager", 9093),
            ("grafana", 3000),
            ("kiali", 20001),
            ("tracing", 80),
            ("oncall", 8080),
        ] {
            add(name.into(), format!("{name}.istio-system:{port}"), Destination::Service(cluster, name, port));
        }
        for (name, role) in [
            ("productpage", Role::Productpage),
            ("istio-ingressgateway", Role::IngressGateway),
            ("istio-eastwestgateway", Role::EastWestGateway),
        ] {
            add(format!("{name} envoy admin"), format!("{name}:15000"), Destination::Admin(cluster, role));
        }
    }
    list
}

async fn accept(engine: Engine, listener: TcpListener, destination: Destination) {
    while let Ok((stream, _)) = listener.accept().await {
        tokio::spawn(carry(engine.clone(), stream, destination.clone()));
    }
}

async fn carry(engine: Engine, mut outside: TcpStream, destination: Destination) {
    let inside = match &destination {
        Destination::Dial(host, port) => dial(&engine, host, *port).await.ok(),
        Destination::Admin(cluster, role) => admin(&engine, *cluster, *role),
        Destination::Service(cluster, name, port) => match engine.with(|world| {
            let service = world.clusters[*cluster].store.get(resources::services(), "istio-system", name)?;
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

fn admin(engine: &Engine, cluster: usize, role: Role) -> Option<LabStream> {
    let uid = engine.with(|world| world.clusters[cluster].ready(role).map(|pod| pod.uid.clone()))?;
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
