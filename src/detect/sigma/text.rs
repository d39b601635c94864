//! Texts of rules: wildcards and their escapes, and the patterns that they come to.

/// A piece of a text in a rule.
#[derive(Clone, PartialEq, Eq, Debug)]
pub(super) enum Piece {
    Plain(String),
    /// `*`: any number of any characters, ends of lines too.
    Many,
    /// `?`: exactly one character.
    One,
}

/// A text of a rule, taken apart.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub(super) struct Pattern(pub Vec<Piece>);

/// Where in a value a pattern has to stand.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug)]
pub(super) enum Anchor {
    Whole,
    Start,
    End,
    Anywhere,
}

impl Pattern {
    /// Reads wildcards; a backslash takes the meaning of a `*`, a `?` or a backslash behind it, and is itself otherwise.
    pub fn parse(text: &str) -> Self {
        let mut pattern = Self::default();
        let mut chars = text.chars().peekable();
        while let Some(c) = chars.next() {
            match (c, chars.peek().copied()) {
                ('\\', Some(next @ ('*' | '?' | '\\'))) => {
                    chars.next();
                    pattern.push(next);
                }
                ('*', _) => pattern.0.push(Piece::Many),
                ('?', _) => pattern.0.push(Piece::One),
                _ => pattern.push(c),
            }
        }
        pattern
    }

    /// A text without wildcards.
    pub fn plain(text: impl Into<String>) -> Self {
        let text = text.into();
        match text.is_empty() {
            true => Self::default(),
            false => Self(vec![Piece::Plain(text)]),
        }
    }

    fn push(&mut self, c: char) {
        match self.0.last_mut() {
            Some(Piece::Plain(text)) => text.push(c),
            _ => self.0.push(Piece::Plain(c.to_string())),
        }
    }

    /// The text, where there is no wildcard in it.
    pub fn as_plain(&self) -> Option<&str> {
        match self.0.as_slice() {
            [] => Some(""),
            [Piece::Plain(text)] => Some(text),
            _ => None,
        }
    }

    /// The same for a place in the value: what `*` at an end says already becomes the anchor.
    pub fn anchored(mut self, anchor: Anchor) -> (Self, Anchor) {
        let mut from_start = matches!(anchor, Anchor::Whole | Anchor::Start);
        let mut to_end = matches!(anchor, Anchor::Whole | Anchor::End);
        while self.0.first() == Some(&Piece::Many) {
            self.0.remove(0);
            from_start = false;
        }
        while self.0.last() == Some(&Piece::Many) {
            self.0.pop();
            to_end = false;
        }
        let anchor = match (from_start, to_end) {
            (true, true) => Anchor::Whole,
            (true, false) => Anchor::Start,
            (false, true) => Anchor::End,
            (false, false) => Anchor::Anywhere,
        };
        (self, anchor)
    }

    /// As a regular expression in which `.` is any character.
    pub fn regex(&self, anchor: Anchor) -> String {
        let mut out = String::new();
        if matches!(anchor, Anchor::Whole | Anchor::Start) {
            out.push_str(r"\A");
        }
        for piece in &self.0 {
            match piece {
                Piece::Plain(text) => escape(text, &mut out),
                Piece::Many => out.push_str(".*"),
                Piece::One => out.push('.'),
            }
        }
        if matches!(anchor, Anchor::Whole | Anchor::End) {
            out.push_str(r"\z");
        }
        out
    }
}

/// Takes the meaning that a regular expression would find away from every character.
fn escape(text: &str, out: &mut String) {
    for c in text.chars() {
        if r"\.+*?()|[]{}^$#&-~".contains(c) {
            out.push('\\');
        }
        out.push(c);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    // Goal: a backslash that escapes nothing stays, and one that does goes; else paths of Windows mean something else.
    #[test]
    fn a_backslash_escapes_only_what_is_special() {
        assert_eq!(Pattern::parse(r"C:\Temp").as_plain(), Some(r"C:\Temp"));
        assert_eq!(Pattern::parse(r"a\*b\?c\\d").as_plain(), Some(r"a*b?c\d"));
        assert_eq!(
            Pattern::parse(r"a\\*").0,
            [Piece::Plain("a\\".to_owned()), Piece::Many]
        );
        assert_eq!(Pattern::parse(r"end\").as_plain(), Some(r"end\"));
    }

    // Goal: wildcards at the ends and modifiers are one thing, so that `|startswith: 'a*b'` is not held to the end.
    #[test]
    fn wildcards_at_the_ends_are_anchors() {
        let (pattern, anchor) = Pattern::parse("*a*b").anchored(Anchor::Whole);
        assert_eq!(
            (pattern.regex(anchor).as_str(), anchor),
            (r"a.*b\z", Anchor::End)
        );
        let (pattern, anchor) = Pattern::parse("a*b").anchored(Anchor::Start);
        assert_eq!(pattern.regex(anchor), r"\Aa.*b");
    }
}
