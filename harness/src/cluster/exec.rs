//! Commands in containers.

use std::time::Duration;

use kube::api::AttachParams;
use tokio::io::{AsyncRead, AsyncReadExt as _};
use tokio::time::timeout;

use super::{AccessError, Cluster};

/// The result of a command in a container.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ExecOutput {
    /// Its exit code.
    pub exit_code: i32,
    /// Its stdout.
    pub stdout: String,
    /// Its stderr.
    pub stderr: String,
}

/// The limit for the output of a command, in bytes per stream.
const LIMIT: u64 = 64 << 20;

impl Cluster {
    /// Runs a command in a container and waits for its end.
    pub async fn exec(
        &self,
        namespace: &str,
        pod: &str,
        container: Option<&str>,
        command: &[String],
        deadline: Duration,
    ) -> Result<ExecOutput, AccessError> {
        let mut params = AttachParams::default().stdin(false).stdout(true).stderr(true);
        if let Some(container) = container {
            params = params.container(container);
        }
        let run = async {
            let mut process = self
                .pods(namespace)
                .exec(pod, command.iter().map(String::as_str), &params)
                .await
                .map_err(|error| AccessError::from_kube(&self.key, &error))?;
            let (stdout, stderr, status) = (process.stdout(), process.stderr(), process.take_status());
            // The buffers behind the streams are small: all three must be drained at the same time.
            let (stdout, stderr, status) = tokio::join!(read(stdout), read(stderr), async {
                match status {
                    Some(status) => status.await,
                    None => None,
                }
            });
            Ok(ExecOutput { exit_code: exit_code(status.as_ref(), self)?, stdout, stderr })
        };
        match timeout(deadline, run).await {
            Ok(result) => result,
            Err(_) => Err(AccessError::Timeout {
                cluster: self.key.clone(),
                address: self.address.clone(),
                seconds: deadline.as_secs(),
            }),
        }
    }
}

async fn read(stream: Option<impl AsyncRead + Unpin>) -> String {
    let mut bytes = Vec::new();
    if let Some(stream) = stream {
        // Output that was read before the stream broke is still output of the command.
        let _ = stream.take(LIMIT).read_to_end(&mut bytes).await;
    }
    String::from_utf8_lossy(&bytes).into_owned()
}

/// 0 for success, the code of `NonZeroExitCode`, and an error for a command that could not be started.
fn exit_code(
    status: Option<&k8s_openapi::apimachinery::pkg::apis::meta::v1::Status>,
    cluster: &Cluster,
) -> Result<i32, AccessError> {
    let Some(status) = status else { return Err(cluster.other("the exec stream ended without a status")) };
    if status.status.as_deref() == Some("Success") {
        return Ok(0);
    }
    let causes = status.details.iter().flat_map(|details| details.causes.iter().flatten());
    let code = causes
        .filter(|cause| cause.reason.as_deref() == Some("ExitCode"))
        .find_map(|cause| cause.message.as_deref()?.parse().ok());
    code.ok_or_else(|| {
        cluster.other(format!("exec failed: {}", status.message.as_deref().unwrap_or("no reason given")))
    })
}
