//! The pods that a fault removes, whether they are gone, and their replacements.

use std::collections::BTreeSet;
use std::sync::Arc;

use meshdrill_checks::units::Ratio;

use super::population::Population;
use super::{BlastRadius, Effect, FaultError, FaultOptions, Replacement, system_namespace_error};
use crate::cluster::{Cluster, Object, ObjectRef, Owner, Permission, World, is_ready, ready_pods, select_pods};
use crate::format::{ClusterChoice, Selector};
use crate::probe::SpecError;

/// A choice of pods.
#[derive(Debug, Clone, Copy)]
pub(super) struct Wanted<'a> {
    pub cluster: &'a ClusterChoice,
    pub namespace: &'a str,
    pub selector: &'a Selector,
    pub count: Option<usize>,
    pub percent: Option<Ratio>,
    pub include_unready: bool,
}

/// The pods to remove.
pub(super) struct PodTargets {
    pub cluster: Arc<Cluster>,
    pub namespace: String,
    selector: Selector,
    pods: Vec<Target>,
    before: BTreeSet<String>,
    population: Population,
    unready: Vec<ObjectRef>,
}

struct Target {
    pod: ObjectRef,
    owner: Option<Owner>,
    ready: bool,
}

impl Target {
    fn new(pod: &Object) -> Self {
        Self { pod: pod.object_ref(), owner: Owner::of(pod), ready: is_ready(pod) }
    }
}

impl Wanted<'_> {
    /// The blast radius, as text.
    pub fn describe(&self) -> String {
        format!("{} matching {}/{} ({})", self.share(), self.namespace, self.selector, self.cluster)
    }

    /// How many of the pods.
    pub fn share(&self) -> String {
        match (self.count, self.percent) {
            (Some(count), _) => format!("{count} of the pods"),
            (None, Some(percent)) => format!("{percent} of the pods"),
            (None, None) => "all pods".to_owned(),
        }
    }

    /// What is wrong with the keys.
    pub fn spec_errors(&self) -> Vec<SpecError> {
        let help = "name a namespace of the mesh";
        let found = system_namespace_error("namespace", Some(self.namespace), help).into_iter();
        found.chain(of_share(self.count, self.percent)).collect()
    }

    /// The permissions to remove them.
    pub fn permissions(&self, removal: (&str, &'static str)) -> Vec<Permission> {
        let need = |resource: &str, verb| Permission::new(self.cluster.key(), self.namespace, "", resource, verb);
        vec![need("pods", "list"), need("pods", "get"), need(removal.0, removal.1)]
    }

    /// Finds the pods in the live cluster. An error if there are none, or fewer than `count`.
    pub async fn find(&self, world: &World, options: FaultOptions) -> Result<PodTargets, FaultError> {
        let cluster = Arc::clone(world.cluster(self.cluster.key())?);
        let place = format!("{}/{}", cluster.key, self.namespace);
        let matching = select_pods(&cluster, self.namespace, self.selector.as_str()).await?;
        let live = matching.iter().filter(|pod| !pod.is_terminating());
        let mut pods: Vec<Target> = live.map(Target::new).collect();
        if pods.is_empty() {
            cluster.must_have_namespace(self.namespace).await?;
            return Err(FaultError::NoTarget(format!("no pod in {place} matches {}", self.selector)));
        }
        let limited = self.count.is_some() || self.percent.is_some();
        if limited && !self.include_unready {
            self.keep_ready(&mut pods, &place)?;
        }
        let share = |percent: Ratio| ((pods.len() as f64 * percent.get()).round() as usize).max(1);
        let wanted = self.count.or_else(|| self.percent.map(share));
        if let Some(wanted) = wanted.filter(|wanted| *wanted > pods.len()) {
            let found = pods.len();
            let ready = if self.include_unready { "" } else { "Ready " };
            let message =
                format!("only {found} {ready}pods in {place} match {}, but `count` is {wanted}", self.selector);
            return Err(FaultError::NoTarget(message));
        }
        pick(&mut pods, wanted, options.seed);
        let unready: Vec<ObjectRef> = pods.iter().filter(|target| !target.ready).map(|one| one.pod.clone()).collect();
        self.require_ready(&unready, pods.len(), &place)?;
        let before = matching.iter().map(|pod| pod.object_ref().uid).collect();
        let victims: Vec<ObjectRef> = pods.iter().map(|target| target.pod.clone()).collect();
        let population = Population::count(&cluster, Some(self.selector), &matching, &victims);
        let (namespace, selector) = (self.namespace.to_owned(), self.selector.clone());
        Ok(PodTargets { cluster, namespace, selector, pods, before, population, unready })
    }

    /// Leaves out the pods that are not Ready: to remove one of them breaks nothing.
    fn keep_ready(&self, pods: &mut Vec<Target>, place: &str) -> Result<(), FaultError> {
        let matching = pods.len();
        pods.retain(|target| target.ready);
        if pods.is_empty() {
            let which = format!("none of the {matching} pods in {place} that match {}", self.selector);
            return Err(FaultError::none_ready(&which, "to remove one"));
        }
        Ok(())
    }

    /// Victims must have been serving.
    fn require_ready(&self, unready: &[ObjectRef], chosen: usize, place: &str) -> Result<(), FaultError> {
        let Some(first) = unready.first() else { return Ok(()) };
        if unready.len() == chosen {
            return Err(FaultError::Refused(format!(
                "none of the {chosen} pods in {place} that the fault would remove is Ready (such as {first}), so it would prove nothing; wait until they are Ready"
            )));
        }
        if self.include_unready {
            return Ok(());
        }
        let names = unready.iter().map(ToString::to_string).collect::<Vec<_>>().join(", ");
        Err(FaultError::Refused(format!(
            "{} of {chosen} pods in {place} that match {} are not Ready: {names}; wait until they are Ready, or write `includeUnready: true` to remove them too",
            unready.len(),
            self.selector
        )))
    }
}

/// What is wrong with `count` and `percent`.
fn of_share(count: Option<usize>, percent: Option<Ratio>) -> Vec<SpecError> {
    let mut found = Vec::new();
    if count.is_some() && percent.is_some() {
        found.push(SpecError::new("percent", "`count` and `percent` exclude each other", "write one of the two"));
    }
    if count == Some(0) {
        found.push(SpecError::new("count", "a fault needs at least one pod", "write at least 1"));
    }
    if percent.is_some_and(|percent| percent.get() == 0.0) {
        found.push(SpecError::new("percent", "a fault needs more than 0% of the pods", "write more than 0%"));
    }
    found
}

/// Sets `count` or `percent` from keys next to the kind; an error if the kind has them too.
pub(super) fn apply_blast_radius(
    count: &mut Option<usize>,
    percent: &mut Option<Ratio>,
    radius: BlastRadius,
) -> Vec<SpecError> {
    let key = if radius.count.is_some() { "count" } else { "percent" };
    if radius.count.is_none() && radius.percent.is_none() {
        return Vec::new();
    }
    if count.is_some() || percent.is_some() {
        return vec![twice(key)];
    }
    let found = of_share(radius.count, radius.percent);
    if found.is_empty() {
        (*count, *percent) = (radius.count, radius.percent);
    }
    found
}

/// The error about a key that stands both next to the kind and inside it.
pub(super) fn twice(key: &'static str) -> SpecError {
    SpecError::new(key, format!("`{key}` is set twice: next to the kind and inside it"), "write it in one place")
}

/// Keeps `wanted` of the targets: always the same ones for the same seed and names.
fn pick(targets: &mut Vec<Target>, wanted: Option<usize>, seed: u64) {
    targets.sort_by(|a, b| a.pod.cmp(&b.pod));
    let Some(wanted) = wanted else { return };
    let mut state = seed;
    for index in (1..targets.len()).rev() {
        // SplitMix64: small, seeded, and random enough to choose among pods.
        state = state.wrapping_add(0x9E37_79B9_7F4A_7C15);
        let mut mixed = (state ^ (state >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
        mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94D0_49BB_1331_11EB);
        targets.swap(index, ((mixed ^ (mixed >> 31)) % (index as u64 + 1)) as usize);
    }
    targets.truncate(wanted);
    targets.sort_by(|a, b| a.pod.cmp(&b.pod));
}

impl PodTargets {
    /// The pods.
    pub fn pods(&self) -> impl Iterator<Item = &ObjectRef> {
        self.pods.iter().map(|target| &target.pod)
    }

    /// How many of the matching pods they are.
    pub fn scope(&self) -> String {
        format!("{} of {} pods", self.pods.len(), self.before.len())
    }

    /// Their names.
    pub fn names(&self) -> Vec<String> {
        self.pods().map(ToString::to_string).collect()
    }

    /// Their UIDs.
    pub fn uids(&self) -> Vec<String> {
        self.pods().map(|pod| pod.uid.clone()).collect()
    }

    /// Warns about pods that nothing will replace.
    pub fn remarks(&self) -> Vec<String> {
        let orphans = self.pods.iter().filter(|target| target.owner.is_none());
        let orphans = orphans.map(|target| format!("pod {} has no owner, so nothing will replace it", target.pod));
        orphans.chain(self.unready.iter().map(|pod| format!("pod {pod} was not Ready before the fault"))).collect()
    }

    /// Whether the pods are gone, or at least terminating if the deletion is not `forced`.
    pub async fn effect(&self, forced: bool) -> Effect {
        let pods = match select_pods(&self.cluster, &self.namespace, self.selector.as_str()).await {
            Ok(pods) => pods,
            Err(error) => return Effect::Unknown(error.to_string()),
        };
        let still = self.pods.iter().filter(|target| {
            let found = pods.iter().find(|pod| pod.uid() == target.pod.uid);
            found.is_some_and(|pod| forced || !pod.is_terminating())
        });
        match still.count() {
            0 if forced => Effect::Seen(format!("{} targeted pods are gone", self.pods.len())),
            0 => Effect::Seen(format!("{} targeted pods are terminating or gone", self.pods.len())),
            left => Effect::NotYet(format!("{left} of {} targeted pods still exist", self.pods.len())),
        }
    }

    /// What is not as before yet: victims that still exist, or owners with fewer ready pods than before.
    pub async fn missing(&self) -> Result<Option<String>, FaultError> {
        Ok(self.population.missing().await?)
    }

    /// The targets that already have a ready replacement.
    pub async fn replacements(&self) -> Result<Vec<Replacement>, FaultError> {
        let pods = ready_pods(&self.cluster, &self.namespace, self.selector.as_str()).await?;
        let fresh = pods.iter().filter(|pod| !self.before.contains(&pod.object_ref().uid));
        let mut fresh: Vec<Target> = fresh.map(Target::new).collect();
        let mut found = Vec::new();
        for target in &self.pods {
            if let Some(index) = fresh.iter().position(|new| new.owner == target.owner) {
                let by = fresh.swap_remove(index).pod.to_string();
                found.push(Replacement { target: target.pod.to_string(), by });
            }
        }
        Ok(found)
    }
}
