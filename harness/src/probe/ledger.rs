//! `ledger`: writes tokens while things are broken, and reads back every acknowledged one at the end. What was
//! acknowledged and is not there was lost: the recovery point of a stateful application.

use std::sync::{Mutex, PoisonError};

use futures::future::BoxFuture;
use futures::stream::{self, StreamExt as _};
use meshdrill_checks::record::{ReadBack, Series};
use meshdrill_checks::units::TimeSpan;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};

use super::http::HttpObserver;
use super::kind::{Complaint, Kind, Observer, Role, Timing};
use super::{Answer, CannotAsk, Http, Outcome};
use crate::cluster::{Permission, World};
use crate::spec::{ClusterChoice, MeshSpec};

/// A place that keeps what is written to it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct Ledger {
    /// How a token is written. `{token}` stands for it in `path`, `url` and `body`; an answer as expected acknowledges it.
    pub write: Http,
    /// How it is read back; the body of the answer must contain it.
    pub read: Http,
}

/// What stands for the token of one write.
const TOKEN: &str = "{token}";
/// Tokens read back at a time.
const AT_ONCE: usize = 16;
/// Tokens of lost writes that are named.
const NAMED: usize = 100;

impl Ledger {
    fn mentions(http: &Http) -> bool {
        [&http.url, &http.path, &http.body].into_iter().flatten().any(|text| text.contains(TOKEN))
    }

    fn with(http: &Http, token: &str) -> Http {
        let put = |text: &Option<String>| text.as_ref().map(|text| text.replace(TOKEN, token));
        Http { url: put(&http.url), path: put(&http.path), body: put(&http.body), ..http.clone() }
    }
}

impl Kind for Ledger {
    fn describe(&self) -> String {
        format!("write tokens by {}, read them back by {}", self.write.describe(), self.read.describe())
    }

    fn subject(&self) -> String {
        self.write.subject()
    }

    fn choices(&mut self) -> Vec<&mut ClusterChoice> {
        self.write.choices().into_iter().chain(self.read.choices()).collect()
    }

    fn timing(&self) -> Timing {
        Timing { every: TimeSpan::millis(500), ..self.write.timing() }
    }

    fn complaints(&self) -> Vec<Complaint> {
        let mut found: Vec<Complaint> = Vec::new();
        for (key, http) in [("write", &self.write), ("read", &self.read)] {
            if !Self::mentions(http) {
                let message = format!("`{key}` does not say where the token goes");
                found.push(Complaint::new(key, message, "write `{token}` into its path, URL or body"));
            }
            let plain = Self::with(http, "0").complaints();
            found.extend(plain.into_iter().map(|one| Complaint::new(key, one.message, one.help)));
        }
        found
    }

    fn permissions(&self, mesh: &MeshSpec) -> Vec<Permission> {
        self.write.permissions(mesh).into_iter().chain(self.read.permissions(mesh)).collect()
    }

    fn only_sampled(&self) -> Option<Complaint> {
        let help = "write it under `probes:`, with a `dataLoss:` row in `sla:`";
        Some(Complaint::new("write", "one token shows nothing of what is kept", help))
    }

    fn prepare<'a>(&'a self, world: &'a World, _: Role) -> BoxFuture<'a, Result<Box<dyn Observer>, CannotAsk>> {
        Box::pin(async move {
            // Where it is written and read is found once; only the token changes.
            let observer = LedgerObserver {
                write: Self::with(&self.write, "0").observer(world, Role::Probe).await?,
                read: Self::with(&self.read, "0").observer(world, Role::Probe).await?,
                spec: self.clone(),
                run: uuid::Uuid::now_v7().simple().to_string(),
                tokens: Mutex::new(Tokens::default()),
            };
            Ok(Box::new(observer) as Box<dyn Observer>)
        })
    }
}

#[derive(Default)]
struct Tokens {
    count: u64,
    acknowledged: Vec<String>,
}

struct LedgerObserver {
    spec: Ledger,
    write: HttpObserver,
    read: HttpObserver,
    run: String,
    tokens: Mutex<Tokens>,
}

/// What became of one token.
enum Found {
    There,
    Lost,
    Unread(String),
}

impl LedgerObserver {
    fn next(&self) -> String {
        let mut tokens = self.tokens.lock().unwrap_or_else(PoisonError::into_inner);
        tokens.count += 1;
        format!("{}-{}", self.run, tokens.count)
    }

    async fn write(&self, series: Series) -> Outcome {
        let token = self.next();
        let mut outcome = match self.write.asking(&Ledger::with(&self.spec.write, &token)) {
            Ok(observer) => observer.exchange(series).await.0,
            Err(error) => return error.into(),
        };
        if outcome.answer == Answer::Good {
            self.tokens.lock().unwrap_or_else(PoisonError::into_inner).acknowledged.push(token.clone());
        }
        if outcome.seen == Value::Null {
            outcome.seen = json!({ "token": token });
        }
        outcome
    }

    /// Asks for one token, three times if the answer says nothing.
    async fn find(&self, token: &str) -> Found {
        let observer = match self.read.asking(&Ledger::with(&self.spec.read, token)) {
            Ok(observer) => observer,
            Err(error) => return Found::Unread(error.0),
        };
        let mut why = String::new();
        for _ in 0..3 {
            let (outcome, answer) = observer.exchange(Series::New).await;
            match answer {
                Some(answer) if String::from_utf8_lossy(&answer.body).contains(token) && answer.status < 400 => {
                    return Found::There;
                }
                Some(answer) if answer.status < 500 => return Found::Lost,
                _ => why = outcome.message,
            }
        }
        Found::Unread(why)
    }
}

impl Observer for LedgerObserver {
    fn observe(&self, series: Series) -> BoxFuture<'_, Outcome> {
        Box::pin(self.write(series))
    }

    fn read_back(&self) -> BoxFuture<'_, Option<ReadBack>> {
        Box::pin(async move {
            let tokens = self.tokens.lock().unwrap_or_else(PoisonError::into_inner).acknowledged.clone();
            let mut found = ReadBack { acknowledged: tokens.len() as u64, ..ReadBack::default() };
            let mut asked =
                stream::iter(tokens).map(|token| async move { (self.find(&token).await, token) }).buffered(AT_ONCE);
            while let Some((one, token)) = asked.next().await {
                match one {
                    Found::There => {}
                    Found::Lost if found.lost.len() < NAMED => found.lost.push(token),
                    Found::Lost => found.lost.push(String::new()),
                    Found::Unread(why) => {
                        found.unread += 1;
                        found.why = why;
                    }
                }
            }
            Some(found)
        })
    }
}
