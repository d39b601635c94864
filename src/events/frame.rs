//! Bytes cut into lines, or into the elements of a JSON document, within bounds.
//!
//! Flow: a reader of plain or gzip bytes in UTF-8 or UTF-16 → batches of whole lines. A document (`{"Records": [..]}`, a list of
//! items, an array, objects over several lines) is cut where its elements end, without being held as a whole.
//!
//! Cost: each byte is looked at once or twice; memory is one batch, whatever the source's size.
//!
//! **Invariant:** every byte that was read is in a line of a batch or in a count of what was left out. A line longer than the
//! bound costs its reading and no memory.

mod document;
mod lines;

use std::io::{self, BufRead, BufReader, Cursor, Read};
use std::ops::Range;

use encoding_rs_io::DecodeReaderBytesBuilder;
use flate2::read::MultiGzDecoder;

use super::decode::{Left, Line};
use document::Document;
use lines::Lines;

/// How much of a source is looked at to tell how it is built.
pub const HEAD: usize = 64 << 10;
/// A batch is handed on when it holds this many bytes.
const BATCH_BYTES: usize = 1 << 20;
/// Or this many lines.
const BATCH_LINES: usize = 4096;

/// Bounds on what is read.
#[derive(Clone, Copy, Debug)]
pub struct Bounds {
    /// A longer line is left out.
    pub line: usize,
    /// The rest of a source that is longer than this is left out, after it was unpacked: a small gzip file can hold
    /// a thousand times its size.
    pub source: u64,
}

impl Default for Bounds {
    fn default() -> Self {
        Self {
            line: 1 << 20,
            source: 64 << 30,
        }
    }
}

/// Whole lines, one after the other in one buffer.
#[derive(Debug, Default)]
pub struct Batch {
    bytes: Vec<u8>,
    lines: Vec<(u64, Range<usize>)>,
    /// Lines that were left out while this batch was read.
    pub left: Vec<Left>,
    /// The last line has no end of its own.
    unended: bool,
}

impl Batch {
    /// Its lines in the source's order.
    pub fn lines(&self) -> impl Iterator<Item = Line<'_>> {
        self.lines.iter().map(|(number, range)| Line {
            number: *number,
            bytes: &self.bytes[range.clone()],
        })
    }

    /// The line at this place of the batch.
    pub fn line(&self, index: usize) -> Line<'_> {
        let (number, range) = &self.lines[index];
        Line {
            number: *number,
            bytes: &self.bytes[range.clone()],
        }
    }

    /// The line with this number.
    pub fn numbered(&self, number: u64) -> Option<Line<'_>> {
        let index = self.lines.binary_search_by_key(&number, |it| it.0).ok()?;
        Some(self.line(index))
    }

    /// Whether this is the source's last line and has no end: it may still be written.
    pub fn is_unended(&self, number: u64) -> bool {
        self.unended && self.lines.last().is_some_and(|last| last.0 == number)
    }

    pub fn len(&self) -> usize {
        self.lines.len()
    }

    pub fn is_empty(&self) -> bool {
        self.lines.is_empty() && self.left.is_empty()
    }

    fn is_full(&self) -> bool {
        self.bytes.len() >= BATCH_BYTES || self.lines.len() >= BATCH_LINES
    }

    fn clear(&mut self) {
        self.bytes.clear();
        self.lines.clear();
        self.left.clear();
        self.unended = false;
    }

    /// Ends a line that began at `from`.
    fn close(&mut self, number: u64, from: usize) {
        self.lines.push((number, from..self.bytes.len()));
    }
}

type Decoded = BufReader<io::Chain<Cursor<Vec<u8>>, Box<dyn Read + Send>>>;

enum Cut {
    Lines(Lines),
    Document(Document),
}

/// A source, cut.
pub struct Frames {
    reader: Decoded,
    cut: Cut,
    head: Vec<u8>,
    ended: bool,
    idle: bool,
}

impl Frames {
    /// Begins to read lines of a source that grows: at its present end it answers
    /// [`WouldBlock`](io::ErrorKind::WouldBlock), and may have more later. It is neither unpacked nor decoded.
    ///
    /// # Errors
    /// When the beginning cannot be read.
    pub fn following(mut source: Box<dyn Read + Send>, bounds: Bounds) -> io::Result<Self> {
        let mut head = Vec::with_capacity(HEAD);
        match source.by_ref().take(HEAD as u64).read_to_end(&mut head) {
            Err(error) if error.kind() != io::ErrorKind::WouldBlock => return Err(error),
            _ => {}
        }
        let reader = BufReader::new(Cursor::new(head.clone()).chain(source));
        Ok(Self {
            reader,
            cut: Cut::Lines(Lines::new(bounds.line)),
            head,
            ended: false,
            idle: false,
        })
    }

    /// Whether a source that grows had no more the last time.
    pub fn is_idle(&self) -> bool {
        self.idle
    }

    /// No more is expected of a source that grows: what it has of a last line is one.
    pub fn close(&mut self, batch: &mut Batch) {
        batch.clear();
        if !self.ended {
            self.finish(batch);
        }
    }

    /// Begins to read. What the bytes are (gzip, UTF-16, lines or a document) is told by their beginning.
    ///
    /// # Errors
    /// When the beginning cannot be read or unpacked.
    pub fn new(source: Box<dyn Read + Send>, bounds: Bounds) -> io::Result<Self> {
        let mut plain = unpacked(source, bounds)?;
        let mut head = Vec::with_capacity(HEAD);
        plain.by_ref().take(HEAD as u64).read_to_end(&mut head)?;
        let cut = match document::how(&head) {
            Some(shape) => Cut::Document(Document::new(shape, bounds.line)),
            None => Cut::Lines(Lines::new(bounds.line)),
        };
        let reader = BufReader::with_capacity(256 << 10, Cursor::new(head.clone()).chain(plain));
        Ok(Self {
            reader,
            cut,
            head,
            ended: false,
            idle: false,
        })
    }

    /// The first bytes, unpacked.
    pub fn head(&self) -> &[u8] {
        &self.head
    }

    /// The lines or elements of the head, the last one perhaps cut short.
    pub fn beginning(&self) -> Batch {
        let mut batch = Batch::default();
        match document::how(&self.head) {
            Some(shape) => _ = Document::new(shape, HEAD).take(&self.head, &mut batch),
            None => {
                let mut lines = Lines::new(HEAD);
                lines.take(&self.head, &mut batch);
                lines.end(&mut batch);
            }
        }
        batch
    }

    /// Fills a batch; false when nothing is left, or nothing yet of a source that grows.
    ///
    /// # Errors
    /// When the source cannot be read on, or its gzip data are damaged. What was read before stands in the batch.
    pub fn next(&mut self, batch: &mut Batch) -> io::Result<bool> {
        batch.clear();
        self.idle = false;
        while !self.ended && !batch.is_full() {
            let chunk = match self.reader.fill_buf() {
                Ok(chunk) => chunk,
                Err(error) if error.kind() == io::ErrorKind::Interrupted => continue,
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => {
                    self.idle = true;
                    break;
                }
                Err(error) => {
                    self.finish(batch);
                    return Err(error);
                }
            };
            if chunk.is_empty() {
                self.finish(batch);
                break;
            }
            let used = match &mut self.cut {
                Cut::Lines(lines) => lines.take(chunk, batch),
                Cut::Document(document) => document.take(chunk, batch),
            };
            self.reader.consume(used);
        }
        Ok(!batch.is_empty())
    }

    fn finish(&mut self, batch: &mut Batch) {
        self.ended = true;
        match &mut self.cut {
            Cut::Lines(lines) => lines.end(batch),
            Cut::Document(document) => document.end(batch),
        }
    }
}

/// The same bytes without gzip and in UTF-8, up to the bound.
fn unpacked(mut source: Box<dyn Read + Send>, bounds: Bounds) -> io::Result<Box<dyn Read + Send>> {
    let mut magic = Vec::with_capacity(2);
    source.by_ref().take(2).read_to_end(&mut magic)?;
    let packed = magic == [0x1f, 0x8b];
    let whole = Cursor::new(magic).chain(source);
    let plain: Box<dyn Read + Send> = match packed {
        true => Box::new(MultiGzDecoder::new(BufReader::new(whole))),
        false => Box::new(whole),
    };
    let decoded = DecodeReaderBytesBuilder::new()
        .utf8_passthru(true)
        .bom_sniffing(true)
        .strip_bom(true)
        .build(plain);
    Ok(Box::new(Bounded {
        inner: decoded,
        left: bounds.source,
    }))
}

/// Fails instead of reading on for ever.
struct Bounded<R> {
    inner: R,
    left: u64,
}

impl<R: Read> Read for Bounded<R> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        if self.left == 0 {
            return Err(io::Error::other(
                "it is longer than one source may be (--max-source); the rest was not read",
            ));
        }
        let most = buffer
            .len()
            .min(usize::try_from(self.left).unwrap_or(usize::MAX));
        let read = self.inner.read(&mut buffer[..most])?;
        self.left -= read as u64;
        Ok(read)
    }
}

#[cfg(test)]
mod tests;
