//! Colours and the page that text is written on.
//!
//! **Invariant:** without `colour` not one escape sequence is written.

use anstyle::{AnsiColor, Effects};

/// How text is written; the command line decides it by the terminal and its options.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Style {
    pub colour: bool,
    /// Whether a person reads this at their own terminal, so that content is shown unless it is sensitive. False in CI.
    pub show_content: bool,
    /// Columns that sentences are wrapped at; 0 for never.
    pub width: usize,
    /// Shows every drift and every line.
    pub verbose: bool,
}

/// What a piece of text is, which decides its colour.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(in crate::report) enum Ink {
    Plain,
    Title,
    Good,
    Bad,
    Warn,
    Faint,
    Old,
    New,
    OldMark,
    NewMark,
    Hunk,
}

/// Text in the making.
pub(in crate::report) struct Page {
    out: String,
    pub style: Style,
}

impl Ink {
    fn style(self) -> anstyle::Style {
        let colour = |colour: AnsiColor| anstyle::Style::new().fg_color(Some(colour.into()));
        match self {
            Self::Plain => anstyle::Style::new(),
            Self::Title => anstyle::Style::new().bold(),
            Self::Good => colour(AnsiColor::Green),
            Self::Bad => colour(AnsiColor::Red).bold(),
            Self::Warn => colour(AnsiColor::Yellow),
            Self::Faint => anstyle::Style::new().dimmed(),
            Self::Old => colour(AnsiColor::Red),
            Self::New => colour(AnsiColor::Green),
            Self::OldMark => colour(AnsiColor::Red).effects(Effects::INVERT),
            Self::NewMark => colour(AnsiColor::Green).effects(Effects::INVERT),
            Self::Hunk => colour(AnsiColor::Cyan),
        }
    }
}

impl Page {
    pub fn new(style: Style) -> Self {
        Self {
            out: String::new(),
            style,
        }
    }

    /// Writes text that is escaped already.
    pub fn put(&mut self, ink: Ink, text: &str) {
        if self.style.colour && ink != Ink::Plain && !text.is_empty() {
            let style = ink.style();
            self.out
                .push_str(&format!("{style}{text}{}", style.render_reset()));
        } else {
            self.out.push_str(text);
        }
    }

    /// Ends the line.
    pub fn end(&mut self) {
        self.out.push('\n');
    }

    /// Writes a line of one colour.
    pub fn line(&mut self, ink: Ink, text: &str) {
        self.put(ink, text);
        self.end();
    }

    /// Writes a heading after an empty line.
    pub fn heading(&mut self, ink: Ink, text: &str) {
        self.end();
        self.line(ink, text);
    }

    /// Writes `label  sentence`, the sentence wrapped and its further lines under its first.
    pub fn labelled(&mut self, indent: usize, label: &str, width: usize, ink: Ink, sentence: &str) {
        let column = indent + width + 2;
        self.put(Ink::Plain, &" ".repeat(indent));
        self.put(Ink::Faint, label);
        let gap = (width + 2).saturating_sub(label.chars().count()).max(2);
        self.put(Ink::Plain, &" ".repeat(gap));
        for (i, part) in wrapped(sentence, self.style.width, column)
            .into_iter()
            .enumerate()
        {
            if i > 0 {
                self.put(Ink::Plain, &" ".repeat(column));
            }
            self.line(ink, &part);
        }
    }

    pub fn finish(self) -> String {
        self.out
    }
}

/// Breaks a sentence at blanks, so that it and `column` blanks before it fit into `width` columns.
fn wrapped(sentence: &str, width: usize, column: usize) -> Vec<String> {
    // Below 24 columns wrapped text is harder to read than what the terminal makes of a long line.
    let room = match width.saturating_sub(column) {
        room if width > 0 && room >= 24 => room,
        _ => return vec![sentence.to_owned()],
    };
    let mut lines = vec![String::new()];
    for word in sentence.split(' ') {
        let line = lines.last_mut().expect("there is always one line");
        let length = line.chars().count() + 1 + word.chars().count();
        if line.is_empty() {
            line.push_str(word);
        } else if length <= room {
            line.push(' ');
            line.push_str(word);
        } else {
            lines.push(word.to_owned());
        }
    }
    lines
}

#[cfg(test)]
mod tests {
    use super::*;

    // Goal: wrapping loses no word and keeps to the width; a terminal that is too narrow gets whole lines.
    #[test]
    fn wraps_at_blanks() {
        let sentence = "the plan changes 120 resources, and guard.max_changes is 100";
        let lines = wrapped(sentence, 40, 10);
        assert!(
            lines.iter().all(|line| line.chars().count() <= 30),
            "{lines:?}"
        );
        assert_eq!(lines.join(" "), sentence);
        assert_eq!(wrapped(sentence, 30, 10), [sentence]);
        assert_eq!(wrapped(sentence, 0, 10), [sentence]);
    }
}
