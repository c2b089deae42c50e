//! Control planes: Deployments whose pods run istiod, by revision, and the tags that lead to them.

use indexmap::IndexMap;
use meshdrill_checks::observe::kube::Image;

use super::facts::{Facts, container};
use super::merge::{Sighting, merged};
use crate::cluster::label_selector;
use crate::format::{ClusterChoice, ControlPlane};

pub(super) fn detect(facts: &[Facts]) -> IndexMap<String, ControlPlane> {
    let keys: Vec<String> = facts.iter().map(|facts| facts.key.clone()).collect();
    let mut sightings = Vec::new();
    let mut versions: IndexMap<String, Option<String>> = IndexMap::new();
    for facts in facts {
        for (_, object) in &facts.workloads {
            if container(&object["spec"]["template"], "discovery").is_none() {
                continue;
            }
            let revision = object.label("istio.io/rev").unwrap_or("default").to_owned();
            let Ok(selector) = label_selector(&object["spec"]["selector"]["matchLabels"]).parse() else { continue };
            let plane = ControlPlane {
                clusters: ClusterChoice::all(),
                namespace: object.namespace().to_owned(),
                deployment: object.name().to_owned(),
                selector,
                version: None,
                tags: tags(facts, &revision),
            };
            let image = container(&object["spec"]["template"], "discovery").and_then(|one| one["image"].as_str());
            let version = image.and_then(|image| Image::parse(image).version().map(str::to_owned));
            versions.entry(revision.clone()).or_insert(version);
            sightings.push(Sighting { cluster: facts.key.clone(), name: revision, value: plane });
        }
    }
    let mut planes = merged(sightings, &keys, |plane, clusters| ControlPlane { clusters, ..plane });
    // `expect.istio` has the version of the first; only what differs from it is said.
    let usual = versions.get("default").or_else(|| versions.values().next()).cloned().flatten();
    for (name, plane) in &mut planes {
        plane.version = versions.get(name).cloned().flatten().filter(|version| Some(version) != usual.as_ref());
    }
    planes
}

/// The tags of a revision, by the webhooks that `istioctl tag` makes.
fn tags(facts: &Facts, revision: &str) -> Vec<String> {
    let tagged = facts.webhooks.iter().filter(|webhook| webhook.label("istio.io/rev") == Some(revision));
    let mut tags: Vec<String> = tagged.filter_map(|webhook| webhook.label("istio.io/tag")).map(str::to_owned).collect();
    tags.sort();
    tags.dedup();
    tags
}
