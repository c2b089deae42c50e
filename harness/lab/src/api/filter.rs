//! The objects that a list, a watch or a deletion of a collection selects.

use serde_json::Value;

use super::failure::ApiFailure;
use super::request::Request;
use crate::store::object;
use crate::store::selector::{Fields, Selector};

/// Selects objects by namespace, name, labels and fields.
pub(crate) struct Filter {
    namespace: String,
    name: String,
    labels: Selector,
    fields: Fields,
}

impl Filter {
    pub(crate) fn of(request: &Request) -> Result<Self, ApiFailure> {
        let text = |key: &str| request.query.get(key).unwrap_or("");
        Ok(Self {
            namespace: request.target.namespace.clone(),
            name: request.target.name.clone(),
            labels: Selector::parse(text("labelSelector")).map_err(ApiFailure::bad_request)?,
            fields: Fields::parse(text("fieldSelector")).map_err(ApiFailure::bad_request)?,
        })
    }

    pub(crate) fn matches(&self, value: &Value) -> bool {
        (self.namespace.is_empty() || object::namespace(value) == self.namespace)
            && (self.name.is_empty() || object::name(value) == self.name)
            && self.labels.matches(object::labels(value))
            && self.fields.matches(value)
    }
}
