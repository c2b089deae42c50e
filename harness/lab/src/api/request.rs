//! One request, as its handler gets it.

use serde_json::Value;

use super::failure::ApiFailure;
use super::path::Target;
use super::protobuf;
use super::query::Query;

/// One request to the API.
pub(crate) struct Request {
    pub(crate) method: http::Method,
    pub(crate) target: Target,
    pub(crate) query: Query,
    pub(crate) accept: String,
    pub(crate) content_type: String,
    pub(crate) user_agent: String,
    pub(crate) body: bytes::Bytes,
}

impl Request {
    pub(crate) fn json(&self) -> Result<Value, ApiFailure> {
        if self.content_type.contains("protobuf") {
            return protobuf::decode(&self.body).ok_or_else(|| {
                let text = "the body of the request was in an unknown format - accepted media types include: application/json, application/yaml";
                ApiFailure::new(415, "UnsupportedMediaType", text)
            });
        }
        serde_json::from_slice(&self.body).map_err(|e| {
            ApiFailure::bad_request(format!(
                "the object provided is unrecognized: couldn't parse the body as JSON: {e}"
            ))
        })
    }

    /// Who writes: the field manager of the query, or the name in the user agent.
    pub(crate) fn manager(&self) -> &str {
        let agent = self.user_agent.split('/').next().filter(|name| !name.is_empty()).unwrap_or("unknown");
        self.query.get("fieldManager").unwrap_or(agent)
    }

    pub(crate) fn dry_run(&self) -> bool {
        self.query.get("dryRun") == Some("All")
    }
}
