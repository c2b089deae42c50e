//! The on-call receiver: a webhook that keeps its notifications.

use serde_json::{Value, json};

use crate::plane::call::{HttpAnswer, HttpCall, TEXT};
use crate::world::World;

/// Stores notifications (POST) and lists them.
pub(crate) fn respond(world: &mut World, cluster: usize, call: &HttpCall) -> HttpAnswer {
    if call.method == http::Method::POST {
        if let Ok(value) = serde_json::from_slice::<Value>(&call.body) {
            world.clusters[cluster].oncall.push(value);
        }
        return HttpAnswer::new(200, TEXT, "ok\n");
    }
    HttpAnswer::json(200, &json!(world.clusters[cluster].oncall))
}
