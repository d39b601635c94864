use super::*;
use crate::report::samples;

const TERMINAL: Style = Style {
    colour: false,
    show_content: true,
    width: 100,
    verbose: false,
};

fn plain(report: &RunReport) -> String {
    render(report, &TERMINAL)
}

// Goal: what a person reads stays the same: a plan with everything in it, on their own terminal.
#[test]
fn a_plan() {
    insta::assert_snapshot!(plain(&samples::mixed()));
}

// Goal: the same plan in a CI log, where contents are sizes and digests.
#[test]
fn a_plan_in_ci() {
    let style = Style {
        show_content: false,
        width: 0,
        ..TERMINAL
    };
    insta::assert_snapshot!(render(&samples::mixed(), &style));
}

// Goal: a target out of reach is one line for each reason, however many resources it has; what could not be read on a
// target that was reached is named one by one.
#[test]
fn targets_out_of_reach() {
    insta::assert_snapshot!(plain(&samples::out_of_reach(150)));
}

// Goal: colours stand where they should, changed words included. Method: escape sequences made visible.
#[test]
fn a_plan_in_colour() {
    let style = Style {
        colour: true,
        ..TERMINAL
    };
    let text = render(&samples::mixed(), &style).replace('\u{1b}', "␛");
    insta::assert_snapshot!(text);
}

// Goal: every sort of outcome is told in words that say what is there now.
#[test]
fn a_reconcile() {
    insta::assert_snapshot!(plain(&samples::troubled()));
}

// Goal: short reports are short.
#[test]
fn short_reports() {
    let all = [
        plain(&samples::clean()),
        plain(&samples::undone()),
        plain(&samples::reconciled())
            .lines()
            .take(12)
            .collect::<Vec<_>>()
            .join("\n"),
    ];
    insta::assert_snapshot!(all.join("\n=====\n"));
}

// Goal: 10,000 drifts are counted and not printed, the reason that all have in common is said once with its hint, and
// -v shows all of them.
#[test]
fn many_drifts_are_counted() {
    let report = samples::many(10_000);
    let text = plain(&report);
    assert!(text.lines().count() < 400, "{}", text.lines().count());
    assert!(text.contains("and 9,950 more: 9,950 File changed (-v shows all)"));
    assert_eq!(text.matches("hint").count(), 1);
    assert!(text.contains("10,000 groups: the target's mode is observe"));
    let style = Style {
        verbose: true,
        ..TERMINAL
    };
    assert!(render(&report, &style).contains("app-09999"));
}

// Goal: a refusal is said with its figures.
#[test]
fn a_refusal() {
    let text = plain(&samples::refused());
    let tail: Vec<_> = text.lines().rev().take(8).collect();
    let tail: Vec<_> = tail.into_iter().rev().collect();
    insta::assert_snapshot!(tail.join("\n"));
}
