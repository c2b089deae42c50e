//! Runs on the served lab that are stopped or killed while faults are in effect: nothing is left.

use std::io::{BufRead as _, BufReader};
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use libtest_mimic::Failed;

use super::served::Served;
use crate::command::{Ran, Running, meshdrill, run, scratch};

/// Faults that are in effect together, and what holds again when they are undone.
pub struct Breakage {
    faults: &'static [&'static str],
    whole: &'static [&'static str],
}

/// What changes objects, makes objects, and empties nodes.
pub const OBJECTS: Breakage = Breakage {
    faults: &[
        "httpFault: { cluster: primary, namespace: bookinfo, host: reviews, delay: 1s, control: { http: { via: ingress/primary, path: /api/v1/products/0/reviews } } }",
        "isolate: { cluster: secondary, namespace: bookinfo, selector: app=details, control: { exec: { cluster: secondary, namespace: sample, selector: app=sleep, container: istio-proxy, command: [curl, -sS, -m, \"1\", \"http://details.bookinfo.svc.cluster.local:9080/details/0\"] } } }",
        "apply: { cluster: primary, objects: [{ apiVersion: v1, kind: ConfigMap, metadata: { name: made, namespace: sample } }] }",
        "drain: { cluster: secondary, node: secondary-node-2 }",
    ],
    whole: &[
        "resource: { cluster: primary, apiVersion: networking.istio.io/v1, kind: VirtualService, namespace: bookinfo, name: reviews-traffic-split, expect: { where: [{ path: \"$.spec.http[*].fault\", exists: false }] } }",
        "http: { via: forward/primary/bookinfo/deployment/productpage-v1:9080, path: /api/v1/products/0/reviews }",
        "exec: { cluster: secondary, namespace: sample, selector: app=sleep, container: istio-proxy, command: [curl, -sS, -m, \"1\", \"http://details.bookinfo.svc.cluster.local:9080/details/0\"] }",
        "resource: { cluster: primary, apiVersion: v1, kind: ConfigMap, namespace: sample, name: made, expect: { exists: false } }",
        "nodes: { cluster: secondary }",
    ],
};

/// A whole cluster.
pub const CLUSTER: Breakage = Breakage {
    faults: &["clusterOutage: { cluster: primary, namespaces: [bookinfo, sample] }"],
    whole: &[
        "pods: { cluster: primary, namespace: bookinfo, selector: app, expect: { ready: all, count: 6 } }",
        "pods: { cluster: primary, namespace: sample, selector: app, expect: { ready: all, count: 2 } }",
        "pods: { cluster: primary, namespace: istio-system, selector: \"istio in (ingressgateway,eastwestgateway)\", expect: { ready: all, count: 2 } }",
        "http: { via: ingress/primary, path: /api/v1/products/0/reviews }",
    ],
};

/// A served lab, and the scenario that breaks it.
struct Bench {
    served: Served,
    folder: PathBuf,
}

impl Bench {
    fn new(breakage: &Breakage) -> Result<Self, Failed> {
        let served = Served::start("rescued")?;
        let folder = scratch("rescued");
        let write = |name: &str, spec: String| {
            let text =
                format!("apiVersion: meshdrill.io/v1\nkind: Scenario\nmetadata: {{ name: {name} }}\nspec:\n{spec}");
            std::fs::write(folder.join(name).with_extension("yaml"), text).map_err(|error| error.to_string())
        };
        let list = |rows: &[&str]| rows.iter().fold(String::new(), |list, row| list + "    - " + row + "\n");
        let probes =
            "  probes:\n    page:\n      http: { via: ingress/secondary, path: /productpage }\n      every: 1s\n";
        let sla = "  sla:\n    - { probe: page, errorRate: 95% }\n";
        write("break", format!("  baseline: 1s\n  hold: 10m\n{probes}  faults:\n{}{sla}", list(breakage.faults)))?;
        // Ready by the API server, a gateway may still be a moment away from its first answer.
        let polled: Vec<String> = breakage.whole.iter().map(|row| format!("{row}\n      within: 20s")).collect();
        write("whole", format!("  checks:\n{}", list(&polled.iter().map(String::as_str).collect::<Vec<_>>())))?;
        Ok(Self { served, folder })
    }

    fn meshdrill(&self, arguments: &[&str]) -> Command {
        let mut command = meshdrill();
        command.current_dir(&self.folder).args(arguments);
        command.arg("--mesh").arg(&self.served.mesh).arg("--kubeconfig").arg(&self.served.kubeconfig);
        command
    }

    /// Starts the run, and returns when so many faults are in effect.
    fn broken(&self, faults: usize) -> Result<Running, Failed> {
        let change = ["--by", "Ada Lovelace", "--ticket", "CHG-7"];
        let run = self.meshdrill(&[&["run", "--yes", "--runs", "runs", "break.yaml"], &change[..]].concat());
        let mut running = Running::start(&mut { run })?;
        running.wait_for(" effective: ", faults)?;
        Ok(running)
    }

    fn whole(&self) -> Result<(), Failed> {
        let whole = run(&mut self.meshdrill(&["run", "--yes", "--runs", "after", "whole.yaml"]));
        whole.expect_code(0)?;
        let status = run(&mut self.meshdrill(&["status"]));
        let free = status.stdout.lines().filter(|line| line.ends_with(": free")).count();
        if free == 2 && status.stdout.lines().count() == 2 { Ok(()) } else { Err(status.said().into()) }
    }
}

fn signal(child: &Running, signal: &str) -> Result<(), Failed> {
    let sent = Command::new("kill").args([signal, &child.id().to_string()]).status();
    if sent.is_ok_and(|status| status.success()) { Ok(()) } else { Err("the signal could not be sent".into()) }
}

/// SIGTERM while all is broken: everything is undone before the process exits.
pub fn terminated(breakage: &Breakage) -> Result<(), Failed> {
    ended_by("-TERM", breakage)
}

/// SIGQUIT (Ctrl-\\) is an end like any other.
pub fn quit() -> Result<(), Failed> {
    ended_by("-QUIT", &OBJECTS)
}

fn ended_by(name: &str, breakage: &Breakage) -> Result<(), Failed> {
    let bench = Bench::new(breakage)?;
    let child = bench.broken(breakage.faults.len())?;
    signal(&child, name)?;
    child.end().expect_code(130)?;
    bench.whole()
}

/// SIGHUP ends a run as SIGTERM does; the signal is acknowledged at once, and `status` says who lives.
pub fn hung_up() -> Result<(), Failed> {
    let bench = Bench::new(&OBJECTS)?;
    let child = bench.broken(OBJECTS.faults.len())?;
    let status = run(&mut bench.meshdrill(&["status"]));
    let who = ": live, renewed ";
    let what = "run of break by Ada Lovelace, ticket CHG-7, in phase hold";
    let pending = "pending undo of the live run ";
    let clusters = status.stdout.lines().filter(|line| line.contains(who) && line.contains(what)).count();
    if clusters != 2 || !status.stdout.contains(pending) || status.stdout.contains("left over") {
        return Err(status.said().into());
    }
    signal(&child, "-HUP")?;
    child.end().expect_code(130)?;
    bench.whole()
}

/// SIGKILL while all is broken, and the run's own files gone: `recover` undoes everything from what the clusters hold.
pub fn killed(breakage: &Breakage) -> Result<(), Failed> {
    let bench = Bench::new(breakage)?;
    let child = bench.broken(breakage.faults.len())?;
    signal(&child, "-KILL")?;
    child.end();
    remove(&bench.folder.join("runs"))?;
    let status = run(&mut bench.meshdrill(&["status"]));
    let recovered: Ran = run(&mut bench.meshdrill(&["recover"]));
    recovered.expect_code(0)?;
    // It says at once what it waits for.
    if !recovered.stderr.contains("which holds the Lease: it expires in 15 s if that run is dead") {
        return Err(format!("{}\n{}", status.said(), recovered.said()).into());
    }
    bench.whole()
}

fn remove(folder: &Path) -> Result<(), Failed> {
    std::fs::remove_dir_all(folder).map_err(|error| error.to_string().into())
}

/// The same command as arguments of another program.
fn below(outer: &mut Command, inner: &Command) {
    outer.arg(inner.get_program()).args(inner.get_args());
    if let Some(folder) = inner.get_current_dir() {
        outer.current_dir(folder);
    }
    for (name, value) in inner.get_envs() {
        match value {
            Some(value) => outer.env(name, value),
            None => outer.env_remove(name),
        };
    }
}

/// Under `nohup` a hang-up changes nothing; SIGTERM still ends the run.
pub fn no_hang_up() -> Result<(), Failed> {
    let bench = Bench::new(&OBJECTS)?;
    let mut command = Command::new("nohup");
    below(&mut command, &bench.meshdrill(&["run", "--yes", "--runs", "runs", "break.yaml"]));
    let mut child = Running::start(command.stdin(Stdio::null()))?;
    child.wait_for(" effective: ", OBJECTS.faults.len())?;
    signal(&child, "-HUP")?;
    let status = run(&mut bench.meshdrill(&["status"]));
    if !status.stdout.contains(": live, renewed ") || !status.stdout.contains("in phase hold") {
        return Err(status.said().into());
    }
    signal(&child, "-TERM")?;
    let ran = child.end();
    ran.expect_code(130)?;
    if !ran.stderr.contains("SIGTERM: ") || ran.stderr.contains("SIGHUP") {
        return Err(ran.said().into());
    }
    bench.whole()
}

/// A terminal that hangs up ends a run in another session, to which the kernel sends no signal.
pub fn terminal_gone() -> Result<(), Failed> {
    let bench = Bench::new(&OBJECTS)?;
    let said = bench.folder.join("said");
    let made = Command::new("mkfifo").arg(&said).status();
    if !made.is_ok_and(|status| status.success()) {
        return Err("no pipe could be made".into());
    }
    let inner = bench.meshdrill(&["run", "--yes", "--runs", "runs", "break.yaml"]);
    let mut words = vec![inner.get_program().to_string_lossy().into_owned()];
    words.extend(inner.get_args().map(|word| word.to_string_lossy().into_owned()));
    let line =
        format!("setsid -w {} 2>said", words.iter().map(|word| format!("'{word}'")).collect::<Vec<_>>().join(" "));
    let mut terminal = Command::new("script");
    terminal.args(["-qec", &line, "/dev/null"]).current_dir(&bench.folder).env("NO_COLOR", "1").env("SHELL", "/bin/sh");
    // What this process has as its stdin is not the terminal of the run.
    terminal.stdin(Stdio::piped()).stdout(Stdio::null()).stderr(Stdio::null());
    let mut terminal = terminal.spawn().map_err(|error| error.to_string())?;
    let mut lines = BufReader::new(std::fs::File::open(&said)?).lines().map_while(Result::ok);
    let effective = lines.by_ref().filter(|line| line.contains(" effective: ")).take(OBJECTS.faults.len()).count();
    terminal.kill()?;
    terminal.wait()?;
    let rest: Vec<String> = lines.collect();
    if effective < OBJECTS.faults.len() || !rest.iter().any(|line| line.contains("hang-up of the terminal: undoing")) {
        return Err(format!("{effective} faults\n{}", rest.join("\n")).into());
    }
    bench.whole()
}
