//! What a Prometheus answers: queries, rules, targets, alerts, and the text it and its targets expose.
//!
//! An empty vector is [`Vector::NoData`], a state of its own: it is neither 0 nor false. Nothing here asks or judges.

mod alerts;
mod answer;
mod config;
mod duration;
mod exposition;
pub mod freshness;
mod guard;
mod query;
mod rules;
mod targets;

pub use alerts::{Alert, AlertState, Alertmanagers, parse_alertmanagers, parse_alerts};
pub use answer::{Answer, PrometheusError};
pub use config::{Config, parse_config, parse_scrape_pools};
pub use duration::parse_duration;
pub use exposition::{Exposition, Metric, Sampled, parse_exposition};
pub use query::{Point, Series, SeriesValue, Vector, parse_query};
pub use rules::{Rule, RuleGroup, RuleHealth, RuleKind, parse_rules};
pub use targets::{Target, TargetHealth, Targets, parse_targets};
