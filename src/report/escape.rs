//! Escaping for each place that text of a live system can end up in: terminals and logs, Markdown, workflow commands,
//! JSON on a terminal, SARIF messages.
//!
//! Flow: every function first makes text printable as [`terminal`] does, then takes away what has a meaning where it goes.
//!
//! **Invariant:** no control, bidirectional or invisible character leaves any of these functions, and what leaves them
//! begins no command of a CI runner.

use std::borrow::Cow;
use std::fmt::Write as _;

/// Makes text fit to be printed on one line of a terminal or of a CI log.
///
/// Control characters become `\n`, `\t`, `\r`, `\xNN` or `\u{…}`, as do characters that are invisible or change the
/// direction of writing. A text that would begin a workflow command (`::` first, `##[` and `##vso[` anywhere) has its
/// first `:` or `#` written as `\x3a` or `\x23`.
pub fn terminal(text: &str) -> Cow<'_, str> {
    let starts_command = text.trim_start().starts_with("::");
    if !starts_command && !text.contains("##") && !text.chars().any(is_unprintable) {
        return Cow::Borrowed(text);
    }
    let mut out = String::with_capacity(text.len() + 16);
    let mut colon_is_safe = !starts_command;
    for (at, c) in text.char_indices() {
        if c == ':' && !colon_is_safe {
            out.push_str("\\x3a");
            colon_is_safe = true;
        } else if c == '#' && opens_command(&text[at..]) {
            out.push_str("\\x23");
        } else {
            push_printable(&mut out, c);
        }
    }
    Cow::Owned(out)
}

/// [`terminal`], cut after `max` characters with a count of what was left out.
pub fn clipped(text: &str, max: usize) -> Cow<'_, str> {
    let Some((at, _)) = text.char_indices().nth(max) else {
        return terminal(text);
    };
    let left_out = text[at..].chars().count();
    Cow::Owned(format!(
        "{}… ({left_out} characters more)",
        terminal(&text[..at])
    ))
}

/// Text of a live system as HTML text inside Markdown, with no character left that Markdown, HTML or a forge gives a
/// meaning: every character but letters, digits, blanks and `/ - . , ;` is an entity, and `@` and `#` are followed by a
/// zero-width space, so that they mention nobody and refer to nothing.
pub fn markdown(text: &str) -> String {
    entities(text, "&#8203;")
}

/// As [`markdown`], in `<code>` tags, where a forge looks for neither mentions nor references; fit to be copied.
pub fn markdown_code(text: &str) -> String {
    format!("<code>{}</code>", entities(text, ""))
}

/// One line of content for use inside `<pre>`: as [`markdown_code`] without the tags.
pub fn preformatted(text: &str) -> String {
    entities(text, "")
}

fn entities(text: &str, after_sign: &str) -> String {
    let text = terminal(text);
    let mut out = String::with_capacity(text.len() + 16);
    for c in text.chars() {
        match c {
            '/' | '-' | ',' | ';' | ' ' => out.push(c),
            // An unbroken www. would be made a link.
            '.' if !out.ends_with(['w', 'W']) => out.push(c),
            c if c.is_alphanumeric() => out.push(c),
            c => {
                // Writing to a String cannot fail.
                let _ = write!(out, "&#{};", u32::from(c));
                if matches!(c, '@' | '#') {
                    out.push_str(after_sign);
                }
            }
        }
    }
    out
}

/// The message of a GitHub workflow command. Line ends written by us are kept (as `%0A`); live text has to be passed
/// through [`terminal`] before it is put in.
pub fn workflow_message(text: &str) -> String {
    workflow(text, &['%', '\r', '\n'])
}

/// The value of a property of a GitHub workflow command.
pub fn workflow_property(text: &str) -> String {
    workflow(text, &['%', '\r', '\n', ':', ','])
}

fn workflow(text: &str, encoded: &[char]) -> String {
    let mut out = String::with_capacity(text.len() + 16);
    for c in text.chars() {
        if encoded.contains(&c) {
            let _ = write!(out, "%{:02X}", u32::from(c));
        } else {
            push_printable(&mut out, c);
        }
    }
    out
}

/// Makes finished JSON fit for a terminal or CI log, without changing what it says.
///
/// Whatever has to be escaped can only stand inside strings, where `\uNNNN` means the same.
pub fn json(document: &str) -> String {
    let mut out = String::with_capacity(document.len() + 64);
    for (at, c) in document.char_indices() {
        let escaped =
            c != '\n' && (is_unprintable(c) || (c == '#' && opens_command(&document[at..])));
        if escaped {
            for unit in c.encode_utf16(&mut [0; 2]) {
                let _ = write!(out, "\\u{unit:04x}");
            }
        } else {
            out.push(c);
        }
    }
    out
}

/// Plain text for a SARIF message, in which `[text](target)` would be a link.
pub fn sarif(text: &str) -> String {
    terminal(text).replace("](", "]\\x28")
}

fn push_printable(out: &mut String, c: char) {
    match c {
        '\n' => out.push_str("\\n"),
        '\r' => out.push_str("\\r"),
        '\t' => out.push_str("\\t"),
        c if !is_unprintable(c) => out.push(c),
        c if c.is_ascii() => {
            let _ = write!(out, "\\x{:02x}", u32::from(c));
        }
        c => {
            let _ = write!(out, "\\u{{{:x}}}", u32::from(c));
        }
    }
}

/// Controls, and what Unicode has that is invisible or changes the direction or order of writing.
fn is_unprintable(c: char) -> bool {
    c.is_control()
        || matches!(c,
            '\u{ad}' | '\u{34f}' | '\u{61c}' | '\u{115f}' | '\u{1160}' | '\u{17b4}' | '\u{17b5}'
            | '\u{180b}'..='\u{180f}' | '\u{200b}'..='\u{200f}' | '\u{2028}'..='\u{202e}'
            | '\u{2060}'..='\u{206f}' | '\u{3164}' | '\u{fe00}'..='\u{fe0f}' | '\u{feff}'
            | '\u{ffa0}' | '\u{fff0}'..='\u{fffb}' | '\u{fffe}' | '\u{ffff}'
            | '\u{e0000}'..='\u{e0fff}')
}

/// Whether a CI runner would read a command here: `##[`, `##vso[`, `##teamcity[`.
fn opens_command(rest: &str) -> bool {
    rest.strip_prefix("##").is_some_and(|after| {
        after
            .trim_start_matches(|c: char| c.is_ascii_alphabetic())
            .starts_with('[')
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    // Goal: the escapes are readable, and ordinary text in any language stays as it is.
    #[test]
    fn terminal_escapes_are_readable() {
        assert_eq!(terminal("grüße 漢字 ~/x"), "grüße 漢字 ~/x");
        assert_eq!(
            terminal("a\n\x1b[31mb\u{202e}c\u{9b}"),
            "a\\n\\x1b[31mb\\u{202e}c\\u{9b}"
        );
        assert_eq!(clipped("abcdef", 4), "abcd… (2 characters more)");
        assert_eq!(clipped("abcd", 4), "abcd");
    }

    // Goal: no name or line can start a command of GitHub's or Azure's runner, also behind leading blanks.
    #[test]
    fn no_runner_commands() {
        assert_eq!(terminal("  ::error::x"), "  \\x3a:error::x");
        assert_eq!(terminal("a::b"), "a::b");
        assert_eq!(terminal("x ##[add-mask]y"), "x \\x23#[add-mask]y");
        assert_eq!(terminal("###vso[task]"), "#\\x23#vso[task]");
        assert_eq!(terminal("## Heading"), "## Heading");
        assert_eq!(json("\"##[x]\""), "\"\\u0023#[x]\"");
    }

    // Goal: a link, a mention, a reference, a table cell and a tag lose their meaning in Markdown.
    #[test]
    fn markdown_has_no_meaning_left() {
        assert_eq!(markdown("@a #1|"), "&#64;&#8203;a &#35;&#8203;1&#124;");
        assert_eq!(
            markdown_code("<b>`www.x.de` http://x"),
            "<code>&#60;b&#62;&#96;www&#46;x.de&#96; http&#58;//x</code>"
        );
    }

    // Goal: the encodings that GitHub documents for data and properties of workflow commands.
    #[test]
    fn workflow_commands_are_encoded() {
        assert_eq!(workflow_message("50%\r\na:b,c"), "50%25%0D%0Aa:b,c");
        assert_eq!(workflow_property("a:b,c\n"), "a%3Ab%2Cc%0A");
    }

    // Goal: a link in a SARIF message is taken apart.
    #[test]
    fn sarif_messages_hold_no_links() {
        assert_eq!(sarif("[here](http://x)"), "[here]\\x28http://x)");
    }

    proptest! {
        // Goal: whatever goes in, nothing unprintable and no command comes out of any function.
        #[test]
        fn nothing_unprintable_comes_out(text in "(\\PC|\\p{Cc}|\\p{Cf}|[:#@\\[\\]<>|`%w.a-c \n]){0,40}") {
            let plain = terminal(&text);
            let unchanged = terminal(&plain);
            prop_assert_eq!(&unchanged, &plain);
            for out in [plain.as_ref(), &clipped(&text, 7), &markdown(&text), &markdown_code(&text),
                &workflow_message(&text), &workflow_property(&text), &sarif(&text)] {
                prop_assert!(!out.chars().any(is_unprintable), "{out:?}");
            }
            prop_assert!(!plain.trim_start().starts_with("::"));
            let markdown = markdown(&text);
            prop_assert!(!markdown.contains(['<', '>', '@', '|', '`', '*', '_', '[', ']', '\\', '~', '"', '\'']), "{markdown:?}");
            prop_assert!(!markdown.to_ascii_lowercase().contains("www."), "{markdown:?}");
            let property = workflow_property(&text);
            prop_assert!(!property.contains([':', ',']), "{property:?}");
        }

        // Goal: JSON says the same after it was made printable, and is printable.
        #[test]
        fn json_means_the_same(text in "(\\PC|\\p{Cc}|\\p{Cf}|[#\\[\"\\\\]|\u{1F600}){0,40}") {
            let document = serde_json::to_string_pretty(&serde_json::json!({ &text: &text })).unwrap();
            let safe = json(&document);
            prop_assert!(!safe.chars().any(|c| c != '\n' && is_unprintable(c)));
            let (before, after): (serde_json::Value, serde_json::Value) =
                (serde_json::from_str(&document).unwrap(), serde_json::from_str(&safe).unwrap());
            prop_assert_eq!(before, after);
        }
    }
}
