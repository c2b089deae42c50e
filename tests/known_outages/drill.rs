//! The same with a fault of the drill's own making: a server that answers 503 for as long as a file is there.

use std::os::unix::process::ExitStatusExt as _;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};

use libtest_mimic::Failed;
use serde_json::Value;

use super::server::{PATIENCE, read_head, reply};
use crate::command::{Ran, ended, meshdrill, run, run_dirs, scorecard, scratch};

/// A server that is broken while a file exists, and the folder of a drill that makes that file.
struct Bench {
    folder: PathBuf,
    flag: PathBuf,
    url: String,
    broken: std::sync::mpsc::Receiver<()>,
}

impl Bench {
    fn new() -> Result<Self, String> {
        let folder = scratch("known-outages-drill");
        let flag = folder.join("broken");
        let listener = std::net::TcpListener::bind("127.0.0.1:0").map_err(|error| error.to_string())?;
        let url = format!("http://{}/", listener.local_addr().map_err(|error| error.to_string())?);
        let (said, broken) = std::sync::mpsc::channel();
        let watched = flag.clone();
        std::thread::spawn(move || serve(listener, &watched, &said));
        Ok(Self { folder, flag, url, broken })
    }

    fn command(&self, hold: &str) -> Result<Command, String> {
        let scenario = format!(
            "apiVersion: meshdrill.io/v1\n\
             kind: Scenario\n\
             metadata: {{ name: known-outage-drill }}\n\
             spec:\n  \
               baseline: 2s\n  \
               observe: 4s\n  \
               probes:\n    \
                 server: {{ http: {{ url: '{url}' }}, every: 100ms }}\n  \
               faults:\n    \
                 - command: {{ argv: [/usr/bin/touch, '{flag}'], undo: [/bin/rm, -f, '{flag}'] }}\n      \
                   for: {hold}\n      \
                   effect: [{{ http: {{ url: '{url}', expect: {{ status: 503 }} }} }}]\n  \
               recovered: [{{ http: {{ url: '{url}' }} }}]\n  \
               sla:\n    \
                 - {{ probe: server, recoveryTime: 6s }}\n",
            url = self.url,
            flag = self.flag.display(),
        );
        let file = self.folder.join("known-outage-drill.yaml");
        std::fs::write(&file, scenario).map_err(|error| error.to_string())?;
        let mut command = meshdrill();
        command.args(["run", "--yes", "--runs"]).arg(self.runs()).arg(file);
        Ok(command)
    }

    /// Starts a drill that would hold its fault for an hour, and waits until the server is broken.
    fn start_and_break(&self) -> Result<Child, String> {
        let child = self.command("1h")?.stdout(Stdio::piped()).stderr(Stdio::piped()).spawn();
        let mut child = child.map_err(|error| error.to_string())?;
        if self.broken.recv_timeout(PATIENCE).is_err() {
            let _ = child.kill();
            return Err(format!("the server was not broken\n{}", ended(child).said()));
        }
        Ok(child)
    }

    fn runs(&self) -> PathBuf {
        self.folder.join("runs")
    }

    fn run_dir(&self, ran: &Ran) -> Result<PathBuf, String> {
        match run_dirs(&self.runs()).as_slice() {
            [dir] => Ok(dir.clone()),
            _ => Err(format!("expected one run directory\n{}", ran.said())),
        }
    }
}

fn serve(listener: std::net::TcpListener, flag: &Path, said: &std::sync::mpsc::Sender<()>) -> std::io::Result<()> {
    listener.set_nonblocking(true)?;
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
    runtime.block_on(async {
        let listener = tokio::net::TcpListener::from_std(listener)?;
        loop {
            let (mut stream, _) = listener.accept().await?;
            let (flag, said) = (flag.to_owned(), said.clone());
            tokio::spawn(async move {
                read_head(&mut stream).await?;
                let broken = flag.exists();
                if broken {
                    let _ = said.send(());
                }
                reply(&mut stream, if broken { "503 Service Unavailable" } else { "200 OK" }).await
            });
        }
    })
}

pub fn recovery_is_measured() -> Result<(), Failed> {
    let bench = Bench::new()?;
    let ran = run(&mut bench.command("3s")?);
    ran.expect_code(0)?;
    let dir = bench.run_dir(&ran)?;
    let card = scorecard(&dir)?;
    undone(&card, &bench)?;
    let recovery = &card["criteria"][0];
    let measured = recovery["value"].as_f64().ok_or_else(|| format!("no value: {recovery}"))?;
    if !(2.9..3.6).contains(&measured) {
        return Err(format!("the fault was held for 3 s, and recovery took {measured} s: {recovery}").into());
    }
    let outages = &card["probes"][0]["outages"];
    let one = outages.as_array().is_some_and(|outages| outages.len() == 1);
    if !one || outages[0]["classes"]["http-5xx"].as_u64().is_none_or(|count| count < 20) {
        return Err(format!("expected one outage of 503s: {outages}").into());
    }
    let journal = journal(&dir)?;
    let has = |key: &str| journal.iter().any(|line| line.get(key).is_some());
    if !(has("intend") && has("done") && has("cleared")) {
        return Err(format!("the journal does not show the whole life of the undo: {journal:?}").into());
    }
    Ok(())
}

pub fn a_signal_undoes() -> Result<(), Failed> {
    let bench = Bench::new()?;
    let child = bench.start_and_break()?;
    let sent = Command::new("kill").args(["-TERM", &child.id().to_string()]).status();
    if !sent.is_ok_and(|status| status.success()) {
        return Err("the signal could not be sent".into());
    }
    let ran = ended(child);
    ran.expect_code(130)?;
    let card = scorecard(&bench.run_dir(&ran)?)?;
    undone(&card, &bench)?;
    if card["exitCode"] != 130 || card["verdict"] == "pass" {
        return Err(format!("an interrupted drill is judged {}: {}", card["verdict"], card["message"]).into());
    }
    Ok(())
}

pub fn a_kill_leaves_the_journal() -> Result<(), Failed> {
    let bench = Bench::new()?;
    let mut child = bench.start_and_break()?;
    child.kill()?;
    let status = child.wait()?;
    let ran = Ran { code: -1, stdout: String::new(), stderr: format!("{status}") };
    if status.signal().is_none() {
        return Err(format!("it ended by itself\n{}", ran.said()).into());
    }
    let dir = bench.run_dir(&ran)?;
    let journal = journal(&dir)?;
    let undo = journal.iter().find_map(|line| line.get("intend")?.get("undo"));
    let argv: Vec<&str> =
        undo.and_then(|undo| undo["argv"].as_array()).into_iter().flatten().filter_map(Value::as_str).collect();
    if argv != ["/bin/rm", "-f", &bench.flag.display().to_string()]
        || journal.iter().any(|line| line.get("done").is_some())
    {
        return Err(format!("the journal does not hold the undo: {journal:?}").into());
    }
    let card = scorecard(&dir)?;
    let junit = std::fs::read_to_string(dir.join("junit.xml"))?;
    if card["exitCode"] != 12 || card["recovery"]["verified"] == true || junit.contains("value=\"pass\"") {
        return Err(format!("what a killed run leaves behind claims too much: {card}\n{junit}").into());
    }
    Ok(())
}

/// The fault is undone, really and in the scorecard.
fn undone(card: &Value, bench: &Bench) -> Result<(), String> {
    if bench.flag.exists() {
        return Err("the undo did not run".to_owned());
    }
    if card["faults"][0]["undo"] != "verified" || card["recovery"]["verified"] != true {
        return Err(format!("the undo is not verified: {} {}", card["faults"], card["recovery"]));
    }
    Ok(())
}

fn journal(dir: &Path) -> Result<Vec<Value>, String> {
    let text = std::fs::read_to_string(dir.join("journal.jsonl")).map_err(|error| error.to_string())?;
    text.lines().map(|line| serde_json::from_str(line).map_err(|error| format!("{line}: {error}"))).collect()
}
