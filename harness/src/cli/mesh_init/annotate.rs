//! Comments on values of a YAML text, placed by where the values stand.

use std::path::Path;

use meshdrill_document as document;
use meshdrill_document::{Problems, Source};

/// Adds a comment at the end of every line on which one of these values begins. Paths that the text does not have are
/// skipped.
pub(super) fn annotate(text: &str, paths: &[document::Path], comment: &str) -> Result<String, Problems> {
    let (_, node) = document::read(Source::new(Path::new("mesh.yaml"), text))?;
    let mut lines: Vec<String> = text.lines().map(str::to_owned).collect();
    for path in paths.iter().filter(|path| node.at(path).is_some()) {
        let start = node.key_span_at(path).start;
        let line = text[..start].matches('\n').count();
        lines[line] = format!("{}  {comment}", lines[line]);
    }
    Ok(lines.join("\n") + "\n")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn comments_stand_behind_their_values() {
        let text = "a:\n  b: \"x # y\"\n  c:\n  - 1\n  - 2\nd: é\ne: 1\n";
        let paths = [&["a", "b"][..], &["a", "c"], &["e"], &["missing"]].map(document::Path::of);
        let marked = annotate(text, &paths, "# seen").unwrap();
        assert_eq!(marked, "a:\n  b: \"x # y\"  # seen\n  c:  # seen\n  - 1\n  - 2\nd: é\ne: 1  # seen\n");
    }
}
