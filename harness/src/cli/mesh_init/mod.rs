//! `meshdrill mesh init`: writes a mesh file from live clusters.
//!
//! The file is built as a [`MeshFile`], serialised, read back and compared before it is written. What was detected is
//! marked with a comment, so that a person confirms it.

mod annotate;
mod pod_ranges;
mod survey;
mod update;

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use futures::future::try_join_all;
use indexmap::IndexMap;
use jiff::civil::Date;
use meshdrill_checks::exit_code::ExitCode;
use meshdrill_lab::Lab;

use self::survey::Survey;
use super::args::{MeshArgs, MeshCommand, MeshInitArgs};
use super::error::{CliError, FileError, UsageError};
use super::mesh_file::mesh_to_yaml;
use crate::cluster::{AccessError, Cluster, Kubeconfigs, connect, discover_prometheus, share_since};
use crate::format::{
    ClusterExpect, ClusterSpec, FaultPermission, MeshExpect, MeshFile, MeshMetadata, MeshSpec, Scalar, Waiver,
    guide_sla,
};
use crate::inventory::{Detected, ask, detect, proposed_targets};
use crate::run::{WorldSource, write_atomically};
use crate::spec::{API_VERSION, parse_mesh};
use meshdrill_document as document;
use meshdrill_document::Source;

/// The keys of clusters whose `--context` names none, in order.
const KEYS: [&str; 5] = ["primary", "secondary", "third", "fourth", "fifth"];
/// The comment behind every value that was detected.
const DETECTED: &str = "# detected; confirm";

/// Runs the command.
pub(super) fn mesh(args: &MeshArgs) -> Result<ExitCode, CliError> {
    match &args.command {
        MeshCommand::Init(init) if init.update => update::update(init),
        MeshCommand::Init(init) => write_new(init),
        MeshCommand::Diff(diff) => update::diff(diff),
    }
}

fn write_new(init: &MeshInitArgs) -> Result<ExitCode, CliError> {
    if let Some(path) = init.out.as_deref().filter(|path| path.exists()) {
        return Err(UsageError::Exists(path.to_owned()).into());
    }
    let file = super::runtime()?.block_on(listed_once(async {
        let clusters = Clusters::of_kubeconfig(init.kubeconfig.clone());
        let seen = clusters.survey(&init.context).await?;
        let file = mesh_file(&init.name, faults(init), &seen.surveys, jiff::Zoned::now().date());
        clusters.with_inventory(file, &seen, faults(init)).await
    }))?;
    let text = mesh_file_text(init.out.as_deref(), &file)?;
    match &init.out {
        None => super::say_part!("{text}"),
        Some(path) => {
            write_atomically(path, text.as_bytes()).map_err(|error| FileError::unwritable(path, error))?;
            super::say_err!("wrote {}; confirm the lines marked `{DETECTED}`", path.display());
        }
    }
    report(&file);
    Ok(ExitCode::Pass)
}

/// Does some work with one list per kind and cluster.
async fn listed_once<T>(work: impl Future<Output = T>) -> T {
    share_since(tokio::time::Instant::now(), work).await.0
}

/// Says what a person has to look at.
fn report(file: &MeshFile) {
    let Some(inventory) = &file.spec.inventory else { return };
    for entry in &inventory.unconfirmed {
        super::say_err!(
            "look at {entry}: it did not answer as an entry point or dashboard does; correct it, and remove it from `unconfirmed`"
        );
    }
    for (part, why) in &inventory.unknown {
        super::say_err!("{part} are not all known: {why}; give the permission, and run `meshdrill mesh init --update`");
    }
}

/// The mesh file of an embedded mesh, found out as that of any other.
pub(super) async fn mesh_of(name: &str, lab: &Lab) -> Result<MeshFile, CliError> {
    let clusters = Clusters::Lab(lab.clone());
    let contexts: Vec<String> = lab.clusters().iter().map(|one| format!("{}={}", one.key, one.context)).collect();
    let date = jiff::Timestamp::try_from(lab.date()).map_err(std::io::Error::other)?.to_zoned(jiff::tz::TimeZone::UTC);
    let found = Box::pin(async {
        let seen = clusters.survey(&contexts).await?;
        let file = mesh_file(name, FaultPermission::Allowed, &seen.surveys, date.date());
        clusters.with_inventory(file, &seen, FaultPermission::Allowed).await
    });
    listed_once(found).await
}

fn faults(args: &MeshInitArgs) -> FaultPermission {
    if args.faults == "allowed" { FaultPermission::Allowed } else { FaultPermission::Forbidden }
}

/// The clusters that are looked at: contexts of a kubeconfig, or an embedded mesh.
pub(super) enum Clusters {
    Kubeconfig(Option<PathBuf>),
    Lab(Lab),
}

/// The clusters of a mesh, and what each shows of itself.
struct Seen {
    /// The clients, so that what follows uses what they have read.
    kubeconfigs: Kubeconfigs,
    clusters: Vec<Arc<Cluster>>,
    surveys: Vec<Survey>,
}

impl Clusters {
    fn of_kubeconfig(path: Option<PathBuf>) -> Self {
        Self::Kubeconfig(path)
    }

    fn kubeconfigs(&self) -> Kubeconfigs {
        match self {
            Self::Kubeconfig(path) => Kubeconfigs::file(path.clone()),
            Self::Lab(lab) => Kubeconfigs::lab(lab.clone()),
        }
    }

    fn source(&self, mesh: Arc<MeshFile>) -> WorldSource {
        match self {
            Self::Kubeconfig(path) => WorldSource::of_clusters(Some(mesh), path.clone()),
            Self::Lab(lab) => WorldSource::of_lab(Some(mesh), lab.clone()),
        }
    }

    /// Which kubeconfig is meant, for a message.
    fn name(&self) -> String {
        match self {
            Self::Kubeconfig(path) => kubeconfig_name(path.as_deref()),
            Self::Lab(_) => "the embedded mesh".to_owned(),
        }
    }

    /// Connects to every context and looks at its cluster.
    async fn survey(&self, contexts: &[String]) -> Result<Seen, CliError> {
        let kubeconfigs = self.kubeconfigs();
        let surveyed = contexts.iter().enumerate().map(|(index, argument)| {
            let kubeconfigs = &kubeconfigs;
            async move {
                let (key, context) = key_and_context(index, argument);
                let cluster = connect(kubeconfigs, &key, &ClusterSpec::new(context)).await;
                let cluster = cluster.map_err(|error| match error {
                    AccessError::NoContext { context, known, .. } => {
                        let kubeconfig = self.name();
                        CliError::from(UsageError::NoContext { context, kubeconfig, known })
                    }
                    error => error.into(),
                })?;
                let survey = Survey::of(&cluster).await?;
                Ok::<_, CliError>((cluster, survey))
            }
        });
        let (clusters, surveys) = try_join_all(surveyed).await?.into_iter().unzip();
        Ok(Seen { kubeconfigs, clusters, surveys })
    }

    /// Adds the inventory: what the clusters list, and what the mesh answers.
    async fn with_inventory(
        &self,
        mut file: MeshFile,
        seen: &Seen,
        faults: FaultPermission,
    ) -> Result<MeshFile, CliError> {
        let Detected { inventory, prometheus, first_hops } = detect(&seen.clusters).await;
        // Where the usual labels show a Prometheus, nothing is written down.
        for (key, place) in prometheus {
            let cluster = seen.clusters.iter().find(|cluster| cluster.key == key);
            let known = match cluster {
                Some(cluster) => discover_prometheus(cluster).await.is_ok(),
                None => true,
            };
            if let Some(spec) = file.spec.clusters.get_mut(&key).filter(|spec| !known && spec.prometheus.is_empty()) {
                spec.prometheus.push(place);
            }
        }
        file.spec.inventory = Some(Box::new(inventory));
        let source = WorldSource { kubeconfigs: seen.kubeconfigs.clone(), ..self.source(Arc::new(file.clone())) };
        let world = source.connect(file.spec.clusters.keys().map(String::as_str)).await?;
        if let Some(inventory) = file.spec.inventory.as_deref_mut() {
            for (key, place) in ask(&world, inventory).await {
                if let Some(spec) = file.spec.clusters.get_mut(&key).filter(|spec| spec.alertmanager.is_empty()) {
                    spec.alertmanager.push(place);
                }
            }
            // The waiver is for the mesh file's clusters; one that was found by asking its Prometheus is there.
            if inventory.prometheus.values().any(|entry| entry.alertmanager) {
                file.spec.without.remove("alertmanager");
            }
            if faults == FaultPermission::Allowed && file.spec.drills.is_none() {
                file.spec.drills = Some(proposed_targets(inventory, &first_hops));
            }
        }
        Ok(file)
    }
}

/// Which kubeconfig is meant, for a message.
fn kubeconfig_name(given: Option<&Path>) -> String {
    let by_default = || std::env::var("KUBECONFIG").ok().filter(|paths| !paths.is_empty());
    let given = given.map(|path| path.display().to_string());
    given.or_else(by_default).unwrap_or_else(|| "~/.kube/config".to_owned())
}

fn key_and_context(index: usize, argument: &str) -> (String, &str) {
    match argument.split_once('=') {
        Some((key, context)) => (key.to_owned(), context),
        None => (KEYS.get(index).map_or_else(|| format!("cluster-{}", index + 1), |key| (*key).to_owned()), argument),
    }
}

/// The text of the mesh file: serialised, marked, and proven to read back as the same.
fn mesh_file_text(path: Option<&Path>, file: &MeshFile) -> Result<String, CliError> {
    let text = annotate::annotate(&mesh_to_yaml(file)?, &detected_paths(file), DETECTED)
        .map_err(|problems| CliError::Unreadable(problems.render(false)))?;
    let path = path.unwrap_or(Path::new("mesh.yaml"));
    let read = parse_mesh(Source::new(path, text.clone()))
        .map_err(|problems| UsageError::WouldBeInvalid(Box::new(problems)))?;
    if serde_json::to_value(&read).ok() == serde_json::to_value(file).ok() {
        Ok(text)
    } else {
        Err(CliError::Unreadable(text))
    }
}

fn mesh_file(name: &str, faults: FaultPermission, surveys: &[Survey], today: Date) -> MeshFile {
    let ranges = pod_ranges::propose(&surveys.iter().map(|survey| survey.pod_ranges.as_slice()).collect::<Vec<_>>());
    let clusters: IndexMap<String, ClusterSpec> = surveys
        .iter()
        .zip(ranges)
        .map(|(survey, ranges)| (survey.key.clone(), cluster_spec(survey, faults, &ranges)))
        .collect();
    MeshFile {
        api_version: API_VERSION.to_owned(),
        kind: "Mesh".to_owned(),
        metadata: MeshMetadata { name: name.to_owned() },
        spec: MeshSpec {
            clusters,
            expect: MeshExpect { mesh_id: surveys.iter().find_map(|survey| survey.mesh_id.clone()) },
            without: waivers(surveys, today),
            vars: vars(surveys),
            sla: guide_sla(),
            inventory: None,
            drills: None,
            annotate: None,
            state_namespace: "istio-system".to_owned(),
        },
    }
}

fn cluster_spec(survey: &Survey, faults: FaultPermission, ranges: &[String]) -> ClusterSpec {
    ClusterSpec {
        istio_cluster: survey.istio_cluster.clone(),
        network: survey.network.clone(),
        region: survey.region.clone(),
        uid: Some(survey.uid.clone()),
        faults,
        expect: ClusterExpect {
            nodes: u32::try_from(survey.nodes).ok(),
            kubernetes: survey.kubernetes.clone(),
            istio: survey.istio.clone(),
            pod_cidrs: ranges.to_vec(),
        },
        ..ClusterSpec::new(&survey.context)
    }
}

/// What this mesh does not have, for three months; then somebody looks again.
fn waivers(surveys: &[Survey], today: Date) -> BTreeMap<String, Waiver> {
    let until = today.saturating_add(jiff::Span::new().months(3));
    let first = |reason: fn(&Survey) -> Option<String>| surveys.iter().find_map(reason);
    let oci = if surveys.iter().any(|survey| survey.oci) {
        "the OCIDs of cluster, peering and route table are not known; write them as clusters.KEY.oci and remove this"
    } else {
        "no node has an OCI provider id"
    };
    let enforces = surveys.iter().any(|survey| survey.enforces_policies);
    let reasons = [
        ("oci", Some(oci.to_owned())),
        ("networkPolicy", (!enforces).then(|| "no CNI that enforces NetworkPolicies was found".to_owned())),
        ("severalClusters", (surveys.len() == 1).then(|| "the mesh has one cluster".to_owned())),
        ("alertmanager", first(|survey| survey.no_alertmanager.clone())),
        (
            "partitionAlert",
            Some(
                "no alert for a network partition is known; if there is one, name it as vars.partitionAlert".to_owned(),
            ),
        ),
        ("routablePods", first(|survey| survey.unroutable_pods.clone())),
    ];
    let waiver = |reason| Waiver { reason, owner: "mesh init".to_owned(), until: until.to_string() };
    reasons.into_iter().filter_map(|(need, reason)| Some((need.to_owned(), waiver(reason?)))).collect()
}

/// The names of parts of the mesh that differ from the defaults. Where clusters differ, the first one's is written.
fn vars(surveys: &[Survey]) -> BTreeMap<String, Scalar> {
    let mut vars = BTreeMap::new();
    for survey in surveys {
        for (name, value) in &survey.vars {
            let kept = vars.entry((*name).to_owned()).or_insert_with(|| Scalar::Text(value.clone()));
            if *kept != Scalar::Text(value.clone()) {
                super::say_err!(
                    "warning: {name} is `{value}` in {}; the mesh file has one value for all clusters",
                    survey.key
                );
            }
        }
    }
    vars
}

/// The values that a person confirms.
fn detected_paths(file: &MeshFile) -> Vec<document::Path> {
    let clusters = document::Path::of(&["spec", "clusters"]);
    let mut paths = Vec::new();
    for key in file.spec.clusters.keys() {
        let cluster = clusters.key(key);
        paths.extend(["istioCluster", "network", "region"].map(|name| cluster.key(name)));
        paths.extend(["nodes", "kubernetes", "istio", "podCidrs"].map(|name| cluster.key("expect").key(name)));
    }
    paths.push(document::Path::of(&["spec", "expect", "meshID"]));
    paths.extend(file.spec.without.keys().map(|need| document::Path::of(&["spec", "without", need])));
    let inventory = document::Path::of(&["spec", "inventory"]);
    for part in ["topology", "absent"] {
        paths.push(inventory.key(part));
    }
    if let Some(entries) = &file.spec.inventory {
        let named = [
            ("controlPlanes", entries.control_planes.keys().collect::<Vec<_>>()),
            ("gateways", entries.gateways.keys().collect()),
            ("entrypoints", entries.entrypoints.keys().collect()),
            ("namespaces", entries.namespaces.keys().collect()),
            ("services", entries.services.keys().collect()),
            ("prometheus", entries.prometheus.keys().collect()),
            ("dashboards", entries.dashboards.keys().collect()),
        ];
        for (part, keys) in named {
            paths.extend(keys.into_iter().map(|key| inventory.key(part).key(key)));
        }
    }
    paths.extend(["gateways", "workloads"].map(|list| document::Path::of(&["spec", "drills", list])));
    paths.extend(file.spec.vars.keys().map(|name| document::Path::of(&["spec", "vars", name])));
    paths
}

#[cfg(test)]
mod tests {
    use super::*;

    fn text_of(surveys: &[Survey]) -> Result<String, CliError> {
        let name = "two: parts, with # odd {characters}";
        let faults = FaultPermission::Allowed;
        mesh_file_text(None, &mesh_file(name, faults, surveys, jiff::civil::date(2026, 1, 1)))
    }

    fn survey(key: &str) -> Survey {
        Survey {
            key: key.to_owned(),
            context: format!("arn:aws:eks:{key}, \"x\""),
            uid: "5d0c".to_owned(),
            nodes: 3,
            region: Some("no".to_owned()),
            kubernetes: Some("v1.34.1".to_owned()),
            istio: Some("1.30".to_owned()),
            istio_cluster: Some("0123".to_owned()),
            network: Some("a: b, c".to_owned()),
            mesh_id: Some("~".to_owned()),
            pod_ranges: vec!["10.0.0.7/32".parse().unwrap()],
            oci: false,
            enforces_policies: false,
            unroutable_pods: Some("no pod takes a connection, it seems: \"refused\" #1".to_owned()),
            no_alertmanager: Some("none".to_owned()),
            vars: [("ingressSelector", "app=edge".to_owned())].into(),
        }
    }

    #[test]
    fn whatever_clusters_contain_the_file_reads_back_as_it_was_detected() {
        let mut other = survey("secondary");
        other.pod_ranges = vec!["10.1.0.7/32".parse().unwrap()];
        let text = text_of(&[survey("primary"), other]).unwrap();
        let file = parse_mesh(Source::new(Path::new("mesh.yaml"), text.clone())).unwrap();
        let cluster = &file.spec.clusters["secondary"];
        assert_eq!(cluster.expect.istio.as_deref(), Some("1.30"));
        assert_eq!(cluster.istio_cluster.as_deref(), Some("0123"));
        assert_eq!(cluster.region.as_deref(), Some("no"));
        assert_eq!(cluster.expect.pod_cidrs, ["10.1.0.0/16"]);
        assert_eq!(file.spec.without["routablePods"].owner, "mesh init");
        for marked in ["nodes: 3", "podCidrs:", "meshID:", "routablePods:", "ingressSelector: app=edge"] {
            let line = text.lines().find(|line| line.trim_start().starts_with(marked)).unwrap_or_default();
            assert!(line.ends_with("# detected; confirm"), "{marked}: {line}\n{text}");
        }
        let context = text.lines().find(|line| line.trim_start().starts_with("context:")).unwrap();
        assert!(!context.contains(DETECTED), "what was given is not detected: {context}");
    }

    #[test]
    fn a_key_that_no_mesh_file_may_have_is_refused() {
        let refused = text_of(&[survey("All of it")]).unwrap_err();
        assert!(
            refused.exit_code() == ExitCode::Usage && refused.to_string().contains("cannot be a cluster's key"),
            "{refused}"
        );
    }

    #[test]
    fn contexts_are_named_in_order_or_by_the_user() {
        assert_eq!(key_and_context(1, "ctx"), ("secondary".to_owned(), "ctx"));
        assert_eq!(key_and_context(7, "ctx"), ("cluster-8".to_owned(), "ctx"));
        assert_eq!(key_and_context(0, "eu=ctx"), ("eu".to_owned(), "ctx"));
    }
}
