//! Prometheus: scraping, storage, rules, queries and its HTTP API.

pub(crate) mod api;
pub(crate) mod config;
mod federate;
pub(crate) mod history;
pub(crate) mod labels;
pub(crate) mod promql;
mod query_api;
pub(crate) mod rules;
mod rules_api;
pub(crate) mod scrape;
mod tsdb;

use rules::Rule;
use scrape::Target;
use tsdb::Tsdb;

/// One Prometheus server. Its data lies in the pod: a new pod starts empty.
#[derive(Debug, Default)]
pub(crate) struct Prometheus {
    pub(crate) db: Tsdb,
    pub(crate) targets: Vec<Target>,
    pub(crate) rules: Vec<Rule>,
    pub(crate) evaluated: crate::clock::Ms,
    /// When it last scraped.
    pub(crate) scraped: Option<crate::clock::Ms>,
    /// The pod the data is in.
    pub(crate) instance: Option<crate::world::Uid>,
    pub(crate) scrapes: u64,
}
