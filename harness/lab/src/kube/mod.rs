//! What keeps a cluster's objects true: controllers, scheduler, kubelet, kube-proxy, admission.

pub(crate) mod admission;
pub(crate) mod controllers;
pub(crate) mod events;
pub(crate) mod kubelet;
pub(crate) mod pod_status;
pub(crate) mod policy;
pub(crate) mod proxy_rules;
pub(crate) mod scheduler;
