//! The whole state of the lab and how it moves from one instant to the next.
//!
//! State changes only in two ways: a request that a client makes, and an event that falls due. Neither depends on anyone
//! watching.

mod cluster;
mod event;
mod pod;

use std::collections::BinaryHeap;
use std::sync::Arc;

pub(crate) use cluster::{Cluster, Ident};
pub(crate) use event::{Event, Scheduled};
pub(crate) use pod::{Broken, Life, Pod, Role, Stage, Uid};
use serde_json::Value;

use crate::clock::{Dates, Ms};
use crate::rng::Rng;
use crate::store::{Resource, object};

/// Everything there is.
pub(crate) struct World {
    pub(crate) now: Ms,
    pub(crate) dates: Dates,
    pub(crate) rng: Rng,
    pub(crate) clusters: Vec<Cluster>,
    /// While true, what is created is ready at once: the mesh has been up for a while when the lab starts.
    pub(crate) booting: bool,
    /// Round trip between clusters, milliseconds.
    pub(crate) rtt_ms: f64,
    /// The round trip as it was configured, whatever a defect did to the network; servers answer over this one.
    pub(crate) links: crate::plane::Links,
    /// From when until when nothing gets from the runner's machine to anywhere, or back.
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

    /// When the next event falls due.
    pub(crate) fn next_due(&self) -> Option<Ms> {
        self.queue.peek().map(|next| next.at)
    }

    /// Lets every event up to `now` happen, each at its own time.
    pub(crate) fn advance(&mut self, now: Ms) {
        while self.queue.peek().is_some_and(|next| next.at <= now) {
            if let Some(next) = self.queue.pop() {
                self.now = self.now.max(next.at);
                next.event.happen(self);
                self.settle();
            }
        }
        self.now = self.now.max(now);
    }

    /// Forgets all scheduled events; used once, when the boot is over.
    pub(crate) fn clear_queue(&mut self) {
        self.queue.clear();
    }

    /// Shows every change to the controllers until none of them changes anything more.
    pub(crate) fn settle(&mut self) {
        for _ in 0..200 {
            let mut quiet = true;
            for c in 0..self.clusters.len() {
                for change in self.clusters[c].store.take_unseen() {
                    quiet = false;
                    crate::kube::controllers::on_change(self, c, &change);
                }
            }
            if quiet {
                return;
            }
        }
    }

    pub(crate) fn date(&self) -> String {
        self.dates.seconds(self.now)
    }

    /// Adds an object to a cluster, dated now.
    pub(crate) fn create(&mut self, c: usize, resource: &'static Resource, value: Value) -> Arc<Value> {
        let date = self.date();
        self.clusters[c].store.create(resource, value, &date)
    }

    /// Changes an object in place; nothing happens when it is not there.
    pub(crate) fn edit(
        &mut self,
        c: usize,
        resource: &'static Resource,
        namespace: &str,
        name: &str,
        change: impl FnOnce(&mut Value),
    ) -> Option<Arc<Value>> {
        let store = &mut self.clusters[c].store;
        let mut value = (**store.get(resource, namespace, name)?).clone();
        change(&mut value);
        Some(store.replace(resource, value))
    }

    /// The pod's object in the API.
    pub(crate) fn pod_object(&self, c: usize, uid: &str) -> Option<&Arc<Value>> {
        let pod = self.clusters[c].pods.get(uid)?;
        let found = self.clusters[c].store.get(crate::store::resources::pods(), &pod.namespace, &pod.name)?;
        (object::uid(found) == uid).then_some(found)
    }
}
