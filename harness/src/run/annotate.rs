//! Annotations in Grafana: a region for each phase and each fault window of a drill, sent when it has ended.
//!
//! A task of its own sends them, so that a slow Grafana delays neither a fault nor an undo. The end of a run waits for the last ones
//! for [`GRACE`] at most. What could not be sent is one note in the record.

use std::collections::HashSet;
use std::time::Duration;

use bytes::Bytes;
use jiff::Timestamp;
use meshdrill_checks::record::{History, Phase, Record, Series};
use meshdrill_checks::units::counted;
use meshdrill_reports::{cut, fault_windows, inert};
use serde_json::{Value, json};
use tokio::sync::{oneshot, watch};
use tokio::task::JoinHandle;
use tokio::time::Instant;

use super::{Recorder, WorldSource};
use crate::format::AnnotateSpec;
use crate::net::{Exchange, HttpClient, Net, Tls, without_userinfo};
use crate::plan::Plan;
use crate::probe::Login;

/// How long Grafana may take for one annotation.
const TIMEOUT: Duration = Duration::from_secs(2);
/// How long a Grafana that took too long is left alone.
const PAUSE: Duration = Duration::from_secs(30);
/// How long the end of a run waits for annotations.
const GRACE: Duration = Duration::from_secs(2);
/// The longest answer that is read, in bytes.
const LONGEST_ANSWER: usize = 1 << 16;
/// How much of an answer a note has, in characters.
const SHOWN: usize = 200;

/// A stretch of a run. Seconds since its start.
#[derive(Debug, Clone, PartialEq)]
struct Region {
    /// `phase` or `fault`.
    kind: &'static str,
    /// What the annotation says.
    text: String,
    from: f64,
    to: f64,
    clusters: Vec<String>,
}

/// The regions that have ended; at the end of the run, all of them.
fn regions(record: &Record, end: Option<f64>) -> Vec<Region> {
    let history = History::read(&record.header, &record.events);
    let phases: Vec<(Phase, f64)> = history.phases.iter().map(|(at, phase)| (*phase, at.secs())).collect();
    let ends = phases.iter().skip(1).map(|(_, at)| Some(*at)).chain([end]);
    let phases = phases.iter().zip(ends).filter(|((phase, _), _)| *phase != Phase::Preflight);
    let phases = phases.filter_map(|((phase, from), to)| {
        let text = format!("phase {}", phase.word());
        Some(Region { kind: "phase", text, from: *from, to: to?, clusters: Vec::new() })
    });
    let windows = fault_windows(record).into_iter().filter_map(|window| {
        let fault = window.fault;
        // A fault that ends by itself is a point in time.
        let to = window.to.or(if fault.sustained { end } else { Some(window.from) })?;
        let text = format!("{} {}: {}", fault.id, fault.kind, fault.what);
        Some(Region { kind: "fault", text, from: window.from, to, clusters: fault.clusters.clone() })
    });
    phases.chain(windows).collect()
}

/// Sends the annotations of a run while it goes on.
pub(super) struct Annotator {
    stop: oneshot::Sender<()>,
    task: JoinHandle<Sender>,
    place: String,
}

impl Annotator {
    /// Starts for a drill on clusters whose mesh file names a Grafana. The embedded mesh has a time of its own.
    pub fn start(plan: &Plan, source: &WorldSource, recorder: &Recorder) -> Option<Self> {
        let spec = source.mesh.as_ref()?.spec.annotate.as_ref()?;
        if source.lab || !plan.is_drill() {
            return None;
        }
        let tags = ["meshdrill", plan.name.as_str()].into_iter().chain(spec.tags.iter().map(String::as_str));
        let sender = Sender {
            spec: spec.clone(),
            title: plan.title(),
            tags: tags.map(str::to_owned).collect(),
            recorder: recorder.clone(),
            sent: HashSet::new(),
            failed: None,
        };
        let (stop, stopped) = oneshot::channel();
        let task = tokio::spawn(sender.serve(recorder.phase(), stopped));
        Some(Self { stop, task, place: without_userinfo(&spec.url) })
    }

    /// Sends what is left, and notes what could not be sent.
    pub async fn finish(mut self, recorder: &Recorder) {
        let _ = self.stop.send(());
        let why = match tokio::time::timeout(GRACE, &mut self.task).await {
            Ok(Ok(sender)) => sender.failed.map(|failed| failed.why),
            Ok(Err(_)) => Some("the task that sends them panicked; this is a bug of meshdrill".to_owned()),
            Err(_) => {
                self.task.abort();
                Some(format!("no answer within {} s", GRACE.as_secs()))
            }
        };
        if let Some(why) = why {
            recorder.note(format!("not all annotations reached Grafana at {}: {why}", self.place));
        }
    }
}

/// Why an annotation could not be sent.
struct AnnotationFailure {
    why: String,
    /// When it took too long: the end of the run does not wait for it again.
    late: Option<Instant>,
}

struct Sender {
    spec: AnnotateSpec,
    title: String,
    tags: Vec<String>,
    recorder: Recorder,
    /// Kind, text and start (in milliseconds) of what Grafana has.
    sent: HashSet<(&'static str, String, i64)>,
    /// What became of the last attempt.
    failed: Option<AnnotationFailure>,
}

impl Sender {
    async fn serve(mut self, mut phase: watch::Receiver<Phase>, mut stopped: oneshot::Receiver<()>) -> Self {
        loop {
            let goes_on = tokio::select! {
                biased;
                _ = &mut stopped => false,
                changed = phase.changed() => changed.is_ok(),
            };
            if !goes_on {
                break;
            }
            let late = self.failed.as_ref().and_then(|failed| failed.late);
            if late.is_none_or(|late| late.elapsed() >= PAUSE) {
                self.send_new(None).await;
            }
        }
        if self.failed.as_ref().is_none_or(|failed| failed.late.is_none()) {
            self.send_new(Some(self.recorder.clock().now().secs())).await;
        }
        self
    }

    /// Sends the regions that Grafana does not have yet, up to the first that it does not take; that one is tried again with the next.
    async fn send_new(&mut self, end: Option<f64>) {
        let Some(regions) = self.recorder.ask(move |record| regions(record, end)).await else { return };
        self.failed = None;
        for region in regions {
            let key = (region.kind, region.text.clone(), self.millis(region.from));
            if self.sent.contains(&key) {
                continue;
            }
            match self.send(&region).await {
                Ok(()) => _ = self.sent.insert(key),
                Err(failure) => {
                    let done = counted(self.sent.len(), "annotation");
                    self.failed = Some(AnnotationFailure { why: format!("{} ({done} did)", failure.why), ..failure });
                    return;
                }
            }
        }
    }

    /// A time of the run in milliseconds since 1970.
    fn millis(&self, seconds: f64) -> i64 {
        let start: Timestamp = self.recorder.clock().wall();
        start.as_millisecond() + (seconds * 1e3).round() as i64
    }

    fn body(&self, region: &Region) -> Value {
        let tags = self.tags.iter().map(String::as_str).chain([region.kind]);
        let tags: Vec<&str> = tags.chain(region.clusters.iter().map(String::as_str)).collect();
        let mut body = json!({
            "time": self.millis(region.from),
            "timeEnd": self.millis(region.to),
            "tags": tags,
            "text": inert(&format!("{}: {}", self.title, region.text)),
        });
        if let Some(dashboard) = &self.spec.dashboard_uid {
            body["dashboardUID"] = json!(dashboard);
        }
        body
    }

    async fn send(&self, region: &Region) -> Result<(), AnnotationFailure> {
        let failure = |why: String| AnnotationFailure { why, late: None };
        let login = self.spec.token.clone().map_or(Login::None, Login::Token);
        let credentials = login.credentials().map_err(failure)?;
        let mask = |text: &str| credentials.as_ref().map_or_else(|| text.to_owned(), |known| known.mask(text));
        let url = format!("{}/api/annotations", self.spec.url.trim_end_matches('/'));
        let url = url.parse().map_err(|error| failure(format!("this is not a URL: {error}")))?;
        let mut exchange = Exchange::get(url);
        (exchange.method, exchange.timeout, exchange.limit) = (http::Method::POST, TIMEOUT, LONGEST_ANSWER);
        exchange.headers.insert(http::header::CONTENT_TYPE, http::HeaderValue::from_static("application/json"));
        if let Some(credentials) = &credentials {
            exchange.headers.insert(http::header::AUTHORIZATION, credentials.header.clone());
        }
        exchange.body = Bytes::from(self.body(region).to_string());
        let tls = self.spec.tls.as_ref().map(Tls::from).unwrap_or_default();
        let begun = Instant::now();
        let answer = match HttpClient::for_url(&Net::Machine, &exchange, Series::New, &tls) {
            Ok(client) => client.send(&exchange).await,
            Err(error) => Err(error),
        };
        let late = (begun.elapsed() >= TIMEOUT).then(Instant::now);
        let answer = answer.map_err(|error| AnnotationFailure { why: mask(&error.to_string()), late })?;
        match answer.status {
            200..=299 => Ok(()),
            401 | 403 => Err(failure(format!("answered {}; it does not accept {login}", answer.status))),
            status => {
                let text = String::from_utf8_lossy(&answer.body);
                Err(failure(format!("answered {status}: {}", cut(&inert(&mask(text.trim())), SHOWN))))
            }
        }
    }
}
