//! The lab on real sockets, in real time: the same client code, over TCP.

use std::io::{BufRead as _, BufReader};
use std::path::PathBuf;
use std::process::{Child, Stdio};

use libtest_mimic::Failed;

use crate::command::{meshdrill, run, run_dirs, scratch};
use crate::scenarios::{waived, whole};

/// A lab that is served until this is dropped.
pub struct Served {
    process: Child,
    /// Its kubeconfig.
    pub kubeconfig: PathBuf,
    /// Its mesh file.
    pub mesh: PathBuf,
}

impl Drop for Served {
    fn drop(&mut self) {
        let _ = self.process.kill();
        let _ = self.process.wait();
    }
}

impl Served {
    /// Starts one.
    pub fn start() -> Result<Self, Failed> {
        let folder = scratch("served");
        let (kubeconfig, mesh) = (folder.join("kubeconfig"), folder.join("mesh.yaml"));
        let mut command = meshdrill();
        command.arg("lab").arg("--kubeconfig").arg(&kubeconfig).arg("--mesh").arg(&mesh);
        let process =
            command.stdout(Stdio::piped()).stderr(Stdio::null()).spawn().map_err(|error| error.to_string())?;
        let mut served = Self { process, kubeconfig, mesh };
        let stdout = served.process.stdout.take().ok_or("no stdout")?;
        let lines = BufReader::new(stdout).lines().map_while(Result::ok);
        if lines.into_iter().any(|line| line == "ready") {
            Ok(served)
        } else {
            Err("the lab ended before it was ready".into())
        }
    }
}

/// Validations pass against the served lab.
pub fn readiness() -> Result<(), Failed> {
    let served = Served::start()?;
    let runs = scratch("served-runs");
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
