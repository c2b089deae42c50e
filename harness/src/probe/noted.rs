//! Observers that were prepared with answers of which something is noted.

use std::time::Duration;

use futures::future::BoxFuture;
use meshdrill_checks::record::{ReadBack, Series};

use super::role::{MinDetectionTime, Observer, Role};
use super::{Outcome, ProbeError, ProbeKind};
use crate::cluster::World;
use crate::notes::{Note, collect, note};

/// Prepares an observer. Each of its observations has the notes that were made meanwhile: it was made from what was read then.
pub async fn prepare(kind: &ProbeKind, world: &World, role: Role) -> Result<Box<dyn Observer>, ProbeError> {
    let (prepared, notes) = collect(kind.as_observation().prepare(world, role)).await;
    let inner = prepared?;
    Ok(if notes.is_empty() { inner } else { Box::new(NotedObserver { inner, notes }) })
}

/// An observer that was prepared with answers of which something is noted.
struct NotedObserver {
    inner: Box<dyn Observer>,
    notes: Vec<Note>,
}

impl NotedObserver {
    fn note_again(&self) {
        self.notes.iter().cloned().for_each(note);
    }
}

impl Observer for NotedObserver {
    fn observe(&self, series: Series) -> BoxFuture<'_, Outcome> {
        Box::pin(async move {
            self.note_again();
            self.inner.observe(series).await
        })
    }

    fn observe_batch(&self, count: usize, every: Duration) -> BoxFuture<'_, Vec<Outcome>> {
        Box::pin(async move {
            self.note_again();
            self.inner.observe_batch(count, every).await
        })
    }

    fn causes<'a>(&'a self, outcome: &'a Outcome) -> BoxFuture<'a, Vec<String>> {
        self.inner.causes(outcome)
    }

    fn read_back(&self) -> BoxFuture<'_, Option<ReadBack>> {
        self.inner.read_back()
    }

    fn min_detection_time(&self) -> BoxFuture<'_, Result<Option<MinDetectionTime>, ProbeError>> {
        self.inner.min_detection_time()
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;
    use crate::notes::{heed, heed_batch};
    use crate::probe::Answer;

    struct Good;

    impl Observer for Good {
        fn observe(&self, _: Series) -> BoxFuture<'_, Outcome> {
            Box::pin(async { Outcome::new(Answer::Good, "fine") })
        }
    }

    #[tokio::test]
    async fn what_an_observer_was_prepared_with_counts_for_each_observation_and_batch() {
        let notes = vec![Note::Partial("one store is gone".to_owned())];
        let observer = NotedObserver { inner: Box::new(Good), notes };
        for _ in 0..2 {
            assert_eq!(heed(observer.observe(Series::New)).await.answer, Answer::NoData);
        }
        let batch = heed_batch(observer.observe_batch(2, Duration::ZERO)).await;
        assert!(batch.iter().all(|outcome| outcome.answer == Answer::NoData) && batch.len() == 2);
        let remarks = NotedObserver { inner: Box::new(Good), notes: vec![Note::Remark("deprecated".to_owned())] };
        let batch = heed_batch(remarks.observe_batch(1, Duration::ZERO)).await;
        assert_eq!((batch[0].answer, &batch[0].seen["remarks"]), (Answer::Good, &json!(["deprecated"])));
    }
}
