//! Access to the clusters of a mesh: clients, exec, port-forwards, and where its gateways and monitoring are found.

mod access;
mod apart;
mod connect;
mod credentials;
mod discover;
mod error;
mod exec;
mod forward;
mod kubeconfig;
mod list;
mod matching;
mod namespace;
mod object;
mod object_name;
mod objects;
mod owners;
mod permission;
mod plugin;
mod pods;
mod renewal;
mod retry_after;
mod review;
mod shared;
mod slim;
mod warnings;
mod workload;
mod world;

pub use access::Cluster;
pub(crate) use access::encode;
pub(crate) use apart::parse_apart;
pub use connect::{Kubeconfigs, LAB_LABEL, LAB_VALUE, connect, connect_in};
pub use discover::{
    Endpoint, MonitoringEndpoint, advertised_east_west, discover_alertmanager, discover_east_west, discover_ingress,
    discover_prometheus, gateway_services,
};
pub(crate) use discover::{
    RUNNER_ADDRESS, advertised_port, east_west_services, gateway_addresses, gateway_service, ingress_services,
};
pub use error::AccessError;
pub use exec::ExecOutput;
pub use forward::{ForwardTarget, Forwarder};
pub use object::{Object, ObjectRef};
pub use object_name::ObjectName;
pub(crate) use objects::VIRTUAL_SERVICES;
pub use owners::Owner;
pub use permission::Permission;
pub(crate) use pods::{has_proxy, is_ready, is_serving, label_selector, pod_addresses, workload_selector};
pub use pods::{ready_pods, select_pods};
#[cfg(test)]
pub(crate) use shared::Shared;
pub(crate) use shared::{MOST_AGE, read_now, share_lately, share_since};
pub(crate) use slim::compact;
pub use workload::WorkloadKind;
pub use world::World;
