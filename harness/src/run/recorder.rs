//! The recorder: one task owns the record, its file and the progress display; everything else sends it messages.
//!
//! What happens becomes a block of the record's file at once, except for samples and the answers of control targets, which
//! wait for a second at most. The channel is unbounded: what flows through it is bounded by the schedule of the probes, and a probe that had to
//! wait for the disk would measure the disk.

use std::io::Write as _;
use std::sync::Arc;
use std::time::Duration;

use meshdrill_checks::record::{At, BlockWriter, Event, Header, Line, Phase, RECORD_FILES, Record};
use tokio::sync::{mpsc, oneshot, watch};
use tokio::task::JoinHandle;
use tokio::time::Instant;

use super::{Clock, Progress, RunDir};

/// How much of the record a crash may lose, in time.
const BLOCK: Duration = Duration::from_secs(1);

type Question = Box<dyn FnOnce(&Record) + Send>;

enum Message {
    Line(Line),
    Ask(Question),
    Close(oneshot::Sender<std::io::Result<Record>>),
}

/// A handle to the recorder of a run.
#[derive(Debug, Clone)]
pub struct Recorder {
    sender: mpsc::UnboundedSender<Message>,
    phase: Arc<watch::Sender<Phase>>,
    clock: Clock,
}

impl Recorder {
    /// Opens the record and writes its header.
    pub fn open(
        dir: &RunDir,
        header: Header,
        clock: Clock,
        progress: Box<dyn Progress>,
    ) -> std::io::Result<(Self, JoinHandle<()>)> {
        let mut state = State {
            blocks: BlockWriter::default(),
            file: std::fs::File::create(dir.file(RECORD_FILES[0]))?,
            record: Record::begin(header),
            progress,
            written: Instant::now(),
            failure: None,
        };
        state.write();
        let (sender, receiver) = mpsc::unbounded_channel();
        let task = tokio::spawn(state.serve(receiver));
        Ok((Self { sender, phase: Arc::new(watch::Sender::new(Phase::Preflight)), clock }, task))
    }

    /// Records what happens now.
    pub fn event(&self, event: Event) {
        self.event_at(self.clock.now(), event);
    }

    /// Records what happened at a time.
    pub fn event_at(&self, at: At, event: Event) {
        if let Event::Phase { phase } = &event {
            self.phase.send_replace(*phase);
        }
        // A recorder that is gone has said so on its own; a probe cannot help it.
        let _ = self.sender.send(Message::Line(Line { at, event }));
    }

    /// The phase of the run, now and whenever it changes.
    pub fn phase(&self) -> watch::Receiver<Phase> {
        self.phase.subscribe()
    }

    /// A note for the reader of the report.
    pub fn note(&self, text: impl Into<String>) {
        self.event(Event::Note { text: text.into() });
    }

    /// Asks something of the record so far; none once the recorder has ended.
    pub async fn ask<T: Send + 'static>(&self, question: impl FnOnce(&Record) -> T + Send + 'static) -> Option<T> {
        let (answer, receiver) = oneshot::channel();
        let question: Question = Box::new(move |record| {
            let _ = answer.send(question(record));
        });
        self.sender.send(Message::Ask(question)).ok()?;
        receiver.await.ok()
    }

    /// Writes everything out and hands the record over.
    pub async fn close(self) -> std::io::Result<Record> {
        let (answer, receiver) = oneshot::channel();
        let gone = || std::io::Error::other("the recorder ended early");
        self.sender.send(Message::Close(answer)).map_err(|_| gone())?;
        receiver.await.map_err(|_| gone())?
    }

    /// The run's clock.
    pub const fn clock(&self) -> Clock {
        self.clock
    }
}

struct State {
    blocks: BlockWriter,
    file: std::fs::File,
    record: Record,
    progress: Box<dyn Progress>,
    /// When the last block was written.
    written: Instant,
    failure: Option<std::io::Error>,
}

impl State {
    async fn serve(mut self, mut receiver: mpsc::UnboundedReceiver<Message>) {
        while let Some(message) = receiver.recv().await {
            match message {
                Message::Line(line) => {
                    self.progress.line(&line);
                    let waits = matches!(line.event, Event::Sample { .. } | Event::Control { .. });
                    self.record.observe(line);
                    if !waits || self.written.elapsed() >= BLOCK {
                        self.write();
                    }
                }
                Message::Ask(question) => question(&self.record),
                Message::Close(answer) => {
                    self.record.count_up();
                    self.write();
                    let synced = self.file.sync_all();
                    let result = self.failure.map_or(synced, Err).map(|()| self.record);
                    let _ = answer.send(result);
                    return;
                }
            }
        }
    }

    /// Writes what is new.
    fn write(&mut self) {
        // What follows a block that was lost cannot be read.
        if self.failure.is_some() {
            return;
        }
        let block = self.blocks.next(&mut self.record).map_err(std::io::Error::other);
        let written = block.and_then(|block| block.map_or(Ok(()), |block| self.file.write_all(&block)));
        self.written = Instant::now();
        if let Err(error) = written {
            self.failure.get_or_insert(error);
        }
    }
}
