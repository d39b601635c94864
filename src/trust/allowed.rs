//! OpenSSH's allowed_signers format: `principals [options] keytype base64 [comment]`, one key a line.

use jiff::Timestamp;
use jiff::civil::DateTime;
use jiff::tz::TimeZone;
use ssh_key::PublicKey;

use crate::model::{Problem, Problems, Span};

/// The most lines that are read.
const MAX_LINES: usize = 10_000;

/// One key that may sign.
#[derive(Clone, PartialEq, Debug)]
pub struct AllowedSigner {
    /// As written: names or patterns, separated by commas.
    pub principals: String,
    pub key: PublicKey,
    /// From when on the key counts.
    pub valid_after: Option<Timestamp>,
    /// Until when the key counts.
    pub valid_before: Option<Timestamp>,
}

/// All keys that may sign commits.
#[derive(Clone, PartialEq, Debug, Default)]
pub struct AllowedSigners(pub Vec<AllowedSigner>);

impl AllowedSigners {
    /// Reads the file. Certificate authorities are refused rather than passed over, since a file that relies on one
    /// would silently trust nobody it means to.
    ///
    /// # Errors
    /// Every line that cannot be read, with its place.
    pub fn parse(file: &str, text: &str) -> Result<Self, Problems> {
        let mut problems = Problems::default();
        let mut signers = Vec::new();
        for (number, line) in text.lines().enumerate().take(MAX_LINES) {
            let line = line.trim();
            if line.is_empty() || line.starts_with('#') {
                continue;
            }
            match signer(line) {
                Ok(Some(signer)) => signers.push(signer),
                Ok(None) => {}
                Err(message) => problems.push(Problem {
                    at: Some(Span {
                        file: file.to_owned(),
                        line: u32::try_from(number + 1).unwrap_or(u32::MAX),
                        column: 1,
                    }),
                    message,
                    source_line: line.chars().take(240).collect(),
                    hint: Some(
                        "a line is: PRINCIPALS [namespaces=\"git\"] ssh-ed25519 AAAA… [comment]"
                            .to_owned(),
                    ),
                }),
            }
        }
        if problems.is_empty() {
            Ok(Self(signers))
        } else {
            Err(problems)
        }
    }
}

/// One line; none when its key is not for git.
fn signer(line: &str) -> Result<Option<AllowedSigner>, String> {
    let mut words = split(line)?.into_iter().peekable();
    let principals = words.next().ok_or("the line is empty")?;
    let mut signer = Options::default();
    while let Some(word) = words.peek() {
        if is_key_type(word) {
            break;
        }
        let word = words.next().unwrap_or_default();
        for option in options(&word) {
            signer.take(&option)?;
        }
    }
    let kind = words.next().ok_or("the key is missing")?;
    let base64 = words.next().ok_or("the key is missing")?;
    let key = PublicKey::from_openssh(&format!("{kind} {base64}"))
        .map_err(|error| format!("the key cannot be read: {error}"))?;
    Ok(signer.for_git.then(|| AllowedSigner {
        principals: principals.trim_matches('"').to_owned(),
        key,
        valid_after: signer.valid_after,
        valid_before: signer.valid_before,
    }))
}

struct Options {
    for_git: bool,
    valid_after: Option<Timestamp>,
    valid_before: Option<Timestamp>,
}

impl Default for Options {
    fn default() -> Self {
        Self {
            for_git: true,
            valid_after: None,
            valid_before: None,
        }
    }
}

impl Options {
    fn take(&mut self, option: &str) -> Result<(), String> {
        let (name, value) = option.split_once('=').unwrap_or((option, ""));
        let value = value.trim_matches('"');
        match name.to_ascii_lowercase().as_str() {
            "namespaces" => {
                self.for_git = value
                    .split(',')
                    .any(|name| matches_pattern(name.trim(), "git"))
            }
            "valid-after" => self.valid_after = Some(instant(value)?),
            "valid-before" => self.valid_before = Some(instant(value)?),
            "cert-authority" => {
                return Err(
                    "certificate authorities are not supported; list the keys themselves".into(),
                );
            }
            other => return Err(format!("unknown option `{}`", other.escape_debug())),
        }
        Ok(())
    }
}

/// `*` is any run of characters, as far as namespaces need it.
fn matches_pattern(pattern: &str, text: &str) -> bool {
    pattern == text || pattern == "*"
}

fn is_key_type(word: &str) -> bool {
    ["ssh-", "ecdsa-sha2-", "sk-ssh-", "sk-ecdsa-", "rsa-sha2-"]
        .iter()
        .any(|start| word.starts_with(start))
}

/// Splits at blanks outside quotes.
fn split(line: &str) -> Result<Vec<String>, String> {
    let mut words = vec![String::new()];
    let mut quoted = false;
    for c in line.chars() {
        match c {
            '"' => {
                quoted = !quoted;
                if let Some(word) = words.last_mut() {
                    word.push(c);
                }
            }
            c if c.is_whitespace() && !quoted => words.push(String::new()),
            c => {
                if let Some(word) = words.last_mut() {
                    word.push(c);
                }
            }
        }
    }
    if quoted {
        return Err("a quote is not closed".into());
    }
    words.retain(|word| !word.is_empty());
    Ok(words)
}

/// Splits options at commas outside quotes.
fn options(word: &str) -> Vec<String> {
    let mut parts = vec![String::new()];
    let mut quoted = false;
    for c in word.chars() {
        match c {
            ',' if !quoted => parts.push(String::new()),
            c => {
                quoted ^= c == '"';
                if let Some(part) = parts.last_mut() {
                    part.push(c);
                }
            }
        }
    }
    parts
}

/// `YYYYMMDD[Z]` or `YYYYMMDDHHMM[SS][Z]`. Times are read as UTC with or without the `Z`: what a key is good for must
/// not depend on the machine that asks.
fn instant(text: &str) -> Result<Timestamp, String> {
    let wrong = || {
        format!(
            "`{}` is no time such as 20261124 or 202611240830Z",
            text.escape_debug()
        )
    };
    let digits = text.strip_suffix('Z').unwrap_or(text);
    if !digits.bytes().all(|b| b.is_ascii_digit()) || !matches!(digits.len(), 8 | 12 | 14) {
        return Err(wrong());
    }
    let part = |from: usize, to: usize| -> i8 {
        digits
            .get(from..to)
            .and_then(|part| part.parse().ok())
            .unwrap_or(0)
    };
    let year: i16 = digits[..4].parse().map_err(|_| wrong())?;
    DateTime::new(
        year,
        part(4, 6),
        part(6, 8),
        part(8, 10),
        part(10, 12),
        part(12, 14),
        0,
    )
    .ok()
    .and_then(|time| time.to_zoned(TimeZone::UTC).ok())
    .map(|time| time.timestamp())
    .ok_or_else(wrong)
}

#[cfg(test)]
mod tests {
    use super::*;

    const KEY: &str =
        "ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIB9dG4kjRhQTtWTVzd2t27+t0DEHBPW7iOD23TUiYLio";

    fn parse(line: &str) -> Result<AllowedSigners, Problems> {
        AllowedSigners::parse("signers", line)
    }

    // Goal: the forms that ssh-keygen(1) documents are read, and a key for another purpose does not sign commits.
    #[test]
    fn documented_forms() {
        let full = format!(
            "a@b.example,c@d.example namespaces=\"git,file\",valid-before=\"20270101\" {KEY} note"
        );
        let signers = parse(&full).unwrap();
        assert_eq!(signers.0[0].principals, "a@b.example,c@d.example");
        assert_eq!(
            signers.0[0].valid_before.unwrap().to_string(),
            "2027-01-01T00:00:00Z"
        );
        assert_eq!(
            parse(&format!("a namespaces=\"file\" {KEY}")).unwrap().0,
            []
        );
        assert_eq!(
            parse(&format!("# comment\n\na {KEY}\n")).unwrap().0.len(),
            1
        );
    }

    // Goal: what is not understood is an error with its line, never a signer more or less.
    #[test]
    fn unknown_is_an_error() {
        for bad in [
            "a ssh-ed25519 nonsense",
            "a",
            &format!("a cert-authority {KEY}"),
            &format!("a frobnicate=\"1\" {KEY}"),
            &format!("a valid-after=\"tomorrow\" {KEY}"),
            &format!("a namespaces=\"git {KEY}"),
        ] {
            let problems = parse(&format!("\n{bad}")).unwrap_err();
            assert_eq!(problems.0[0].at.as_ref().unwrap().line, 2, "{bad}");
        }
    }
}
