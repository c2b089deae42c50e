//! `command`: runs a program that breaks something, and a program that undoes it.

use std::collections::BTreeMap;
use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use futures::future::BoxFuture;
use meshdrill_checks::units::TimeSpan;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::{Effect, Fault, FaultBehavior, FaultError, FaultOptions, UndoAction, UndoData, UndoKind, UndoOutcome};
use crate::cluster::{Permission, World};
use crate::format::MeshSpec;
use crate::local::run_command;
use crate::probe::{ProbeError, SpecError};

/// Runs a program that breaks something, and another program that undoes it, on the runner's machine.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct CommandFault {
    /// The program that breaks something, and its arguments, such as `[./cut-link.sh, eth0]`. What it leaves running in its process
    /// group is ended with it; start with `setsid` what must stay.
    pub argv: Vec<String>,
    /// The program that undoes it, and its arguments. It may run more than once, so a second run must do no harm.
    pub undo: Vec<String>,
    /// Environment variables for both programs, in addition to the runner's.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub env: BTreeMap<String, String>,
    /// The timeout of the first program, such as `1m`; default 30 s.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub timeout: Option<TimeSpan>,
}

impl FaultBehavior for CommandFault {
    fn describe(&self) -> String {
        format!("run {} (undo: {})", self.argv.join(" "), self.undo.join(" "))
    }

    fn sustained(&self) -> bool {
        true
    }

    fn needs_effect_check(&self) -> bool {
        true
    }

    fn spec_errors(&self) -> Vec<SpecError> {
        let empty = |argv: &[String]| argv.first().is_none_or(String::is_empty);
        let mut found = Vec::new();
        if empty(&self.argv) {
            found.push(SpecError::new("argv", "the program is missing", "write `argv: [program, argument]`"));
        }
        if empty(&self.undo) {
            found.push(SpecError::new("undo", "the undo program is missing", "write `undo: [program, argument]`"));
        }
        found
    }

    fn permissions(&self, _: &MeshSpec) -> Vec<Permission> {
        Vec::new()
    }

    fn resolve<'a>(&'a self, _: &'a World, _: FaultOptions) -> BoxFuture<'a, Result<Box<dyn Fault>, FaultError>> {
        Box::pin(async move { Ok(Box::new(self.clone()) as Box<dyn Fault>) })
    }
}

impl Fault for CommandFault {
    fn targets(&self) -> Vec<String> {
        vec![self.argv.join(" ")]
    }

    fn uids(&self) -> Vec<String> {
        Vec::new()
    }

    fn undo(&self) -> Vec<UndoData> {
        vec![Arc::new(RunCommand { argv: self.undo.clone(), env: self.env.clone() })]
    }

    fn inject(&self) -> BoxFuture<'_, Result<(), FaultError>> {
        Box::pin(async move {
            let deadline = self.timeout.map_or(Duration::from_secs(30), |timeout| timeout.0);
            match run_command(&self.argv, &self.env, deadline).await {
                Ok(Some((0, ..))) => Ok(()),
                Ok(Some((code, _, stderr))) => Err(FaultError::Other(format!(
                    "{} failed with exit code {code}: {}",
                    self.argv.join(" "),
                    stderr.trim()
                ))),
                Ok(None) => Err(FaultError::Other(format!("{} timed out", self.argv.join(" ")))),
                Err(error) => Err(FaultError::Other(error)),
            }
        })
    }

    fn effect(&self) -> BoxFuture<'_, Effect> {
        Box::pin(async { Effect::Seen("the command ended with exit code 0".to_owned()) })
    }
}

/// The timeout of an undo program.
const UNDO_DEADLINE: Duration = Duration::from_mins(1);

/// Runs a program on the runner's machine.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub(super) struct RunCommand {
    /// The program and its arguments.
    argv: Vec<String>,
    /// Environment variables in addition to the runner's.
    env: BTreeMap<String, String>,
}

impl UndoKind for RunCommand {
    const KIND: &'static str = "runCommand";
}

impl UndoAction for RunCommand {
    fn cluster(&self) -> Option<&str> {
        None
    }

    fn apply<'a>(&'a self, _: &'a World) -> BoxFuture<'a, Result<UndoOutcome, ProbeError>> {
        Box::pin(async move {
            let program = self.argv.join(" ");
            match run_command(&self.argv, &self.env, UNDO_DEADLINE).await.map_err(ProbeError)? {
                Some((0, ..)) => Ok(UndoOutcome::Restored),
                Some((code, _, stderr)) => {
                    Err(ProbeError(format!("{program} failed with exit code {code}: {}", stderr.trim())))
                }
                None => Err(ProbeError(format!("{program} timed out after {} s", UNDO_DEADLINE.as_secs()))),
            }
        })
    }

    fn missing<'a>(&'a self, _: &'a World) -> BoxFuture<'a, Result<Option<String>, ProbeError>> {
        Box::pin(async { Ok(None) })
    }
}

impl fmt::Display for RunCommand {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "run {}", self.argv.join(" "))
    }
}
