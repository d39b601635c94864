//! One line of a selection: a field, its modifiers and values, as items that the engine cannot misunderstand.
//!
//! Flow: `field|modifiers: values` → [`Modifiers`] → each value as one or more [`Piece`]s, of which one has to hold → the
//! engine's items, of which only those kinds are used that it evaluates as the specification says (docs/sigma.md).

use rsigma_parser::{Detection, DetectionItem, FieldSpec, Modifier, SigmaValue};

use super::modifiers::{Modifiers, Operation};
use super::pieces::{Piece, Place};
use super::reading::Reading;
use super::view::{EXISTS, PART, SCALAR};
use crate::document::{Key, Yaml, YamlValue};

/// Items that all have to hold for one entry of a map.
pub(super) fn entry(
    node: &Yaml,
    key: &Key,
    value: &Yaml,
    reading: &mut Reading<'_>,
) -> Option<Detection> {
    let mut parts = key.name.split('|');
    let field = parts.next().unwrap_or("");
    let names: Vec<&str> = parts.collect();
    let modifiers = match Modifiers::parse(&names) {
        Ok(modifiers) => modifiers,
        Err(error) => {
            reading.push(node.problem_with_key(key, error.message).hint(error.hint));
            return None;
        }
    };
    if let Err((message, hint)) = check_field(field, &modifiers) {
        reading.push(node.problem_with_key(key, message).hint(hint));
        return None;
    }
    let values = match &value.value {
        YamlValue::List(items) if items.is_empty() => {
            reading.push(value.problem("an empty list, which nothing can match"));
            return None;
        }
        YamlValue::List(items) => items.as_slice(),
        _ => std::slice::from_ref(value),
    };
    if modifiers.all && values.len() < 2 {
        let problem = node.problem_with_key(key, "`all` with a single value");
        reading.push(problem.hint("give two values or more, or leave `all` out"));
        return None;
    }
    let item = Place {
        field: (!field.is_empty()).then_some(field),
        modifiers: &modifiers,
    };
    item.make(values, reading)
}

/// Plain values without a field: any of them, anywhere in the record.
pub(super) fn keywords(values: &[&Yaml], reading: &mut Reading<'_>) -> Option<Detection> {
    let modifiers = Modifiers::parse(&[]).ok()?;
    let item = Place {
        field: None,
        modifiers: &modifiers,
    };
    let pieces = values
        .iter()
        .map(|value| item.pieces(value, reading))
        .collect::<Option<Vec<_>>>()?;
    Some(item.any(&pieces.concat()))
}

fn check_field(field: &str, modifiers: &Modifiers) -> Result<(), (String, &'static str)> {
    if field.chars().any(|c| c.is_control() || c == '\\') {
        return Err((
            "a field's name with a backslash or a control character".to_owned(),
            "name the field as the record does",
        ));
    }
    let is_search = matches!(
        modifiers.operation,
        Operation::Text(_) | Operation::Regex { .. }
    );
    if field.is_empty() && (!is_search || modifiers.negated) {
        return Err((
            "a comparison that needs a field and has none".to_owned(),
            "put the field's name before the modifiers",
        ));
    }
    Ok(())
}

impl Place<'_> {
    fn make(&self, values: &[Yaml], reading: &mut Reading<'_>) -> Option<Detection> {
        let pieces = values
            .iter()
            .map(|value| self.pieces(value, reading))
            .collect::<Option<Vec<_>>>()?;
        Some(match (self.modifiers.all, self.modifiers.negated) {
            (false, false) => self.any(&pieces.concat()),
            (true, false) => self.all(&pieces),
            (false, true) => self.none(&pieces.concat()),
            (true, true) => any_of(pieces.iter().map(|value| self.none(value)).collect()),
        })
    }

    fn item(&self, modifiers: Vec<Modifier>, values: Vec<SigmaValue>) -> DetectionItem {
        let field = self.field.map(|field| match self.modifiers.operation {
            Operation::Exists => format!("{EXISTS}{field}"),
            Operation::Part(part) => format!("{PART}{part}:{field}"),
            Operation::Field(_) => format!("{SCALAR}{field}"),
            _ => field.to_owned(),
        });
        DetectionItem {
            field: FieldSpec::new(field, modifiers),
            values,
        }
    }

    /// One of the pieces holds: alike ones as one item, which the engine searches at once.
    fn any(&self, pieces: &[Piece]) -> Detection {
        let mut groups: Vec<(&[Modifier], Vec<SigmaValue>)> = Vec::new();
        for piece in pieces {
            // An absent field is null, which the engine sees only where nothing else is asked beside it.
            let alone = piece.value == SigmaValue::Null;
            let group = groups.iter_mut().find(|(modifiers, values)| {
                *modifiers == piece.modifiers && !alone && values[0] != SigmaValue::Null
            });
            match group {
                Some((_, values)) => values.push(piece.value.clone()),
                None => groups.push((&piece.modifiers, vec![piece.value.clone()])),
            }
        }
        let items = groups
            .into_iter()
            .map(|(modifiers, values)| {
                Detection::AllOf(vec![self.item(modifiers.to_vec(), values)])
            })
            .collect();
        any_of(items)
    }

    fn all(&self, values: &[Vec<Piece>]) -> Detection {
        let alike = values.iter().all(|pieces| {
            pieces.len() == 1
                && pieces[0].modifiers == values[0][0].modifiers
                && pieces[0].value != SigmaValue::Null
        });
        // Without a field the engine would look for all of them in one text of the record.
        if alike && self.field.is_some() {
            let mut modifiers = values[0][0].modifiers.clone();
            modifiers.push(Modifier::All);
            let values = values
                .iter()
                .map(|pieces| pieces[0].value.clone())
                .collect();
            return Detection::AllOf(vec![self.item(modifiers, values)]);
        }
        all_of(values.iter().map(|pieces| self.any(pieces)).collect())
    }

    /// None of the pieces holds; a field that is absent holds none.
    fn none(&self, pieces: &[Piece]) -> Detection {
        let one = |piece: &Piece| {
            let mut modifiers = piece.modifiers.clone();
            modifiers.push(Modifier::Neq);
            let differs = Detection::AllOf(vec![self.item(modifiers, vec![piece.value.clone()])]);
            match piece.value == SigmaValue::Null {
                true => differs,
                false => {
                    let absent = self.item(Vec::new(), vec![SigmaValue::Null]);
                    Detection::AnyOf(vec![differs, Detection::AllOf(vec![absent])])
                }
            }
        };
        all_of(pieces.iter().map(one).collect())
    }
}

/// One of several.
pub(super) fn any_of(mut parts: Vec<Detection>) -> Detection {
    match parts.len() {
        1 => parts.remove(0),
        _ => Detection::AnyOf(parts),
    }
}

/// All of several, as flat as the engine has it.
pub(super) fn all_of(parts: Vec<Detection>) -> Detection {
    let mut items = Vec::new();
    let mut rest = Vec::new();
    for part in parts {
        match part {
            Detection::AllOf(more) => items.extend(more),
            other => rest.push(other),
        }
    }
    if !items.is_empty() {
        rest.insert(0, Detection::AllOf(items));
    }
    match rest.len() {
        1 => rest.remove(0),
        _ => Detection::And(rest),
    }
}
