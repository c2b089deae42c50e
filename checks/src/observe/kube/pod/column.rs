//! The columns of `kubectl get pods`.

use serde_json::Value;

use crate::observe::kube::field;

/// Whether an init container is a native sidecar: it keeps running.
pub(super) fn restarts_always(spec: &Value) -> bool {
    field::text(spec, "/restartPolicy") == Some("Always")
}

/// The columns READY, STATUS and RESTARTS as `kubectl get pods` prints them (kubernetes pkg/printers, `printPod`).
pub(super) struct Column {
    pub(super) ready: u64,
    pub(super) expected: u64,
    pub(super) status: String,
    pub(super) restarts: u64,
}

impl Column {
    pub(super) fn of(pod: &Value) -> Self {
        let inits = field::list(pod, "/spec/initContainers");
        let sidecars = inits.iter().filter(|c| restarts_always(c)).count();
        let phase = field::string(pod, "/status/phase");
        let gated =
            field::condition(pod, "PodScheduled").and_then(|c| field::text(c, "/reason")) == Some("SchedulingGated");
        let mut column = Self {
            ready: 0,
            expected: (field::list(pod, "/spec/containers").len() + sidecars) as u64,
            status: field::text(pod, "/status/reason").filter(|r| !r.is_empty()).unwrap_or(&phase).to_owned(),
            restarts: 0,
        };
        if gated {
            "SchedulingGated".clone_into(&mut column.status);
        }
        let (initializing, sidecar_restarts) = column.init(pod, inits);
        if !initializing || field::condition_true(pod, "Initialized") {
            column.restarts = sidecar_restarts;
            column.main(pod);
        }
        let lost = field::text(pod, "/status/reason") == Some("NodeLost");
        if field::text(pod, "/metadata/deletionTimestamp").is_some() {
            if lost {
                "Unknown".clone_into(&mut column.status);
            } else if phase != "Failed" && phase != "Succeeded" {
                "Terminating".clone_into(&mut column.status);
            }
        }
        column
    }

    /// Goes through the init containers; whether one still has to finish, and the restarts of the sidecars among them.
    fn init(&mut self, pod: &Value, specs: &[Value]) -> (bool, u64) {
        let mut sidecar_restarts = 0;
        for (at, status) in field::list(pod, "/status/initContainerStatuses").iter().enumerate() {
            let name = field::text(status, "/name");
            let sidecar = specs.iter().any(|s| field::text(s, "/name") == name && restarts_always(s));
            let restarts = field::count(status, "/restartCount");
            self.restarts += restarts;
            if sidecar {
                sidecar_restarts += restarts;
            }
            let ended = field::object(status, "/state/terminated");
            if ended.is_some_and(|t| field::count(t, "/exitCode") == 0) {
                continue;
            }
            if sidecar && field::flag(status, "/started") {
                self.ready += u64::from(field::flag(status, "/ready"));
                continue;
            }
            let waiting =
                field::text(status, "/state/waiting/reason").filter(|r| !r.is_empty() && *r != "PodInitializing");
            self.status = match (ended, waiting) {
                (Some(ended), _) => format!("Init:{}", end_reason(ended)),
                (None, Some(reason)) => format!("Init:{reason}"),
                (None, None) => format!("Init:{at}/{}", specs.len()),
            };
            return (true, sidecar_restarts);
        }
        (false, sidecar_restarts)
    }

    fn main(&mut self, pod: &Value) {
        let mut running = false;
        for status in field::list(pod, "/status/containerStatuses").iter().rev() {
            self.restarts += field::count(status, "/restartCount");
            let waiting = field::text(status, "/state/waiting/reason").filter(|r| !r.is_empty());
            if let Some(reason) = waiting {
                reason.clone_into(&mut self.status);
            } else if let Some(ended) = field::object(status, "/state/terminated") {
                self.status = end_reason(ended);
            } else if field::flag(status, "/ready") && field::object(status, "/state/running").is_some() {
                running = true;
                self.ready += 1;
            }
        }
        if self.status == "Completed" && running {
            let status = if field::condition_true(pod, "Ready") { "Running" } else { "NotReady" };
            status.clone_into(&mut self.status);
        }
    }
}

fn end_reason(ended: &Value) -> String {
    match (field::text(ended, "/reason").filter(|r| !r.is_empty()), field::count(ended, "/signal")) {
        (Some(reason), _) => reason.to_owned(),
        (None, 0) => format!("ExitCode:{}", ended.get("exitCode").and_then(Value::as_i64).unwrap_or(0)),
        (None, signal) => format!("Signal:{signal}"),
    }
}
