//! Problems as a person wants to read them: the place, the line, a caret, a hint.
//!
//! **Invariant:** nothing that is shown can drive a terminal or hide itself, and output is bounded however many
//! problems there are.

use annotate_snippets::{AnnotationKind, Group, Level, Origin, Renderer, Snippet};

use super::source::is_deceptive;
use crate::model::{Problem, Problems, Span};

/// How many problems are shown.
const MAX_SHOWN: usize = 100;
/// The longest message or hint, in characters.
const MAX_MESSAGE: usize = 500;
/// How many columns an excerpt may take.
const WIDTH: usize = 120;

/// Shows problems with excerpts and, at the end, how many there are; `directory` stands in front of every file's name,
/// empty for none. Ends with a line end. With `colour` it holds escape sequences.
pub fn render(problems: &Problems, directory: &str, colour: bool) -> String {
    let renderer = if colour {
        Renderer::styled()
    } else {
        Renderer::plain()
    }
    .term_width(WIDTH);
    let mut text = String::new();
    for problem in problems.0.iter().take(MAX_SHOWN) {
        text.push_str(&one(problem, directory, &renderer));
        text.push_str("\n\n");
    }
    text.push_str(&total(problems));
    text.push('\n');
    text
}

fn one(problem: &Problem, directory: &str, renderer: &Renderer) -> String {
    let title = Level::ERROR.primary_title(escape(&problem.message));
    let hint = problem.hint.as_deref().map(escape);
    let mut group = match &problem.at {
        None => {
            let hint = hint.map(|hint| Group::with_title(Level::HELP.secondary_title(hint)));
            let report: Vec<_> = std::iter::once(Group::with_title(title))
                .chain(hint)
                .collect();
            return renderer.render(&report);
        }
        Some(at) => {
            let path = escape(&match directory.trim_end_matches('/') {
                "" => at.file.clone(),
                directory => format!("{directory}/{}", at.file),
            });
            match excerpt(problem, at) {
                Some((line, start)) => {
                    let end = token_end(&line, start);
                    title.element(
                        Snippet::source(line)
                            .line_start(at.line as usize)
                            .path(path)
                            .annotation(AnnotationKind::Primary.span(start..end)),
                    )
                }
                None => title.element(
                    Origin::path(path)
                        .line(at.line as usize)
                        .char_column(at.column as usize),
                ),
            }
        }
    };
    if let Some(hint) = hint {
        group = group.element(Level::HELP.message(hint));
    }
    renderer.render(&[group])
}

/// The source line with every control character replaced by one visible character, so that columns stay what they
/// are, and the byte at which the problem starts. None when the place is not within the line as far as it was kept.
fn excerpt(problem: &Problem, at: &Span) -> Option<(String, usize)> {
    if problem.source_line.is_empty() {
        return None;
    }
    let line: String = problem.source_line.chars().map(visible).collect();
    let before = (at.column as usize).checked_sub(1)?;
    let start = line
        .char_indices()
        .map(|(start, _)| start)
        .chain([line.len()])
        .nth(before)?;
    Some((line, start))
}

/// Where the word that starts here ends: at a space after it, or at a colon that ends a key.
fn token_end(line: &str, start: usize) -> usize {
    let rest = &line[start..];
    let length = match rest.chars().next() {
        None => 0,
        Some(quote @ ('"' | '\'')) => rest[1..].find(quote).map_or(rest.len(), |at| at + 2),
        Some('[' | '{' | '|' | '>') => 1,
        Some(_) => rest.find([' ', ',', ']', '}']).map_or(rest.len(), |at| at),
    };
    let word = &rest[..length];
    start + word.strip_suffix(':').unwrap_or(word).len()
}

fn visible(c: char) -> char {
    match c {
        '\t' => ' ',
        '\0'..='\u{1f}' => char::from_u32(0x2400 + c as u32).unwrap_or('\u{fffd}'),
        c if is_deceptive(c) => '\u{fffd}',
        c => c,
    }
}

fn escape(text: &str) -> String {
    let mut shown = String::new();
    for (i, c) in text.chars().enumerate() {
        if i == MAX_MESSAGE {
            shown.push('…');
            break;
        }
        if is_deceptive(c) {
            shown.extend(c.escape_unicode());
        } else {
            shown.push(c);
        }
    }
    shown
}

fn total(problems: &Problems) -> String {
    let count = problems.0.len();
    let noun = if count == 1 { "problem" } else { "problems" };
    match count.checked_sub(MAX_SHOWN) {
        Some(more) if more > 0 => format!("{count} {noun}, of which {more} are not shown"),
        _ => format!("{count} {noun}"),
    }
}
