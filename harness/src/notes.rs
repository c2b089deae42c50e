//! What an API reports about its own answers: a note of the cluster client or of the monitoring client reaches the observation
//! that it was made for, whatever that makes of the data.

use std::fmt;
use std::sync::{Arc, Mutex, PoisonError};

use serde_json::{Value, json};
use tokio::sync::OnceCell;

use crate::probe::{Answer, Outcome};

/// What an API reports about one of its answers.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Note {
    /// The answer is partial, truncated or stale: no verdict can rest on it.
    Partial(String),
    /// Anything else, such as that a version of an API is deprecated.
    Remark(String),
}

type Notes = Arc<Mutex<Vec<Note>>>;

tokio::task_local! {
    /// The notes of the observation that this task makes.
    static NOTES: Notes;
}

/// Notes something for the observation that is being made; without one, nobody asks for it.
pub(crate) fn note(note: Note) {
    let _ = NOTES.try_with(|notes| {
        let mut notes = notes.lock().unwrap_or_else(PoisonError::into_inner);
        if !notes.contains(&note) {
            notes.push(note);
        }
    });
}

/// Makes an observation. Its details get all notes; a verdict that rests on a partial answer becomes no data.
pub(crate) async fn heed(observed: impl Future<Output = Outcome>) -> Outcome {
    let (outcome, notes) = collect(observed).await;
    if notes.is_empty() { outcome } else { heeded(outcome, notes) }
}

/// Makes several observations at once. Each has the notes of all, because they share the answers.
pub(crate) async fn heed_batch(observed: impl Future<Output = Vec<Outcome>>) -> Vec<Outcome> {
    let (outcomes, notes) = collect(observed).await;
    if notes.is_empty() {
        return outcomes;
    }
    outcomes.into_iter().map(|outcome| heeded(outcome, notes.clone())).collect()
}

/// What came of some work, and the notes that were made for it.
pub(crate) async fn collect<T>(work: impl Future<Output = T>) -> (T, Vec<Note>) {
    let notes = Notes::default();
    let done = NOTES.scope(Arc::clone(&notes), work).await;
    let notes = std::mem::take(&mut *notes.lock().unwrap_or_else(PoisonError::into_inner));
    (done, notes)
}

/// A value that is read once. Whoever uses it has the notes that were made when it was read.
pub(crate) struct NotedCell<T> {
    cell: OnceCell<(T, Vec<Note>)>,
}

impl<T> NotedCell<T> {
    /// One that is empty.
    pub fn new() -> Self {
        Self { cell: OnceCell::new() }
    }

    /// The value, read now if it was not.
    pub async fn get_or_try_read<E>(&self, read: impl AsyncFnOnce() -> Result<T, E>) -> Result<&T, E> {
        let noted = || async {
            let (value, notes) = collect(read()).await;
            Ok((value?, notes))
        };
        let (value, notes) = self.cell.get_or_try_init(noted).await?;
        notes.iter().cloned().for_each(note);
        Ok(value)
    }
}

impl fmt::Display for Note {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Partial(text) => write!(f, "the answer may be incomplete: {text}"),
            Self::Remark(text) => write!(f, "warning of an API: {text}"),
        }
    }
}

/// The first of the notes by which an answer may be incomplete.
pub(crate) fn incomplete(notes: &[Note]) -> Option<&Note> {
    notes.iter().find(|note| matches!(note, Note::Partial(_)))
}

fn heeded(mut outcome: Outcome, notes: Vec<Note>) -> Outcome {
    let (mut warnings, mut remarks) = (Vec::new(), Vec::new());
    for note in notes {
        match note {
            Note::Partial(text) => warnings.push(text),
            Note::Remark(text) => remarks.push(text),
        }
    }
    outcome.seen = match outcome.seen.take() {
        Value::Object(mut seen) => {
            seen.insert("warnings".to_owned(), json!(warnings));
            seen.insert("remarks".to_owned(), json!(remarks));
            Value::Object(seen)
        }
        Value::Null => json!({ "warnings": warnings, "remarks": remarks }),
        other => json!({ "seen": other, "warnings": warnings, "remarks": remarks }),
    };
    let judged = match outcome.answer {
        Answer::Good => true,
        Answer::Bad(class) => class.is_valid(),
        Answer::NoData | Answer::Error => false,
    };
    if judged && !warnings.is_empty() {
        outcome.answer = Answer::NoData;
        outcome.message =
            format!("no data: the answer may be incomplete: {}; it was: {}", warnings.join("; "), outcome.message);
    }
    outcome
}

/// What the headers of an answer report about it: `Warning` (RFC 7234; 110 to 113 mean stale), `Age`, and the headers by which
/// Thanos, Mimir, Cortex and proxies before them mark partial answers.
pub(crate) fn of_headers(headers: &http::HeaderMap) -> Vec<Note> {
    /// The age in seconds from which a cached answer is stale: two scrapes at the default interval of most meshes.
    const STALE: u64 = 30;
    let mut found = Vec::new();
    for (name, value) in headers {
        let text = value.to_str().unwrap_or_default().trim();
        let name = name.as_str();
        let unmarked = matches!(text.to_ascii_lowercase().as_str(), "" | "0" | "false" | "no" | "none" | "complete");
        let marks = ["partial", "truncated", "incomplete"].iter().any(|mark| name.contains(mark));
        if name == "warning" {
            let stale = ["110", "111", "112", "113"].iter().any(|code| text.starts_with(code));
            found.push(if stale {
                Note::Partial(format!("Warning: {text}"))
            } else {
                Note::Remark(warning_text(text))
            });
        } else if name == "age" {
            let age = text.parse::<u64>().ok().filter(|age| *age > STALE);
            found.extend(age.map(|age| Note::Partial(format!("a cache answered with a copy of {age} s ago (Age)"))));
        } else if name.starts_with("x-") && marks && !unmarked {
            found.push(Note::Partial(format!("{name}: {text}")));
        } else if name.starts_with("x-") && name.ends_with("warnings") && !unmarked {
            found.push(Note::Partial(text.to_owned()));
        }
    }
    found
}

/// The text of a `Warning` header, such as `299 - "policy/v1beta1 is deprecated"`.
fn warning_text(value: &str) -> String {
    value.split_once('"').and_then(|(_, rest)| rest.rsplit_once('"')).map_or(value, |(text, _)| text).to_owned()
}

#[cfg(test)]
mod tests {
    use super::*;

    async fn with(answer: Answer, notes: &[Note]) -> Outcome {
        heed(async {
            notes.iter().cloned().for_each(note);
            Outcome { seen: json!({ "values": [1] }), ..Outcome::new(answer, "1 (1 values)") }
        })
        .await
    }

    #[tokio::test]
    async fn a_partial_answer_is_no_data_and_a_remark_is_recorded() {
        let partial = Note::Partial("receive StoreAPI: no such host".to_owned());
        let outcome = with(Answer::Good, std::slice::from_ref(&partial)).await;
        assert_eq!(outcome.answer, Answer::NoData);
        assert!(outcome.message.contains("no such host") && outcome.message.ends_with("1 (1 values)"));
        assert_eq!(outcome.seen["values"], json!([1]));
        assert_eq!(with(Answer::Error, &[partial]).await.answer, Answer::Error);
        let outcome = with(Answer::Good, &[Note::Remark("deprecated".to_owned())]).await;
        assert_eq!((outcome.answer, &outcome.seen["remarks"]), (Answer::Good, &json!(["deprecated"])));
        assert_eq!(with(Answer::Good, &[]).await.seen, json!({ "values": [1] }));
    }

    #[tokio::test]
    async fn a_value_that_is_read_once_keeps_its_notes() {
        let cell = NotedCell::new();
        let read = async || {
            note(Note::Partial("cut".to_owned()));
            Ok::<_, ()>(7)
        };
        for _ in 0..2 {
            let (value, notes) = collect(cell.get_or_try_read(read)).await;
            assert_eq!((value, notes.len()), (Ok(&7), 1));
        }
        assert!(incomplete(&[Note::Remark("x".to_owned())]).is_none());
    }

    #[test]
    fn headers_are_read() {
        let of = |name: &'static str, value: &'static str| {
            of_headers(&http::HeaderMap::from_iter([(name.parse().unwrap(), http::HeaderValue::from_static(value))]))
        };
        assert!(matches!(of("warning", "110 - \"Response is Stale\"")[..], [Note::Partial(_)]));
        assert_eq!(
            of("warning", "299 - \"v1 Endpoints is deprecated\""),
            [Note::Remark("v1 Endpoints is deprecated".to_owned())]
        );
        assert!(matches!(of("x-thanos-partial-response", "true")[..], [Note::Partial(_)]));
        assert!(
            of("x-thanos-partial-response", "false").is_empty()
                && of("age", "5").is_empty()
                && of("server", "x").is_empty()
        );
        assert!(matches!(of("age", "600")[..], [Note::Partial(_)]));
    }
}
