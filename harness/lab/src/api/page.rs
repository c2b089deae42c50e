//! `limit` and `continue` of lists. A page shows the objects as they are when it is asked for; an API server shows them as they
//! were for the first page.

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use serde_json::Value;

use super::failure::ApiFailure;
use super::request::Request;
use crate::store::object;

/// Which part of a list is asked for.
pub(super) struct Page {
    /// How many objects at most.
    pub(super) limit: usize,
    /// Namespace and name of the last object of the page before.
    after: Option<(String, String)>,
}

impl Page {
    pub(super) fn of(request: &Request) -> Result<Self, ApiFailure> {
        let malformed = |what: &str| ApiFailure::bad_request(format!("{what} is not valid"));
        let limit = match request.query.get("limit").filter(|text| !text.is_empty()) {
            Some(text) => text.parse().map_err(|_| malformed("limit"))?,
            None => 0,
        };
        let after = match request.query.get("continue").filter(|text| !text.is_empty()) {
            Some(text) => Some(read(text).ok_or_else(|| malformed("continue key"))?),
            None => None,
        };
        Ok(Self { limit: if limit == 0 { usize::MAX } else { limit }, after })
    }

    /// Whether an object comes after the page before. Lists are in the order of namespaces and names.
    pub(super) fn has(&self, value: &Value) -> bool {
        let Some((namespace, name)) = &self.after else { return true };
        (object::namespace(value), object::name(value)) > (namespace.as_str(), name.as_str())
    }
}

/// The token that continues a list after an object.
pub(super) fn token(last: &Value) -> String {
    URL_SAFE_NO_PAD.encode(format!("{}/{}", object::namespace(last), object::name(last)))
}

fn read(token: &str) -> Option<(String, String)> {
    let text = String::from_utf8(URL_SAFE_NO_PAD.decode(token).ok()?).ok()?;
    text.split_once('/').map(|(namespace, name)| (namespace.to_owned(), name.to_owned()))
}
