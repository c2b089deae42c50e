//! The beginning of a body that was not what was asked for, fit for an error message.

use std::fmt;

use serde::{Deserialize, Serialize};

/// Characters shown at most.
const LONGEST: usize = 120;

/// What came instead: the kind of body as far as one can tell, and how it begins.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Excerpt {
    kind: String,
    begins: String,
}

impl Excerpt {
    /// Looks at the beginning of a body. Takes any bytes.
    pub fn of(body: &[u8]) -> Self {
        let head = &body[..body.len().min(4 * LONGEST)];
        let text = String::from_utf8_lossy(head);
        let one_line = text.split_whitespace().collect::<Vec<_>>().join(" ");
        let begins: String = one_line.chars().filter(|c| !c.is_control()).take(LONGEST).collect();
        let lower = begins.to_ascii_lowercase();
        let kind = if begins.is_empty() && body.len() <= head.len() {
            "an empty body"
        } else if lower.starts_with("<!doctype html") || lower.starts_with("<html") {
            "an HTML page"
        } else if begins.starts_with(['{', '[']) {
            "JSON of another shape"
        } else if head.contains(&0) {
            "binary data"
        } else {
            "text"
        };
        Self { kind: kind.to_owned(), begins }
    }
}

impl fmt::Display for Excerpt {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.kind)?;
        if self.begins.is_empty() { Ok(()) } else { write!(f, " that begins with `{}`", self.begins) }
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn names_what_came() {
        assert_eq!(Excerpt::of(b"").to_string(), "an empty body");
        assert_eq!(
            Excerpt::of(b"<html>\n<head><title>502 Bad Gateway</title>").to_string(),
            "an HTML page that begins with `<html> <head><title>502 Bad Gateway</title>`"
        );
        assert_eq!(Excerpt::of(b"404 page not found\n").to_string(), "text that begins with `404 page not found`");
    }

    proptest! {
        #[test]
        fn any_bytes_fit_on_one_line(body in prop::collection::vec(any::<u8>(), 0..2000)) {
            let text = Excerpt::of(&body).to_string();
            prop_assert!(!text.contains('\n') && text.chars().count() < 200);
        }
    }
}
