//! What is wrong with a file, where, and what to write instead.

use std::fmt;
use std::ops::Range;
use std::path::{Path, PathBuf};

use annotate_snippets::renderer::DecorStyle;
use annotate_snippets::{AnnotationKind, Level, Renderer, Snippet};

/// A text and the name it is spoken of by.
#[derive(Debug, Clone)]
pub struct Source {
    /// The file, as the user named it.
    pub path: PathBuf,
    /// Its text.
    pub text: String,
}

impl Source {
    /// A text with its name.
    pub fn new(path: &Path, text: impl Into<String>) -> Self {
        Self { path: path.to_owned(), text: text.into() }
    }
}

/// One thing that is wrong with a file.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Problem {
    /// What is wrong.
    pub message: String,
    /// Where, in bytes of the source; none for a file that could not be read at all.
    pub span: Option<Range<usize>>,
    /// What to write instead.
    pub help: Option<String>,
}

impl Problem {
    /// A problem at a place.
    pub fn at(span: Range<usize>, message: impl Into<String>) -> Self {
        Self { message: message.into(), span: Some(span), help: None }
    }

    /// A problem of a whole file.
    pub fn of_file(message: impl Into<String>) -> Self {
        Self { message: message.into(), span: None, help: None }
    }

    /// The same with a remedy.
    #[must_use]
    pub fn help(mut self, help: impl Into<String>) -> Self {
        self.help = Some(help.into());
        self
    }
}

/// All problems of one file.
#[derive(Debug, Clone)]
pub struct Problems {
    /// The file.
    pub source: Source,
    /// What is wrong with it, in the order of the file.
    pub problems: Vec<Problem>,
}

impl Problems {
    /// Problems in the order in which they stand in the file, each once.
    pub fn new(source: Source, mut problems: Vec<Problem>) -> Self {
        problems.sort_by_key(|problem| problem.span.as_ref().map(|span| (span.start, span.end)));
        problems.dedup();
        Self { source, problems }
    }

    /// The text for a terminal, with colour or without.
    pub fn render(&self, colour: bool) -> String {
        let renderer = if colour { Renderer::styled() } else { Renderer::plain() };
        let renderer = renderer.decor_style(DecorStyle::Ascii).term_width(120);
        let path = self.source.path.display().to_string();
        let path: &str = &path;
        let source = without_passwords(&self.source.text);
        let mut text = String::new();
        for problem in &self.problems {
            let message = printable(&problem.message);
            let help = problem.help.as_deref().map(printable);
            let title = Level::ERROR.primary_title(&message);
            let group = match &problem.span {
                Some(span) => title.element(
                    Snippet::source(source.as_str())
                        .path(path)
                        .annotation(AnnotationKind::Primary.span(shown(&self.source.text, span))),
                ),
                None => title.element(annotate_snippets::Origin::path(path)),
            };
            let group = match &help {
                Some(help) => group.element(Level::HELP.message(help.as_str())),
                None => group,
            };
            text += &renderer.render(&[group]);
            text.push_str("\n\n");
        }
        text
    }

    /// Line and column, from 1, of each problem.
    pub fn places(&self) -> Vec<(usize, usize)> {
        let place = |problem: &Problem| {
            let offset = problem.span.as_ref().map_or(0, |span| span.start.min(self.source.text.len()));
            let before = &self.source.text[..floor(&self.source.text, offset)];
            let line = before.matches('\n').count() + 1;
            let column = before.rsplit('\n').next().map_or(0, |last| last.chars().count()) + 1;
            (line, column)
        };
        self.problems.iter().map(place).collect()
    }
}

impl fmt::Display for Problems {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.render(false).trim_end())
    }
}

impl std::error::Error for Problems {}

/// A text whose passwords in URLs (`://USER:PASSWORD@`) are stars, one for each byte, so that all places stay the same.
fn without_passwords(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    let mut rest = text;
    while let Some(at) = rest.find("://") {
        let (before, after) = rest.split_at(at + 3);
        out.push_str(before);
        let end = after.find(|c: char| "/?#\"'".contains(c) || c.is_whitespace()).unwrap_or(after.len());
        let password = after[..end].rfind('@').and_then(|at| Some(after[..at].find(':')? + 1..at));
        rest = match password {
            Some(password) => {
                out.push_str(&after[..password.start]);
                out.extend(std::iter::repeat_n('*', password.len()));
                &after[password.end..]
            }
            None => after,
        };
    }
    out + rest
}

/// Control characters of a hostile file must not reach the terminal.
fn printable(text: &str) -> String {
    without_passwords(text).chars().map(|c| if c.is_control() && c != '\n' { '\u{fffd}' } else { c }).collect()
}

/// At most the first line of a span: a caret under a whole block helps nobody.
fn shown(text: &str, span: &Range<usize>) -> Range<usize> {
    let start = floor(text, span.start.min(text.len()));
    let end = floor(text, span.end.clamp(start, text.len()));
    let line_end = text[start..].find('\n').map_or(text.len(), |length| start + length);
    start..end.min(line_end).max(start)
}

fn floor(text: &str, mut offset: usize) -> usize {
    while !text.is_char_boundary(offset) {
        offset -= 1;
    }
    offset
}

#[cfg(test)]
mod tests {
    use super::without_passwords;

    #[test]
    fn passwords_of_urls_are_stars_of_the_same_length() {
        let text = "url: \"http://drill:p\u{e4}w@host:9090/a@b:c\" # https://u:x@y http://host:80/@";
        let masked = without_passwords(text);
        assert_eq!(masked, "url: \"http://drill:****@host:9090/a@b:c\" # https://u:*@y http://host:80/@");
        assert_eq!(masked.len(), text.len());
    }
}
