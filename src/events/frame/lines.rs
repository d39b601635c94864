//! Lines, each whole and bounded.

use super::Batch;
use crate::events::decode::{Left, LeftOut};

/// Cuts at newlines; a carriage return before one goes with it, empty lines are nobody's.
pub struct Lines {
    /// The line that is being read, from 1.
    number: u64,
    /// What was read of it in an earlier batch.
    carried: Vec<u8>,
    /// Its beginning was thrown away: it is too long.
    too_long: bool,
    max: usize,
}

impl Lines {
    pub fn new(max: usize) -> Self {
        Self {
            number: 1,
            carried: Vec::new(),
            too_long: false,
            max,
        }
    }

    /// Takes bytes until the batch is full; says how many.
    pub fn take(&mut self, chunk: &[u8], batch: &mut Batch) -> usize {
        let mut at = 0;
        while at < chunk.len() && !batch.is_full() {
            match memchr::memchr(b'\n', &chunk[at..]) {
                Some(length) => {
                    self.add(&chunk[at..at + length]);
                    self.close(batch);
                    at += length + 1;
                }
                None => {
                    self.add(&chunk[at..]);
                    at = chunk.len();
                }
            }
        }
        at
    }

    /// The source is at its end: what is left has no newline.
    pub fn end(&mut self, batch: &mut Batch) {
        if self.too_long || !self.carried.is_empty() {
            batch.unended = !self.too_long;
            self.close(batch);
        }
    }

    fn add(&mut self, bytes: &[u8]) {
        if self.too_long {
            return;
        }
        if self.carried.len() + bytes.len() > self.max {
            self.too_long = true;
            self.carried = Vec::new();
            return;
        }
        self.carried.extend_from_slice(bytes);
    }

    fn close(&mut self, batch: &mut Batch) {
        if self.too_long {
            batch.left.push(Left {
                line: self.number,
                why: LeftOut::TooLong,
                detail: format!("longer than {} bytes", self.max),
            });
        } else {
            let line = self.carried.strip_suffix(b"\r").unwrap_or(&self.carried);
            if !line.iter().all(u8::is_ascii_whitespace) {
                let from = batch.bytes.len();
                batch.bytes.extend_from_slice(line);
                batch.close(self.number, from);
            }
        }
        self.carried.clear();
        self.too_long = false;
        self.number += 1;
    }
}
