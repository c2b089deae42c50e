//! The envelope of every response.

use serde_json::{Value, json};

use crate::plane::call::{HttpAnswer, JSON};

/// `{"status":"success","data":…}`.
pub(super) fn success(data: &Value) -> HttpAnswer {
    HttpAnswer::new(200, JSON, format!("{{\"status\":\"success\",\"data\":{data}}}"))
}

/// `{"status":"error",…}`.
pub(super) fn error(status: u16, kind: &str, message: &str) -> HttpAnswer {
    HttpAnswer::new(status, JSON, json!({"status": "error", "errorType": kind, "error": message}).to_string())
}
