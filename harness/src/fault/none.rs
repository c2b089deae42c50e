//! `none`: changes nothing, so the verdict must be invalid.

use futures::future::BoxFuture;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::{Effect, Fault, FaultBehavior, FaultError, FaultOptions, UndoData};
use crate::cluster::{Permission, World};
use crate::format::MeshSpec;
use crate::probe::SpecError;

/// Changes nothing. A drill with this fault must end as invalid: it shows that a drill cannot pass without an effect.
#[derive(Debug, Clone, Default, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct NoFault {}

impl FaultBehavior for NoFault {
    fn describe(&self) -> String {
        "nothing (negative control)".to_owned()
    }

    fn sustained(&self) -> bool {
        false
    }

    fn spec_errors(&self) -> Vec<SpecError> {
        Vec::new()
    }

    fn permissions(&self, _: &MeshSpec) -> Vec<Permission> {
        Vec::new()
    }

    fn resolve<'a>(&'a self, _: &'a World, _: FaultOptions) -> BoxFuture<'a, Result<Box<dyn Fault>, FaultError>> {
        Box::pin(async { Ok(Box::new(Self {}) as Box<dyn Fault>) })
    }
}

impl Fault for NoFault {
    fn targets(&self) -> Vec<String> {
        Vec::new()
    }

    fn uids(&self) -> Vec<String> {
        Vec::new()
    }

    fn undo(&self) -> Vec<UndoData> {
        Vec::new()
    }

    fn inject(&self) -> BoxFuture<'_, Result<(), FaultError>> {
        Box::pin(async { Ok(()) })
    }

    fn effect(&self) -> BoxFuture<'_, Effect> {
        Box::pin(async { Effect::Never("`none` changes nothing".to_owned()) })
    }
}
