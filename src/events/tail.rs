//! A file that somebody else writes, read as it grows.
//!
//! **Invariant:** a file that was moved away is read on as long as it is open, since its writer may not know yet; one that was
//! cut off begins anew, and what was read of its last line ends there.

use std::fs::File;
use std::io::{self, Read, Seek, SeekFrom};
use std::os::unix::fs::MetadataExt;

/// Which file it is, whatever its name.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug)]
pub struct Identity {
    device: u64,
    inode: u64,
}

impl Identity {
    /// Of a file, or of what stands at a path.
    pub fn of(meta: &std::fs::Metadata) -> Self {
        Self {
            device: meta.dev(),
            inode: meta.ino(),
        }
    }
}

/// An open file. At its end it answers [`WouldBlock`](io::ErrorKind::WouldBlock).
pub struct Tail {
    file: File,
    offset: u64,
}

impl Tail {
    /// From its beginning.
    pub fn new(file: File) -> Self {
        Self { file, offset: 0 }
    }
}

impl Read for Tail {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let read = self.file.read(buffer)?;
        self.offset += read as u64;
        if read > 0 || buffer.is_empty() {
            return Ok(read);
        }
        if self.file.metadata()?.len() < self.offset {
            self.file.seek(SeekFrom::Start(0))?;
            self.offset = 0;
            buffer[0] = b'\n';
            return Ok(1);
        }
        Err(io::ErrorKind::WouldBlock.into())
    }
}

#[cfg(test)]
mod tests {
    use std::io::Write;

    use super::*;

    fn more(tail: &mut Tail) -> String {
        let mut text = Vec::new();
        let ended = tail.read_to_end(&mut text).unwrap_err();
        assert_eq!(ended.kind(), io::ErrorKind::WouldBlock);
        String::from_utf8(text).unwrap()
    }

    // Goal: what is written after the end was seen, after the file was moved, or after it was cut off is lost.
    #[test]
    fn it_reads_on() {
        let dir = tempfile::tempdir().unwrap();
        let (path, moved) = (dir.path().join("log"), dir.path().join("log.1"));
        let mut log = File::create(&path).unwrap();
        log.write_all(b"one\ntw").unwrap();
        let mut tail = Tail::new(File::open(&path).unwrap());
        assert_eq!(more(&mut tail), "one\ntw");
        assert_eq!(more(&mut tail), "");
        log.write_all(b"o\n").unwrap();
        std::fs::rename(&path, &moved).unwrap();
        log.write_all(b"three\nfo").unwrap();
        assert_eq!(more(&mut tail), "o\nthree\nfo");
        log.set_len(0).unwrap();
        log.seek(SeekFrom::Start(0)).unwrap();
        log.write_all(b"new\n").unwrap();
        assert_eq!(more(&mut tail), "\nnew\n");
    }
}
