//! Requests that the API server refuses before it looks at anything else.

use super::failure::ApiFailure;
use crate::world::ApiMode;

/// The refusal of a request, if the API server refuses it.
pub(super) fn refusal(mode: ApiMode, method: &http::Method, path: &str) -> Option<ApiFailure> {
    let streams = path.ends_with("/exec") || path.ends_with("/portforward");
    let reviews = path.starts_with("/apis/authorization.k8s.io") || path.starts_with("/apis/authentication.k8s.io");
    let forbidden = match mode {
        ApiMode::Unauthorized => return Some(ApiFailure::new(401, "Unauthorized", "Unauthorized")),
        ApiMode::Forbidden => path.starts_with("/api") && path.contains("/v1/") && !reviews,
        ApiMode::ReadOnly => !reviews && (streams || method != http::Method::GET && method != http::Method::HEAD),
        ApiMode::NoExec => streams,
        ApiMode::Normal | ApiMode::Down | ApiMode::Hangs => false,
    };
    forbidden.then(|| {
        let what = path.rsplit('/').find(|part| !part.is_empty()).unwrap_or("");
        let verb = method.as_str().to_lowercase();
        let text = format!("{what} is forbidden: User \"lab-user\" cannot {verb} resource \"{what}\"");
        ApiFailure::new(403, "Forbidden", text)
    })
}
