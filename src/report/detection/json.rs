//! A detection as JSON.

use serde::Serialize;

use crate::model::{Detection, Finding};
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

/// A finding as one line.
pub fn one(finding: &Finding) -> String {
    line(&serde_json::json!({ "finding": finding }))
}

/// All but the findings as one line.
pub fn sources(detection: &Detection) -> String {
    let rest = Detection {
        findings: Vec::new(),
        ..detection.clone()
    };
    let mut value = serde_json::to_value(&rest).unwrap_or_default();
    if let Some(map) = value.as_object_mut() {
        map.remove("findings");
    }
    line(&value)
}

fn line(value: &serde_json::Value) -> String {
    format!("{}\n", escape::json(&value.to_string()))
}
