//! The elements of a JSON document, cut without holding the document.
//!
//! What is cut is not parsed: strings, escapes and brackets are followed, nothing else. Each element is then a "line" for a
//! decoder, which says what is wrong with it.

use super::Batch;
use crate::events::decode::{Left, LeftOut};

/// Keys under which services put their lists: CloudTrail's `Records`, Kubernetes' `items`.
const LISTS: [&str; 2] = ["Records", "items"];

/// At which depth the elements of a document stand.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Shape {
    /// Objects one after the other, over several lines each.
    Objects,
    /// An array of objects.
    Array,
    /// An object with a list of objects under one of a few keys.
    List,
}

/// How a source that begins like this is built; none for lines.
pub fn how(head: &[u8]) -> Option<Shape> {
    let start = head.iter().position(|byte| !byte.is_ascii_whitespace())?;
    match head[start] {
        b'[' => Some(Shape::Array),
        b'{' => of_object(&head[start..]),
        _ => None,
    }
}

/// An object whose list comes before its end is a document; one that ends on its line is a line.
fn of_object(head: &[u8]) -> Option<Shape> {
    let mut follow = Follow::default();
    let mut lines = 0;
    let mut line_begins = false;
    for byte in head {
        // No string goes over a line's end, and no layout puts an inner object first on its line: the line before is torn.
        let torn = follow.in_string && *byte == b'\n' || line_begins && *byte == b'{';
        if torn && follow.depth > 0 {
            return None;
        }
        line_begins = *byte == b'\n';
        follow.step(*byte);
        if follow.list_begins() {
            return Some(Shape::List);
        }
        if follow.depth == 0 {
            return (lines > 0).then_some(Shape::Objects);
        }
        lines += usize::from(line_begins);
    }
    (lines > 0).then_some(Shape::Objects)
}

/// Follows JSON by bytes: how deep, whether within a string, and which key of the outermost object came last.
#[derive(Default)]
struct Follow {
    depth: usize,
    in_string: bool,
    escaped: bool,
    /// The last string at depth 1, cut short: a key or a value.
    key: Vec<u8>,
    /// After a string at depth 1: a colon makes it a key.
    is_key: bool,
    /// An array was opened directly below such a key.
    opened: bool,
}

impl Follow {
    fn step(&mut self, byte: u8) {
        self.opened = false;
        if self.in_string {
            match byte {
                _ if self.escaped => self.escaped = false,
                b'\\' => self.escaped = true,
                b'"' => self.in_string = false,
                _ if self.depth == 1 && self.key.len() < 16 => self.key.push(byte),
                _ => {}
            }
            return;
        }
        match byte {
            b'"' => {
                self.in_string = true;
                if self.depth == 1 {
                    self.key.clear();
                    self.is_key = false;
                }
            }
            b':' if self.depth == 1 => self.is_key = true,
            b'{' | b'[' => {
                self.opened = byte == b'[' && self.depth == 1 && self.is_key;
                self.depth += 1;
            }
            b'}' | b']' => self.depth = self.depth.saturating_sub(1),
            b',' if self.depth == 1 => self.is_key = false,
            _ => {}
        }
    }

    fn list_begins(&self) -> bool {
        self.opened && LISTS.iter().any(|name| name.as_bytes() == self.key)
    }
}

/// Cuts a document.
pub struct Document {
    shape: Shape,
    follow: Follow,
    /// The list of a [`Shape::List`] is open.
    in_list: bool,
    /// The element that is being read, from 1.
    number: u64,
    current: Vec<u8>,
    in_element: bool,
    too_long: bool,
    max: usize,
}

impl Document {
    pub fn new(shape: Shape, max: usize) -> Self {
        Self {
            shape,
            follow: Follow::default(),
            in_list: false,
            number: 1,
            current: Vec::new(),
            in_element: false,
            too_long: false,
            max,
        }
    }

    /// The depth within which an element is an object of its own.
    fn outer(&self) -> Option<usize> {
        match self.shape {
            Shape::Objects => Some(0),
            Shape::Array => Some(1),
            Shape::List => self.in_list.then_some(2),
        }
    }

    /// Takes bytes until the batch is full; says how many.
    pub fn take(&mut self, chunk: &[u8], batch: &mut Batch) -> usize {
        for (at, byte) in chunk.iter().enumerate() {
            if batch.is_full() {
                return at;
            }
            self.step(*byte, batch);
        }
        chunk.len()
    }

    fn step(&mut self, byte: u8, batch: &mut Batch) {
        let before = self.follow.depth;
        self.follow.step(byte);
        if self.follow.list_begins() {
            self.in_list = true;
        } else if self.in_list && self.follow.depth < 2 {
            self.in_list = false;
        }
        let Some(outer) = self.outer() else { return };
        if !self.in_element && before == outer && self.follow.depth == outer + 1 {
            self.in_element = true;
        }
        if !self.in_element {
            return;
        }
        self.add(byte);
        if self.follow.depth == outer {
            self.close(batch);
        }
    }

    fn add(&mut self, byte: u8) {
        if self.too_long {
            return;
        }
        if self.current.len() >= self.max {
            self.too_long = true;
            self.current = Vec::new();
            return;
        }
        // A line for its reader: newlines between tokens are spaces, and within strings there are none.
        self.current.push(if byte == b'\n' { b' ' } else { byte });
    }

    fn close(&mut self, batch: &mut Batch) {
        if self.too_long {
            batch.left.push(Left {
                line: self.number,
                why: LeftOut::TooLong,
                detail: format!("longer than {} bytes", self.max),
            });
        } else {
            let from = batch.bytes.len();
            batch.bytes.extend_from_slice(&self.current);
            batch.close(self.number, from);
        }
        self.current.clear();
        self.too_long = false;
        self.in_element = false;
        self.number += 1;
    }

    /// The source is at its end: what is open is torn.
    pub fn end(&mut self, batch: &mut Batch) {
        let open = self.in_element || self.follow.depth > 0;
        if open {
            batch.left.push(Left {
                line: self.number,
                why: LeftOut::Torn,
                detail: "the document ends in the middle".to_owned(),
            });
        }
        self.current.clear();
        self.in_element = false;
        self.follow = Follow::default();
    }
}
