//! Observing on until every criterion can be decided.

use std::time::Duration;

use meshdrill_checks::score::undecided;
use tokio::time::{Instant, sleep};

use super::Recorder;
use crate::plan::LONGEST_CONCLUSIVE;

/// How often it is looked at: judging takes longer the longer a run is.
const LOOK: Duration = Duration::from_secs(5);

/// Waits until no criterion is open that more samples would decide, at most an hour.
pub(super) async fn decide(recorder: &Recorder) {
    let start = Instant::now();
    while recorder.ask(undecided).await == Some(true) {
        if start.elapsed() >= LONGEST_CONCLUSIVE {
            return recorder.note("sampling extended by one hour, and a criterion is still undecided");
        }
        sleep(LOOK).await;
    }
    let longer = start.elapsed();
    if longer >= LOOK {
        recorder.note(format!("sampling extended by {} s, until every criterion was decided", longer.as_secs()));
    }
}
