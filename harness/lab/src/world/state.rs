//! The complete state of the lab. It changes in two ways only: by a request of a client, and by an event that is due.

use std::collections::BinaryHeap;
use std::sync::Arc;

use serde_json::Value;

use super::{Cluster, Event, Scheduled};
use crate::clock::{Dates, Ms};
use crate::rng::Rng;
use crate::store::{Resource, object};

/// The complete state of the lab.
pub(crate) struct World {
    pub(crate) now: Ms,
    pub(crate) dates: Dates,
    pub(crate) rng: Rng,
    pub(crate) clusters: Vec<Cluster>,
    /// While the mesh is set up: pods are ready at once, and nothing takes time.
    pub(crate) booting: bool,
    /// Round trip between clusters, milliseconds.
    pub(crate) rtt_ms: f64,
    /// What defects change between clusters; it affects ICMP only.
    pub(crate) links: crate::plane::Links,
    /// When the runner's machine has no network, and until when.
    pub(crate) runner_cut: Option<(Ms, Ms)>,
    queue: BinaryHeap<Scheduled>,
    order: u64,
}

impl World {
    pub(crate) fn new(dates: Dates, seed: u64, rtt_ms: f64) -> Self {
        Self {
            now: 0,
            dates,
            rng: Rng::new(seed),
            clusters: Vec::new(),
            booting: false,
            rtt_ms,
            links: crate::plane::Links::default(),
            runner_cut: None,
            queue: BinaryHeap::new(),
            order: 0,
        }
    }

    /// Whether the runner's machine is cut off now.
    pub(crate) fn runner_is_cut(&self) -> bool {
        self.runner_cut.is_some_and(|(from, until)| (from..until).contains(&self.now))
    }

    /// Schedules an event `delay` from now.
    pub(crate) fn after(&mut self, delay: Ms, event: Event) {
        self.order += 1;
        self.queue.push(Scheduled { at: self.now + delay.max(0), order: self.order, event });
    }

    /// When the next event is due.
    pub(crate) fn next_due(&self) -> Option<Ms> {
        self.queue.peek().map(|next| next.at)
    }

    /// Takes the next event that is due at `now`, and moves the time on to it. Without one the time moves on to `now`.
    pub(crate) fn next_event(&mut self, now: Ms) -> Option<Event> {
        let due = self.queue.peek().is_some_and(|next| next.at <= now);
        let next = if due { self.queue.pop() } else { None };
        self.now = self.now.max(next.as_ref().map_or(now, |next| next.at));
        next.map(|next| next.event)
    }

    /// Drops all scheduled events; used once, at the end of the boot.
    pub(crate) fn clear_queue(&mut self) {
        self.queue.clear();
    }

    pub(crate) fn date(&self) -> String {
        self.dates.seconds(self.now)
    }

    /// Adds an object to a cluster, dated now.
    pub(crate) fn create(&mut self, cluster: usize, resource: &'static Resource, value: Value) -> Arc<Value> {
        let date = self.date();
        self.clusters[cluster].store.create(resource, value, &date)
    }

    /// Changes an object in place. Nothing happens when it does not exist.
    pub(crate) fn edit(
        &mut self,
        cluster: usize,
        resource: &'static Resource,
        namespace: &str,
        name: &str,
        change: impl FnOnce(&mut Value),
    ) -> Option<Arc<Value>> {
        let store = &mut self.clusters[cluster].store;
        let mut value = (**store.get(resource, namespace, name)?).clone();
        change(&mut value);
        Some(store.replace(resource, value))
    }

    /// The pod's object in the API.
    pub(crate) fn pod_object(&self, cluster: usize, uid: &str) -> Option<&Arc<Value>> {
        let pod = self.clusters[cluster].pods.get(uid)?;
        let found = self.clusters[cluster].store.get(crate::store::resources::pods(), &pod.namespace, &pod.name)?;
        (object::uid(found) == uid).then_some(found)
    }
}
