//! One connection to a worker: a request goes out, its answer comes back, within a time and within bounds.
//!
//! **Invariant:** after anything unexpected the connection is of no use any more; whoever holds it drops it.

use std::any::Any;
use std::collections::BTreeSet;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use async_trait::async_trait;
use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt};
use tokio::task::JoinHandle;

use super::packet::{self, HEADER, Header, Limits, PacketError, Room};
use super::wire::{Answer, Request};
use crate::model::{Contents, Digest, Reason};
use crate::ports::ContentSource;

/// How much of what a worker says on its standard error is kept, in bytes.
const MAX_SAID: usize = 4096;
/// How long the rest of it is awaited when a worker has ended.
const LAST_WORDS: Duration = Duration::from_millis(500);

/// Makes connections to the worker of one host.
#[async_trait]
pub trait Connector: Send + Sync {
    /// Starts a worker and gives its two ends.
    async fn connect(&self) -> Result<Pipe, Reason>;
}

/// A running worker.
pub struct Pipe {
    /// To its standard input.
    pub input: Box<dyn AsyncWrite + Send + Sync + Unpin>,
    /// From its standard output.
    pub output: Box<dyn AsyncRead + Send + Sync + Unpin>,
    pub said: Said,
    /// What has to live as long as the connection; dropping it ends the worker.
    pub alive: Box<dyn Any + Send + Sync>,
}

/// What a worker, or whatever was started in its place, said on its standard error.
#[derive(Clone, Default)]
pub struct Said {
    kept: Arc<Mutex<Vec<u8>>>,
    listening: Arc<Mutex<Option<JoinHandle<()>>>>,
}

/// What a worker may ask for in the middle of a step.
pub struct Offer<'a> {
    pub contents: &'a dyn ContentSource,
    /// Nothing else is given away, whatever it asks for.
    pub allowed: BTreeSet<Digest>,
}

impl Said {
    /// Keeps the end of what comes, until it ends.
    pub fn listen(&self, mut from: impl AsyncRead + Send + Unpin + 'static) {
        let kept = Arc::clone(&self.kept);
        let listening = tokio::spawn(async move {
            let mut buffer = [0_u8; 1024];
            while let Ok(read @ 1..) = from.read(&mut buffer).await {
                if let Ok(mut kept) = kept.lock() {
                    kept.extend_from_slice(&buffer[..read]);
                    let surplus = kept.len().saturating_sub(MAX_SAID);
                    kept.drain(..surplus);
                }
            }
        });
        if let Ok(mut slot) = self.listening.lock() {
            *slot = Some(listening);
        }
    }

    /// Its last line, escaped; none where it said nothing. Of one that has ended, what is still on its way is awaited.
    pub async fn last_line(&self) -> Option<String> {
        let listening = self.listening.lock().ok()?.take();
        if let Some(listening) = listening {
            // Where it goes on speaking, what came so far has to do.
            let _ = tokio::time::timeout(LAST_WORDS, listening).await;
        }
        let kept = self.kept.lock().ok()?;
        let text = String::from_utf8_lossy(&kept);
        let line = text.lines().rev().find(|line| !line.trim().is_empty())?;
        Some(super::check::bounded(line))
    }
}

impl Pipe {
    /// Asks one thing, with the contents that it takes. `each` bounds the time of every packet on its way, in either direction.
    ///
    /// # Errors
    /// The connection is gone, too slow, or what came is no answer.
    pub async fn ask(
        &mut self,
        request: &Request,
        with: &Contents,
        limits: Limits,
        each: Duration,
        offer: Option<&Offer<'_>>,
    ) -> Result<(Answer, Contents), PacketError> {
        match self.send(request, with, each).await {
            // What ended without listening may have said something all the same.
            Ok(()) | Err(PacketError::Ended) => {}
            Err(error) => return Err(error),
        }
        // A tree may hold one content many times; more questions than that are a game.
        let mut questions = offer.map_or(0, |offer| 4 * offer.allowed.len() + 4);
        loop {
            let (answer, contents) = self.receive(limits, each).await?;
            let Answer::NeedContent { digest } = answer else {
                return Ok((answer, contents));
            };
            let Some(offer) = offer.filter(|_| questions > 0) else {
                return Err(PacketError::NotUnderstood("it asks for content".into()));
            };
            questions -= 1;
            let mut given = Contents::default();
            if offer.allowed.contains(&digest)
                && let Some(bytes) = offer.contents.content(&digest)
            {
                given.keep(bytes);
            }
            self.send(&Request::Content, &given, each).await?;
        }
    }

    async fn send(
        &mut self,
        request: &Request,
        contents: &Contents,
        each: Duration,
    ) -> Result<(), PacketError> {
        let packet = packet::encode(request, contents)?;
        let writing = async {
            self.input.write_all(&packet).await?;
            self.input.flush().await
        };
        match tokio::time::timeout(each, writing).await {
            Ok(Ok(())) => Ok(()),
            Ok(Err(error)) if error.kind() == std::io::ErrorKind::BrokenPipe => {
                Err(PacketError::Ended)
            }
            Ok(Err(error)) => Err(PacketError::Io(error)),
            Err(_) => Err(PacketError::Slow(each)),
        }
    }

    async fn receive(
        &mut self,
        limits: Limits,
        each: Duration,
    ) -> Result<(Answer, Contents), PacketError> {
        match tokio::time::timeout(each, receive(&mut self.output, limits)).await {
            Ok(received) => received,
            Err(_) => Err(PacketError::Slow(each)),
        }
    }
}

async fn receive(
    output: &mut (dyn AsyncRead + Send + Sync + Unpin),
    limits: Limits,
) -> Result<(Answer, Contents), PacketError> {
    let mut header = [0_u8; HEADER];
    fill(output, &mut header).await?;
    let header = Header::decode(header, limits)?;
    let message = exactly(output, header.message as u64).await?;
    let mut contents = Contents::default();
    let mut room = Room(limits.contents);
    for _ in 0..header.contents {
        let mut length = [0_u8; 8];
        fill(output, &mut length).await?;
        contents.keep(exactly(output, room.take(length)?).await?);
    }
    Ok((packet::decode(&message)?, contents))
}

async fn fill(
    output: &mut (dyn AsyncRead + Send + Sync + Unpin),
    buffer: &mut [u8],
) -> Result<(), PacketError> {
    match output.read_exact(buffer).await {
        Ok(_) => Ok(()),
        Err(error) if error.kind() == std::io::ErrorKind::UnexpectedEof => Err(PacketError::Ended),
        Err(error) => Err(PacketError::Io(error)),
    }
}

async fn exactly(
    output: &mut (dyn AsyncRead + Send + Sync + Unpin),
    length: u64,
) -> Result<Vec<u8>, PacketError> {
    let mut bytes = Vec::new();
    let read = output.take(length).read_to_end(&mut bytes).await;
    match read.map_err(PacketError::Io)? as u64 == length {
        true => Ok(bytes),
        false => Err(PacketError::Ended),
    }
}
