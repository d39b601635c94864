//! The documents of a file, with `action: global`, `reset` and `repeat` carried out.

use super::reading::Reading;
use crate::document::{Yaml, YamlValue};

/// The documents that are rules, filters or correlations; what is wrong with the others is noted.
pub(super) fn documents(nodes: Vec<Yaml>, reading: &mut Reading<'_>) -> Vec<Yaml> {
    let mut global: Option<Yaml> = None;
    let mut previous: Option<Yaml> = None;
    let mut found = Vec::new();
    for mut node in nodes {
        let YamlValue::Map(entries) = &mut node.value else {
            if !node.is_null() {
                reading.push(
                    node.problem("a document that is no map")
                        .hint("a rule is a map"),
                );
            }
            continue;
        };
        let action = entries.iter().position(|(key, _)| key.name == "action");
        let action = action.map(|at| entries.remove(at).1);
        let word = action.as_ref().map(|action| match &action.value {
            YamlValue::Text(word) => word.as_str(),
            _ => "",
        });
        let whole = match word {
            None => merged(global.as_ref(), node),
            Some("global") => {
                global = Some(node);
                continue;
            }
            Some("reset") => {
                global = None;
                continue;
            }
            Some("repeat") => match &previous {
                Some(_) => merged(previous.as_ref(), node),
                None => {
                    reading.push(
                        node.problem("`action: repeat` with nothing before it")
                            .hint("leave `action` out"),
                    );
                    continue;
                }
            },
            Some(_) => {
                reading.push(
                    node.problem("an action that is not known")
                        .hint("global, reset or repeat"),
                );
                continue;
            }
        };
        previous = Some(whole.clone());
        found.push(whole);
    }
    found
}

/// A document laid over another: maps are merged, anything else is replaced.
fn merged(below: Option<&Yaml>, above: Yaml) -> Yaml {
    let Some(below) = below else {
        return above;
    };
    let mut whole = below.clone();
    lay_over(&mut whole, &above);
    // The place is that of the document that makes it a rule.
    (whole.line, whole.column) = (above.line, above.column);
    whole
}

fn lay_over(below: &mut Yaml, above: &Yaml) {
    match (&mut below.value, &above.value) {
        (YamlValue::Map(into), YamlValue::Map(from)) => {
            for (key, value) in from {
                match into.iter_mut().find(|(known, _)| known.name == key.name) {
                    Some((_, known)) => lay_over(known, value),
                    None => into.push((key.clone(), value.clone())),
                }
            }
        }
        _ => *below = above.clone(),
    }
}
