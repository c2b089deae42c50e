//! The running parts of a mesh in one cluster, istiods and proxies: version, cluster id, network and mesh id of each, from
//! its pod and, where the pod does not show them, from the running part itself. Judges nothing.

use std::collections::BTreeMap;
use std::sync::Arc;

use futures::stream::{self, StreamExt as _};
use meshdrill_checks::observe::envoy::{ServerInfo, parse_server_info};
use meshdrill_checks::observe::istiod::{parse_syncz, parse_version};
use meshdrill_checks::observe::kube::Image;

use super::istiod::IstiodDebug;
use super::{ProbeError, ProxyAdmin};
use crate::cluster::{Cluster, Object, ObjectRef};

/// The limit for proxies that are queried one by one; a response has 125 kB.
const MOST_ASKED: usize = 24;
/// How many of them are queried at a time.
const AT_ONCE: usize = 8;

/// A fact about the identity of a part.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Fact {
    Cluster,
    Network,
    Mesh,
}

impl Fact {
    pub(super) const ALL: [Self; 3] = [Self::Cluster, Self::Network, Self::Mesh];

    /// The name in messages.
    pub(super) const fn word(self) -> &'static str {
        match self {
            Self::Cluster => "cluster id",
            Self::Network => "network",
            Self::Mesh => "mesh id",
        }
    }

    /// The environment variables with it; ztunnel has its network without a prefix.
    const fn variables(self) -> &'static [&'static str] {
        match self {
            Self::Cluster => &["ISTIO_META_CLUSTER_ID", "CLUSTER_ID"],
            Self::Network => &["ISTIO_META_NETWORK", "NETWORK"],
            Self::Mesh => &["ISTIO_META_MESH_ID"],
        }
    }
}

/// The source of a version.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Source {
    /// The tag of its image.
    Tag,
    /// A response of the running part, or of the istiod that it is connected to.
    Answer,
    /// The label `app.kubernetes.io/version`, which is the version of the chart.
    Label,
}

impl Source {
    /// The name in messages.
    pub(super) const fn word(self) -> &'static str {
        match self {
            Self::Tag => "by image tag",
            Self::Answer => "by its own response",
            Self::Label => "by label only",
        }
    }
}

/// One running part.
#[derive(Debug, Clone)]
pub(super) struct Part {
    pub(super) pod: ObjectRef,
    /// `istiod` or `proxy`.
    pub(super) what: &'static str,
    /// The image as its pod names it.
    pub(super) image: String,
    /// The version and its source.
    pub(super) version: Option<(String, Source)>,
    /// Why the version is unknown, or known only from a label.
    pub(super) why: String,
    label: Option<String>,
    facts: BTreeMap<Fact, String>,
}

impl Part {
    /// The part in a pod. A sidecar is a container or, as a native sidecar, an init container.
    pub(super) fn read(pod: &Object) -> Option<Self> {
        if matches!(pod["status"]["phase"].as_str(), Some("Succeeded" | "Failed")) {
            return None;
        }
        let lists = ["containers", "initContainers"].into_iter().filter_map(|list| pod["spec"][list].as_array());
        let (what, container) = lists.flatten().find_map(|container| match container["name"].as_str()? {
            "discovery" => Some(("istiod", container)),
            "istio-proxy" => Some(("proxy", container)),
            _ => None,
        })?;
        let variable = |variable: &str| {
            let mut environment = container["env"].as_array().into_iter().flatten();
            let value = environment.find(|one| one["name"] == variable)?["value"].as_str()?;
            (!value.is_empty()).then(|| value.to_owned())
        };
        let facts =
            Fact::ALL.into_iter().filter_map(|fact| Some((fact, fact.variables().iter().find_map(|v| variable(v))?)));
        // On an application's pod, the label is about the application.
        let own = pod.label("app.kubernetes.io/part-of") == Some("istio");
        let image = container["image"].as_str().unwrap_or_default().to_owned();
        Some(Self {
            pod: pod.object_ref(),
            what,
            version: Image::parse(&image).version().map(|version| (version.to_owned(), Source::Tag)),
            why: String::new(),
            label: pod.label("app.kubernetes.io/version").filter(|_| own).map(str::to_owned),
            facts: facts.collect(),
            image,
        })
    }

    /// The value of a fact; none if the part does not report it.
    pub(super) fn fact(&self, fact: Fact) -> Option<&str> {
        self.facts.get(&fact).map(String::as_str)
    }

    /// Whether such a part can report the fact: istiod knows only its cluster.
    pub(super) fn can_report(&self, fact: Fact) -> bool {
        self.what == "proxy" || fact == Fact::Cluster
    }

    fn is_of(&self, wanted: Option<&str>) -> bool {
        self.version.as_ref().is_some_and(|(version, _)| wanted.is_none_or(|wanted| version == wanted))
    }

    /// Adds what the proxy reports; values of its pod take precedence.
    fn learn(&mut self, info: ServerInfo) {
        if !info.istio_version.is_empty() {
            self.version = Some((info.istio_version, Source::Answer));
        }
        for (fact, reported) in
            [(Fact::Cluster, info.cluster_id), (Fact::Network, info.network), (Fact::Mesh, info.mesh_id)]
        {
            if !reported.is_empty() {
                self.facts.entry(fact).or_insert(reported);
            }
        }
    }
}

/// Queries the parts whose pods do not show the wanted version or some of the facts. A part that cannot be queried keeps
/// the values of its pod, with the reason.
pub(super) async fn ask(cluster: &Arc<Cluster>, parts: &mut [Part], wanted: Option<&str>, facts: &[Fact]) {
    if parts.iter().any(|part| !part.is_of(wanted)) {
        ask_istiods(cluster, parts, wanted).await;
    }
    let silent = |part: &Part| !part.is_of(wanted) && !matches!(part.version, Some((_, Source::Answer)));
    let asked = parts
        .iter_mut()
        .filter(|part| part.what == "proxy" && (silent(part) || facts.iter().any(|fact| part.fact(*fact).is_none())));
    stream::iter(asked.take(MOST_ASKED))
        .for_each_concurrent(AT_ONCE, |part| async move {
            match server_info(cluster, &part.pod).await {
                Ok(info) => part.learn(info),
                Err(error) => part.why = error.0,
            }
        })
        .await;
    for part in parts.iter_mut().filter(|part| part.version.is_none()) {
        part.version = part.label.take().map(|label| (label, Source::Label));
    }
}

/// Queries every istiod for its own version and those of its connected proxies.
async fn ask_istiods(cluster: &Arc<Cluster>, parts: &mut [Part], wanted: Option<&str>) {
    for index in 0..parts.len() {
        if parts[index].what != "istiod" {
            continue;
        }
        let istiod = IstiodDebug::for_pod(cluster, &parts[index].pod);
        match istiod.get("/version").await.map(|body| parse_version(&body)) {
            Ok(Some(version)) => parts[index].version = Some((version, Source::Answer)),
            Ok(None) => parts[index].why = "/version reports no version".into(),
            Err(error) => parts[index].why = error.0,
        }
        let Some(connected) = istiod.get("/debug/syncz").await.ok().and_then(|body| parse_syncz(&body).ok()) else {
            continue;
        };
        for part in parts.iter_mut().filter(|part| part.what == "proxy" && !part.is_of(wanted)) {
            let name = format!("{}.{}", part.pod.name, part.pod.namespace);
            let seen = connected.iter().find(|proxy| proxy.name == name && !proxy.version.is_empty());
            part.version = seen.map(|proxy| (proxy.version.clone(), Source::Answer)).or(part.version.take());
        }
    }
}

async fn server_info(cluster: &Arc<Cluster>, pod: &ObjectRef) -> Result<ServerInfo, ProbeError> {
    let (body, _) = ProxyAdmin::for_pod(Arc::clone(cluster), pod.clone()).get("/server_info").await?;
    parse_server_info(&body).map_err(|error| ProbeError(error.to_string()))
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::{Value, json};

    fn part(pod: &Value) -> Part {
        Part::read(&pod.clone().into()).unwrap()
    }

    #[test]
    fn native_sidecars_are_found_among_the_init_containers() {
        let part = part(&json!({ "metadata": { "name": "a", "namespace": "b" }, "spec": {
            "containers": [{ "name": "app", "image": "app:1" }],
            "initContainers": [{ "name": "istio-init", "image": "x" }, { "name": "istio-proxy", "image": "istio/proxyv2:1.28.3-distroless",
                "env": [{ "name": "ISTIO_META_CLUSTER_ID", "value": "one" }, { "name": "POD_NAME", "valueFrom": {} }] }] } }));
        assert_eq!((part.what, part.version.clone()), ("proxy", Some(("1.28.3".to_owned(), Source::Tag))));
        assert_eq!((part.fact(Fact::Cluster), part.fact(Fact::Network)), (Some("one"), None));
    }

    #[test]
    fn a_digest_tells_no_version_and_an_empty_variable_no_network() {
        let mut part = part(
            &json!({ "metadata": { "name": "a", "namespace": "b", "labels": { "app.kubernetes.io/version": "v7" } },
            "spec": { "containers": [{ "name": "istio-proxy", "image": "istio/proxyv2@sha256:00ff",
                "env": [{ "name": "ISTIO_META_NETWORK", "value": "" }, { "name": "ISTIO_META_MESH_ID", "value": "mesh" }] }] } }),
        );
        assert_eq!((part.version.clone(), part.label.clone(), part.fact(Fact::Network)), (None, None, None));
        let info = ServerInfo {
            istio_version: "1.28.3".to_owned(),
            network: "net".to_owned(),
            mesh_id: "other".to_owned(),
            ..ServerInfo::default()
        };
        part.learn(info);
        assert_eq!(part.version, Some(("1.28.3".to_owned(), Source::Answer)));
        assert_eq!((part.fact(Fact::Network), part.fact(Fact::Mesh)), (Some("net"), Some("mesh")));
    }

    #[test]
    fn the_label_counts_on_istios_own_pods_only() {
        let pod = |part_of: &str| {
            json!({ "metadata": { "labels": { "app.kubernetes.io/version": "1.28.3", "app.kubernetes.io/part-of": part_of } },
            "spec": { "containers": [{ "name": "discovery", "image": "pilot@sha256:00ff" }] } })
        };
        assert_eq!(part(&pod("istio")).label.as_deref(), Some("1.28.3"));
        assert_eq!(part(&pod("shop")).label, None);
        assert!(part(&pod("istio")).can_report(Fact::Cluster) && !part(&pod("istio")).can_report(Fact::Network));
    }
}
