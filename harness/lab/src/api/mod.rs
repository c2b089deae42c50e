//! The Kubernetes API of one cluster over HTTP: discovery, objects, watches and the streaming subresources.
//!
//! Authentication, field ownership and schema validation are not modelled beyond what clients notice.

mod access;
pub(crate) mod body;
mod columns;
mod delete;
mod discovery;
pub(crate) mod failure;
mod filter;
mod form;
pub(crate) mod grants;
mod logs;
mod managed_fields;
mod openapi;
mod page;
pub(crate) mod path;
mod protobuf;
pub(crate) mod query;
mod read;
mod request;
mod review;
mod server;
mod subresource;
mod table;
pub(crate) mod tally;
mod watch;
mod write;

pub(crate) use server::handle;
