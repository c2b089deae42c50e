//! `command`: a program on the runner's machine, without a shell.

use std::collections::BTreeMap;

use futures::future::BoxFuture;
use meshdrill_checks::record::{Class, Series};
use meshdrill_checks::units::TimeSpan;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};

use super::expect::excerpt;
use super::outcome::settle;
use super::role::{Observation, Observer, Role, SpecError, Timing};
use super::{JsonExpect, Outcome, ProbeError, TextExpect};
use crate::cluster::World;
use crate::format::ClusterChoice;
use crate::local::run_command;

/// Runs a program on the runner's machine, without a shell.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct Command {
    /// The program and its arguments, such as `[curl, -sf, https://example.com]`.
    pub argv: Vec<String>,
    /// Environment variables, in addition to the runner's.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub env: BTreeMap<String, String>,
    /// The timeout, such as `30s`; default 10 s.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub timeout: Option<TimeSpan>,
    /// The expectations.
    #[serde(default)]
    pub expect: CommandExpect,
}

/// The expectations of a program.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct CommandExpect {
    /// The exit code; default 0.
    #[serde(default)]
    pub exit_code: i32,
    /// Expectations of its stdout as text.
    #[serde(default)]
    pub stdout: TextExpect,
    /// Expectations of its stdout as JSON.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub json: Vec<JsonExpect>,
}

impl CommandExpect {
    /// Judges the result of a program.
    pub(super) fn judge(&self, exit_code: i32, stdout: &str, stderr: &str) -> Outcome {
        let document: Result<Value, _> = serde_json::from_str(stdout);
        let missed = if exit_code == self.exit_code {
            self.stdout.missed(stdout).map(|missed| format!("stdout {missed}: {}", excerpt(stdout))).or_else(|| match (
                &document,
                self.json.as_slice(),
            ) {
                (_, []) => None,
                (Err(error), _) => Some(format!("stdout is not JSON: {error}")),
                (Ok(document), expects) => expects.iter().find_map(|expect| expect.missed(document)),
            })
        } else {
            Some(format!("exit code {exit_code}, expected {}: {}", self.exit_code, excerpt(stderr)))
        };
        let seen = json!({ "exitCode": exit_code, "stdout": excerpt(stdout), "stderr": excerpt(stderr) });
        let message = missed.clone().unwrap_or_else(|| format!("exit code {exit_code}: {}", excerpt(stdout.trim())));
        Outcome::judged(missed.is_none(), message, seen)
    }

    /// What is wrong with the keys.
    pub(super) fn spec_errors(&self) -> Vec<SpecError> {
        let json = self.json.iter().flat_map(|expect| expect.spec_errors("expect"));
        self.stdout.spec_errors("expect").into_iter().chain(json).collect()
    }
}

impl Observation for Command {
    fn describe(&self) -> String {
        format!("run {}", self.argv.join(" "))
    }

    fn subject(&self) -> String {
        let program = self.argv.first().map_or("", String::as_str);
        program.rsplit('/').next().unwrap_or_default().to_owned()
    }

    fn choices(&mut self) -> Vec<&mut ClusterChoice> {
        Vec::new()
    }

    fn timing(&self) -> Timing {
        let timeout = self.timeout.unwrap_or(TimeSpan::secs(10));
        Timing { timeout, slow: timeout, ..Timing::api() }
    }

    fn spec_errors(&self) -> Vec<SpecError> {
        let empty = self.argv.first().is_none_or(String::is_empty);
        let empty =
            empty.then(|| SpecError::new("argv", "the program is missing", "write `argv: [program, argument]`"));
        empty.into_iter().chain(self.expect.spec_errors()).collect()
    }

    fn prepare<'a>(&'a self, _: &'a World, _: Role) -> BoxFuture<'a, Result<Box<dyn Observer>, ProbeError>> {
        Box::pin(async move { Ok(Box::new(self.clone()) as Box<dyn Observer>) })
    }
}

impl Observer for Command {
    fn observe(&self, _: Series) -> BoxFuture<'_, Outcome> {
        Box::pin(async move {
            let ran = run_command(&self.argv, &self.env, self.timing().timeout.0).await.map_err(ProbeError);
            settle(ran.map(|output| match output {
                Some((code, stdout, stderr)) => self.expect.judge(code, &stdout, &stderr),
                None => {
                    let message = format!("{} timed out after {}", self.argv.join(" "), self.timing().timeout);
                    Outcome::new(super::Answer::Bad(Class::Timeout), message)
                }
            }))
        })
    }
}
