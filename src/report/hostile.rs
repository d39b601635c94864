//! What holds for every format at once: nothing undisclosed, nothing unprintable, no command for a CI runner.

use super::samples::{self, DISCLOSED, SENSITIVE, UNDISCLOSED};
use super::{Style, annotations, json, junit, markdown, sarif, text};
use crate::model::{Digest, RunReport};

const CI: Style = Style {
    colour: false,
    show_content: false,
    width: 100,
    verbose: true,
};

fn runs() -> Vec<(&'static str, RunReport)> {
    vec![
        ("mixed", samples::mixed()),
        ("troubled", samples::troubled()),
        ("reconciled", samples::reconciled()),
        ("approval", samples::approval()),
        ("undone", samples::undone()),
    ]
}

fn published(report: &RunReport) -> Vec<(&'static str, String)> {
    vec![
        ("text", text::render(report, &CI)),
        ("json", json::render(report, 2)),
        ("sarif", sarif::render(report, 2)),
        ("junit", junit::render(report)),
        ("markdown", markdown::render(report)),
        ("annotations", annotations::render(report)),
    ]
}

// Goal: content planted in a managed file, in an extra file, in a key and in a sensitive file comes out of no format that
// anyone may read; neither does a bare digest, by which a guess could be confirmed.
#[test]
fn undisclosed_content_is_published_nowhere() {
    for (run, report) in runs() {
        let digest = Digest::of(format!("{SENSITIVE}-new").as_bytes()).to_string();
        for (format, out) in published(&report) {
            for planted in [UNDISCLOSED, SENSITIVE, &digest, &digest[..12]] {
                assert!(
                    !out.contains(planted),
                    "{run} as {format} has {planted}: {out}"
                );
            }
        }
    }
}

// Goal: the same search finds what may be shown, so that it can find something: disclosed content in CI, other content on
// a person's terminal, and sensitive content not even there.
#[test]
fn what_may_be_seen_is_shown() {
    let report = samples::mixed();
    let person = Style {
        show_content: true,
        ..CI
    };
    let own = text::render(&report, &person);
    assert!(own.contains(UNDISCLOSED) && own.contains(DISCLOSED));
    assert!(!own.contains(SENSITIVE), "{own}");
    for (format, out) in published(&report) {
        let has_diffs = ["text", "json", "markdown"].contains(&format);
        assert_eq!(out.contains(DISCLOSED), has_diffs, "{format}: {out}");
    }
}

// Goal: no escape sequence, no other control character and no change of direction reaches any output.
#[test]
fn everything_is_printable() {
    for (run, report) in runs() {
        for (format, out) in published(&report) {
            let odd = out.chars().find(|c| {
                (c.is_control() && *c != '\n')
                    || matches!(c, '\u{200b}'..='\u{200f}' | '\u{2028}'..='\u{202e}' | '\u{2066}'..='\u{2069}')
            });
            assert_eq!(odd, None, "{run} as {format}");
        }
    }
}

// Goal: what goes to a CI log starts no command of its runner. Method: look for commands where GitHub's runner does: at the
// start of a line behind blanks, and anywhere for the older form.
#[test]
fn no_line_is_a_command() {
    for (run, report) in runs() {
        for (format, out) in published(&report) {
            assert!(
                !out.contains("##[") && !out.contains("##vso["),
                "{run} as {format}"
            );
            let ours = format == "annotations";
            for line in out
                .lines()
                .filter(|line| line.trim_start().starts_with("::"))
            {
                assert!(
                    ours && !line.starts_with("::error file=a"),
                    "{run} as {format}: {line}"
                );
            }
        }
    }
}
