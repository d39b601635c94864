//! One source, read to its end: bytes in, records out, everything counted.
//!
//! Flow: frames (sequential) → JSON is parsed, decoded and mapped side by side; text, whose decoders remember earlier lines, is
//! decoded in order and mapped side by side → duplicates are dropped, in order → results.
//!
//! Cost: a batch of at most 1 MiB of lines is held, and the records made of it.
//!
//! **Invariant:** results come in the source's order, however many threads there are.

use std::io;

use jiff::Timestamp;
use rayon::prelude::*;
use serde_json::Value;

use super::decode::{Left, LeftOut, Line, SourceTerms};
use super::formats::{Decoder, decoder};
use super::frame::{Batch, Bounds, Frames};
use super::seen::{Hashers, Key, Seen};
use super::sniff::format_of;
use super::source::{Opened, trust_of};
use crate::model::{Format, Record, Tally, TimeBasis, Trust};

/// What is said of a source before it is read.
#[derive(Clone, Debug)]
pub struct Given {
    /// None: its first record that is of a known format tells.
    pub format: Option<Format>,
    /// None: what the format is worth.
    pub trust: Option<Trust>,
    pub terms: SourceTerms,
    pub bounds: Bounds,
}

/// Why a source cannot be read at all.
#[derive(Debug, thiserror::Error)]
pub enum ReadError {
    #[error("failed to read {name}")]
    Io {
        name: String,
        #[source]
        source: io::Error,
    },
    #[error("{0} is in no format that is known")]
    Unknown(String),
}

/// A source that is being read.
pub struct Reader {
    frames: Frames,
    terms: SourceTerms,
    format: Format,
    decoder: Decoder,
    batch: Batch,
    tally: Tally,
    ended: bool,
    was_idle: bool,
}

/// A record's time and what was made of it.
struct Made<T> {
    time: Timestamp,
    basis: TimeBasis,
    key: Option<Key>,
    line: u64,
    result: T,
}

impl Reader {
    /// Begins to read.
    ///
    /// # Errors
    /// When the beginning cannot be read, or no record in it is of a known format.
    pub fn new(opened: Opened, given: Given) -> Result<Self, ReadError> {
        let name = opened.name.to_string();
        let frames = Frames::new(opened.bytes, given.bounds);
        Self::of(name, frames, given)
    }

    /// Begins to read a file that grows, see [`Tail`](super::tail::Tail).
    ///
    /// # Errors
    /// As [`Self::new`].
    pub fn following(opened: Opened, given: Given) -> Result<Self, ReadError> {
        let name = opened.name.to_string();
        let frames = Frames::following(opened.bytes, given.bounds);
        Self::of(name, frames, given)
    }

    fn of(name: String, frames: io::Result<Frames>, mut given: Given) -> Result<Self, ReadError> {
        let frames = frames.map_err(|source| ReadError::Io {
            name: name.clone(),
            source,
        })?;
        let told = given.format.or_else(|| {
            let beginning = frames.beginning();
            beginning.lines().find_map(|line| format_of(line.bytes))
        });
        // An empty file is no mistake: a log may have been rotated a moment ago.
        let empty = frames.head().iter().all(u8::is_ascii_whitespace);
        let format = match told {
            Some(format) => format,
            None if empty => Format::Syslog,
            None => return Err(ReadError::Unknown(name)),
        };
        let trust = given
            .trust
            .unwrap_or_else(|| trust_of(format, given.format.is_some()));
        given.terms.trust = trust;
        let decoder = decoder(format, &given.terms);
        let tally = Tally {
            source: name,
            format: (!empty || given.format.is_some()).then_some(format),
            trust: Some(trust),
            ..Tally::default()
        };
        Ok(Self {
            frames,
            decoder,
            terms: given.terms,
            format,
            batch: Batch::default(),
            tally,
            ended: false,
            was_idle: false,
        })
    }

    /// Whether a file that grows had no more the last time.
    pub fn is_idle(&self) -> bool {
        self.frames.is_idle()
    }

    /// Time goes on: what comes now may be as late as this.
    pub fn until(&mut self, until: Timestamp) {
        if let Decoder::Text(decoder) = &mut self.decoder {
            decoder.until(until);
        }
    }

    /// What the source is read as.
    pub fn format(&self) -> Format {
        self.format
    }

    /// A file that grows is not read on: what is held back of it is complete as it is.
    pub fn close<T: Send>(
        &mut self,
        seen: &mut Seen,
        map: &(impl Fn(Record) -> T + Sync),
    ) -> Vec<T> {
        self.ended = true;
        self.frames.close(&mut self.batch);
        self.results(seen, map)
    }

    /// The next results, of up to a batch of lines; none at the end, which includes an end by error (told in the tally).
    pub fn next<T: Send>(
        &mut self,
        seen: &mut Seen,
        map: &(impl Fn(Record) -> T + Sync),
    ) -> Option<Vec<T>> {
        if self.ended {
            return None;
        }
        match self.frames.next(&mut self.batch) {
            Ok(true) => self.was_idle = false,
            Ok(false) if self.frames.is_idle() => {
                // A writer may be in the middle of what belongs together: only the second silence in a row is one.
                let is_silent = std::mem::replace(&mut self.was_idle, true);
                return Some(if is_silent {
                    self.let_go(seen, map)
                } else {
                    Vec::new()
                });
            }
            Ok(false) => self.ended = true,
            Err(error) => {
                self.ended = true;
                self.tally.error = Some(error.to_string());
            }
        }
        Some(self.results(seen, map))
    }

    /// Nothing came for a while: what a decoder holds back is complete as it is.
    fn let_go<T: Send>(&mut self, seen: &mut Seen, map: &(impl Fn(Record) -> T + Sync)) -> Vec<T> {
        let Decoder::Text(decoder) = &mut self.decoder else {
            return Vec::new();
        };
        let (mut records, mut left) = (Vec::new(), Vec::new());
        decoder.end(&mut records, &mut left);
        self.tally.joined = decoder.joined();
        let mut made: Vec<_> = left.into_iter().map(Err).collect();
        made.extend(judged(records, &seen.hashers(), map));
        self.settle(made, seen)
    }

    fn results<T: Send>(&mut self, seen: &mut Seen, map: &(impl Fn(Record) -> T + Sync)) -> Vec<T> {
        self.tally.lines += (self.batch.len() + self.batch.left.len()) as u64;
        for left in self.batch.left.drain(..) {
            self.tally.leave(left);
        }
        let hashers = seen.hashers();
        let made = match self.decoder {
            Decoder::Json(_) => self.json(&hashers, map),
            Decoder::Text(_) => self.text(&hashers, map),
        };
        let results = self.settle(made, seen);
        if let Decoder::Text(decoder) = &self.decoder {
            self.tally.joined = decoder.joined();
        }
        results
    }

    /// What was read so far. Complete when [`Self::next`] answered none.
    pub fn tally(&self) -> &Tally {
        &self.tally
    }

    pub fn into_tally(self) -> Tally {
        self.tally
    }

    fn json<T: Send>(
        &self,
        hashers: &Hashers,
        map: &(impl Fn(Record) -> T + Sync),
    ) -> Vec<Result<Made<T>, Left>> {
        let Decoder::Json(decode) = &self.decoder else {
            return Vec::new();
        };
        let (batch, terms, format) = (&self.batch, &self.terms, self.format);
        (0..batch.len())
            .into_par_iter()
            .with_min_len(64)
            .map(|index| {
                let line = batch.line(index);
                let record = parse(line)
                    .and_then(|body| decode(body, line.number, terms))
                    .map_err(|left| named(left, line, format, batch))?;
                Ok(Made {
                    time: record.time,
                    basis: record.basis,
                    key: hashers.key(&record, line.bytes),
                    line: line.number,
                    result: map(record),
                })
            })
            .collect()
    }

    fn text<T: Send>(
        &mut self,
        hashers: &Hashers,
        map: &(impl Fn(Record) -> T + Sync),
    ) -> Vec<Result<Made<T>, Left>> {
        let Decoder::Text(decoder) = &mut self.decoder else {
            return Vec::new();
        };
        let (mut records, mut left) = (Vec::new(), Vec::new());
        for line in self.batch.lines() {
            decoder.take(line, &mut records, &mut left);
        }
        if self.ended {
            decoder.end(&mut records, &mut left);
        }
        let made = judged(records, hashers, map);
        left.into_iter()
            .map(|left| {
                Err(match self.batch.numbered(left.line) {
                    Some(line) => named(left, line, self.format, &self.batch),
                    None => left,
                })
            })
            .chain(made)
            .collect()
    }

    fn settle<T>(&mut self, made: Vec<Result<Made<T>, Left>>, seen: &mut Seen) -> Vec<T> {
        let mut results = Vec::with_capacity(made.len());
        for one in made {
            match one {
                Err(left) => self.tally.leave(left),
                Ok(made) if made.key.is_some_and(|key| !seen.insert(key)) => {
                    self.tally.leave(Left {
                        line: made.line,
                        why: LeftOut::Duplicate,
                        detail: "the same record was read before".to_owned(),
                    });
                }
                Ok(made) => {
                    self.tally.record(made.time, made.basis);
                    results.push(made.result);
                }
            }
        }
        results
    }
}

/// What is made of records that were decoded in order.
fn judged<T: Send>(
    records: Vec<Record>,
    hashers: &Hashers,
    map: &(impl Fn(Record) -> T + Sync),
) -> Vec<Result<Made<T>, Left>> {
    records
        .into_par_iter()
        .with_min_len(64)
        .map(|record| {
            Ok(Made {
                time: record.time,
                basis: record.basis,
                key: hashers.key_of(&record),
                line: record.place.line,
                result: map(record),
            })
        })
        .collect()
}

/// A line that could not be decoded is torn where it is the last one without its end, and foreign where it is a whole record
/// of another format.
fn named(left: Left, line: Line<'_>, format: Format, batch: &Batch) -> Left {
    if left.why != LeftOut::Malformed {
        return left;
    }
    if batch.is_unended(line.number) {
        return Left {
            why: LeftOut::Torn,
            ..left
        };
    }
    match format_of(line.bytes) {
        Some(other) if other != format => Left {
            why: LeftOut::OtherFormat,
            detail: format!("it is {other}"),
            ..left
        },
        _ => left,
    }
}

/// A JSON object. Bytes that are no UTF-8 are replaced, since a record with a strange name in it must not hide.
fn parse(line: Line<'_>) -> Result<Value, Left> {
    let parsed = match std::str::from_utf8(line.bytes) {
        Ok(text) => serde_json::from_str::<Value>(text),
        Err(_) => serde_json::from_str(&String::from_utf8_lossy(line.bytes)),
    };
    let left = |detail: String| Left {
        line: line.number,
        why: LeftOut::Malformed,
        detail,
    };
    match parsed {
        Ok(body @ Value::Object(_)) => Ok(body),
        Ok(_) => Err(left("it is no JSON object".to_owned())),
        Err(error) => Err(left(format!(
            "{} at column {}",
            reason(&error),
            error.column()
        ))),
    }
}

/// What is wrong, without serde's own place and without content.
fn reason(error: &serde_json::Error) -> &'static str {
    match error.classify() {
        serde_json::error::Category::Eof => "the JSON ends in the middle",
        _ => "no valid JSON",
    }
}

#[cfg(test)]
mod tests;
