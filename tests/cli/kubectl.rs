//! kubectl against the served lab: what an operator types must work there as on a cluster.

use std::io::{BufRead as _, BufReader};
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use libtest_mimic::{Failed, Trial};

use super::served::Served;
use crate::command::{Ran, run};

/// The kubectl of this machine: the one that is named, that of the testbed, or that on the path.
fn kubectl() -> Option<Vec<String>> {
    if let Ok(named) = std::env::var("MESHDRILL_LIVE_KUBECTL") {
        return Some(named.split_whitespace().map(str::to_owned).collect());
    }
    let path = std::env::var_os("PATH")?;
    let found = std::env::split_paths(&path).map(|folder| folder.join("kubectl")).find(|file| file.is_file())?;
    Some(vec![found.display().to_string()])
}

pub fn trials() -> Vec<Trial> {
    let name = "cli::kubectl works with the served lab";
    match kubectl() {
        Some(kubectl) => vec![Trial::test(name, move || operator(&kubectl))],
        None => {
            vec![Trial::test(format!("{name} (no kubectl here)"), || Ok(())).with_ignored_flag(true)]
        }
    }
}

struct Kubectl {
    argv: Vec<String>,
    kubeconfig: PathBuf,
}

impl Kubectl {
    fn run(&self, words: &str) -> Ran {
        let (program, arguments) = self.argv.split_first().expect("a program");
        let mut command = Command::new(program);
        command.args(arguments).arg("--kubeconfig").arg(&self.kubeconfig).args(words.split_whitespace());
        // Every command that waits has a deadline of its own.
        run(command.stdin(Stdio::null()))
    }

    /// What it prints, if it succeeds.
    fn says(&self, words: &str, expected: &str) -> Result<String, Failed> {
        let ran = self.run(words);
        ran.expect_code(0).map_err(|error| format!("kubectl {words}: {error}"))?;
        if ran.stdout.contains(expected) {
            Ok(ran.stdout)
        } else {
            Err(format!("kubectl {words} does not say `{expected}`\n{}", ran.said()).into())
        }
    }

    /// That it is refused, and how.
    fn refused(&self, words: &str, expected: &str) -> Result<(), Failed> {
        let ran = self.run(words);
        if ran.code != 0 && ran.stderr.contains(expected) {
            Ok(())
        } else {
            Err(format!("kubectl {words} is not refused with `{expected}`\n{}", ran.said()).into())
        }
    }
}

fn operator(argv: &[String]) -> Result<(), Failed> {
    let served = Served::start("kubectl")?;
    let kubectl = Kubectl { argv: argv.to_owned(), kubeconfig: served.kubeconfig.clone() };
    reads(&kubectl)?;
    changes(&kubectl)?;
    watches(&kubectl)?;
    applies(&kubectl, &served.folder)?;
    looks_inside(&kubectl)?;
    kubectl.says("--context secondary-cluster get nodes", "v1.34.1")?;
    kubectl.refused("get pods -n bookinfo no-such-pod", "NotFound")
}

fn reads(kubectl: &Kubectl) -> Result<(), Failed> {
    kubectl.says("get pods -A", "istio-ingressgateway-")?;
    kubectl.says("get pods -n bookinfo -l app=reviews -o name", "pod/reviews-")?;
    kubectl.says("get deployment reviews-v1 -n bookinfo -o jsonpath={.status.readyReplicas}", "1")?;
    kubectl.says("get services -n istio-system", "istio-eastwestgateway")?;
    kubectl.says("describe deployment istiod -n istio-system", "istiod")?;
    kubectl.says("auth can-i delete pods -n istio-system", "yes")?;
    kubectl.says("version", "Server Version: v1.34.1").map(|_| ())
}

fn changes(kubectl: &Kubectl) -> Result<(), Failed> {
    let deployment = "deployment/reviews-v1 -n bookinfo";
    kubectl.says(&format!("scale {deployment} --replicas=2"), "scaled")?;
    kubectl.says(&format!("rollout status {deployment} --timeout=60s"), "successfully rolled out")?;
    kubectl.says("wait pods -n bookinfo -l app=reviews --for=condition=Ready --timeout=60s", "condition met")?;
    kubectl.says(&format!("rollout restart {deployment}"), "restarted")?;
    kubectl.says(&format!("rollout status {deployment} --timeout=60s"), "successfully rolled out")?;
    let pod = kubectl.says("get pods -n bookinfo -l app=ratings -o name", "pod/ratings-")?;
    let pod = pod.lines().next().unwrap_or_default().to_owned();
    kubectl.says(&format!("delete {pod} -n bookinfo --timeout=60s"), "deleted")?;
    kubectl.refused(&format!("get {pod} -n bookinfo"), "NotFound")?;
    kubectl.says("create configmap mine -n bookinfo --from-literal=a=b", "created")?;
    kubectl.refused("create configmap mine -n bookinfo", "already exists")?;
    kubectl.says("patch configmap mine -n bookinfo --type=merge -p {\"data\":{\"a\":\"c\"}}", "patched")?;
    kubectl.says("get configmap mine -n bookinfo -o jsonpath={.data.a}", "c")?;
    kubectl.says("label configmap mine -n bookinfo x=y", "labeled")?;
    kubectl.says("delete configmap mine -n bookinfo", "deleted").map(|_| ())
}

/// A watch reports a change while it goes on. It ends by itself, so that a change that is not reported ends the trial too.
fn watches(kubectl: &Kubectl) -> Result<(), Failed> {
    let (program, arguments) = kubectl.argv.split_first().expect("a program");
    let mut command = Command::new(program);
    command.args(arguments).arg("--kubeconfig").arg(&kubectl.kubeconfig);
    command.args("get deployment reviews-v2 -n bookinfo -w --request-timeout=30s --no-headers".split(' '));
    command.stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::null());
    let mut child = command.spawn().map_err(|error| error.to_string())?;
    let stdout = child.stdout.take().ok_or("no stdout")?;
    let mut lines = BufReader::new(stdout).lines().map_while(Result::ok);
    let first = lines.next();
    kubectl.says("scale deployment/reviews-v2 -n bookinfo --replicas=2", "scaled")?;
    let told = lines.any(|line| line.contains("2/2"));
    let _ = child.kill();
    let _ = child.wait();
    if told { Ok(()) } else { Err(format!("the watch began with {first:?} and never told of 2/2").into()) }
}

fn applies(kubectl: &Kubectl, folder: &Path) -> Result<(), Failed> {
    let file = folder.join("mine.yaml");
    let text = |value: &str| {
        format!(
            "apiVersion: v1\nkind: ConfigMap\nmetadata: {{ name: applied, namespace: bookinfo }}\ndata: {{ a: {value} }}\n"
        )
    };
    for (value, done) in [("b", "created"), ("c", "configured"), ("c", "unchanged")] {
        std::fs::write(&file, text(value)).map_err(|error| error.to_string())?;
        kubectl.says(&format!("apply -f {}", file.display()), done)?;
    }
    kubectl.says("get configmap applied -n bookinfo -o jsonpath={.data.a}", "c")?;
    kubectl.says(&format!("delete -f {}", file.display()), "deleted").map(|_| ())
}

fn looks_inside(kubectl: &Kubectl) -> Result<(), Failed> {
    let proxy = "deployment/productpage-v1 -n bookinfo -c istio-proxy";
    kubectl.says(&format!("exec {proxy} -- pilot-agent request GET server_info"), "\"state\"")?;
    kubectl.refused(&format!("exec {proxy} -- no-such-program"), "no-such-program")?;
    kubectl.refused("port-forward deployment/istiod -n istio-system :15014", "use WebSockets")?;
    let ran = kubectl.run("logs deployment/istiod -n istio-system --tail=5");
    Ok(ran.expect_code(0)?)
}
