//! Control planes: Deployments whose pods run istiod, by revision, and the tags that lead to them.

use indexmap::IndexMap;

use super::facts::{Facts, container, selector_text};
use super::merge::{Sighting, merged};
use crate::format::{ClusterChoice, ControlPlane};

pub(super) fn detect(facts: &[Facts]) -> IndexMap<String, ControlPlane> {
    let keys: Vec<String> = facts.iter().map(|facts| facts.key.clone()).collect();
    let mut sightings = Vec::new();
    for facts in facts {
        for (_, object) in &facts.workloads {
            if container(&object["spec"]["template"], "discovery").is_none() {
                continue;
            }
            let revision = object.label("istio.io/rev").unwrap_or("default").to_owned();
            let Ok(selector) = selector_text(&object["spec"]["selector"]["matchLabels"]).parse() else { continue };
            let plane = ControlPlane {
                clusters: ClusterChoice::One("all".to_owned()),
                namespace: object.namespace().to_owned(),
                deployment: object.name().to_owned(),
                selector,
                tags: tags(facts, &revision),
            };
            sightings.push(Sighting { cluster: facts.key.clone(), name: revision, value: plane });
        }
    }
    merged(sightings, &keys, |plane, clusters| ControlPlane { clusters, ..plane })
}

/// The tags of a revision, by the webhooks that `istioctl tag` makes.
fn tags(facts: &Facts, revision: &str) -> Vec<String> {
    let tagged = facts.webhooks.iter().filter(|webhook| webhook.label("istio.io/rev") == Some(revision));
    let mut tags: Vec<String> = tagged.filter_map(|webhook| webhook.label("istio.io/tag")).map(str::to_owned).collect();
    tags.sort();
    tags.dedup();
    tags
}
