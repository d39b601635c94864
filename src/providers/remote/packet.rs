//! Messages as bytes: two lengths, the message as JSON, then the contents that come with it, each with its length.
//!
//! ```text
//! u32 length of the message | u32 number of contents | message | (u64 length | bytes) for each content
//! ```
//!
//! All numbers are big-endian.
//!
//! **Invariant:** memory grows with what has arrived, never with what was announced, and never beyond [`Limits`].

use std::io::{self, Read, Write};
use std::time::Duration;

use serde::Serialize;
use serde::de::DeserializeOwned;

use crate::model::Contents;

/// Bytes before every message.
pub const HEADER: usize = 8;
/// The largest message, in bytes.
pub const MAX_MESSAGE: usize = 64 << 20;
/// The most contents with one message.
const MAX_CONTENTS: usize = 100_000;

/// How much of one packet is taken.
#[derive(Clone, Copy, Debug)]
pub struct Limits {
    /// Bytes of the message.
    pub message: usize,
    /// Bytes of all contents together.
    pub contents: u64,
}

/// What is not as a packet has to be.
#[derive(Debug, thiserror::Error)]
pub enum PacketError {
    /// The other end is gone, before the packet or in the middle of it.
    #[error("the connection ended")]
    Ended,
    #[error("failed to read or write: {0}")]
    Io(#[source] io::Error),
    #[error("what came is no message: it starts with {0}")]
    NoMessage(String),
    #[error("{announced} bytes were announced, and at most {limit} are taken")]
    TooLarge { announced: u64, limit: u64 },
    #[error("{announced} contents were announced, and at most {limit} are taken")]
    TooMany { announced: usize, limit: usize },
    #[error("no whole message came within {0:?}")]
    Slow(Duration),
    #[error("a message cannot be understood: {0}")]
    NotUnderstood(String),
}

/// The two numbers before a message.
#[derive(Clone, Copy, Debug)]
pub struct Header {
    pub message: usize,
    pub contents: usize,
}

impl Header {
    /// Reads the numbers and holds them against the limits.
    ///
    /// # Errors
    /// They are larger; where they look like text, it is said which.
    pub fn decode(bytes: [u8; HEADER], limits: Limits) -> Result<Self, PacketError> {
        let number = |at: usize| {
            let four = [bytes[at], bytes[at + 1], bytes[at + 2], bytes[at + 3]];
            u32::from_be_bytes(four) as usize
        };
        let header = Self {
            message: number(0),
            contents: number(4),
        };
        if header.message <= limits.message && header.contents <= MAX_CONTENTS {
            return Ok(header);
        }
        let is_text = |byte: &u8| byte.is_ascii_graphic() || b" \n\r\t\x1b".contains(byte);
        if bytes.iter().all(is_text) {
            let text = bytes.escape_ascii().to_string();
            return Err(PacketError::NoMessage(format!("\"{text}\"")));
        }
        if header.message <= limits.message {
            return Err(PacketError::TooMany {
                announced: header.contents,
                limit: MAX_CONTENTS,
            });
        }
        Err(PacketError::TooLarge {
            announced: header.message as u64,
            limit: limits.message as u64,
        })
    }
}

/// What is left of the limit on contents.
#[derive(Clone, Copy, Debug)]
pub struct Room(pub u64);

impl Room {
    /// Takes the announced length of one content off.
    ///
    /// # Errors
    /// There is not as much room.
    pub fn take(&mut self, length: [u8; 8]) -> Result<u64, PacketError> {
        let announced = u64::from_be_bytes(length);
        let limit = self.0;
        self.0 = limit
            .checked_sub(announced)
            .ok_or(PacketError::TooLarge { announced, limit })?;
        Ok(announced)
    }
}

/// The bytes of a packet.
///
/// # Errors
/// The message is larger than any that is taken.
pub fn encode<T: Serialize>(message: &T, contents: &Contents) -> Result<Vec<u8>, PacketError> {
    let mut packet = vec![0_u8; HEADER];
    serde_json::to_writer(&mut packet, message)
        .map_err(|error| PacketError::NotUnderstood(error.to_string()))?;
    let length = packet.len() - HEADER;
    if length > MAX_MESSAGE {
        return Err(PacketError::TooLarge {
            announced: length as u64,
            limit: MAX_MESSAGE as u64,
        });
    }
    let count = contents.iter().count();
    packet[..4].copy_from_slice(&(length as u32).to_be_bytes());
    packet[4..HEADER].copy_from_slice(&(count as u32).to_be_bytes());
    for (_, bytes) in contents.iter() {
        packet.extend_from_slice(&(bytes.len() as u64).to_be_bytes());
        packet.extend_from_slice(bytes);
    }
    Ok(packet)
}

/// Understands a message.
///
/// # Errors
/// It is none of these.
pub fn decode<T: DeserializeOwned>(message: &[u8]) -> Result<T, PacketError> {
    serde_json::from_slice(message).map_err(|error| {
        // Not the error's own words: they quote what the other end sent.
        PacketError::NotUnderstood(format!("at byte {} of {}", error.column(), message.len()))
    })
}

/// Reads one packet; none where the other end has closed in good order.
///
/// # Errors
/// What came is none, or is beyond the limits.
pub fn read<T: DeserializeOwned>(
    input: &mut dyn Read,
    limits: Limits,
) -> Result<Option<(T, Contents)>, PacketError> {
    let mut header = [0_u8; HEADER];
    match input.read(&mut header[..1]) {
        Ok(0) => return Ok(None),
        Ok(_) => fill(input, &mut header[1..])?,
        Err(error) => return Err(PacketError::Io(error)),
    }
    let header = Header::decode(header, limits)?;
    let message = exactly(input, header.message as u64)?;
    let mut contents = Contents::default();
    let mut room = Room(limits.contents);
    for _ in 0..header.contents {
        let mut length = [0_u8; 8];
        fill(input, &mut length)?;
        contents.keep(exactly(input, room.take(length)?)?);
    }
    Ok(Some((decode(&message)?, contents)))
}

/// Writes one packet and sees it off.
///
/// # Errors
/// The other end is gone, or the message is too large.
pub fn write<T: Serialize>(
    output: &mut dyn Write,
    message: &T,
    contents: &Contents,
) -> Result<(), PacketError> {
    let packet = encode(message, contents)?;
    output.write_all(&packet).map_err(PacketError::Io)?;
    output.flush().map_err(PacketError::Io)
}

fn fill(input: &mut dyn Read, buffer: &mut [u8]) -> Result<(), PacketError> {
    input.read_exact(buffer).map_err(ended)
}

fn exactly(input: &mut dyn Read, length: u64) -> Result<Vec<u8>, PacketError> {
    let mut bytes = Vec::new();
    let read = input.take(length).read_to_end(&mut bytes).map_err(ended)?;
    match read as u64 == length {
        true => Ok(bytes),
        false => Err(PacketError::Ended),
    }
}

fn ended(error: io::Error) -> PacketError {
    match error.kind() {
        io::ErrorKind::UnexpectedEof => PacketError::Ended,
        _ => PacketError::Io(error),
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    const LIMITS: Limits = Limits {
        message: 1000,
        contents: 1000,
    };

    fn packet(texts: &[&[u8]]) -> (Vec<u8>, Contents) {
        let mut contents = Contents::default();
        for text in texts {
            contents.keep(text.to_vec());
        }
        (encode(&vec!["a", "b"], &contents).unwrap(), contents)
    }

    // Goal: what was written is read, and a packet that breaks off at any byte is an end and never half a message.
    #[test]
    fn round_trip_and_every_cut() {
        let (bytes, contents) = packet(&[b"", b"one", b"two\n"]);
        let read_from = |mut bytes: &[u8]| read::<Vec<String>>(&mut bytes, LIMITS);
        let (message, got) = read_from(&bytes).unwrap().unwrap();
        assert_eq!(message, ["a", "b"]);
        assert!(got.iter().eq(contents.iter()));
        assert!(read_from(&[]).unwrap().is_none());
        for length in 1..bytes.len() {
            let cut = read_from(&bytes[..length]);
            assert!(matches!(cut, Err(PacketError::Ended)), "{length}: {cut:?}");
        }
    }

    // Goal: a length that lies costs no memory and is refused by name; a greeting is recognised for text.
    #[test]
    fn lies_about_lengths() {
        let read_from = |mut bytes: &[u8]| read::<Vec<String>>(&mut bytes, LIMITS).unwrap_err();
        let huge = [0xff, 0xff, 0xff, 0xff, 0, 0, 0, 0];
        assert!(matches!(
            read_from(&huge),
            PacketError::TooLarge {
                announced: 4_294_967_295,
                limit: 1000
            }
        ));
        let (mut bytes, _) = packet(&[b"x"]);
        let at = bytes.len() - 9;
        bytes[at..at + 8].copy_from_slice(&u64::MAX.to_be_bytes());
        assert!(matches!(read_from(&bytes), PacketError::TooLarge { .. }));
        let greeting = read_from(b"Welcome to web-1!\n");
        assert!(matches!(&greeting, PacketError::NoMessage(text) if text == "\"Welcome \""));
    }

    proptest! {
        // Goal: no bytes whatever make the reader panic or hand out more than the limits allow.
        #[test]
        fn any_bytes(bytes: Vec<u8>) {
            if let Ok(Some((message, contents))) = read::<Vec<String>>(&mut bytes.as_slice(), LIMITS) {
                prop_assert!(message.iter().map(String::len).sum::<usize>() <= LIMITS.message);
                prop_assert!(contents.bytes() as u64 <= LIMITS.contents);
            }
        }
    }
}
