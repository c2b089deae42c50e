//! The pods of the owners whose pods a fault removes: afterwards as many are ready as before, and the victims are gone.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use crate::cluster::{AccessError, Cluster, Object, ObjectRef, Owner, is_serving};
use crate::format::Selector;

/// How many pods of each owner were ready before the fault.
pub(super) struct Population {
    cluster: Arc<Cluster>,
    selector: Option<Selector>,
    victims: Vec<ObjectRef>,
    /// By namespace and owner; none for pods that nothing controls.
    ready: BTreeMap<(String, Option<Owner>), usize>,
}

/// The pods of some namespaces, those that have ended too.
pub(super) async fn pods_in(
    cluster: &Cluster,
    namespaces: impl IntoIterator<Item = &str>,
    selector: Option<&Selector>,
) -> Result<Vec<Object>, AccessError> {
    let namespaces: BTreeSet<&str> = namespaces.into_iter().collect();
    let mut pods = Vec::new();
    for namespace in namespaces {
        let path = format!("/api/v1/namespaces/{namespace}/pods");
        pods.extend(cluster.list(&path, selector.map(Selector::as_str)).await?);
    }
    Ok(pods)
}

/// Namespace and owner.
fn group(pod: &Object) -> (String, Option<Owner>) {
    (pod.namespace().to_owned(), Owner::of(pod))
}

impl Population {
    /// Counts the ready pods before the fault, among all that match the selector, of the owners of the victims.
    pub fn count(
        cluster: &Arc<Cluster>,
        selector: Option<&Selector>,
        before: &[Object],
        victims: &[ObjectRef],
    ) -> Self {
        let uids: BTreeSet<&str> = victims.iter().map(|pod| pod.uid.as_str()).collect();
        let concerned = before.iter().filter(|pod| uids.contains(pod.uid())).map(group);
        let mut ready: BTreeMap<_, usize> = concerned.map(|group| (group, 0)).collect();
        for pod in before.iter().filter(|pod| is_serving(pod)) {
            if let Some(count) = ready.get_mut(&group(pod)) {
                *count += 1;
            }
        }
        Self { cluster: Arc::clone(cluster), selector: selector.cloned(), victims: victims.to_vec(), ready }
    }

    /// What is not as before yet; none if all is.
    pub async fn missing(&self) -> Result<Option<String>, AccessError> {
        let namespaces = self.ready.keys().map(|(namespace, _)| namespace.as_str());
        let pods = pods_in(&self.cluster, namespaces, self.selector.as_ref()).await?;
        Ok(self.missing_among(&pods))
    }

    fn missing_among(&self, pods: &[Object]) -> Option<String> {
        let key = &self.cluster.key;
        // A victim that is not terminating was not removed, and counts as what it is.
        let terminating = |victim: &&ObjectRef| pods.iter().any(|pod| pod.uid() == victim.uid && pod.is_terminating());
        if let Some(pod) = self.victims.iter().find(terminating) {
            return Some(format!("pod {pod} ({key}) is still terminating"));
        }
        self.ready.iter().find_map(|(of, before)| {
            let now = pods.iter().filter(|pod| is_serving(pod) && group(pod) == *of).count();
            let (namespace, owner) = of;
            let of = owner
                .as_ref()
                .map_or_else(|| format!("without an owner in namespace {namespace}"), |owner| format!("of {owner}"));
            (now < *before).then(|| format!("{now} of {before} pods {of} ({key}) are Ready again"))
        })
    }
}
