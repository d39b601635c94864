//! One value of an item, under its modifiers, as comparisons of the engine of which one has to hold.

use rsigma_parser::{
    Detection, DetectionItem, FieldSpec, Modifier, SigmaString, SigmaValue, StringPart,
};

use super::encode;
use super::modifiers::{Comparison, Modifiers, Operation, Transform};
use super::reading::Reading;
use super::text::{Anchor, Pattern};
use super::view::SCALAR;
use crate::document::{Yaml, YamlValue};

/// The most that one value may come to.
const MAX_FORMS: usize = 3125;
/// The longest regular expression, in bytes.
const MAX_REGEX: usize = 4096;
/// The greatest whole number that the engine's comparisons tell from its neighbours.
const MAX_EXACT: i64 = 1 << 53;

/// One comparison of the engine.
#[derive(Clone, PartialEq, Debug)]
pub(super) struct Piece {
    pub modifiers: Vec<Modifier>,
    pub value: SigmaValue,
}

/// The value as the engine's plain text, in which nothing is special.
fn plain(text: &str) -> SigmaValue {
    let parts = match text.is_empty() {
        true => Vec::new(),
        false => vec![StringPart::Plain(text.to_owned())],
    };
    // The engine searches `original` for placeholders of its own; nothing else reads it of a plain text.
    SigmaValue::String(SigmaString {
        parts,
        original: String::new(),
    })
}

/// Where a value stands.
pub(super) struct Place<'a> {
    /// None for keywords.
    pub field: Option<&'a str>,
    pub modifiers: &'a Modifiers,
}

impl Place<'_> {
    /// The comparisons that a value stands for; none when it is refused, which is noted.
    pub fn pieces(&self, value: &Yaml, reading: &mut Reading<'_>) -> Option<Vec<Piece>> {
        match self.modifiers.operation {
            Operation::Text(anchor) => self.text(value, anchor, reading),
            Operation::Regex { .. } => self.regex(value, reading),
            Operation::Cidr => self.cidr(value, reading),
            Operation::Compare(comparison) => compare(comparison, value, reading),
            Operation::Exists => match value.value {
                YamlValue::Bool(wanted) => Some(vec![Piece {
                    modifiers: Vec::new(),
                    value: plain(if wanted { "true" } else { "false" }),
                }]),
                _ => reading.refuse(
                    value,
                    "`exists` takes true or false",
                    "write it without quotes",
                ),
            },
            Operation::Field(anchor) => self.field_reference(value, anchor, reading),
            Operation::Part(part) => {
                let (least, most) = part.range();
                match value.value {
                    YamlValue::Int(number) if (least..=most).contains(&number) => {
                        Some(vec![Piece {
                            modifiers: Vec::new(),
                            value: SigmaValue::Integer(number),
                        }])
                    }
                    _ => reading.refuse(
                        value,
                        format!("`{part}` takes a number from {least} to {most}"),
                        "times are taken as they are written, whatever their zone",
                    ),
                }
            }
        }
    }

    fn text(&self, value: &Yaml, anchor: Anchor, reading: &mut Reading<'_>) -> Option<Vec<Piece>> {
        let whole = anchor == Anchor::Whole && self.modifiers.transforms.is_empty();
        let number = |value| {
            Some(vec![Piece {
                modifiers: Vec::new(),
                value,
            }])
        };
        let text = match &value.value {
            YamlValue::Text(text) => text.clone(),
            YamlValue::Bool(value) => value.to_string(),
            YamlValue::Int(value) if whole && self.field.is_some() && value.abs() <= MAX_EXACT => {
                return number(SigmaValue::Integer(*value));
            }
            YamlValue::Int(value) => value.to_string(),
            YamlValue::Float(value) if whole && self.field.is_some() && value.is_finite() => {
                return number(SigmaValue::Float(*value));
            }
            YamlValue::Float(_) => {
                return reading.refuse(
                    value,
                    "a fraction where text is searched",
                    "put it in quotes",
                );
            }
            YamlValue::Null if whole && self.field.is_some() && !self.modifiers.cased => {
                return number(SigmaValue::Null);
            }
            YamlValue::Null => {
                return reading.refuse(
                    value,
                    "nothing, where text is searched",
                    "write '' for an empty text",
                );
            }
            YamlValue::List(_) | YamlValue::Map(_) => {
                return reading.refuse(
                    value,
                    format!("expected a value, found {}", value.type_name()),
                    "a field has one value or a list of them",
                );
            }
        };
        if text.is_empty() && (!whole || self.field.is_none()) {
            return reading.refuse(
                value,
                "an empty text, which is in every value",
                "leave it out, or use `exists`",
            );
        }
        let mut forms = Vec::new();
        for text in self.expand(value, text, reading)? {
            forms.extend(self.forms(value, &text, reading)?);
        }
        let anchor = match self.field {
            Some(_) => anchor,
            None if anchor == Anchor::Whole => Anchor::Anywhere,
            None => anchor,
        };
        Some(
            forms
                .into_iter()
                .map(|form| search(form, anchor, self.modifiers.cased))
                .collect(),
        )
    }

    fn expand(&self, value: &Yaml, text: String, reading: &mut Reading<'_>) -> Option<Vec<String>> {
        match self.modifiers.expand {
            true => reading.expand(value, &text),
            false => Some(vec![text]),
        }
    }

    /// The forms in which a text is searched.
    fn forms(&self, value: &Yaml, text: &str, reading: &mut Reading<'_>) -> Option<Vec<Pattern>> {
        let mut forms = vec![Pattern::parse(text)];
        let mut bytes: Option<Vec<Vec<u8>>> = None;
        for transform in &self.modifiers.transforms {
            if *transform == Transform::Windash {
                let made: Option<Vec<_>> = forms
                    .iter()
                    .map(|form| encode::windash(form, MAX_FORMS))
                    .collect();
                let Some(made) = made else {
                    return reading.refuse(
                        value,
                        "too many dashes for `windash`: there would be thousands of forms",
                        "split the value",
                    );
                };
                forms = made.concat();
                continue;
            }
            let texts: Option<Vec<&str>> = forms.iter().map(Pattern::as_plain).collect();
            let Some(texts) = texts else {
                return reading.refuse(
                    value,
                    "a wildcard in a value that is encoded",
                    "escape it with a backslash, or use `contains` behind the encoding",
                );
            };
            let sources = bytes
                .take()
                .unwrap_or_else(|| texts.iter().map(|text| text.as_bytes().to_vec()).collect());
            match transform {
                Transform::Utf16(form) => {
                    bytes = Some(
                        texts
                            .iter()
                            .map(|text| encode::utf16(text, *form))
                            .collect(),
                    );
                }
                Transform::Base64 => {
                    forms = sources
                        .iter()
                        .map(|bytes| Pattern::plain(encode::base64(bytes)))
                        .collect();
                }
                Transform::Base64Offset => {
                    let all = sources
                        .iter()
                        .flat_map(|bytes| encode::base64_offsets(bytes));
                    forms = all.map(Pattern::plain).collect();
                }
                Transform::Windash => {}
            }
        }
        if forms.is_empty()
            || forms
                .iter()
                .any(|form| form.0.is_empty() && !self.modifiers.transforms.is_empty())
        {
            return reading.refuse(
                value,
                "too short to be recognised once it is encoded",
                "use a longer value",
            );
        }
        Some(forms)
    }

    fn regex(&self, value: &Yaml, reading: &mut Reading<'_>) -> Option<Vec<Piece>> {
        let Operation::Regex {
            ignore_case,
            multi_line,
            dot_all,
        } = self.modifiers.operation
        else {
            return None;
        };
        let text = match &value.value {
            YamlValue::Text(text) if text.is_empty() => {
                return reading.refuse(
                    value,
                    "an empty regular expression",
                    "leave it out, or use `exists`",
                );
            }
            YamlValue::Text(text) => text.clone(),
            YamlValue::Int(number) => number.to_string(),
            _ => return reading.refuse(value, "`re` takes text", "put it in quotes"),
        };
        if text.len() > MAX_REGEX {
            return reading.refuse(
                value,
                format!(
                    "a regular expression of {} bytes; {MAX_REGEX} are allowed",
                    text.len()
                ),
                "split it",
            );
        }
        let mut pieces = Vec::new();
        for text in self.expand(value, text, reading)? {
            if ignore_case && takes_flags_back(&text) {
                return reading.refuse(
                    value,
                    "a part that minds case in an expression that does not",
                    "leave `i` out",
                );
            }
            let mut modifiers = vec![Modifier::Re];
            let flags = [
                (ignore_case, Modifier::IgnoreCase),
                (multi_line, Modifier::Multiline),
                (dot_all, Modifier::DotAll),
            ];
            modifiers.extend(
                flags
                    .iter()
                    .filter(|(is_set, _)| *is_set)
                    .map(|(_, flag)| *flag),
            );
            let piece = |text: &str| Piece {
                modifiers: modifiers.clone(),
                value: plain(text),
            };
            // First as it stands: with a group around it, `a)(b` would be an expression.
            self.try_out(&piece(&text), value, reading)?;
            // The engine takes flags at the beginning of an expression for those of all of it, hence the group.
            let piece = piece(&format!("(?:{text})"));
            self.try_out(&piece, value, reading)?;
            pieces.push(piece);
        }
        Some(pieces)
    }

    /// Lets the engine compile it: it alone knows what its expressions may hold.
    fn try_out(&self, piece: &Piece, value: &Yaml, reading: &mut Reading<'_>) -> Option<()> {
        let item = DetectionItem {
            field: FieldSpec::new(Some("x".to_owned()), piece.modifiers.clone()),
            values: vec![piece.value.clone()],
        };
        match rsigma_eval::compiler::compile_detection(&Detection::AllOf(vec![item])) {
            Ok(_) => Some(()),
            Err(error) => {
                let text = crate::report_chain(&error);
                let last = text.lines().last().unwrap_or(&text).trim();
                let reason = last.trim_start_matches("error: ").to_owned();
                reading.refuse(
                    value,
                    format!("the regular expression is not understood: {reason}"),
                    "look-around and back references are not part of these expressions; a selection with `not` may replace them",
                )
            }
        }
    }

    fn cidr(&self, value: &Yaml, reading: &mut Reading<'_>) -> Option<Vec<Piece>> {
        let YamlValue::Text(text) = &value.value else {
            return reading.refuse(
                value,
                "`cidr` takes a network as text",
                "such as 192.0.2.0/24",
            );
        };
        let mut pieces = Vec::new();
        for text in self.expand(value, text.clone(), reading)? {
            match network(&text) {
                Ok(text) => pieces.push(Piece {
                    modifiers: vec![Modifier::Cidr],
                    value: plain(&text),
                }),
                Err(why) => {
                    return reading.refuse(value, why, "such as 192.0.2.0/24 or 2001:db8::/32");
                }
            }
        }
        Some(pieces)
    }

    fn field_reference(
        &self,
        value: &Yaml,
        anchor: Anchor,
        reading: &mut Reading<'_>,
    ) -> Option<Vec<Piece>> {
        let name = match &value.value {
            YamlValue::Text(text) if !text.is_empty() => Pattern::parse(text),
            _ => {
                return reading.refuse(
                    value,
                    "`fieldref` takes the name of a field",
                    "put it in quotes",
                );
            }
        };
        let Some(name) = name.as_plain().filter(|name| !name.contains('\\')) else {
            return reading.refuse(
                value,
                "a wildcard in the name of a field",
                "name the field as the record does",
            );
        };
        let mut modifiers = vec![Modifier::FieldRef];
        modifiers.extend(anchor_modifier(anchor));
        if self.modifiers.cased {
            modifiers.push(Modifier::Cased);
        }
        Some(vec![Piece {
            modifiers,
            value: plain(&format!("{SCALAR}{name}")),
        }])
    }
}

fn compare(comparison: Comparison, value: &Yaml, reading: &mut Reading<'_>) -> Option<Vec<Piece>> {
    let number = match &value.value {
        YamlValue::Int(number) if number.abs() <= MAX_EXACT => Some(SigmaValue::Integer(*number)),
        YamlValue::Float(number) => Some(SigmaValue::Float(*number)).filter(|_| number.is_finite()),
        YamlValue::Text(text) => {
            let number = text.parse::<f64>().ok().filter(|number| number.is_finite());
            number.map(SigmaValue::Float)
        }
        _ => None,
    };
    let Some(number) = number else {
        return reading.refuse(
            value,
            "a comparison of numbers with what is none",
            "give a number up to 2^53",
        );
    };
    let modifier = match comparison {
        Comparison::Less => Modifier::Lt,
        Comparison::AtMost => Modifier::Lte,
        Comparison::More => Modifier::Gt,
        Comparison::AtLeast => Modifier::Gte,
    };
    Some(vec![Piece {
        modifiers: vec![modifier],
        value: number,
    }])
}

fn anchor_modifier(anchor: Anchor) -> Option<Modifier> {
    match anchor {
        Anchor::Whole => None,
        Anchor::Start => Some(Modifier::StartsWith),
        Anchor::End => Some(Modifier::EndsWith),
        Anchor::Anywhere => Some(Modifier::Contains),
    }
}

/// A text to look for. What has a wildcard inside, or letters whose case the engine folds in two ways, is looked for by a
/// regular expression.
fn search(pattern: Pattern, anchor: Anchor, cased: bool) -> Piece {
    let (pattern, anchor) = pattern.anchored(anchor);
    match pattern.as_plain() {
        Some(text) if cased || text.is_ascii() => {
            let mut modifiers: Vec<_> = anchor_modifier(anchor).into_iter().collect();
            if cased {
                modifiers.push(Modifier::Cased);
            }
            Piece {
                modifiers,
                value: plain(text),
            }
        }
        _ => {
            let mut modifiers = vec![Modifier::Re, Modifier::DotAll];
            if !cased {
                modifiers.push(Modifier::IgnoreCase);
            }
            Piece {
                modifiers,
                value: plain(&pattern.regex(anchor)),
            }
        }
    }
}

/// Whether an expression turns a flag off in a part of it.
fn takes_flags_back(regex: &str) -> bool {
    regex.split("(?").skip(1).any(|rest| {
        let flags: String = rest
            .chars()
            .take_while(|c| c.is_ascii_alphabetic() || *c == '-')
            .collect();
        flags.contains('-')
    })
}

/// A network in the engine's form: with its length, and no bits behind that.
fn network(text: &str) -> Result<String, String> {
    let (address, length) = match text.split_once('/') {
        Some((address, length)) => (address, Some(length)),
        None => (text, None),
    };
    let address: core::net::IpAddr = address
        .parse()
        .map_err(|_| format!("\"{}\" is no network", text.escape_debug()))?;
    let (bits, value) = match address {
        core::net::IpAddr::V4(address) => (32, u128::from(address.to_bits()) << 96),
        core::net::IpAddr::V6(address) => (128, address.to_bits()),
    };
    let length = match length {
        None => bits,
        Some(length) => length
            .parse::<u32>()
            .ok()
            .filter(|length| *length <= bits)
            .ok_or_else(|| format!("\"/{}\" is no length of a network", length.escape_debug()))?,
    };
    if value.checked_shl(length).unwrap_or(0) != 0 {
        return Err(format!("{text} has bits behind its length"));
    }
    Ok(format!("{address}/{length}"))
}
