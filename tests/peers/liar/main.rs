//! What an attacker might have put in a worker's place: a program that is started as one, and lies. Its own last byte says
//! how, so that it is built once.

use std::io::{Read, Write};
use std::thread;
use std::time::Duration;

/// The largest message that evenkeel takes, and how much comes after it.
const MESSAGE: u32 = 64 << 20;
const FLOOD: usize = 1 << 30;

fn main() {
    let own = std::fs::read("/proc/self/exe").expect("a program can read itself");
    match own.last() {
        Some(b'g') => say(b"Welcome to this host! \x1b[2J Have a nice day.\n"),
        // A promise that is within bounds, and what comes is not; and the same again where errors are heard.
        Some(b'f') => {
            thread::spawn(|| flood(&mut std::io::stderr()));
            let mut header = MESSAGE.to_be_bytes().to_vec();
            header.extend([0; 4]);
            say(&header);
            flood(&mut std::io::stdout());
        }
        // Listens, and says nothing.
        _ => {
            let _ = std::io::copy(&mut std::io::stdin(), &mut std::io::sink());
        }
    }
    // Ends when nobody is there any more.
    let _ = std::io::stdin().read_to_end(&mut Vec::new());
    thread::sleep(Duration::from_millis(1));
}

fn say(text: &[u8]) {
    let mut out = std::io::stdout();
    let _ = out.write_all(text).and_then(|()| out.flush());
}

fn flood(to: &mut dyn Write) {
    let block = [b'x'; 1 << 16];
    for _ in 0..FLOOD / block.len() {
        if to.write_all(&block).is_err() {
            return;
        }
    }
}
