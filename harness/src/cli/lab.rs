//! `meshdrill lab`: the embedded mesh on real sockets, and the mesh file that describes it.

use indexmap::IndexMap;
use meshdrill_checks::exit_code::ExitCode;
use meshdrill_lab::{Defect, Lab, LabCluster, LabConfig, Served};

use serde_json::json;

use super::args::LabArgs;
use super::error::{CliError, FileError, UsageError};
use crate::cluster::{AccessError, Kubeconfigs, LAB_LABEL, LAB_VALUE, RUNNER_ADDRESS, connect};
use crate::format::{
    ClusterExpect, ClusterSpec, DrillTargets, FaultPermission, MeshExpect, MeshFile, MeshMetadata, MeshSpec,
    OciResources, Waiver, guide_sla,
};
use crate::spec::API_VERSION;

/// Serves until interrupted.
pub(super) fn lab(args: &LabArgs) -> Result<ExitCode, CliError> {
    if args.list_defects {
        for defect in Defect::all() {
            let scope = if defect.scoped { format!(" (@{})", defect.default_cluster) } else { String::new() };
            super::say!("{}{scope}\n    {}", defect.name, defect.what);
        }
        return Ok(ExitCode::Pass);
    }
    let defects = args.defect.iter().map(|name| name.parse()).collect::<Result<Vec<Defect>, _>>();
    let defects = defects.map_err(UsageError::from)?;
    super::runtime()?.block_on(async {
        let config = LabConfig { clusters: args.clusters, seed: args.seed, defects, ..LabConfig::default() };
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
            std::fs::write(path, mesh_yaml(&lab, &served)?).map_err(|error| FileError::unwritable(path, error))?;
        }
        for address in &served.addresses {
            super::say!("{:<10} {:<40} {}", address.cluster, address.what, address.url());
        }
        super::say!("ready");
        wait_for_signal().await?;
        Ok(ExitCode::Pass)
    })
}

/// The Services whose addresses exist only inside of the lab, and what is served for each.
const SERVED_FOR: [(&str, &str); 4] = [
    ("istio-ingressgateway", "istio-ingressgateway http2"),
    ("istio-eastwestgateway", "istio-eastwestgateway tls"),
    ("prometheus", "prometheus"),
    ("alertmanager", "alertmanager"),
];

/// Annotates Services with the loopback ports at which this machine reaches them, so that a mesh file needs no URLs.
async fn annotate_services(lab: &Lab, served: &Served) -> Result<(), AccessError> {
    let kubeconfigs = Kubeconfigs::lab(lab.clone());
    for one in lab.clusters() {
        let cluster = connect(&kubeconfigs, &one.key, &ClusterSpec::new(&one.context)).await?;
        for service in cluster.list("/api/v1/services", None).await? {
            let name = service.name();
            let what = SERVED_FOR.iter().find(|(service, _)| *service == name).map(|(_, what)| *what);
            let at = served.addresses.iter().find(|at| at.cluster == one.key && Some(at.what.as_str()) == what);
            if let Some(at) = at {
                let namespace = service.namespace();
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
            network: Some(cluster.network),
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
    let clusters: IndexMap<String, ClusterSpec> = clusters.into_iter().map(cluster).collect();
    let count = clusters.len();
    MeshFile {
        api_version: API_VERSION.to_owned(),
        kind: "Mesh".to_owned(),
        metadata: MeshMetadata { name: "lab".to_owned() },
        spec: MeshSpec {
            clusters,
            expect: MeshExpect { mesh_id: Some("oke-mesh".to_owned()) },
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

/// Everything in the embedded mesh may be broken.
fn drills(clusters: usize) -> DrillTargets {
    let names = |names: &[&str]| names.iter().map(|name| (*name).to_owned()).collect();
    DrillTargets {
        gateways: names(if clusters > 1 { &["ingress", "east-west"] } else { &["ingress"] }),
        control_planes: names(&["default"]),
        workloads: names(&["productpage-v1.bookinfo", "reviews-v1.bookinfo"]),
    }
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
fn mesh_yaml(lab: &Lab, served: &Served) -> Result<String, CliError> {
    let mut mesh = lab_mesh(lab.clusters());
    let reason = "pods of the embedded mesh are reached through its own ports only";
    mesh.spec.without.insert("routablePods".to_owned(), waiver(reason));
    for address in &served.addresses {
        let Some(cluster) = mesh.spec.clusters.get_mut(&address.cluster) else { continue };
        match address.what.as_str() {
            "istio-ingressgateway http2" => cluster.ingress.push(address.url()),
            "istio-eastwestgateway tls" => cluster.east_west.push(address.local.to_string()),
            "prometheus" => cluster.prometheus.push(address.url().into()),
            "alertmanager" => cluster.alertmanager.push(address.url().into()),
            _ => {}
        }
    }
    mesh_to_yaml(&mesh)
}

/// A mesh file as text.
pub(super) fn mesh_to_yaml(mesh: &MeshFile) -> Result<String, CliError> {
    serde_saphyr::to_string(mesh).map_err(|error| CliError::Unwritable { what: "the mesh file", source: error.into() })
}
