//! Running the built binary and reading what it leaves behind.

use std::io::{BufRead as _, BufReader};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Output, Stdio};
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::mpsc::{self, Receiver};

use serde_json::Value;

/// What a run of the binary did.
pub struct Ran {
    /// Its exit code; -1 if a signal ended it.
    pub code: i32,
    /// What it wrote to stdout.
    pub stdout: String,
    /// What it wrote to stderr.
    pub stderr: String,
}

impl Ran {
    /// Everything it said, for the message of a failed trial.
    pub fn said(&self) -> String {
        format!("exit code {}\n--- stdout\n{}\n--- stderr\n{}", self.code, self.stdout, self.stderr)
    }

    /// Fails unless it ended with this code.
    pub fn expect_code(&self, code: i32) -> Result<(), String> {
        if self.code == code { Ok(()) } else { Err(format!("expected exit code {code}\n{}", self.said())) }
    }
}

/// The root of the repository.
pub fn root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("..").canonicalize().expect("the repository is there")
}

/// A folder of its own for one trial; left behind on purpose, below the build directory.
pub fn scratch(name: &str) -> PathBuf {
    static COUNT: AtomicUsize = AtomicUsize::new(0);
    let unique = format!("{name}-{}-{}", std::process::id(), COUNT.fetch_add(1, Ordering::Relaxed));
    let path = Path::new(env!("CARGO_TARGET_TMPDIR")).join(unique);
    std::fs::create_dir_all(&path).expect("the build directory can be written");
    path
}

/// The binary, without anything of this process's environment that would change what it does.
pub fn meshdrill() -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_meshdrill"));
    command
        .current_dir(root())
        .env_remove("MESHDRILL_MESH")
        .env_remove("MESHDRILL_JOBS")
        .env("NO_COLOR", "1")
        .stdin(Stdio::null());
    command
}

/// A run's record, one event or sample per line.
pub fn record(dir: &Path) -> Result<String, String> {
    let ran = run(meshdrill().arg("record").arg(dir));
    ran.expect_code(0)?;
    Ok(ran.stdout)
}

/// Puts the stand-in for the cloud's command line before everything else on the command's PATH.
pub fn stand_in(command: &mut Command, answer: &str) {
    let path = std::env::var_os("PATH").unwrap_or_default();
    let folders = std::iter::once(root().join("tests/stand-ins")).chain(std::env::split_paths(&path));
    let path = std::env::join_paths(folders).expect("the repository's path has no colon");
    command.env("PATH", path).env("OCI_ANSWER", answer);
}

/// Runs the binary to its end.
pub fn run(command: &mut Command) -> Ran {
    finished(&command.output().expect("the binary can be started"))
}

/// A run of the binary that is not at its end, whose stderr is read as it comes.
pub struct Running {
    child: Child,
    lines: Receiver<String>,
    said: String,
}

impl Running {
    /// Starts the binary.
    pub fn start(command: &mut Command) -> Result<Self, String> {
        let piped = command.stdout(Stdio::piped()).stderr(Stdio::piped());
        let mut child = piped.spawn().map_err(|error| error.to_string())?;
        let stderr = child.stderr.take().ok_or("no stderr")?;
        let (sender, lines) = mpsc::channel();
        // What it says later must not fill the pipe.
        std::thread::spawn(move || {
            for line in BufReader::new(stderr).lines().map_while(Result::ok) {
                let _ = sender.send(line);
            }
        });
        Ok(Self { child, lines, said: String::new() })
    }

    /// Its process id.
    pub fn id(&self) -> u32 {
        self.child.id()
    }

    /// Waits for so many lines with a text. An error if it ends before.
    pub fn wait_for(&mut self, text: &str, times: usize) -> Result<(), String> {
        let mut found = 0;
        while found < times {
            let Ok(line) = self.lines.recv() else { return Err(format!("it ended before `{text}`:\n{}", self.said)) };
            found += usize::from(line.contains(text));
            self.said = format!("{}{line}\n", self.said);
        }
        Ok(())
    }

    /// Waits for its end.
    pub fn end(self) -> Ran {
        let output = self.child.wait_with_output().expect("the binary can be waited for");
        let rest = self.lines.iter().fold(self.said, |said, line| said + &line + "\n");
        Ran { stderr: rest, ..finished(&output) }
    }
}

/// Waits for the end of the binary that was started with its output piped.
pub fn ended(child: Child) -> Ran {
    finished(&child.wait_with_output().expect("the binary can be waited for"))
}

fn finished(output: &Output) -> Ran {
    let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
    Ran { code: output.status.code().unwrap_or(-1), stdout: text(&output.stdout), stderr: text(&output.stderr) }
}

/// The run directories below a folder, oldest first.
pub fn run_dirs(runs: &Path) -> Vec<PathBuf> {
    let mut dirs: Vec<PathBuf> =
        std::fs::read_dir(runs).into_iter().flatten().filter_map(|entry| Some(entry.ok()?.path())).collect();
    dirs.retain(|path| path.is_dir());
    dirs.sort();
    dirs
}

/// A run's scorecard.
pub fn scorecard(dir: &Path) -> Result<Value, String> {
    let path = dir.join("scorecard.json");
    let text = std::fs::read_to_string(&path).map_err(|error| format!("{}: {error}", path.display()))?;
    serde_json::from_str(&text).map_err(|error| format!("{}: {error}", path.display()))
}
