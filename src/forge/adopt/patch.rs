//! What changes in a file, in the form that `git apply` takes.
//!
//! **Invariant:** applied to the old text it gives exactly the new one, whatever either holds.

use std::time::Duration;

use similar::{ChangeTag, TextDiff};

/// How long the smallest difference is looked for; what is found by then is as right, and longer.
const LONGEST_SEARCH: Duration = Duration::from_secs(2);

/// How many unchanged lines are shown around changed ones.
const CONTEXT: usize = 3;

/// A unified diff from `old` to `new` of the file at `path`, relative to the top of the repository; empty when they are
/// the same. The text is not escaped: on a terminal it has to be.
pub fn patch(path: &str, old: &str, new: &str) -> String {
    if old == new {
        return String::new();
    }
    // Lines of our own: elsewhere a carriage return ends one as well, and for git it does not.
    let (old, new): (Vec<_>, Vec<_>) = (
        old.split_inclusive('\n').collect(),
        new.split_inclusive('\n').collect(),
    );
    let diff = TextDiff::configure()
        .timeout(LONGEST_SEARCH)
        .diff_slices(&old, &new);
    let changes: Vec<_> = diff
        .iter_all_changes()
        .map(|change| (change.tag(), change.value()))
        .collect();
    let mut out = format!("--- {}\n+++ {}\n", name("a", path), name("b", path));
    let (mut old_line, mut new_line) = (1, 1);
    for hunk in hunks(&changes) {
        let count = |side| hunk.lines.iter().filter(|(tag, _)| *tag != side).count();
        let (olds, news) = (count(ChangeTag::Insert), count(ChangeTag::Delete));
        old_line += hunk.skipped;
        new_line += hunk.skipped;
        let (from, to) = (range(old_line, olds), range(new_line, news));
        out.push_str(&format!("@@ -{from} +{to} @@\n"));
        for (tag, line) in hunk.lines {
            out.push(match tag {
                ChangeTag::Equal => ' ',
                ChangeTag::Delete => '-',
                ChangeTag::Insert => '+',
            });
            out.push_str(line);
            if !line.ends_with('\n') {
                out.push_str("\n\\ No newline at end of file\n");
            }
        }
        old_line += olds;
        new_line += news;
    }
    out
}

/// A line, and which side it is on.
type Change<'a> = (ChangeTag, &'a str);

/// Changed lines with those around them.
struct Hunk<'a> {
    /// How many unchanged lines lie between the hunk before and this one.
    skipped: usize,
    lines: &'a [Change<'a>],
}

fn hunks<'a>(changes: &'a [Change<'a>]) -> Vec<Hunk<'a>> {
    let mut hunks: Vec<Hunk<'a>> = Vec::new();
    let mut end = 0;
    let changed = |at: &usize| changes[*at].0 != ChangeTag::Equal;
    let mut places = (0..changes.len()).filter(changed).peekable();
    while let Some(first) = places.next() {
        let mut last = first;
        while let Some(next) = places.next_if(|next| next - last <= 2 * CONTEXT + 1) {
            last = next;
        }
        let start = first.saturating_sub(CONTEXT).max(end);
        let stop = (last + 1 + CONTEXT).min(changes.len());
        hunks.push(Hunk {
            skipped: start - end,
            lines: &changes[start..stop],
        });
        end = stop;
    }
    hunks
}

/// The lines of one side, as a hunk's header has them: of none, the line before is named.
fn range(first: usize, count: usize) -> String {
    match count {
        0 => format!("{},0", first - 1),
        count => format!("{first},{count}"),
    }
}

/// A name as git writes it: in quotes where it holds some, and with a tab behind it where a blank could end it.
fn name(side: &str, path: &str) -> String {
    let name = format!("{side}/{path}");
    if name.contains(['"', '\\']) {
        return format!("\"{}\"", name.replace('\\', "\\\\").replace('"', "\\\""));
    }
    match name.contains(' ') {
        true => format!("{name}\t"),
        false => name,
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn applied(path: &str, old: &str, patch: &str) -> String {
        let dir = tempfile::tempdir().unwrap();
        let file = dir.path().join(path);
        std::fs::create_dir_all(file.parent().unwrap()).unwrap();
        std::fs::write(&file, old).unwrap();
        std::fs::write(dir.path().join("the.patch"), patch).unwrap();
        let ran = std::process::Command::new("git")
            .args(["apply", "--whitespace=nowarn", "the.patch"])
            .current_dir(dir.path())
            .env("GIT_CEILING_DIRECTORIES", dir.path().parent().unwrap())
            .env("GIT_CONFIG_GLOBAL", "/dev/null")
            .output()
            .unwrap();
        let said = String::from_utf8_lossy(&ran.stderr).into_owned();
        assert!(ran.status.success(), "{said}\n{patch}");
        std::fs::read_to_string(&file).unwrap()
    }

    // Goal: git itself applies it, also with odd names, no line end at the end, and nothing on one side.
    #[test]
    fn git_applies_it() {
        for path in [
            "a.yaml",
            "dir with blank/a b.yaml",
            "quo\"te\\.yaml",
            "é.yaml",
        ] {
            for (old, new) in [
                ("a\nb\nc\n", "a\nB\nc\n"),
                ("a\nb", "a\nb\n"),
                ("a\r\nb\r\n", "a\r\nb"),
                ("one\n", ""),
                ("\u{1b}[31m\n", "--- x\n+++ y\n@@ -1 +1 @@\n"),
            ] {
                assert_eq!(applied(path, old, &patch(path, old, new)), new);
            }
        }
        assert_eq!(patch("a", "x", "x"), "");
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(32))]
        // Goal: the same for whatever lines an attacker puts into a disclosed file.
        #[test]
        fn git_applies_anything(
            old in prop::collection::vec("[-+@ \\\\ab\r]{0,4}", 1..30),
            new in prop::collection::vec("[-+@ \\\\ab\r]{0,4}", 1..30),
        ) {
            let (old, new) = (old.join("\n"), new.join("\n"));
            prop_assume!(old != new && !old.is_empty());
            prop_assert_eq!(applied("f", &old, &patch("f", &old, &new)), new);
        }
    }
}
