//! Matchers of a configuration as text: `severity="critical"`, `{team=infra, app=~"istio.*"}`.

use super::Matcher;

/// Reads the matchers of one text; `None` if it is not understood.
pub(super) fn parse_matchers(text: &str) -> Option<Vec<Matcher>> {
    let text = text.trim();
    let inner = text.strip_prefix('{').map_or(Some(text), |rest| rest.strip_suffix('}'))?;
    split(inner)?.into_iter().map(|part| matcher(part.trim())).collect()
}

/// The parts between commas that are not in quotes. A comma at the end is allowed.
fn split(text: &str) -> Option<Vec<&str>> {
    let (mut parts, mut begin, mut quoted, mut escaped) = (Vec::new(), 0, false, false);
    for (at, c) in text.char_indices() {
        match c {
            _ if escaped => escaped = false,
            '\\' if quoted => escaped = true,
            '"' => quoted = !quoted,
            ',' if !quoted => {
                parts.push(&text[begin..at]);
                begin = at + 1;
            }
            _ => {}
        }
    }
    parts.push(&text[begin..]);
    if parts.last().is_some_and(|last| last.trim().is_empty()) {
        parts.pop();
    }
    (!quoted).then_some(parts)
}

fn matcher(text: &str) -> Option<Matcher> {
    let end = if text.starts_with('"') { closing_quote(text)? + 1 } else { text.find(['=', '!'])? };
    let (name, rest) = text.split_at(end);
    let rest = rest.trim_start();
    let (operator, value) =
        ["=~", "!~", "!=", "="].into_iter().find_map(|one| rest.strip_prefix(one).map(|value| (one, value)))?;
    let name = unquoted(name.trim())?;
    (!name.is_empty()).then_some(Matcher {
        name,
        value: unquoted(value.trim())?,
        is_regex: operator.ends_with('~'),
        is_equal: operator.starts_with('='),
    })
}

/// Where the quote that begins a text ends.
fn closing_quote(text: &str) -> Option<usize> {
    let mut escaped = false;
    text.char_indices().skip(1).find_map(|(at, c)| match c {
        _ if escaped => {
            escaped = false;
            None
        }
        '\\' => {
            escaped = true;
            None
        }
        '"' => Some(at),
        _ => None,
    })
}

fn unquoted(text: &str) -> Option<String> {
    if !text.starts_with('"') {
        return (!text.contains('"')).then(|| text.to_owned());
    }
    let end = closing_quote(text)?;
    if end + 1 != text.len() {
        return None;
    }
    let mut out = String::new();
    let mut chars = text[1..end].chars();
    while let Some(c) = chars.next() {
        match (c, c == '\\') {
            (_, true) => match chars.next()? {
                'n' => out.push('\n'),
                escaped @ ('"' | '\\') => out.push(escaped),
                // Alertmanager keeps what it does not know, such as `\.` of an expression.
                other => out.extend(['\\', other]),
            },
            (c, false) => out.push(c),
        }
    }
    Some(out)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(text: &str) -> Option<Vec<String>> {
        Some(parse_matchers(text)?.iter().map(ToString::to_string).collect())
    }

    #[test]
    fn every_notation() {
        assert_eq!(read("severity=\"critical\""), Some(vec!["severity=critical".to_owned()]));
        assert_eq!(read("{team=infra, app=~\"istio.*|a,b\",}").map(|all| all.len()), Some(2));
        assert_eq!(read(" a != \"x=\\\"y\\\"\" "), Some(vec!["a!=x=\"y\"".to_owned()]));
        assert_eq!(read("\"label with space\"!~\"a\\.b\""), Some(vec!["label with space!~a\\.b".to_owned()]));
        assert_eq!(read("severity="), Some(vec!["severity=".to_owned()]));
        assert_eq!(read("{}"), Some(Vec::new()));
    }

    #[test]
    fn what_is_no_matcher() {
        for text in ["severity", "=\"x\"", "a=\"x", "{a=b", "a=\"x\"y"] {
            assert_eq!(read(text), None, "{text}");
        }
    }
}
