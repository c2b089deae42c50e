//! `meshdrill lab`: the embedded mesh on real sockets, and the mesh file that describes it.

use indexmap::IndexMap;
use meshdrill_checks::exit_code::ExitCode;
use meshdrill_checks::units::TimeSpan;
use meshdrill_lab::{Defect, DefectInfo, Lab, LabCluster, LabConfig, LabMesh, Served, ServedAddress, ServedRole};

use serde_json::json;

use super::args::LabArgs;
use super::error::{CliError, FileError, UsageError};
use super::mesh_file::mesh_to_yaml;
use super::mesh_init::mesh_of;
use crate::cluster::{AccessError, Kubeconfigs, LAB_LABEL, LAB_VALUE, RUNNER_ADDRESS, connect};
use crate::format::{
    AlertTarget, ClusterChoice, ClusterExpect, ClusterSpec, DrillTargets, FaultPermission, GatewayRole, MeshExpect,
    MeshFile, MeshMetadata, MeshSpec, OciResources, Waiver, guide_sla,
};
use crate::spec::API_VERSION;

/// Serves until interrupted.
pub(super) fn lab(args: &LabArgs) -> Result<ExitCode, CliError> {
    if args.list_defects {
        for defect in Defect::all().iter().filter(|defect| defect.meshes.contains(&args.lab_mesh)) {
            let scope =
                if defect.scoped { format!(" (@{})", default_cluster(args.lab_mesh, defect)) } else { String::new() };
            super::say!("{}{scope}\n    {}", defect.name, defect.what);
        }
        return Ok(ExitCode::Pass);
    }
    let defects = args.defect.iter().map(|name| name.parse()).collect::<Result<Vec<Defect>, _>>();
    let defects = defects.map_err(UsageError::from)?;
    super::runtime()?.block_on(async {
        let config = LabConfig {
            mesh: args.lab_mesh,
            clusters: args.clusters,
            seed: args.seed,
            defects,
            ..LabConfig::default()
        };
        let lab = Lab::start(config)?;
        let served = lab.serve().await?;
        annotate_services(&lab, &served).await?;
        if !args.unmarked {
            mark(&lab).await?;
        }
        if let Some(path) = &args.kubeconfig {
            std::fs::write(path, &served.kubeconfig).map_err(|error| FileError::unwritable(path, error))?;
        }
        if let Some(path) = &args.mesh {
            let text = mesh_yaml(args, &lab, &served).await?;
            std::fs::write(path, text).map_err(|error| FileError::unwritable(path, error))?;
        }
        for address in &served.addresses {
            super::say!("{:<10} {:<40} {}", address.cluster, address.what, address.url());
        }
        super::say!("ready");
        wait_for_signal().await?;
        Ok(ExitCode::Pass)
    })
}

/// The cluster in which a defect is planted when none is named.
fn default_cluster(mesh: LabMesh, defect: &DefectInfo) -> &'static str {
    defect.cluster_in(mesh).map_or("all", |index| mesh.clusters().get(index).copied().unwrap_or("all"))
}

/// The port of an east-west gateway for other networks.
const PASSTHROUGH: u16 = 15443;

/// Whether this is the address by which a mesh file names the Service: HTTP of an ingress gateway, the port for other networks
/// of an east-west gateway, the API of Prometheus and Alertmanager.
fn is_main(address: &ServedAddress) -> bool {
    match address.role {
        ServedRole::Ingress => address.port == 80,
        ServedRole::EastWest => address.port == PASSTHROUGH,
        ServedRole::Prometheus | ServedRole::Alertmanager => {
            address.service.as_ref().is_some_and(|(_, name)| *name == address.what)
        }
        ServedRole::Api | ServedRole::Admin | ServedRole::Other => false,
    }
}

/// Annotates Services with the loopback ports at which this machine reaches them, so that a mesh file needs no URLs.
async fn annotate_services(lab: &Lab, served: &Served) -> Result<(), AccessError> {
    let kubeconfigs = Kubeconfigs::lab(lab.clone());
    for one in lab.clusters() {
        let cluster = connect(&kubeconfigs, &one.key, &ClusterSpec::new(&one.context)).await?;
        for service in cluster.list("/api/v1/services", None).await? {
            let (namespace, name) = (service.namespace(), service.name());
            let of = |at: &&ServedAddress| {
                at.service.as_ref().is_some_and(|(space, own)| *space == namespace && *own == name)
            };
            let mut main = served.addresses.iter().filter(|at| at.cluster == one.key && is_main(at));
            if let Some(at) = main.find(of) {
                let patch = json!({ "metadata": { "annotations": { RUNNER_ADDRESS: at.url() } } });
                cluster.merge_patch(&format!("/api/v1/namespaces/{namespace}/services/{name}"), &patch).await?;
            }
        }
    }
    Ok(())
}

/// Labels its clusters: whoever runs scenarios against them makes lab runs, which are no evidence about any cluster.
async fn mark(lab: &Lab) -> Result<(), AccessError> {
    let kubeconfigs = Kubeconfigs::lab(lab.clone());
    for one in lab.clusters() {
        let cluster = connect(&kubeconfigs, &one.key, &ClusterSpec::new(&one.context)).await?;
        let patch = json!({ "metadata": { "labels": { LAB_LABEL: LAB_VALUE } } });
        cluster.merge_patch("/api/v1/namespaces/kube-system", &patch).await?;
    }
    Ok(())
}

/// Whether another ingress gateway of the cluster is served too: a mesh file has one per cluster.
fn is_ambiguous(address: &ServedAddress, served: &Served) -> bool {
    let others = |other: &&ServedAddress| other.cluster == address.cluster && other.service != address.service;
    let ingress = |other: &ServedAddress| other.role == ServedRole::Ingress && is_main(other);
    ingress(address) && served.addresses.iter().filter(others).any(ingress)
}

async fn wait_for_signal() -> Result<(), CliError> {
    use tokio::signal::unix::{SignalKind, signal};
    let mut terminate = signal(SignalKind::terminate())?;
    let mut hangup = signal(SignalKind::hangup())?;
    tokio::select! {
        done = tokio::signal::ctrl_c() => done?,
        _ = terminate.recv() => {}
        _ = hangup.recv() => {}
    }
    Ok(())
}

/// The mesh file of an embedded mesh.
pub(super) fn lab_mesh(clusters: Vec<LabCluster>) -> MeshFile {
    let cluster = |cluster: LabCluster| {
        let spec = ClusterSpec {
            istio_cluster: Some(cluster.istio_cluster),
            network: Some(cluster.network).filter(|network| !network.is_empty()),
            region: Some(cluster.region),
            uid: Some(cluster.uid),
            faults: FaultPermission::Allowed,
            expect: ClusterExpect {
                nodes: Some(3),
                kubernetes: Some("v1.34.1".to_owned()),
                istio: Some("1.28.3".to_owned()),
                pod_cidrs: vec![cluster.pod_cidr],
            },
            oci: Some(OciResources {
                cluster: format!("ocid1.cluster.oc1..{}", cluster.key),
                peering: format!("ocid1.remotepeeringconnection.oc1..{}", cluster.key),
                route_table: format!("ocid1.routetable.oc1..{}", cluster.key),
            }),
            ..ClusterSpec::new(&cluster.context)
        };
        (cluster.key, spec)
    };
    let mesh_id = clusters.first().map(|cluster| cluster.mesh_id.clone());
    let clusters: IndexMap<String, ClusterSpec> = clusters.into_iter().map(cluster).collect();
    let count = clusters.len();
    MeshFile {
        api_version: API_VERSION.to_owned(),
        kind: "Mesh".to_owned(),
        metadata: MeshMetadata { name: "lab".to_owned() },
        spec: MeshSpec {
            clusters,
            expect: MeshExpect { mesh_id },
            without: waivers(count),
            vars: std::collections::BTreeMap::new(),
            sla: guide_sla(),
            inventory: None,
            drills: Some(drills(count)),
            annotate: None,
            state_namespace: "istio-system".to_owned(),
        },
    }
}

/// The mesh file of an embedded mesh other than the guide's: what `mesh init` finds in it, and everything may be broken.
pub(super) async fn inventoried(mesh: LabMesh, lab: &Lab) -> Result<MeshFile, CliError> {
    let mut file = mesh_of(mesh.name(), lab).await?;
    // No pod of it looks like a CNI, and it enforces NetworkPolicies all the same.
    file.spec.without.remove("networkPolicy");
    let inventory = file.spec.inventory();
    let inner = inventory.gateways.iter().filter(|(_, gateway)| gateway.role != GatewayRole::Egress);
    let gateways = inner.map(|(name, _)| name.clone()).collect();
    let control_planes = inventory.control_planes.keys().cloned().collect();
    // One whose loss leaves another that clients can enter by.
    let keys = file.spec.keys();
    let entered = |key: &&String| inventory.entrypoint_in(key, None, &keys).is_some();
    let is_spare = |key: &&String| keys.iter().filter(|other| other != key).any(|other| entered(&other));
    let clusters = keys.iter().find(is_spare).cloned().into_iter().collect();
    let proposed = file.spec.drills.clone().unwrap_or_default();
    file.spec.drills = Some(DrillTargets { gateways, control_planes, clusters, ..proposed });
    Ok(file)
}

/// Everything in the embedded mesh may be broken.
fn drills(clusters: usize) -> DrillTargets {
    let names = |names: &[&str]| names.iter().map(|name| (*name).to_owned()).collect();
    DrillTargets {
        gateways: names(if clusters > 1 { &["ingress", "east-west"] } else { &["ingress"] }),
        control_planes: names(&["default"]),
        workloads: names(&["productpage-v1.bookinfo", "reviews-v1.bookinfo"]),
        clusters: names(if clusters > 1 { &["primary"] } else { &[] }),
        alerts: alerts(),
    }
}

fn alerts() -> IndexMap<String, AlertTarget> {
    let alert = |target: &str, within| AlertTarget {
        target: target.to_owned(),
        // The rules of the guide count what the first cluster's own Prometheus scrapes.
        clusters: ClusterChoice::One("primary".to_owned()),
        within: TimeSpan::secs(within),
    };
    [
        ("IngressGatewayDown".to_owned(), alert("gateways/ingress", 120)),
        ("IstiodDown".to_owned(), alert("controlPlanes/default", 180)),
    ]
    .into()
}

/// The embedded mesh has no cloud around it; a stand-in for its command line may be put on the PATH.
fn waivers(clusters: usize) -> std::collections::BTreeMap<String, Waiver> {
    let mut waivers = std::collections::BTreeMap::new();
    if !crate::run::on_path("oci") {
        waivers.insert("oci".to_owned(), waiver("the embedded mesh has no cloud around it"));
    }
    waivers.insert("partitionAlert".to_owned(), waiver("no alert of the guide fires within a minute of a partition"));
    if clusters < 2 {
        waivers.insert("severalClusters".to_owned(), waiver("this mesh has one cluster"));
    }
    waivers
}

/// What the embedded mesh does not have, and never will.
fn waiver(reason: &str) -> Waiver {
    Waiver { reason: reason.to_owned(), owner: "meshdrill".to_owned(), until: "9999-12-31".to_owned() }
}

/// The mesh file of a served mesh: its gateways and monitoring are loopback ports.
async fn mesh_yaml(args: &LabArgs, lab: &Lab, served: &Served) -> Result<String, CliError> {
    let mut mesh = if args.lab_mesh == LabMesh::Guide {
        lab_mesh(lab.clusters())
    } else {
        // What a healthy mesh of this kind consists of, whatever is planted in this one.
        let healthy = LabConfig { mesh: args.lab_mesh, seed: args.seed, ..LabConfig::default() };
        inventoried(args.lab_mesh, &Lab::start(healthy)?).await?
    };
    let reason = "pods of the embedded mesh are reached through its own ports only";
    mesh.spec.without.insert("routablePods".to_owned(), waiver(reason));
    for address in served.addresses.iter().filter(|address| !is_ambiguous(address, served)) {
        let Some(cluster) = mesh.spec.clusters.get_mut(&address.cluster) else { continue };
        match address.role {
            _ if !is_main(address) => {}
            ServedRole::Ingress => cluster.ingress.push(address.url()),
            ServedRole::EastWest => cluster.east_west.push(address.local.to_string()),
            ServedRole::Prometheus => cluster.prometheus = vec![address.url().into()],
            ServedRole::Alertmanager => cluster.alertmanager = vec![address.url().into()],
            ServedRole::Api | ServedRole::Admin | ServedRole::Other => {}
        }
    }
    mesh_to_yaml(&mesh)
}
