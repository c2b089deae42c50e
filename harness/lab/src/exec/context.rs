//! Where a command runs.

use bytes::Bytes;
use tokio::sync::{Mutex, mpsc};

use crate::engine::Engine;
use crate::world::Uid;

/// The container a command runs in.
#[derive(Debug, Clone)]
pub(super) struct Container {
    pub(super) uid: Uid,
    pub(super) name: String,
    pub(super) image: String,
    /// Runs as uid 1337, whose traffic the sidecar does not see.
    pub(super) proxy: bool,
}

/// What a command runs with.
pub(super) struct Context {
    pub(super) engine: Engine,
    pub(super) cluster: usize,
    pub(super) container: Container,
    pub(super) stdin: Mutex<mpsc::Receiver<Bytes>>,
}
