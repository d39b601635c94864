//! Text that is safe to put into Markdown on a forge, whatever a live system made of its names.
//!
//! Flow: a name, path or message goes through [`code_span`] or [`escape_markdown`], content through [`fenced`], and the
//! whole through [`bounded`].
//!
//! **Invariant:** nothing that passed through here mentions anybody, links anywhere, or changes how the rest is shown.

/// The longest text that one escaped name may become, in characters.
const MAX_NAME_CHARS: usize = 400;

/// Escapes text for use within a line of Markdown: no markup, no mention, no link, no reference, no control character.
///
/// It is for text that follows other text on its line; what marks only the start of a line is left alone. Longer texts
/// are cut at 400 characters, with an ellipsis.
pub fn escape_markdown(text: &str) -> String {
    let mut out = String::with_capacity(text.len() + 8);
    let mut before = ' ';
    for c in cut(text) {
        match c {
            // A zero-width space behind the sign keeps a forge from reading `@name`, `#12` and `GH-12` in rendered text.
            '@' | '#' => out.extend(['\\', c, '\u{200b}']),
            '\\' | '`' | '*' | '_' | '[' | ']' | '<' | '>' | '~' | '|' | '&' | '$' | '!' => {
                out.extend(['\\', c]);
            }
            '-' if matches!(before, 'h' | 'H') => out.push_str("-\u{200b}"),
            // Links that a forge makes by itself: `https:…`, `www.…`.
            ':' => out.push_str("\\:"),
            '.' if before.is_ascii_alphabetic() => out.extend(['\\', c]),
            c => push_visible(&mut out, c),
        }
        before = c;
    }
    out
}

/// Puts text into a code span, in which a forge reads neither markup nor mentions. Fit for a table's cell.
///
/// Longer texts are cut at 400 characters, with an ellipsis.
pub fn code_span(text: &str) -> String {
    let mut inner = String::with_capacity(text.len());
    for c in cut(text) {
        match c {
            // A table ends its cell at a bar even within a code span.
            '|' => inner.push_str("\\|"),
            c => push_visible(&mut inner, c),
        }
    }
    if inner.is_empty() {
        return "(empty)".to_owned();
    }
    let ticks = "`".repeat(longest_run(&inner, '`') + 1);
    let pad = if inner.starts_with('`') || inner.ends_with('`') || inner.trim().is_empty() {
        " "
    } else {
        ""
    };
    format!("{ticks}{pad}{inner}{pad}{ticks}")
}

/// Puts lines into a fenced block with a fence that nothing inside can close.
pub fn fenced(language: &str, lines: &str) -> String {
    let mut inner = String::with_capacity(lines.len());
    for c in lines.chars() {
        match c {
            '\n' | '\t' => inner.push(c),
            c => push_visible(&mut inner, c),
        }
    }
    let fence = "`".repeat(longest_run(&inner, '`').max(2) + 1);
    let end = if inner.ends_with('\n') { "" } else { "\n" };
    format!("{fence}{language}\n{inner}{end}{fence}\n")
}

/// Cuts text to at most `max` bytes at a line's end where there is one, and says so.
pub fn bounded(text: String, max: usize) -> String {
    const NOTE: &str = "\n\n(cut: the rest did not fit)\n";
    if text.len() <= max {
        return text;
    }
    let mut end = max.saturating_sub(NOTE.len());
    while !text.is_char_boundary(end) {
        end -= 1;
    }
    let end = text[..end].rfind('\n').unwrap_or(end);
    format!("{}{NOTE}", &text[..end])
}

/// Makes a message of a forge fit for a terminal and a log: one line, no control characters, at most 300 characters.
pub fn plain_line(text: &str) -> String {
    let mut out = String::new();
    for c in text.chars().take(300) {
        match c {
            '\n' | '\r' | '\t' => out.push(' '),
            c => push_visible(&mut out, c),
        }
    }
    out
}

fn cut(text: &str) -> impl Iterator<Item = char> + '_ {
    let long = text.chars().nth(MAX_NAME_CHARS).is_some();
    text.chars().take(MAX_NAME_CHARS).chain(long.then_some('…'))
}

fn push_visible(out: &mut String, c: char) {
    if is_deceptive(c) {
        out.push_str(&format!("U+{:04X}", u32::from(c)));
    } else {
        out.push(c);
    }
}

/// Whether a character shows nothing, or makes others show elsewhere than they stand.
fn is_deceptive(c: char) -> bool {
    c.is_control()
        || matches!(c,
            '\u{ad}' | '\u{61c}' | '\u{115f}' | '\u{1160}' | '\u{180e}' | '\u{3164}' | '\u{feff}'
            | '\u{200b}'..='\u{200f}' | '\u{2028}'..='\u{202e}' | '\u{2060}'..='\u{206f}'
            | '\u{fe00}'..='\u{fe0f}' | '\u{fff0}'..='\u{fffb}' | '\u{e0000}'..='\u{e0fff}')
}

fn longest_run(text: &str, wanted: char) -> usize {
    let (mut longest, mut run) = (0, 0);
    for c in text.chars() {
        run = if c == wanted { run + 1 } else { 0 };
        longest = longest.max(run);
    }
    longest
}

#[cfg(test)]
mod tests {
    use super::*;

    // Goal: a file name made by an attacker neither mentions people, nor closes issues, nor links, nor ends a table.
    #[test]
    fn names_stay_names() {
        let escaped =
            escape_markdown("@org/admins fixes #12 https://evil.example <img src=x> [a](b)\n# h");
        assert_eq!(
            escaped,
            "\\@\u{200b}org/admins fixes \\#\u{200b}12 https\\://evil\\.example \\<img src=x\\> \\[a\\](b)U+000A\\#\u{200b} h"
        );
        assert_eq!(code_span("a|b`c``d"), "```a\\|b`c``d```");
        assert_eq!(code_span("`"), "`` ` ``");
        assert_eq!(code_span(""), "(empty)");
        assert_eq!(
            code_span("\u{202e}txt.exe\u{1b}[31m"),
            "`U+202Etxt.exeU+001B[31m`"
        );
    }

    // Goal: content with fences of its own cannot leave its block.
    #[test]
    fn content_stays_in_its_block() {
        let block = fenced("diff", "+ ````\n+ # not a heading\n");
        assert!(
            block.starts_with("`````diff\n") && block.ends_with("\n`````\n"),
            "{block}"
        );
        assert_eq!(fenced("", "x"), "```\nx\n```\n");
    }

    // Goal: a long text is cut within the bound, never inside a character, and says that it was cut.
    #[test]
    fn long_text_is_cut_whole() {
        let text = bounded("ü".repeat(100), 81);
        assert!(text.len() <= 81 && text.contains("(cut"), "{text}");
        assert_eq!(bounded("short".into(), 81), "short");
        assert_eq!(
            escape_markdown(&"a".repeat(500)).chars().count(),
            MAX_NAME_CHARS + 1
        );
    }
}
