//! What can fall due, and the order in which it does.

use std::cmp::Ordering;

use super::Uid;
use crate::clock::Ms;

/// Something that will happen in cluster `.0`.
#[derive(Debug, Clone)]
pub(crate) enum Event {
    /// The scheduler looks at a pod.
    Bind(usize, Uid),
    /// The kubelet has started the pod's containers.
    Start(usize, Uid),
    /// The readiness probe of the pod is due.
    Probe(usize, Uid),
    /// The processes of a terminating pod have ended.
    Exit(usize, Uid),
    /// The kubelet has confirmed the end: the object goes.
    Remove(usize, Uid),
    /// A `ReplicaSet` tries again: namespace and name.
    Replicas(usize, String, String),
    /// The progress deadline of a Deployment may have passed: namespace and name.
    Rollout(usize, String, String),
    /// A Job's pod has done its work.
    Complete(usize, Uid),
    /// kube-proxy writes its rules.
    KubeProxy(usize),
    /// The cloud gives a Service its address: namespace and name.
    Address(usize, String, String),
    /// istiod pushes to its proxies.
    Push(usize),
    /// Prometheus scrapes its targets and evaluates its rules.
    Scrape(usize),
    /// Alertmanager flushes its groups.
    Notify(usize),
    /// Something else than this mesh's Prometheus sends an alert, or that it is over.
    Bystander(usize),
}

/// An event with its due time; ties happen in the order they were scheduled.
#[derive(Debug)]
pub(crate) struct Scheduled {
    pub(crate) at: Ms,
    pub(crate) order: u64,
    pub(crate) event: Event,
}

impl Ord for Scheduled {
    fn cmp(&self, other: &Self) -> Ordering {
        // Reversed: the heap's maximum is the earliest.
        (other.at, other.order).cmp(&(self.at, self.order))
    }
}

impl PartialOrd for Scheduled {
    fn partial_cmp(&self, other: &Self) -> Option<Ordering> {
        Some(self.cmp(other))
    }
}

impl PartialEq for Scheduled {
    fn eq(&self, other: &Self) -> bool {
        self.order == other.order
    }
}

impl Eq for Scheduled {}
