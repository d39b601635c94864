//! What the texts of a host load into every program, and which modules decide who is let in.
//!
//! **Invariant:** pure, and an upper bound: a line that cannot be understood is told, never skipped.

use crate::providers::host::path::escape;

/// The longest line that is told, in bytes.
const MAX_LINE: usize = 200;

/// One line that counts.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Debug)]
pub struct Line {
    pub number: usize,
    /// Escaped, without blanks around it.
    pub text: String,
}

/// What the dynamic linker loads for a text of `ld.so.preload`.
pub fn libraries(text: &[u8]) -> Vec<String> {
    let lines = text.split(|byte| *byte == b'\n');
    let code = lines.map(|line| line.split(|byte| *byte == b'#').next().unwrap_or_default());
    code.flat_map(|line| line.split(|byte| b" \t:\r\x0b\x0c".contains(byte)))
        .filter(|word| !word.is_empty())
        .map(|word| escape(cut(word)))
        .collect()
}

/// The lines that name a variable of the dynamic linker, by whatever syntax sets it.
pub fn variables(text: &[u8]) -> Vec<Line> {
    let mut found = Vec::new();
    let mut goes_on = false;
    for (at, line) in text.split(|byte| *byte == b'\n').enumerate() {
        let line = line.trim_ascii();
        // What goes on from the line before may be no comment.
        let is_comment = line.starts_with(b"#") && !goes_on;
        goes_on = line.ends_with(b"\\");
        if !is_comment && names_the_linker(line) {
            found.push(Line {
                number: at + 1,
                text: escape(cut(line)),
            });
        }
    }
    found
}

fn names_the_linker(line: &[u8]) -> bool {
    let starts = |name: &[u8], at: usize| {
        let before = at.checked_sub(1).and_then(|at| line.get(at));
        line[at..].starts_with(name)
            && !before.is_some_and(|byte| byte.is_ascii_alphanumeric() || *byte == b'_')
    };
    (0..line.len()).any(|at| starts(b"LD_", at) || starts(b"GLIBC_TUNABLES", at))
}

/// What a line of PAM asks for.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Debug)]
pub enum Asked {
    /// A module, as it is written.
    Module(String),
    /// Another file, as it is written.
    File(String),
    /// Nobody knows.
    Unclear,
}

/// The modules and files that a file of `/etc/pam.d` asks for, with the numbers of their lines.
pub fn pam(text: &[u8]) -> Vec<(usize, Asked)> {
    let mut asked = Vec::new();
    let (mut joined, mut first) = (Vec::new(), 1);
    for (at, line) in text.split(|byte| *byte == b'\n').enumerate() {
        if joined.is_empty() {
            first = at + 1;
        }
        match line.strip_suffix(b"\\") {
            Some(start) => {
                joined.extend_from_slice(start);
                joined.push(b' ');
            }
            None => {
                joined.extend_from_slice(line);
                asked.extend(asked_by(&joined).map(|asked| (first, asked)));
                joined.clear();
            }
        }
    }
    asked.extend(asked_by(&joined).map(|asked| (first, asked)));
    asked
}

fn asked_by(line: &[u8]) -> Option<Asked> {
    let code = line.split(|byte| *byte == b'#').next()?.trim_ascii();
    if code.is_empty() {
        return None;
    }
    let (word, rest) = word_of(code);
    if word == b"@include" {
        return Some(Asked::File(escape(cut(word_of(rest).0))));
    }
    let kind = word.strip_prefix(b"-").unwrap_or(word).to_ascii_lowercase();
    let kinds: [&[u8]; 4] = [b"auth", b"account", b"password", b"session"];
    let (control, rest) = match rest.first() {
        Some(b'[') => match rest.iter().position(|byte| *byte == b']') {
            Some(end) => (&rest[..=end], rest[end + 1..].trim_ascii()),
            None => return Some(Asked::Unclear),
        },
        _ => word_of(rest),
    };
    let (target, _) = word_of(rest);
    if !kinds.contains(&&kind[..]) || target.is_empty() {
        return Some(Asked::Unclear);
    }
    let target = escape(cut(target));
    let control = control.to_ascii_lowercase();
    Some(match control == b"include" || control == b"substack" {
        true => Asked::File(target),
        false => Asked::Module(target),
    })
}

fn word_of(text: &[u8]) -> (&[u8], &[u8]) {
    let text = text.trim_ascii();
    let end = text.iter().position(u8::is_ascii_whitespace);
    let (word, rest) = text.split_at(end.unwrap_or(text.len()));
    (word, rest.trim_ascii())
}

fn cut(text: &[u8]) -> &[u8] {
    &text[..text.len().min(MAX_LINE)]
}

#[cfg(test)]
mod tests {
    use super::*;

    // Goal: what the linker would load is told whatever parts the words, and comments are not.
    #[test]
    fn libraries_are_words() {
        let text = b"# none\n/lib/a.so:/lib/b.so\t/tmp/\x1b.so # x\n\n";
        assert_eq!(libraries(text), ["/lib/a.so", "/lib/b.so", "/tmp/\\x1b.so"]);
    }

    // Goal: a variable is found in each syntax that sets one, a comment after a line that goes on included, and no other
    // name that merely ends alike.
    #[test]
    fn variables_are_found_in_any_syntax() {
        let text = b"#LD_PRELOAD=x\nPATH=/bin\nBUILD_LD_X=1\nexport LD_PRELOAD=/tmp/x.so\nDefaultEnvironment=\"LD_AUDIT=/x\"\nA=\\\n#;LD_DEBUG=1\nGLIBC_TUNABLES=x\nLD_AUDIT DEFAULT=/y";
        let numbers: Vec<_> = variables(text).iter().map(|line| line.number).collect();
        assert_eq!(numbers, [4, 5, 7, 8, 9]);
    }

    // Goal: modules are found behind any control and across lines, included files are told apart, and what PAM might read
    // differently is told and not skipped.
    #[test]
    fn pam_is_read() {
        let text = b"# x\nauth [success=1 default=ignore] pam_unix.so nullok\n-session optional \\\n pam_x.so\n@include common-auth\nauth substack other\nAUTH required /tmp/pam_e.so\nauth [broken pam_y.so\nwhat required pam_z.so\nauth\n";
        let module = |name: &str| Asked::Module(name.into());
        let file = |name: &str| Asked::File(name.into());
        assert_eq!(
            pam(text),
            [
                (2, module("pam_unix.so")),
                (3, module("pam_x.so")),
                (5, file("common-auth")),
                (6, file("other")),
                (7, module("/tmp/pam_e.so")),
                (8, Asked::Unclear),
                (9, Asked::Unclear),
                (10, Asked::Unclear),
            ]
        );
    }

    proptest::proptest! {
        // Goal: no bytes whatever stop the readers, and what they tell is printable.
        #[test]
        fn any_bytes(bytes: Vec<u8>) {
            let told = format!("{:?}", (libraries(&bytes), variables(&bytes), pam(&bytes)));
            proptest::prop_assert!(!told.chars().any(char::is_control));
        }
    }
}
