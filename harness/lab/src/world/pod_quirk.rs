//! Pods that do not become ready as they should.

use super::{Broken, Pod};
use crate::clock::Ms;

/// The pods of an app that do not become ready.
#[derive(Debug, Clone)]
pub(crate) struct PodQuirk {
    pub(crate) app: String,
    /// Empty for every version.
    pub(crate) version: &'static str,
    /// Also pods that exist when the lab starts.
    pub(crate) from_start: bool,
    pub(crate) broken: Option<Broken>,
    pub(crate) slow_ms: Ms,
}

impl PodQuirk {
    pub(crate) fn applies(&self, pod: &Pod, booting: bool) -> bool {
        (self.from_start || !booting)
            && (pod.app() == self.app || pod.label("app.kubernetes.io/name") == self.app)
            && (self.version.is_empty() || pod.version == self.version)
    }
}
