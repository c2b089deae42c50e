//! The state of one Prometheus server.

use super::rule::Rule;
use super::target::Target;
use super::tsdb::Tsdb;
use crate::clock::Ms;
use crate::world::Uid;

/// One Prometheus server. Its data is in the pod: a new pod starts empty.
#[derive(Debug, Default)]
pub(crate) struct Prometheus {
    pub(crate) db: Tsdb,
    pub(crate) targets: Vec<Target>,
    pub(crate) rules: Vec<Rule>,
    pub(crate) evaluated: Ms,
    /// When it last scraped.
    pub(crate) scraped: Option<Ms>,
    /// The pod the data is in.
    pub(crate) instance: Option<Uid>,
    pub(crate) scrapes: u64,
}
