//! Programs on this machine, run to their end or killed at their deadline. Knows nothing of why they are run.

use std::collections::BTreeMap;
use std::io::Read as _;
use std::process::Stdio;
use std::time::Duration;

/// Runs a program to its end: exit code, stdout, stderr; none if it took too long and was killed.
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
