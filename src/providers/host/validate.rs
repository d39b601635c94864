//! Runs the command that judges a new file before it takes its place.
//!
//! **Invariant:** no shell, no inherited environment, no input; the command and all that it started are gone afterwards.

use std::path::Path;
use std::time::Duration;

use super::path::escape;
use super::tool::{self, Call};

/// How long a command may take.
const LIMIT: Duration = Duration::from_secs(30);
/// How much of its output is read.
const MAX_OUTPUT: u64 = 4 << 10;

/// Runs a command on a file. `{}` and `%s` in its arguments stand for the file's path.
///
/// # Errors
/// A sentence: it could not be started, took too long, or said no, with the first line of what it said unless it is to
/// be quiet.
pub fn run(argv: &[String], file: &Path, is_quiet: bool) -> Result<(), String> {
    let Some((program, arguments)) = argv.split_first() else {
        return Ok(());
    };
    let shown = escape(program.as_bytes());
    let call = Call {
        program,
        arguments: arguments.iter().map(|word| fill(word, file)).collect(),
        input: Vec::new(),
        limit: LIMIT,
        max_output: MAX_OUTPUT,
    };
    let said = tool::run(call)?;
    match said.succeeded {
        true => Ok(()),
        false if is_quiet => Err(format!(
            "{shown} refused the new content; what it said is not shown, since the file is sensitive"
        )),
        false => Err(match said.first_line() {
            Some(line) => format!("{shown} refused the new content: {line}"),
            None => format!("{shown} refused the new content"),
        }),
    }
}

fn fill(argument: &str, file: &Path) -> std::ffi::OsString {
    use std::os::unix::ffi::{OsStrExt, OsStringExt};
    let path = file.as_os_str().as_bytes();
    let mut filled = Vec::new();
    let mut rest = argument.as_bytes();
    while let Some(byte) = rest.first() {
        if rest.starts_with(b"{}") || rest.starts_with(b"%s") {
            filled.extend_from_slice(path);
            rest = &rest[2..];
        } else {
            filled.push(*byte);
            rest = &rest[1..];
        }
    }
    std::ffi::OsString::from_vec(filled)
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::time::Instant;

    fn argv(words: &[&str]) -> Vec<String> {
        words.iter().map(|word| (*word).to_owned()).collect()
    }

    // Goal: the command sees the file, a clean environment and no input, and its answer is what counts.
    #[test]
    fn the_answer_counts() {
        let temp = tempfile::NamedTempFile::new().unwrap();
        std::fs::write(temp.path(), "good").unwrap();
        let script =
            "test \"$(cat %s)\" = good && test -z \"$HOME\" && test \"$PWD\" = / && ! read line";
        assert_eq!(
            run(&argv(&["/bin/sh", "-c", script]), temp.path(), false),
            Ok(())
        );
        assert_eq!(
            run(&argv(&["/usr/bin/test", "-f", "{}"]), temp.path(), false),
            Ok(())
        );
        let no = run(
            &argv(&["/bin/sh", "-c", "printf 'bad\\033[31m line\\n' >&2; exit 1"]),
            temp.path(),
            false,
        );
        assert_eq!(
            no.unwrap_err(),
            "/bin/sh refused the new content: bad\\x1b[31m line"
        );
        assert!(run(&argv(&["/no/such/program"]), temp.path(), false).is_err());
    }

    // Goal: a command that leaves a child with our pipes behind, or talks without end, holds nobody up.
    #[test]
    fn leftovers_do_not_hold_up() {
        let temp = tempfile::NamedTempFile::new().unwrap();
        let start = Instant::now();
        let loud = "sleep 60 & head -c 10000000 /dev/zero; exit 0";
        assert_eq!(
            run(&argv(&["/bin/sh", "-c", loud]), temp.path(), false),
            Ok(())
        );
        assert!(start.elapsed() < Duration::from_secs(10));
    }
}
