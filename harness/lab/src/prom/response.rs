//! The envelope of every response.

use serde_json::{Value, json};

use crate::plane::call::{Answer, JSON};

/// `{"status":"success","data":…}`.
pub(super) fn success(data: &Value) -> Answer {
    Answer::new(200, JSON, format!("{{\"status\":\"success\",\"data\":{data}}}"))
}

/// `{"status":"error",…}`.
pub(super) fn error(status: u16, kind: &str, message: &str) -> Answer {
    Answer::new(status, JSON, json!({"status": "error", "errorType": kind, "error": message}).to_string())
}
