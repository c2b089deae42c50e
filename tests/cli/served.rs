//! The lab on real sockets, in real time: the same client code, over TCP.

use std::io::{BufRead as _, BufReader, Read as _, Write as _};
use std::net::TcpStream;
use std::path::PathBuf;
use std::process::{Child, Stdio};
use std::time::Duration;

use libtest_mimic::Failed;
use serde_json::Value;

use crate::command::{Ran, meshdrill, run, run_dirs, scratch};
use crate::scenarios::{waived, whole};

/// A lab that is served until this is dropped.
pub struct Served {
    child: Child,
    /// Where its files are.
    pub folder: PathBuf,
    /// A kubeconfig with its contexts.
    pub kubeconfig: PathBuf,
    /// A mesh file with its addresses.
    pub mesh: PathBuf,
    /// What it printed: cluster, what is served, URL.
    said: Vec<String>,
}

impl Drop for Served {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

impl Served {
    /// Starts one and waits until it is ready. Runs against it are lab runs.
    pub fn start(name: &str) -> Result<Self, Failed> {
        Self::start_with(name, &[])
    }

    /// One that stands in for clusters: runs against it are not marked as lab runs.
    pub fn start_as_clusters(name: &str) -> Result<Self, Failed> {
        Self::start_with(name, &["--unmarked"])
    }

    /// One with another mesh.
    pub fn start_mesh(name: &str, lab_mesh: &str) -> Result<Self, Failed> {
        Self::start_with(name, &["--lab-mesh", lab_mesh])
    }

    fn start_with(name: &str, more: &[&str]) -> Result<Self, Failed> {
        let folder = scratch(name);
        let (kubeconfig, mesh) = (folder.join("kubeconfig"), folder.join("mesh.yaml"));
        let mut command = meshdrill();
        command.arg("lab").arg("--kubeconfig").arg(&kubeconfig).arg("--mesh").arg(&mesh).args(more);
        let child = command.stdout(Stdio::piped()).stderr(Stdio::null()).spawn().map_err(|error| error.to_string())?;
        let mut served = Self { child, folder, kubeconfig, mesh, said: Vec::new() };
        let stdout = served.child.stdout.take().ok_or("no stdout")?;
        for line in BufReader::new(stdout).lines().map_while(Result::ok) {
            if line == "ready" {
                return Ok(served);
            }
            served.said.push(line);
        }
        Err("the lab ended before it was ready".into())
    }

    /// The binary with this lab's mesh file and kubeconfig, run to its end.
    pub fn meshdrill(&self, arguments: &[&str]) -> Ran {
        run(meshdrill().args(arguments).arg("--mesh").arg(&self.mesh).arg("--kubeconfig").arg(&self.kubeconfig))
    }

    /// Creates an object through a cluster's API server.
    pub fn post(&self, cluster: &str, path: &str, object: &Value) -> Result<(), Failed> {
        self.change(cluster, "POST", path, &object.to_string())
    }

    /// Deletes an object through a cluster's API server.
    pub fn delete(&self, cluster: &str, path: &str) -> Result<(), Failed> {
        self.change(cluster, "DELETE", path, "{}")
    }

    /// Changes an object by a merge patch through a cluster's API server.
    pub fn patch(&self, cluster: &str, path: &str, patch: &Value) -> Result<(), Failed> {
        self.change(cluster, "PATCH", path, &patch.to_string())
    }

    fn change(&self, cluster: &str, method: &str, path: &str, body: &str) -> Result<(), Failed> {
        let answer = self.send(cluster, "api", &format!("{method} {path}"), body)?;
        if answer.starts_with("HTTP/1.1 20") { Ok(()) } else { Err(format!("{method} {path}: {answer}").into()) }
    }

    /// The URL at which something of a cluster is served.
    fn url(&self, cluster: &str, what: &str) -> Result<String, Failed> {
        let address = |line: &String| {
            let (named, address) = line.split_once("http://")?;
            let served = named.strip_prefix(cluster)?.trim();
            (served == what).then(|| format!("http://{address}"))
        };
        Ok(self.said.iter().find_map(address).ok_or_else(|| format!("no {what} of {cluster}"))?)
    }

    /// What a GET for a host answers.
    fn get_of(&self, cluster: &str, what: &str, host: &str) -> Result<String, Failed> {
        Self::send_to(&self.url(cluster, what)?.replace("http://", ""), host, "GET /", "")
    }

    /// What a plain GET answers, head and body.
    pub fn get(&self, cluster: &str, what: &str, path: &str) -> Result<String, Failed> {
        self.send(cluster, what, &format!("GET {path}"), "")
    }

    /// What a request answers, head and body.
    fn send(&self, cluster: &str, what: &str, request: &str, body: &str) -> Result<String, Failed> {
        let address = self.url(cluster, what)?.replace("http://", "");
        Self::send_to(&address, &address, request, body)
    }

    fn send_to(address: &str, host: &str, request: &str, body: &str) -> Result<String, Failed> {
        let mut stream = TcpStream::connect(address).map_err(|error| error.to_string())?;
        stream.set_read_timeout(Some(Duration::from_secs(10))).map_err(|error| error.to_string())?;
        let kind = if request.starts_with("PATCH") { "merge-patch+json" } else { "json" };
        let request = format!(
            "{request} HTTP/1.1\r\nhost: {host}\r\nconnection: close\r\ncontent-type: application/{kind}\r\ncontent-length: {}\r\n\r\n{body}",
            body.len()
        );
        stream.write_all(request.as_bytes()).map_err(|error| error.to_string())?;
        let mut answer = String::new();
        stream.read_to_string(&mut answer).map_err(|error| format!("{host}: {error}"))?;
        Ok(answer)
    }
}

/// Ingress, Envoy's admin interface and Prometheus answer anyone who asks.
pub fn ports() -> Result<(), Failed> {
    let served = Served::start("ports")?;
    for cluster in ["primary", "secondary"] {
        for (what, path, expected) in [
            ("istio-ingressgateway http2", "/productpage", "<title>Simple Bookstore App</title>"),
            ("productpage envoy admin", "/clusters", "outbound|9080||reviews.bookinfo.svc.cluster.local::"),
            ("productpage envoy admin", "/config_dump", "ConfigDump"),
            ("prometheus", "/api/v1/query?query=up", "\"status\":\"success\""),
        ] {
            let answer = served.get(cluster, what, path)?;
            if !answer.starts_with("HTTP/1.1 200 ") || !answer.contains(expected) {
                let begins: String = answer.chars().take(400).collect();
                return Err(format!("{what} of {cluster} does not say `{expected}` at {path}: {begins}").into());
            }
        }
    }
    Ok(())
}

/// The other meshes are served as the guide's is: API servers, ingress by host, monitoring, and a mesh file with all of them.
pub fn meshes() -> Result<(), Failed> {
    for (name, clusters, ingress, host, prometheus) in [
        ("flat-three", ["eu", "us", "ap"].as_slice(), "edge http2", "shop.example", "prom"),
        ("single", &["prod"], "public http2", "www.prod.example", "kps-kube-prometheus-stack-prometheus"),
        ("gateway-api", &["north", "south"], "web-istio http", "www.store.example", "prom"),
        ("primary-remote", &["hub", "spoke"], "istio-ingressgateway http2", "bank.example", "prom"),
    ] {
        let served = Served::start_mesh(&format!("mesh-{name}"), name)?;
        let mesh = std::fs::read_to_string(&served.mesh)?;
        for cluster in clusters {
            for (what, path, expected) in [
                ("api", "/api/v1/namespaces/kube-system", "\"uid\""),
                (prometheus, "/api/v1/query?query=up", "kubernetes-pods"),
            ] {
                let answer = served.get(cluster, what, path)?;
                if !answer.starts_with("HTTP/1.1 200 ") || !answer.contains(expected) {
                    return Err(format!("{name}: {what} of {cluster} does not say `{expected}`: {answer}").into());
                }
            }
            let (said, url) = (served.get_of(cluster, ingress, host)?, served.url(cluster, ingress)?);
            if !said.starts_with("HTTP/1.1 200 ") || !said.contains("\"cluster\"") {
                return Err(format!("{name}: {host} of {cluster} does not answer: {said}").into());
            }
            let services = served.get(cluster, "api", "/api/v1/services")?;
            let prometheus = served.url(cluster, prometheus)?;
            let in_file = name == "single" || mesh.contains(&url);
            if !services.contains(&url) || !services.contains(&prometheus) || !mesh.contains(&prometheus) || !in_file {
                return Err(format!(
                    "{name}: {cluster}: {url} or {prometheus} is not in Services and mesh file\n{mesh}"
                )
                .into());
            }
        }
    }
    Ok(())
}

/// `--lab-mesh` takes a name that the lab has, and decides the clusters.
pub fn mesh_names() -> Result<(), Failed> {
    for (arguments, says) in [
        (["list", "--lab", "--lab-mesh", "flat-tree"].as_slice(), "flat-three"),
        (&["list", "--lab-mesh", "single"], "--lab"),
        (&["list", "--lab", "--lab-mesh", "single", "--lab-clusters", "3"], "cannot be used with"),
        (&["lab", "--lab-mesh", "single", "--clusters", "3"], "cannot be used with"),
        (
            &["run", "--lab", "--lab-mesh", "single", "--lab-defect", "federation-stale", "week1/nodes-ready"],
            "it is for guide",
        ),
    ] {
        let ran = run(meshdrill().args(arguments));
        ran.expect_code(2)?;
        if !ran.stderr.contains(says) {
            return Err(format!("{arguments:?} does not say `{says}`: {}", ran.said()).into());
        }
    }
    let listed = run(meshdrill().args(["lab", "--lab-mesh", "gateway-api", "--list-defects"]));
    listed.expect_code(0)?;
    if listed.stdout.contains("reference-grant-missing (@south)") && !listed.stdout.contains("federation-stale") {
        Ok(())
    } else {
        Err(listed.said().into())
    }
}

/// Validations pass against the served lab.
pub fn readiness() -> Result<(), Failed> {
    let served = Served::start("served")?;
    let runs = served.folder.join("runs");
    let mut command = meshdrill();
    command
        .arg("run")
        .arg("--mesh")
        .arg(&served.mesh)
        .arg("--kubeconfig")
        .arg(&served.kubeconfig)
        .arg("--runs")
        .arg(&runs)
        // Those that need no load: on a busy machine a busy schedule is not kept, and the verdict says so.
        .args(["week=1", "week=2", "week3/ingress-access", "week3/envoy-endpoints", "week4/federation"]);
    let ran = run(&mut command);
    ran.expect_code(0)?;
    for dir in run_dirs(&runs) {
        if !waived(std::slice::from_ref(&dir))? {
            whole(&dir)?;
        }
    }
    Ok(())
}
