//! `timeline.jsonl`: who does what, and when; one JSON object a line.
//!
//! **Invariant:** lines are in the order of time and within the drill; what all of them can do is bounded.

use jiff::Timestamp;
use serde::Deserialize;
use serde_json::Value as Json;

use super::{TIMELINE, terms};
use crate::model::{Problem, Problems, Span};
use crate::providers::host::fs::{HostPath, NodeType};
use crate::providers::host::path;
use crate::sim::deed::{Deed, Dress, Each};

const MAX_LINES: usize = 10_000;
const MAX_LINE_BYTES: usize = 1 << 20;
/// The most files that the mass changes of one timeline touch together.
const MAX_MASS: usize = 100_000;
const MAX_ACTOR: usize = 60;
const MAX_NOTE: usize = 300;

/// Whether what somebody does is an attack.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Truth {
    Malicious,
    Benign,
}

/// One line.
#[derive(Clone, PartialEq, Debug)]
pub struct Line {
    pub at: Timestamp,
    pub actor: String,
    pub truth: Truth,
    pub note: Option<String>,
    pub what: What,
}

/// What happens.
#[derive(Clone, PartialEq, Debug)]
pub enum What {
    /// The world changes.
    Deed(Deed),
    /// Something is logged.
    Event(Json),
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct RawLine {
    at: String,
    actor: String,
    truth: Truth,
    note: Option<String>,
    r#do: RawDo,
}

#[derive(Deserialize)]
#[serde(rename_all = "snake_case")]
enum RawDo {
    Write(RawWrite),
    Append(RawAppend),
    Make(RawMake),
    Symlink(RawLink),
    HardLink(RawLink),
    Rename(RawRename),
    Remove(RawPath),
    Chmod(RawChmod),
    Chown(RawChown),
    Chattr(RawChattr),
    Setcap(RawSetcap),
    Mass(RawMass),
    Event(serde_json::Map<String, Json>),
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct RawWrite {
    path: String,
    content: String,
    mode: Option<String>,
    uid: Option<u32>,
    gid: Option<u32>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct RawAppend {
    path: String,
    content: String,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct RawMake {
    path: String,
    r#type: MakeType,
    mode: Option<String>,
    uid: Option<u32>,
    gid: Option<u32>,
}

#[derive(Clone, Copy, Deserialize)]
#[serde(rename_all = "snake_case")]
enum MakeType {
    Directory,
    Fifo,
    Socket,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct RawLink {
    path: String,
    target: String,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct RawRename {
    path: String,
    to: String,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct RawPath {
    path: String,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct RawChmod {
    path: String,
    mode: String,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct RawChown {
    path: String,
    uid: Option<u32>,
    gid: Option<u32>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct RawChattr {
    path: String,
    immutable: Option<bool>,
    append_only: Option<bool>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct RawSetcap {
    path: String,
    capabilities: String,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct RawMass {
    matching: String,
    at_most: usize,
    each: RawEach,
}

#[derive(Deserialize)]
#[serde(rename_all = "snake_case")]
enum RawEach {
    Write(RawContent),
    Append(RawContent),
    Chmod(RawMode),
    Remove(RawNothing),
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct RawContent {
    content: String,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct RawMode {
    mode: String,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct RawNothing {}

/// Decodes the file; empty lines are passed over.
pub(super) fn decode(
    text: &[u8],
    start: Timestamp,
    end: Timestamp,
    problems: &mut Problems,
) -> Vec<Line> {
    let mut lines: Vec<Line> = Vec::new();
    let mut mass = 0;
    for (number, text) in text.split(|byte| *byte == b'\n').enumerate() {
        if text.trim_ascii().is_empty() {
            continue;
        }
        let number = u32::try_from(number + 1).unwrap_or(u32::MAX);
        let blame = |column: usize, message: String| Problem {
            at: Some(Span {
                file: TIMELINE.to_owned(),
                line: number,
                column: u32::try_from(column.max(1)).unwrap_or(u32::MAX),
            }),
            message,
            source_line: excerpt(text),
            hint: None,
        };
        if lines.len() >= MAX_LINES || text.len() > MAX_LINE_BYTES {
            problems.push(blame(
                1,
                format!("at most {MAX_LINES} lines of at most {MAX_LINE_BYTES} bytes are read"),
            ));
            break;
        }
        match line(text, start) {
            Err((column, message)) => problems.push(blame(column, message)),
            Ok(line) => {
                let before = lines.last().map_or(start, |last| last.at);
                if line.at < before {
                    problems.push(blame(
                        1,
                        "this is earlier than what stands before it".into(),
                    ));
                } else if line.at > end {
                    problems.push(blame(1, "this is after the end of the drill".into()));
                }
                if let What::Deed(Deed::Mass { at_most, .. }) = &line.what {
                    mass += at_most;
                }
                if mass > MAX_MASS {
                    problems.push(blame(
                        1,
                        format!("all mass changes together touch at most {MAX_MASS} files"),
                    ));
                    break;
                }
                lines.push(line);
            }
        }
    }
    lines
}

/// The line of the file, for an excerpt.
fn excerpt(text: &[u8]) -> String {
    String::from_utf8_lossy(text).chars().take(240).collect()
}

fn line(text: &[u8], start: Timestamp) -> Result<Line, (usize, String)> {
    let raw: RawLine = serde_json::from_slice(text).map_err(|error| {
        let message = error.to_string();
        // The library repeats the place in its sentence; ours stands in front already.
        let message = message.split(" at line ").next().unwrap_or(&message);
        (error.column(), terms::shown_whole(message))
    })?;
    let general = |message: String| (1, message);
    let at = terms::parse_instant(&raw.at, start).ok_or_else(|| {
        general(format!(
            "\"{}\" is no time; write +90s after the start, or RFC 3339",
            terms::shown(&raw.at)
        ))
    })?;
    if !terms::is_line(&raw.actor, MAX_ACTOR) {
        return Err(general(format!(
            "`actor` is one line of 1 to {MAX_ACTOR} characters"
        )));
    }
    if raw
        .note
        .as_ref()
        .is_some_and(|note| !terms::is_line(note, MAX_NOTE))
    {
        return Err(general(format!(
            "`note` is one line of 1 to {MAX_NOTE} characters"
        )));
    }
    Ok(Line {
        at,
        actor: raw.actor,
        truth: raw.truth,
        note: raw.note,
        what: what(raw.r#do).map_err(general)?,
    })
}

fn what(raw: RawDo) -> Result<What, String> {
    Ok(What::Deed(match raw {
        RawDo::Event(event) => return Ok(What::Event(Json::Object(event))),
        RawDo::Write(raw) => Deed::Write {
            path: parse_path(&raw.path)?,
            content: raw.content.as_bytes().into(),
            dress: Dress {
                mode: mode(raw.mode.as_deref())?,
                uid: raw.uid,
                gid: raw.gid,
                ..Dress::default()
            },
        },
        RawDo::Append(raw) => Deed::Append {
            path: parse_path(&raw.path)?,
            content: raw.content.as_bytes().into(),
        },
        RawDo::Make(raw) => Deed::Make {
            path: parse_path(&raw.path)?,
            node_type: match raw.r#type {
                MakeType::Directory => NodeType::Directory,
                MakeType::Fifo => NodeType::Fifo,
                MakeType::Socket => NodeType::Socket,
            },
            target: None,
            device: None,
            dress: Dress {
                mode: mode(raw.mode.as_deref())?,
                uid: raw.uid,
                gid: raw.gid,
                ..Dress::default()
            },
        },
        RawDo::Symlink(raw) => Deed::Make {
            path: parse_path(&raw.path)?,
            node_type: NodeType::Symlink,
            target: Some(target(&raw.target)?),
            device: None,
            dress: Dress::default(),
        },
        RawDo::HardLink(raw) => Deed::Link {
            path: parse_path(&raw.target)?,
            to: parse_path(&raw.path)?,
        },
        RawDo::Rename(raw) => Deed::Rename {
            path: parse_path(&raw.path)?,
            to: parse_path(&raw.to)?,
        },
        RawDo::Remove(raw) => Deed::Remove {
            path: parse_path(&raw.path)?,
        },
        RawDo::Chmod(raw) => dressed(
            &raw.path,
            Dress {
                mode: mode(Some(&raw.mode))?,
                ..Dress::default()
            },
        )?,
        RawDo::Chown(raw) => dressed(
            &raw.path,
            Dress {
                uid: raw.uid,
                gid: raw.gid,
                ..Dress::default()
            },
        )?,
        RawDo::Chattr(raw) => dressed(
            &raw.path,
            Dress {
                immutable: raw.immutable,
                append_only: raw.append_only,
                ..Dress::default()
            },
        )?,
        RawDo::Setcap(raw) => {
            if !raw.capabilities.is_empty() && !terms::is_line(&raw.capabilities, 2_000) {
                return Err("`capabilities` is one line, as setcap takes it, or empty".to_owned());
            }
            dressed(
                &raw.path,
                Dress {
                    capabilities: Some(raw.capabilities),
                    ..Dress::default()
                },
            )?
        }
        RawDo::Mass(raw) => Deed::Mass {
            matching: terms::parse_glob(&raw.matching)?,
            at_most: raw.at_most,
            each: match raw.each {
                RawEach::Write(raw) => Each::Write(raw.content.as_bytes().into()),
                RawEach::Append(raw) => Each::Append(raw.content.as_bytes().into()),
                RawEach::Chmod(raw) => Each::Dress(Dress {
                    mode: mode(Some(&raw.mode))?,
                    ..Dress::default()
                }),
                RawEach::Remove(RawNothing {}) => Each::Remove,
            },
        },
    }))
}

fn dressed(path: &str, dress: Dress) -> Result<Deed, String> {
    if dress == Dress::default() {
        return Err("this changes nothing".to_owned());
    }
    Ok(Deed::Dress {
        path: parse_path(path)?,
        dress,
    })
}

fn parse_path(text: &str) -> Result<HostPath, String> {
    path::parse(text).map_err(|bad| format!("{} ({})", bad.message, bad.hint))
}

fn target(text: &str) -> Result<Vec<u8>, String> {
    match (1..4096).contains(&text.len()) && !text.contains('\0') {
        true => Ok(text.as_bytes().to_vec()),
        false => Err("the text of a link has 1 to 4095 bytes".to_owned()),
    }
}

fn mode(text: Option<&str>) -> Result<Option<u32>, String> {
    let Some(text) = text else { return Ok(None) };
    match terms::parse_mode(text) {
        Some(mode) => Ok(Some(mode)),
        None => Err(format!(
            "\"{}\" is no mode; write three or four octal digits",
            terms::shown(text)
        )),
    }
}
