//! Facts in objects of a Kubernetes API server, read from their JSON: pods, workloads, nodes, services.
//!
//! Works on `serde_json::Value`, so live objects, recorded ones and custom resources are read alike. What an API server
//! leaves out is zero, as it is for kubectl; what makes an object unrecognisable is an error.

pub mod endpoints;
mod field;
pub mod image;
pub mod node;
pub mod pod;
pub mod rollout;
pub mod service;

pub use endpoints::{Endpoint, Endpoints};
pub use field::{KubeError, items};
pub use image::Image;
pub use node::Node;
pub use pod::{Container, OwnerRef, Pod, Trouble};
pub use rollout::{Rollout, Workload, WorkloadKind};
pub use service::{LoadBalancerAddress, Port, Service};
