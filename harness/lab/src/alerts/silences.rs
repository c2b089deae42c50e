//! Silences.

use serde_json::{Value, json};

use crate::clock::Ms;
use crate::prom::labels::Labels;
use crate::world::World;

/// One condition of a silence.
#[derive(Debug, Clone)]
pub(crate) struct Matcher {
    pub(crate) name: String,
    pub(crate) value: String,
    pub(crate) regex: Option<regex::Regex>,
    pub(crate) equal: bool,
}

impl Matcher {
    pub(crate) fn matches(&self, labels: &Labels) -> bool {
        let found = labels.get(&self.name);
        let hit = self.regex.as_ref().map_or(found == self.value, |r| r.is_match(found));
        hit == self.equal
    }

    fn json(&self) -> Value {
        json!({"isEqual": self.equal, "isRegex": self.regex.is_some(), "name": self.name, "value": self.value})
    }
}

/// A silence.
#[derive(Debug, Clone)]
pub(crate) struct Silence {
    pub(crate) id: String,
    pub(crate) matchers: Vec<Matcher>,
    pub(crate) starts: Ms,
    pub(crate) ends: Ms,
    pub(crate) updated: Ms,
    pub(crate) author: String,
    pub(crate) comment: String,
}

impl Silence {
    pub(crate) fn active(&self, now: Ms) -> bool {
        self.starts <= now && now < self.ends
    }

    pub(crate) fn covers(&self, labels: &Labels) -> bool {
        self.matchers.iter().all(|m| m.matches(labels))
    }

    pub(crate) fn json(&self, world: &World) -> Value {
        let state = if world.now >= self.ends {
            "expired"
        } else if world.now < self.starts {
            "pending"
        } else {
            "active"
        };
        json!({"id": self.id, "status": {"state": state}, "updatedAt": world.dates.millis(self.updated), "comment": self.comment,
            "createdBy": self.author, "endsAt": world.dates.millis(self.ends), "startsAt": world.dates.millis(self.starts),
            "matchers": self.matchers.iter().map(Matcher::json).collect::<Vec<_>>()})
    }
}

/// Silences every alert for a day.
pub(crate) fn silence_all(world: &mut World, c: usize) {
    let id = world.rng.uuid();
    let now = world.now;
    let matcher = Matcher {
        name: "alertname".into(),
        value: ".+".into(),
        regex: regex::Regex::new("^(?:.+)$").ok(),
        equal: true,
    };
    world.clusters[c].alertmanager.silences.push(Silence {
        id,
        matchers: vec![matcher],
        starts: now,
        ends: now + 86_400_000,
        updated: now,
        author: "someone".into(),
        comment: "maintenance".into(),
    });
}
