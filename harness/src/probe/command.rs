//! `command`: a program on the runner's machine, without a shell.

use std::collections::BTreeMap;
use std::io::Read as _;
use std::process::Stdio;
use std::time::Duration;

use futures::future::BoxFuture;
use meshdrill_checks::record::{Class, Series};
use meshdrill_checks::units::TimeSpan;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};

use super::expect::excerpt;
use super::kind::{Complaint, Kind, Observer, Role, Timing};
use super::outcome::settle;
use super::{CannotAsk, JsonExpect, Outcome, TextExpect};
use crate::cluster::World;
use crate::spec::ClusterChoice;

/// A local program.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct Command {
    /// The program and its arguments.
    pub argv: Vec<String>,
    /// Environment variables beside the runner's.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub env: BTreeMap<String, String>,
    /// The longest it may take; 10 s.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub timeout: Option<TimeSpan>,
    /// What it must do.
    #[serde(default)]
    pub expect: CommandExpect,
}

/// What a program must do.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct CommandExpect {
    /// Its exit code; 0.
    #[serde(default)]
    pub exit_code: i32,
    /// What it writes to stdout.
    #[serde(default)]
    pub stdout: TextExpect,
    /// Values in the JSON it writes to stdout.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub json: Vec<JsonExpect>,
}

impl CommandExpect {
    /// Judges what a program did.
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

    /// What is wrong with it.
    pub(super) fn complaints(&self) -> Vec<Complaint> {
        let json = self.json.iter().flat_map(|expect| expect.complaints("expect"));
        self.stdout.complaints("expect").into_iter().chain(json).collect()
    }
}

impl Kind for Command {
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
        Timing { timeout, slow: timeout, ..Timing::of_api() }
    }

    fn complaints(&self) -> Vec<Complaint> {
        let empty = self.argv.first().is_none_or(String::is_empty);
        let empty = empty.then(|| Complaint::new("argv", "no program is named", "write `argv: [program, argument]`"));
        empty.into_iter().chain(self.expect.complaints()).collect()
    }

    fn prepare<'a>(&'a self, _: &'a World, _: Role) -> BoxFuture<'a, Result<Box<dyn Observer>, CannotAsk>> {
        Box::pin(async move { Ok(Box::new(self.clone()) as Box<dyn Observer>) })
    }
}

impl Observer for Command {
    fn observe(&self, _: Series) -> BoxFuture<'_, Outcome> {
        Box::pin(async move {
            let ran = run_command(&self.argv, &self.env, self.timing().timeout.0).await;
            settle(ran.map(|output| match output {
                Some((code, stdout, stderr)) => self.expect.judge(code, &stdout, &stderr),
                None => {
                    let message = format!("{} did not end within {}", self.argv.join(" "), self.timing().timeout);
                    Outcome::new(super::Answer::Bad(Class::Timeout), message)
                }
            }))
        })
    }
}

/// Runs a program to its end: exit code, stdout, stderr; none if it took too long and was killed.
///
/// On a thread of its own and on the machine's clock: a program does not live in virtual time.
pub(crate) async fn run_command(
    argv: &[String],
    env: &BTreeMap<String, String>,
    timeout: Duration,
) -> Result<Option<(i32, String, String)>, CannotAsk> {
    let (argv, env) = (argv.to_owned(), env.clone());
    let ran = tokio::task::spawn_blocking(move || run_to_end(&argv, &env, timeout)).await;
    ran.unwrap_or_else(|error| Err(CannotAsk(format!("the command's thread ended: {error}"))))
}

fn run_to_end(
    argv: &[String],
    env: &BTreeMap<String, String>,
    timeout: Duration,
) -> Result<Option<(i32, String, String)>, CannotAsk> {
    let Some((program, arguments)) = argv.split_first() else {
        return Err(CannotAsk("no program is named".to_owned()));
    };
    let failed = |error: std::io::Error| CannotAsk(format!("{program} cannot be run: {error}"));
    let mut child = std::process::Command::new(program)
        .args(arguments)
        .envs(env)
        .stdin(Stdio::null())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .map_err(failed)?;
    let (stdout, stderr) = (drain(child.stdout.take()), drain(child.stderr.take()));
    let deadline = std::time::Instant::now() + timeout;
    loop {
        if let Some(status) = child.try_wait().map_err(failed)? {
            let text = |reader: std::thread::JoinHandle<String>| reader.join().unwrap_or_default();
            return Ok(Some((status.code().unwrap_or(-1), text(stdout), text(stderr))));
        }
        if std::time::Instant::now() >= deadline {
            let _ = child.kill();
            let _ = child.wait();
            return Ok(None);
        }
        std::thread::sleep(Duration::from_millis(5));
    }
}

/// Reads a pipe to its end on a thread of its own, so that a talkative program is never blocked.
fn drain(pipe: Option<impl std::io::Read + Send + 'static>) -> std::thread::JoinHandle<String> {
    std::thread::spawn(move || {
        let mut bytes = Vec::new();
        if let Some(pipe) = pipe {
            let _ = pipe.take(16 << 20).read_to_end(&mut bytes);
        }
        String::from_utf8_lossy(&bytes).into_owned()
    })
}
