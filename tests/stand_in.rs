//! Small HTTP servers on loopback that stand in for an API server, a Prometheus or an application.

use std::collections::BTreeMap;
use std::io::{BufRead as _, BufReader, Read, Write};
use std::net::TcpListener;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, PoisonError};

use libtest_mimic::Failed;
use serde_json::{Value, json};

use crate::command::{Ran, meshdrill, run, scratch};

/// The UID of the stand-in's kube-system namespace.
pub const UID: &str = "11111111-2222-3333-4444-555555555555";

/// What was asked.
pub struct Asked {
    /// The method.
    pub method: String,
    /// Path and query.
    pub path: String,
    /// The headers, with names in lower case; values of one name are joined with `, `.
    pub headers: BTreeMap<String, String>,
    /// The body.
    pub body: String,
}

/// What is answered.
pub struct Answer {
    /// The status.
    pub status: u16,
    /// More headers.
    pub headers: Vec<(&'static str, String)>,
    /// The body.
    pub body: Vec<u8>,
}

impl Answer {
    /// JSON with a status.
    pub fn json(status: u16, body: &Value) -> Self {
        Self {
            status,
            headers: vec![("Content-Type", "application/json".to_owned())],
            body: body.to_string().into_bytes(),
        }
    }

    /// Text with a status.
    pub fn text(status: u16, body: &str) -> Self {
        Self { status, headers: Vec::new(), body: body.as_bytes().to_vec() }
    }

    /// The same with one more header.
    pub fn header(mut self, name: &'static str, value: &str) -> Self {
        self.headers.push((name, value.to_owned()));
        self
    }
}

/// A server that answers until the process ends.
pub struct Server {
    /// `http://127.0.0.1:PORT`.
    pub url: String,
    asked: Arc<Mutex<Vec<String>>>,
}

impl Server {
    /// Starts one.
    pub fn start(answer: impl Fn(&Asked) -> Answer + Send + Sync + 'static) -> Result<Self, Failed> {
        let listener = TcpListener::bind("127.0.0.1:0")?;
        let url = format!("http://{}", listener.local_addr()?);
        let (asked, answer) = (Arc::new(Mutex::new(Vec::new())), Arc::new(answer));
        let log = Arc::clone(&asked);
        std::thread::spawn(move || {
            for stream in listener.incoming().flatten() {
                let (log, answer) = (Arc::clone(&log), Arc::clone(&answer));
                std::thread::spawn(move || serve(stream, &log, answer.as_ref()));
            }
        });
        Ok(Self { url, asked })
    }

    /// The same over TLS.
    pub fn start_tls(
        config: rustls::ServerConfig,
        answer: impl Fn(&Asked) -> Answer + Send + Sync + 'static,
    ) -> Result<Self, Failed> {
        let listener = TcpListener::bind("127.0.0.1:0")?;
        let url = format!("https://{}", listener.local_addr()?);
        let (asked, answer) = (Arc::new(Mutex::new(Vec::new())), Arc::new(answer));
        let (log, config) = (Arc::clone(&asked), Arc::new(config));
        std::thread::spawn(move || {
            for stream in listener.incoming().flatten() {
                let (log, answer, config) = (Arc::clone(&log), Arc::clone(&answer), Arc::clone(&config));
                std::thread::spawn(move || {
                    if let Ok(connection) = rustls::ServerConnection::new(config) {
                        serve(rustls::StreamOwned::new(connection, stream), &log, answer.as_ref());
                    }
                });
            }
        });
        Ok(Self { url, asked })
    }

    /// The requests so far, each as `METHOD /path`.
    pub fn asked(&self) -> Vec<String> {
        self.asked.lock().map(|asked| asked.clone()).unwrap_or_default()
    }
}

/// Answers the requests of one connection.
fn serve(stream: impl Read + Write, log: &Mutex<Vec<String>>, answer: &dyn Fn(&Asked) -> Answer) {
    let mut reader = BufReader::new(stream);
    while let Some(asked) = request(&mut reader) {
        if let Ok(mut log) = log.lock() {
            log.push(format!("{} {}", asked.method, asked.path));
        }
        let Answer { status, headers, body } = answer(&asked);
        let mut head = format!("HTTP/1.1 {status} Stand-In\r\nContent-Length: {}\r\n", body.len());
        for (name, value) in headers {
            head += &format!("{name}: {value}\r\n");
        }
        let out = reader.get_mut();
        let sent = out.write_all(format!("{head}\r\n").as_bytes()).and_then(|()| out.write_all(&body));
        if sent.and_then(|()| out.flush()).is_err() {
            return;
        }
    }
}

fn request(reader: &mut BufReader<impl Read>) -> Option<Asked> {
    let mut line = String::new();
    reader.read_line(&mut line).ok()?;
    let mut words = line.split_whitespace();
    let (method, path) = (words.next()?.to_owned(), words.next()?.to_owned());
    let mut headers = BTreeMap::new();
    loop {
        let mut line = String::new();
        reader.read_line(&mut line).ok()?;
        let Some((name, value)) = line.trim_end().split_once(':') else { break };
        let values: &mut String = headers.entry(name.to_lowercase()).or_default();
        *values = if values.is_empty() { value.trim().to_owned() } else { format!("{values}, {}", value.trim()) };
    }
    let length = headers.get("content-length").and_then(|length| length.parse().ok()).unwrap_or(0);
    let mut body = vec![0; length];
    reader.read_exact(&mut body).ok()?;
    Some(Asked { method, path, headers, body: String::from_utf8_lossy(&body).into_owned() })
}

fn not_found() -> Answer {
    let status = json!({ "kind": "Status", "apiVersion": "v1", "status": "Failure", "reason": "NotFound", "code": 404, "message": "not found" });
    Answer::json(404, &status)
}

/// An API server that has what is in `objects` by path, and allows everything.
pub fn api_server(objects: impl Fn(&Asked) -> Option<Answer> + Send + Sync + 'static) -> Result<Server, Failed> {
    let lease: Mutex<Option<Value>> = Mutex::default();
    Server::start(move |asked| {
        if let Some(answer) = objects(asked) {
            return answer;
        }
        match asked.path.split('?').next().unwrap_or_default() {
            "/api/v1/namespaces/kube-system" => {
                Answer::json(200, &json!({ "metadata": { "name": "kube-system", "uid": UID } }))
            }
            "/version" => Answer::json(200, &json!({ "major": "1", "minor": "34", "gitVersion": "v1.34.1" })),
            path if path.ends_with("selfsubjectaccessreviews") => {
                let mut review: Value = serde_json::from_str(&asked.body).unwrap_or_default();
                review["status"] = json!({ "allowed": true });
                Answer::json(201, &review)
            }
            // What runs keep in the cluster: the Lease, and journals.
            path if path.contains("/leases") => {
                let mut lease = lease.lock().unwrap_or_else(PoisonError::into_inner);
                if asked.method != "GET" {
                    *lease = serde_json::from_str(&asked.body).ok();
                }
                lease.as_ref().map_or_else(not_found, |lease| Answer::json(200, lease))
            }
            path if path.ends_with("/configmaps") && asked.method == "GET" => {
                Answer::json(200, &json!({ "kind": "ConfigMapList", "items": [], "metadata": {} }))
            }
            _ => not_found(),
        }
    })
}

/// A folder with a kubeconfig and a mesh file of one cluster `one`, and runs in it.
pub struct Folder(pub PathBuf);

impl Folder {
    /// Writes them; `more` are further keys of the cluster in the mesh file.
    pub fn new(name: &str, api: &str, more: &str) -> Result<Self, Failed> {
        let folder = scratch(name);
        let kubeconfig = json!({ "apiVersion": "v1", "kind": "Config", "current-context": "one",
            "clusters": [{ "name": "one", "cluster": { "server": api } }],
            "users": [{ "name": "one", "user": { "token": "t" } }],
            "contexts": [{ "name": "one", "context": { "cluster": "one", "user": "one" } }] });
        std::fs::write(folder.join("kubeconfig"), kubeconfig.to_string())?;
        let mesh = format!(
            "apiVersion: meshdrill.io/v1\nkind: Mesh\nmetadata: {{ name: m }}\nspec:\n  clusters:\n    one: {{ context: one, {more} }}\n"
        );
        std::fs::write(folder.join("mesh.yaml"), mesh)?;
        Ok(Self(folder))
    }

    /// Writes a file.
    pub fn write(&self, name: &str, text: &str) -> Result<(), Failed> {
        Ok(std::fs::write(self.0.join(name), text)?)
    }

    /// The runs of this folder.
    pub fn runs(&self) -> PathBuf {
        self.0.join("runs")
    }

    /// Runs a validation with one check.
    pub fn check(&self, check: &str) -> Result<Ran, Failed> {
        self.write("check.yaml", &format!("apiVersion: meshdrill.io/v1\nkind: Scenario\nmetadata: {{ name: check }}\nspec:\n  checks:\n    - {check}\n"))?;
        Ok(self.run(&["check.yaml"]))
    }

    /// Runs a drill with one fault; its probe connects to the API server.
    pub fn fault(&self, fault: &str) -> Result<Ran, Failed> {
        let kubeconfig: Value = serde_json::from_str(&std::fs::read_to_string(self.0.join("kubeconfig"))?)?;
        let server = kubeconfig["clusters"][0]["cluster"]["server"].as_str().unwrap_or_default();
        let address = server.trim_start_matches("http://");
        self.write("fault.yaml", &format!("apiVersion: meshdrill.io/v1\nkind: Scenario\nmetadata: {{ name: fault }}\nspec:\n  objective: It holds.\n  baseline: 1s\n  probes:\n    self: {{ tcp: {{ to: \"{address}\" }}, every: 500ms }}\n  faults:\n    - {fault}\n  sla:\n    - {{ probe: self, errorRate: 5% }}\n"))?;
        Ok(self.run(&["fault.yaml"]))
    }

    /// `run` in this folder.
    pub fn run(&self, arguments: &[&str]) -> Ran {
        let mut command = meshdrill();
        command.current_dir(&self.0).args(["run", "--yes", "--mesh", "mesh.yaml", "--kubeconfig", "kubeconfig"]);
        run(command.arg("--runs").arg(self.runs()).args(arguments))
    }
}

/// Fails unless a run ended with a code and its output contains some words.
pub fn expect(ran: &Ran, code: i32, words: &[&str]) -> Result<(), Failed> {
    ran.expect_code(code)?;
    let said = format!("{}{}", ran.stdout, ran.stderr);
    match words.iter().find(|word| !said.contains(**word)) {
        Some(word) => Err(format!("expected `{word}`\n{}", ran.said()).into()),
        None => Ok(()),
    }
}

/// The text of a run's record.
pub fn record(runs: &Path) -> Result<String, Failed> {
    let dir = crate::command::run_dirs(runs).pop().ok_or("no run directory")?;
    Ok(crate::command::record(&dir)?)
}
