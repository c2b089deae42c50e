//! Alertmanager: groups, notifications, silences and its HTTP API.

mod alertmanager;
pub(crate) mod api;
mod config;
pub(crate) mod notify;
pub(crate) mod oncall;
mod silences;

pub(crate) use alertmanager::{Alertmanager, PostedAlert};
pub(crate) use config::config_text;
pub(crate) use silences::{Matcher, Silence};
