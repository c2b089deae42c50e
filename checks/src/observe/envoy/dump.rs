//! The frame of `/config_dump`: configurations of all kinds in one list.

use serde::Deserialize;

use super::EnvoyError;
use crate::observe::Excerpt;

#[derive(Deserialize)]
struct Dump<C> {
    configs: Vec<C>,
}

/// Reads the configurations of a dump that `path` answered, each as `C`, which takes what it knows.
pub(super) fn configs<'a, C: Deserialize<'a>>(body: &'a [u8], path: &'static str) -> Result<Vec<C>, EnvoyError> {
    let dump: Dump<C> =
        serde_json::from_slice(body).map_err(|source| EnvoyError::NotJson { path, came: Excerpt::of(body), source })?;
    Ok(dump.configs)
}
