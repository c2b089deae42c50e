//! A headless Chromium, driven over a pipe: what a page asks for, what it prints, and where it lies.

use std::fs::File;
use std::io::{BufRead as _, BufReader, Write as _};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::sync::mpsc::{Receiver, RecvTimeoutError, channel};
use std::time::{Duration, Instant};

use serde_json::{Value, json};

use crate::command::scratch;

/// How long an answer may take: the machine may be busy.
const PATIENCE: Duration = Duration::from_mins(1);

/// A running browser with one page.
pub struct Browser {
    child: Child,
    to: File,
    from: Receiver<Value>,
    session: String,
    next: u64,
    /// Events since the last navigation.
    events: Vec<Value>,
}

/// Where Chromium is; none if it is not installed.
pub fn chromium() -> Option<PathBuf> {
    let names = ["chromium", "chromium-browser", "google-chrome"];
    let path = std::env::var_os("PATH")?;
    std::env::split_paths(&path)
        .find_map(|folder| names.map(|name| folder.join(name)).into_iter().find(|one| one.is_file()))
}

impl Browser {
    /// Starts one.
    pub fn start(program: &Path) -> Result<Self, String> {
        let folder = scratch("browser");
        let (commands, answers) = (folder.join("commands"), folder.join("answers"));
        for pipe in [&commands, &answers] {
            let made = Command::new("mkfifo").arg(pipe).status().map_err(|error| format!("mkfifo: {error}"))?;
            if !made.success() {
                return Err("mkfifo failed".to_owned());
            }
        }
        // The browser reads commands from descriptor 3 and writes answers to descriptor 4.
        let child = Command::new("sh")
            .args(["-c", r#"exec "$0" "$@" 3<"$COMMANDS" 4>"$ANSWERS""#])
            .arg(program)
            .args(["--headless=new", "--no-sandbox", "--disable-gpu", "--disable-dev-shm-usage", "--no-first-run"])
            .args(["--disable-background-networking", "--disable-component-update", "--remote-debugging-pipe"])
            .arg(format!("--user-data-dir={}", folder.join("profile").display()))
            .arg("about:blank")
            .env("COMMANDS", &commands)
            .env("ANSWERS", &answers)
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .spawn()
            .map_err(|error| format!("{}: {error}", program.display()))?;
        let to = File::options().write(true).open(&commands).map_err(|error| error.to_string())?;
        let from = read_all(File::open(&answers).map_err(|error| error.to_string())?);
        let mut browser = Self { child, to, from, session: String::new(), next: 0, events: Vec::new() };
        let target = browser.call("Target.createTarget", &json!({"url": "about:blank"}))?;
        let attach = json!({"targetId": target["targetId"], "flatten": true});
        let attached = browser.call("Target.attachToTarget", &attach)?;
        attached["sessionId"].as_str().unwrap_or_default().clone_into(&mut browser.session);
        for domain in ["Page", "Runtime", "Log", "Network"] {
            browser.call(&format!("{domain}.enable"), &json!({}))?;
        }
        Ok(browser)
    }

    /// Opens a page at a width, in light or dark, with or without its script.
    pub fn open(&mut self, page: &Path, width: u32, dark: bool, scripts: bool) -> Result<(), String> {
        let screen = json!({"width": width, "height": 900, "deviceScaleFactor": 1, "mobile": false});
        self.call("Emulation.setDeviceMetricsOverride", &screen)?;
        let scheme = if dark { "dark" } else { "light" };
        let media = json!({"features": [{"name": "prefers-color-scheme", "value": scheme}]});
        self.call("Emulation.setEmulatedMedia", &media)?;
        self.call("Emulation.setScriptExecutionDisabled", &json!({"value": !scripts}))?;
        self.events.clear();
        let address = format!("file://{}", page.display().to_string().replace('@', "%40"));
        self.call("Page.navigate", &json!({"url": address}))?;
        self.wait_for("Page.loadEventFired")
    }

    /// The value of an expression in the page.
    pub fn evaluate(&mut self, expression: &str) -> Result<Value, String> {
        let answer = self.call("Runtime.evaluate", &json!({"expression": expression, "returnByValue": true}))?;
        match answer.get("exceptionDetails") {
            Some(error) => Err(format!("{expression}: {error}")),
            None => Ok(answer["result"]["value"].clone()),
        }
    }

    /// What went wrong in the page since it was opened: errors of its script, messages of the console, requests beside the file itself.
    pub fn complaints(&self) -> Vec<String> {
        let complaints = self.events.iter().filter_map(|event| {
            let parameters = &event["params"];
            match event["method"].as_str()? {
                "Runtime.exceptionThrown" => Some(format!("error: {}", parameters["exceptionDetails"])),
                "Runtime.consoleAPICalled" => Some(format!("console: {}", parameters["args"])),
                "Log.entryAdded" => Some(format!("log: {}", parameters["entry"]["text"])),
                "Network.requestWillBeSent" if parameters["type"] != "Document" => {
                    Some(format!("request: {}", parameters["request"]["url"]))
                }
                _ => None,
            }
        });
        complaints.collect()
    }

    fn wait_for(&mut self, method: &str) -> Result<(), String> {
        let deadline = Instant::now() + PATIENCE;
        while !self.events.iter().any(|event| event["method"] == method) {
            let message = self.receive(deadline)?;
            self.events.push(message);
        }
        Ok(())
    }

    fn call(&mut self, method: &str, parameters: &Value) -> Result<Value, String> {
        self.next += 1;
        let id = self.next;
        let mut command = json!({"id": id, "method": method, "params": parameters});
        if !self.session.is_empty() {
            command["sessionId"] = json!(self.session);
        }
        let mut bytes = command.to_string().into_bytes();
        bytes.push(0);
        self.to.write_all(&bytes).map_err(|error| format!("{method}: {error}"))?;
        let deadline = Instant::now() + PATIENCE;
        loop {
            let message = self.receive(deadline).map_err(|error| format!("{method}: {error}"))?;
            if message["id"] == id {
                return match message.get("error") {
                    Some(error) => Err(format!("{method}: {error}")),
                    None => Ok(message["result"].clone()),
                };
            }
            self.events.push(message);
        }
    }

    fn receive(&mut self, deadline: Instant) -> Result<Value, String> {
        self.from.recv_timeout(deadline.saturating_duration_since(Instant::now())).map_err(|error| match error {
            RecvTimeoutError::Timeout => "no answer of the browser in time".to_owned(),
            RecvTimeoutError::Disconnected => "the browser has ended".to_owned(),
        })
    }
}

impl Drop for Browser {
    fn drop(&mut self) {
        let _ = self.call("Browser.close", &json!({}));
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// The messages of a pipe, each of which ends with a zero byte.
fn read_all(pipe: File) -> Receiver<Value> {
    let (send, receive) = channel();
    std::thread::spawn(move || {
        for message in BufReader::new(pipe).split(0) {
            let Some(value) = message.ok().and_then(|bytes| serde_json::from_slice(&bytes).ok()) else { break };
            if send.send(value).is_err() {
                break;
            }
        }
    });
    receive
}
