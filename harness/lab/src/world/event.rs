//! Events, and the order in which they are due.

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
    /// The kubelet has confirmed the end: the object is removed.
    Remove(usize, Uid),
    /// A `ReplicaSet` tries again: namespace and name.
    Replicas(usize, String, String),
    /// The progress deadline of a Deployment may have passed: namespace and name.
    Rollout(usize, String, String),
    /// The pod of a Job has completed.
    Complete(usize, Uid),
    /// kube-proxy writes its rules.
    KubeProxy(usize),
    /// The cloud sets the load balancer address of a Service: namespace and name.
    Address(usize, String, String),
    /// istiod pushes to its proxies.
    Push(usize),
    /// Prometheus scrapes its targets and evaluates its rules.
    Scrape(usize),
    /// Alertmanager flushes its groups.
    Notify(usize),
    /// The alert of another team fires or resolves.
    Bystander(usize),
}

/// An event with its due time. Events of one time happen in the order in which they were scheduled.
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
