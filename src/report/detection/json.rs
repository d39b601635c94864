//! A detection as JSON.

use serde::Serialize;

use crate::model::Detection;
use crate::report::escape;

#[derive(Serialize)]
struct Document<'a> {
    version: u32,
    #[serde(flatten)]
    detection: &'a Detection,
    exit_code: u8,
}

/// Writes it indented, with a line end. Control characters stand in escapes.
pub fn render(detection: &Detection, exit_code: u8) -> String {
    let document = Document {
        version: 1,
        detection,
        exit_code,
    };
    // Plain strings and numbers cannot fail to be written.
    let mut text = serde_json::to_string_pretty(&document).unwrap_or_default();
    text.push('\n');
    escape::json(&text)
}
