//! The on-call receiver: a webhook that keeps what it gets.

use serde_json::{Value, json};

use crate::plane::call::{Answer, Call, TEXT};
use crate::world::World;

/// The on-call receiver: takes notifications and lists what it got.
pub(crate) fn respond(world: &mut World, c: usize, call: &Call) -> Answer {
    if call.method == http::Method::POST {
        if let Ok(value) = serde_json::from_slice::<Value>(&call.body) {
            world.clusters[c].oncall.push(value);
        }
        return Answer::new(200, TEXT, "ok\n");
    }
    Answer::json(200, &json!(world.clusters[c].oncall))
}
