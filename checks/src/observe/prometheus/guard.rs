//! Makes lines of the text exposition safe for `prometheus-parse` and its results right again.
//!
//! That crate splits labels at every `,` and `=`, ends them at the first `}` and knows no `:` in a metric's name. Envoy
//! writes `response_flags="UF,URX"` and recording rules are called `job:rate5m`. So these characters are replaced before
//! and put back afterwards; nothing else about the lines is read here.

/// Private-use characters stand for the ASCII character that many places below.
const SHIFT: u32 = 0xe000;
/// A letter that looks like a colon and, unlike it, passes for a part of a name.
const NAME_COLON: char = 'ː';

/// The line with everything awkward replaced; `None` if its labels are malformed. Comments pass as they are.
pub(super) fn guard(line: &str) -> Option<String> {
    let line = line.trim();
    if line.is_empty() || line.starts_with('#') {
        return Some(line.to_owned());
    }
    let Some((name, rest)) = line.split_once('{') else {
        let (name, rest) = line.split_once(char::is_whitespace)?;
        return Some(format!("{} {rest}", guard_name(name)?));
    };
    let mut labels = Vec::new();
    let mut rest = rest.trim_start();
    let after = loop {
        if let Some(after) = rest.strip_prefix('}') {
            break after;
        }
        let (label, after) = rest.split_once('=')?;
        let (value, after) = value(after.trim_start())?;
        let label = label.trim();
        if label.is_empty() || !label.chars().all(|c| c.is_ascii_alphanumeric() || c == '_') {
            return None;
        }
        labels.push(format!("{label}=\"{value}\""));
        let after = after.trim_start();
        rest = after.strip_prefix(',').unwrap_or(after).trim_start();
        if !after.starts_with([',', '}']) {
            return None;
        }
    };
    let name = guard_name(name.trim_end())?;
    let labels = if labels.is_empty() { String::new() } else { format!("{{{}}}", labels.join(",")) };
    Some(format!("{name}{labels} {}", after.trim_start()))
}

/// A name in which colons do not stand out.
fn guard_name(name: &str) -> Option<String> {
    let valid = |c: char| c.is_ascii_alphanumeric() || c == '_' || c == ':';
    (!name.is_empty() && name.chars().all(valid)).then(|| name.replace(':', &NAME_COLON.to_string()))
}

/// Reads a quoted value with its escapes. Gives it guarded, and what follows.
fn value(text: &str) -> Option<(String, &str)> {
    let text = text.strip_prefix('"')?;
    let mut guarded = String::new();
    let mut chars = text.char_indices();
    while let Some((at, c)) = chars.next() {
        let c = match c {
            '"' => return Some((guarded, &text[at + 1..])),
            '\\' => match chars.next()?.1 {
                'n' => '\n',
                other => other,
            },
            other => other,
        };
        guarded.push(if awkward(c) { char::from_u32(SHIFT + u32::from(c))? } else { c });
    }
    None
}

fn awkward(c: char) -> bool {
    // The private-use characters themselves come back as these; nobody writes them into a label.
    matches!(c, ',' | '=' | '{' | '}' | '"' | '\\' | '\n')
}

/// A value as it was.
pub(super) fn unguard(value: &str) -> String {
    let back = |c: char| u32::from(c).checked_sub(SHIFT).and_then(char::from_u32).filter(|c| awkward(*c)).unwrap_or(c);
    value.chars().map(back).collect()
}

/// A name as it was.
pub(super) fn unguard_name(name: &str) -> String {
    name.replace(NAME_COLON, ":")
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn malformed_labels_are_told() {
        for line in
            ["a{b=\"c} 1", "a{b=c} 1", "a{=\"c\"} 1", "a{b=\"c\" d=\"e\"} 1", "a b{c=\"d\"} 1", "lone", "a{", "1.2 3"]
        {
            assert_eq!(guard(line), None, "{line}");
        }
        assert_eq!(guard("a{} 1").as_deref(), Some("a 1"));
        assert_eq!(guard(" a{b=\"c\",} 1 7").as_deref(), Some("a{b=\"c\"} 1 7"));
        assert_eq!(guard("# HELP a b").as_deref(), Some("# HELP a b"));
    }

    proptest! {
        #[test]
        fn every_value_comes_back(value in "[ -~éß\n]{0,30}") {
            let escaped = value.replace('\\', "\\\\").replace('"', "\\\"").replace('\n', "\\n");
            let text = format!("\"{escaped}\"}} 1");
            let (guarded, rest) = super::value(&text).unwrap();
            prop_assert_eq!(unguard(&guarded), value);
            prop_assert_eq!(rest, "} 1");
        }

        #[test]
        fn any_line_is_survived(line in "\\PC{0,60}") {
            let _ = guard(&line);
        }
    }
}
