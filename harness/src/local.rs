//! Programs on this machine, run to their end or killed at their deadline. Knows nothing of why they are run.

use std::collections::BTreeMap;
use std::io::ErrorKind;
use std::os::fd::AsFd;
use std::os::unix::process::CommandExt as _;
use std::process::{Child, Command, Stdio};
use std::thread::sleep;
use std::time::{Duration, Instant};

use rustix::io::ioctl_fionbio;
use rustix::process::{Pid, Signal, WaitId, WaitIdOptions, kill_process_group, waitid};

/// How often a program is looked at.
const PAUSE: Duration = Duration::from_millis(5);
/// How much of its output is kept, in bytes.
const LARGEST: usize = 16 << 20;

/// Runs a program to its end: exit code, stdout, stderr; none if it took too long and was killed. It gets a process group of its
/// own, and what is left of that when it ends is killed.
///
/// On a thread of its own and on the machine's clock: a program does not live in virtual time.
pub(crate) async fn run_command(
    argv: &[String],
    env: &BTreeMap<String, String>,
    timeout: Duration,
) -> Result<Option<(i32, String, String)>, String> {
    let (argv, env) = (argv.to_owned(), env.clone());
    let ran = tokio::task::spawn_blocking(move || run_to_end(&argv, &env, timeout)).await;
    ran.unwrap_or_else(|error| Err(format!("the command's thread ended: {error}")))
}

/// The same, for a thread that may wait.
pub(crate) fn run_to_end(
    argv: &[String],
    env: &BTreeMap<String, String>,
    timeout: Duration,
) -> Result<Option<(i32, String, String)>, String> {
    let Some((program, arguments)) = argv.split_first() else {
        return Err("no program is named".to_owned());
    };
    let failed = |error: std::io::Error| format!("{program} cannot be run: {error}");
    let mut command = Command::new(program);
    command.args(arguments).envs(env).process_group(0);
    let piped = command.stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::piped());
    let mut child = piped.spawn().map_err(failed)?;
    let mut stdout = Output::of(child.stdout.take()).map_err(failed)?;
    let mut stderr = Output::of(child.stderr.take()).map_err(failed)?;
    let deadline = Instant::now() + timeout;
    let group = Pid::from_child(&child);
    while !has_ended(group).map_err(failed)? {
        if Instant::now() >= deadline {
            end(&mut child, group).map_err(failed)?;
            return Ok(None);
        }
        sleep(PAUSE);
        stdout.read();
        stderr.read();
    }
    let code = end(&mut child, group).map_err(failed)?;
    Ok(Some((code, stdout.rest(), stderr.rest())))
}

/// Whether a child has ended. Its id stays taken, so that no other process group can have it.
fn has_ended(child: Pid) -> std::io::Result<bool> {
    let options = WaitIdOptions::EXITED | WaitIdOptions::NOHANG | WaitIdOptions::NOWAIT;
    Ok(waitid(WaitId::Pid(child), options)?.is_some())
}

/// Kills what is left of a child's process group. The exit code; -1 if a signal ended it.
fn end(child: &mut Child, group: Pid) -> std::io::Result<i32> {
    // An error means that nothing is left of it.
    let _ = kill_process_group(group, Signal::KILL);
    Ok(child.wait()?.code().unwrap_or(-1))
}

/// The output of a program as it comes: read often, so that a talkative program is not blocked, and never waited for. What a
/// program wrote before its end is in the pipe then, whoever else holds that.
struct Output<P> {
    pipe: Option<P>,
    bytes: Vec<u8>,
}

impl<P: std::io::Read + AsFd> Output<P> {
    fn of(pipe: Option<P>) -> std::io::Result<Self> {
        if let Some(pipe) = &pipe {
            ioctl_fionbio(pipe, true)?;
        }
        Ok(Self { pipe, bytes: Vec::new() })
    }

    /// Takes what is there.
    fn read(&mut self) {
        let mut chunk = [0; 8192];
        let Some(pipe) = &mut self.pipe else { return };
        // The end of the pipe is 0 bytes, an empty pipe an error.
        loop {
            match pipe.read(&mut chunk) {
                Ok(length @ 1..) => {
                    let room = LARGEST.saturating_sub(self.bytes.len()).min(length);
                    self.bytes.extend_from_slice(&chunk[..room]);
                }
                Err(error) if error.kind() == ErrorKind::Interrupted => {}
                Ok(0) | Err(_) => return,
            }
        }
    }

    /// All of it, as text.
    fn rest(mut self) -> String {
        self.read();
        String::from_utf8_lossy(&self.bytes).into_owned()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn sh(script: &str, timeout: u64) -> (Option<(i32, String, String)>, Duration) {
        let argv = ["sh", "-c", script].map(str::to_owned);
        let begun = Instant::now();
        let ran = run_to_end(&argv, &BTreeMap::new(), Duration::from_secs(timeout)).unwrap();
        (ran, begun.elapsed())
    }

    #[test]
    fn a_child_that_stays_behind_holds_nothing_up_and_is_ended() {
        let marker = std::env::temp_dir().join(format!("meshdrill-left-{}", std::process::id()));
        let script = format!("(sleep 2; touch {}) & echo up; echo no >&2; exit 3", marker.display());
        let (ran, took) = sh(&script, 20);
        assert_eq!(ran, Some((3, "up\n".to_owned(), "no\n".to_owned())));
        assert!(took < Duration::from_millis(1500), "{took:?}");
        sleep(Duration::from_millis(2500));
        assert!(!marker.exists(), "the child went on");
    }

    #[test]
    fn one_that_left_the_group_holds_nothing_up_either() {
        let (ran, took) = sh("setsid sleep 3 & echo up", 20);
        assert_eq!(ran, Some((0, "up\n".to_owned(), String::new())));
        assert!(took < Duration::from_millis(2500), "{took:?}");
    }

    #[test]
    fn what_takes_too_long_is_killed_with_its_children() {
        let (ran, took) = sh("sleep 30 & sleep 30", 1);
        assert_eq!(ran, None);
        assert!(took < Duration::from_secs(5), "{took:?}");
    }

    #[test]
    fn a_talkative_program_is_not_blocked() {
        let (ran, _) = sh("head -c 20000000 /dev/zero", 20);
        assert_eq!(ran.map(|(code, stdout, _)| (code, stdout.len())), Some((0, LARGEST)));
    }
}
