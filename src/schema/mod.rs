//! JSON Schema of what a team writes, for editors: manifests, `evenkeel.yaml` and `suppressions.yaml`.
//!
//! The fields are data, in the files beside this one; a test holds them against what the decoders take.
//!
//! **Invariant:** what the schema refuses, `check` refuses too; what it accepts may still be wrong.

use serde_json::{Map, Value as Json, json};

/// The version of JSON Schema that is spoken.
const DIALECT: &str = "https://json-schema.org/draft/2020-12/schema";
const KINDS: &str = include_str!("kinds.yaml");
const PROJECT: &str = include_str!("project.yaml");
const SUPPRESSIONS: &str = include_str!("suppressions.yaml");

/// The schema of one document of a manifest.
///
/// # Errors
/// Never, where the data beside this file is sound, as a test makes sure.
pub fn manifest() -> Result<Json, serde_yaml::Error> {
    let data: Json = serde_yaml::from_str(KINDS)?;
    let mut definitions = data["$defs"].as_object().cloned().unwrap_or_default();
    let mut names = Vec::new();
    let mut rules = Vec::new();
    for (kind, spec) in data["kinds"].as_object().into_iter().flatten() {
        let mut schema = spec.as_object().cloned().unwrap_or_default();
        schema.insert("type".to_owned(), json!("object"));
        schema.insert("additionalProperties".to_owned(), json!(false));
        definitions.insert(kind.clone(), Json::Object(schema));
        rules.push(json!({
            "if": { "properties": { "kind": { "const": kind } }, "required": ["kind"] },
            "then": { "properties": { "spec": { "$ref": format!("#/$defs/{kind}") } } },
        }));
        names.push(json!(kind));
    }
    Ok(json!({
        "$schema": DIALECT,
        "title": "A resource of evenkeel on a host",
        "type": "object",
        "additionalProperties": false,
        "required": ["apiVersion", "kind", "metadata", "spec"],
        "properties": {
            "apiVersion": { "const": "host.evenkeel.dev/v1" },
            "kind": { "enum": names },
            "metadata": {
                "type": "object",
                "additionalProperties": false,
                "required": ["name"],
                "properties": { "name": { "type": "string" } },
            },
            "spec": { "type": "object" },
            "controls": {
                "type": "array",
                "items": { "type": "string" },
                "description": "Ids of the controls that the resource answers, for reports.",
            },
            "disclose": {
                "type": "boolean",
                "description": "Its content is no secret: reports and pull requests may show it.",
            },
            "vars": {
                "type": "array",
                "items": { "type": "string" },
                "description": "The values of evenkeel.yaml that are put in for ${name}.",
            },
        },
        "allOf": rules,
        "$defs": definitions,
    }))
}

/// The schema of `evenkeel.yaml`.
///
/// # Errors
/// As [`manifest`].
pub fn project() -> Result<Json, serde_yaml::Error> {
    whole(PROJECT)
}

/// The schema of `suppressions.yaml`.
///
/// # Errors
/// As [`manifest`].
pub fn suppressions() -> Result<Json, serde_yaml::Error> {
    whole(SUPPRESSIONS)
}

fn whole(text: &str) -> Result<Json, serde_yaml::Error> {
    let mut schema: Map<String, Json> = serde_yaml::from_str(text)?;
    schema.insert("$schema".to_owned(), json!(DIALECT));
    Ok(Json::Object(schema))
}
