//! Kubernetes: controllers, scheduler, kubelet, kube-proxy, network policies, admission and deletion.

pub(crate) mod admission;
pub(crate) mod controllers;
pub(crate) mod deletion;
pub(crate) mod events;
pub(crate) mod gateway_controller;
pub(crate) mod injection;
pub(crate) mod kube_proxy;
pub(crate) mod kubelet;
pub(crate) mod network_policy;
pub(crate) mod pod_status;
pub(crate) mod proxy_rules;
pub(crate) mod scheduler;
pub(crate) mod service_port;
