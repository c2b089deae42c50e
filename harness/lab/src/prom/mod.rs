//! Prometheus: scraping, storage, rules, queries and its HTTP API.

pub(crate) mod api;
pub(crate) mod config;
mod discovery;
mod federate;
pub(crate) mod history;
pub(crate) mod labels;
mod monitoring;
pub(crate) mod promql;
mod query_api;
mod response;
mod rule;
pub(crate) mod rule_file;
mod rules;
mod rules_api;
mod samples;
pub(crate) mod scrape;
mod server;
mod target;
mod tsdb;

pub(crate) use monitoring::{Monitoring, RuleSource};
pub(crate) use server::Prometheus;
