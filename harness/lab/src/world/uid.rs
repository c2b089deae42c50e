//! The uid of a pod.

use std::sync::Arc;

/// The uid of a pod.
pub(crate) type Uid = Arc<str>;
