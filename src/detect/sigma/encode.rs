//! What modifiers make of a value before it is looked for: other encodings, other dashes.

use super::text::{Pattern, Piece};

const ALPHABET: &[u8; 64] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";

/// The dashes that Windows takes for one another.
const DASHES: [char; 5] = ['-', '/', '\u{2013}', '\u{2014}', '\u{2015}'];

/// A form of UTF-16.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) enum Utf16 {
    Little,
    Big,
    /// Little-endian behind a byte order mark.
    Marked,
}

/// The bytes of a text in UTF-16.
pub(super) fn utf16(text: &str, form: Utf16) -> Vec<u8> {
    let mut bytes = match form {
        Utf16::Marked => vec![0xff, 0xfe],
        Utf16::Little | Utf16::Big => Vec::new(),
    };
    for unit in text.encode_utf16() {
        bytes.extend(match form {
            Utf16::Big => unit.to_be_bytes(),
            Utf16::Little | Utf16::Marked => unit.to_le_bytes(),
        });
    }
    bytes
}

/// Base64 with padding.
pub(super) fn base64(bytes: &[u8]) -> String {
    let mut out = String::with_capacity(bytes.len().div_ceil(3) * 4);
    for chunk in bytes.chunks(3) {
        let mut group = [0u8; 3];
        group[..chunk.len()].copy_from_slice(chunk);
        let bits = u32::from_be_bytes([0, group[0], group[1], group[2]]);
        for place in 0..4 {
            match place <= chunk.len() {
                true => out.push(ALPHABET[(bits >> (18 - 6 * place)) as usize & 63] as char),
                false => out.push('='),
            }
        }
    }
    out
}

/// What of the Base64 of a text that holds `bytes` somewhere is the same whatever stands before and behind: one for each of
/// the three places at which they may begin. Those that nothing is left of are not there.
pub(super) fn base64_offsets(bytes: &[u8]) -> Vec<String> {
    let mut out = Vec::new();
    for before in 0..3 {
        let mut shifted = vec![0; before];
        shifted.extend_from_slice(bytes);
        let encoded = base64(&shifted);
        let start = [0, 2, 3][before];
        // The last character of an open group also holds bits of what follows.
        let end = encoded.len() - [0, 3, 2][shifted.len() % 3];
        if start < end {
            out.push(encoded[start..end].to_owned());
        }
    }
    out
}

/// Every way to write the dashes that begin an option: one before a word and not behind one. None when there would be
/// more than `most`.
pub(super) fn windash(pattern: &Pattern, most: usize) -> Option<Vec<Pattern>> {
    let mut made = vec![Pattern::default()];
    let mut before: Option<char> = None;
    let pieces = &pattern.0;
    for piece in pieces {
        let Piece::Plain(text) = piece else {
            made.iter_mut()
                .for_each(|pattern| pattern.0.push(piece.clone()));
            before = None;
            continue;
        };
        let mut plain = String::new();
        let mut chars = text.chars().peekable();
        while let Some(c) = chars.next() {
            let begins_option = DASHES.contains(&c)
                && !before.is_some_and(is_word)
                && chars.peek().copied().is_some_and(is_word);
            before = Some(c);
            if !begins_option {
                plain.push(c);
                continue;
            }
            if made.len() * DASHES.len() > most {
                return None;
            }
            let text = std::mem::take(&mut plain);
            made = made
                .iter()
                .flat_map(|pattern| {
                    DASHES.iter().map(|dash| {
                        let mut pattern = pattern.clone();
                        append(&mut pattern, &text);
                        append(&mut pattern, dash.encode_utf8(&mut [0; 4]));
                        pattern
                    })
                })
                .collect();
        }
        made.iter_mut().for_each(|pattern| append(pattern, &plain));
    }
    Some(made)
}

fn append(pattern: &mut Pattern, text: &str) {
    match pattern.0.last_mut() {
        _ if text.is_empty() => {}
        Some(Piece::Plain(plain)) => plain.push_str(text),
        _ => pattern.0.push(Piece::Plain(text.to_owned())),
    }
}

fn is_word(c: char) -> bool {
    c.is_alphanumeric() || c == '_'
}

#[cfg(test)]
mod tests {
    use super::*;

    // Goal: the vectors of RFC 4648; a slip in the padding would make every encoded value miss.
    #[test]
    fn base64_is_that_of_the_rfc() {
        for (text, encoded) in [
            ("", ""),
            ("f", "Zg=="),
            ("fo", "Zm8="),
            ("foo", "Zm9v"),
            ("foobar", "Zm9vYmFy"),
        ] {
            assert_eq!(base64(text.as_bytes()), encoded);
        }
    }

    // Goal: wherever a text stands in another, one of its three forms stands in the Base64 of that.
    #[test]
    fn an_offset_is_found_in_any_surroundings() {
        for needle in ["a", "ab", "/bin/bash", "http://"] {
            let forms = base64_offsets(needle.as_bytes());
            for before in ["", "x", "xy", "xyz", "\u{ff}\u{ff}"] {
                for after in ["", "z", "zz", "\u{ff}\u{ff}\u{ff}"] {
                    let whole = base64(format!("{before}{needle}{after}").as_bytes());
                    let found = forms.iter().any(|form| whole.contains(form.as_str()));
                    // A single byte that straddles two characters leaves nothing to look for.
                    assert!(found || needle.len() == 1, "{needle} in {whole}: {forms:?}");
                }
            }
        }
    }

    // Goal: both dashes that begin an option are varied, and one inside a word is not.
    #[test]
    fn dashes_inside_words_stay() {
        let made = windash(&Pattern::plain("/out well-known -x"), 100).unwrap();
        assert_eq!(made.len(), 25);
        assert!(made.contains(&Pattern::plain("-out well-known \u{2014}x")));
        assert!(windash(&Pattern::plain("-a -b -c"), 100).is_none());
    }
}
