//! The state that putting a resource back leaves.
//!
//! **Invariant:** what the baseline leaves open stays as it is, as long as the thing stays of the same type.

use crate::model::{Desired, Fields, Observed, State, Value};
use crate::providers::host::state::{file_beyond, mode_of, mode_text};

/// Fields that are expected but cannot be put.
const BEYOND: [&str; 4] = ["links", "special_bits", "keys", "access"];

/// The state after, for a resource that has to be there and could be seen.
pub fn remedy(desired: &Desired, observed: &Observed) -> Option<State> {
    let expected = desired.expected()?;
    let mut fields = match observed {
        Observed::Present(state) if state.fields.get("type") == expected.get("type") => {
            state.fields.clone()
        }
        Observed::Present(_) | Observed::Absent => desired.create_with.clone(),
        Observed::NotEvaluated(_) => return None,
    };
    // What a directory holds is not part of putting one right.
    for of_tree in ["tree", "tree_entries", "tree_bytes"] {
        fields.remove(of_tree);
    }
    let puttable = expected
        .iter()
        .filter(|(name, _)| !BEYOND.contains(&name.as_str()));
    fields.extend(puttable.map(|(name, value)| (name.clone(), value.clone())));
    let mut state = State::of(fields);
    if expected.get("type") == Some(&Value::from("file")) {
        state.beyond = beyond(&mut state, expected);
    }
    Some(state)
}

fn beyond(state: &mut State, expected: &Fields) -> Fields {
    let mut mode = mode_of(state).unwrap_or(0);
    if expected.contains_key("special_bits") {
        mode &= 0o777;
        state.fields.insert("mode".into(), mode_text(mode));
    }
    file_beyond(1, mode)
}
