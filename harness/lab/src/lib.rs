//! An embedded mesh of several clusters that speaks the same HTTP as a real one.
//!
//! [`Lab::start`] gives a settled, healthy multi-cluster Istio mesh inside the process: Kubernetes API servers, gateways,
//! proxies, applications, Prometheus and Alertmanager, all on tokio's clock, paused or not. Clients reach it through
//! [`Lab::dial`], which opens byte streams as the runner's machine does, or on real sockets through [`Lab::serve`].
//!
//! The lab knows nothing of scenarios, faults or probes: the consequences of a deleted pod or a scaled gateway follow from the
//! model. [`Defect`]s change the model, to prove that a harness detects them.
//!
//! What it does not do: TLS on the wire, scheduling by resources, persistent volumes, authorization, ambient mode, and any
//! traffic of its own once it has started.

mod alerts;
mod api;
mod clock;
mod cluster;
mod config;
mod defects;
mod engine;
mod envoy;
mod error;
mod exec;
mod kube;
mod lab;
mod lab_mesh;
mod mesh;
mod plane;
mod prom;
mod rng;
mod seed;
mod serve;
mod store;
mod world;

pub use cluster::LabCluster;
pub use config::LabConfig;
pub use defects::{Defect, DefectError, DefectInfo};
pub use error::LabError;
pub use lab::Lab;
pub use lab_mesh::{LabMesh, UnknownMesh};
pub use plane::stream::LabStream;
pub use serve::{Served, ServedAddress, ServedRole};
