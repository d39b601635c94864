//! Listening sockets as the kernel tells them, in two ways: the tables of `/proc/net` and the messages of
//! `NETLINK_SOCK_DIAG`.
//!
//! **Invariant:** pure, and nothing that cannot be read is passed over: it would be a socket that nobody sees.

use std::collections::BTreeMap;
use std::fmt;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};

/// Over what a socket listens.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug)]
pub enum Protocol {
    Tcp,
    Udp,
}

/// Where a socket listens.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug)]
pub struct Place {
    pub protocol: Protocol,
    pub address: SocketAddr,
}

/// One socket: whose it is by user, by its number.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug)]
pub struct Socket {
    pub inode: u64,
    pub uid: u32,
}

/// All that listen. Several may share a place.
pub type Sockets = BTreeMap<Place, Vec<Socket>>;

/// The tables of `/proc/net`, and whether each is one of IPv6.
pub const TABLES: [(&str, Protocol, bool); 4] = [
    ("/proc/net/tcp", Protocol::Tcp, false),
    ("/proc/net/tcp6", Protocol::Tcp, true),
    ("/proc/net/udp", Protocol::Udp, false),
    ("/proc/net/udp6", Protocol::Udp, true),
];

const AF_INET: u8 = 2;
const AF_INET6: u8 = 10;
const BY_FAMILY: u16 = 20;
const ERROR: u16 = 2;
const DONE: u16 = 3;
/// Sizes of the header of a message and of what it says of a socket.
const HEADER: usize = 16;
const MESSAGE: usize = 72;

impl Protocol {
    pub const ALL: [Self; 2] = [Self::Tcp, Self::Udp];

    pub fn word(self) -> &'static str {
        match self {
            Self::Tcp => "tcp",
            Self::Udp => "udp",
        }
    }

    fn number(self) -> u8 {
        match self {
            Self::Tcp => 6,
            Self::Udp => 17,
        }
    }

    /// The state of a socket that takes from anybody: listening, and without another end.
    fn open_state(self) -> u8 {
        match self {
            Self::Tcp => 10,
            Self::Udp => 7,
        }
    }
}

impl fmt::Display for Place {
    /// `tcp/0.0.0.0:22`, `udp/[::]:53`
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}/{}", self.protocol.word(), self.address)
    }
}

impl Place {
    /// The place behind its text.
    pub fn parse(text: &str) -> Option<Self> {
        let (word, address) = text.split_once('/')?;
        let protocol = Protocol::ALL.into_iter().find(|one| one.word() == word)?;
        let place = Self {
            protocol,
            address: address.parse().ok()?,
        };
        (place.to_string() == text).then_some(place)
    }
}

/// Adds the listening sockets of one table of `/proc/net`.
///
/// # Errors
/// A line is none of such a table's.
pub fn read_table(
    text: &str,
    protocol: Protocol,
    is_v6: bool,
    sockets: &mut Sockets,
) -> Result<(), String> {
    for line in text.lines().skip(1).filter(|line| !line.trim().is_empty()) {
        let broken = || format!("a line of the {} table is not understood", protocol.word());
        let words: Vec<&str> = line.split_whitespace().collect();
        let [_, local, remote, state, _, _, _, uid, _, inode, ..] = words[..] else {
            return Err(broken());
        };
        let state = u8::from_str_radix(state, 16).map_err(|_| broken())?;
        let local = address(local, is_v6).ok_or_else(broken)?;
        let remote = address(remote, is_v6).ok_or_else(broken)?;
        if state != protocol.open_state() || remote.port() != 0 {
            continue;
        }
        let place = Place {
            protocol,
            address: local,
        };
        sockets.entry(place).or_default().push(Socket {
            inode: inode.parse().map_err(|_| broken())?,
            uid: uid.parse().map_err(|_| broken())?,
        });
    }
    Ok(())
}

/// `0100007F:0016`: words of four bytes in the order of the machine, and a port.
fn address(text: &str, is_v6: bool) -> Option<SocketAddr> {
    let (address, port) = text.split_once(':')?;
    let port = u16::from_str_radix(port, 16).ok()?;
    let length = if is_v6 { 32 } else { 8 };
    if address.len() != length || !address.is_ascii() {
        return None;
    }
    let mut bytes = Vec::new();
    for at in (0..length).step_by(8) {
        let word = u32::from_str_radix(&address[at..at + 8], 16).ok()?;
        bytes.extend_from_slice(&word.to_ne_bytes());
    }
    ip(&bytes, is_v6).map(|ip| SocketAddr::new(ip, port))
}

fn ip(bytes: &[u8], is_v6: bool) -> Option<IpAddr> {
    match is_v6 {
        false => <[u8; 4]>::try_from(bytes.get(..4)?)
            .ok()
            .map(|ip| Ipv4Addr::from(ip).into()),
        true => <[u8; 16]>::try_from(bytes.get(..16)?)
            .ok()
            .map(|ip| Ipv6Addr::from(ip).into()),
    }
}

/// What asks the kernel for the sockets of one protocol and family.
pub fn request(protocol: Protocol, is_v6: bool) -> Vec<u8> {
    let mut message = Vec::new();
    let length = (HEADER + 56) as u32;
    message.extend_from_slice(&length.to_ne_bytes());
    message.extend_from_slice(&BY_FAMILY.to_ne_bytes());
    // A request that wants all of them.
    message.extend_from_slice(&0x301_u16.to_ne_bytes());
    message.extend_from_slice(&[0; 8]);
    let family = if is_v6 { AF_INET6 } else { AF_INET };
    message.extend_from_slice(&[family, protocol.number(), 0, 0]);
    let states = 1_u32 << protocol.open_state();
    message.extend_from_slice(&states.to_ne_bytes());
    message.extend_from_slice(&[0; 48]);
    message
}

/// Whether an answer is whole.
pub fn is_whole(answer: &[u8]) -> bool {
    messages(answer).any(|(kind, _)| matches!(kind, DONE | ERROR))
}

/// Adds the sockets of an answer.
///
/// # Errors
/// The kernel refused, or it is no such answer.
pub fn read_answer(answer: &[u8], protocol: Protocol, sockets: &mut Sockets) -> Result<(), String> {
    for (kind, body) in messages(answer) {
        if kind == DONE {
            return Ok(());
        }
        if kind != BY_FAMILY || body.len() < MESSAGE {
            return Err("the kernel does not list its sockets".to_owned());
        }
        let port = |at: usize| u16::from_be_bytes([body[at], body[at + 1]]);
        let is_v6 = body[0] == AF_INET6;
        if body[1] != protocol.open_state() || port(6) != 0 {
            continue;
        }
        let ip = ip(&body[8..24], is_v6).ok_or("an address is none")?;
        let word = |at: usize| body.get(at..at + 4).and_then(|word| word.try_into().ok());
        let number = |at: usize| {
            word(at)
                .map(u32::from_ne_bytes)
                .ok_or("a message is cut off")
        };
        let place = Place {
            protocol,
            address: SocketAddr::new(ip, port(4)),
        };
        sockets.entry(place).or_default().push(Socket {
            inode: number(68)?.into(),
            uid: number(64)?,
        });
    }
    Err("the kernel's list of sockets has no end".to_owned())
}

/// The messages of an answer, as far as they are whole.
fn messages(mut answer: &[u8]) -> impl Iterator<Item = (u16, &[u8])> {
    std::iter::from_fn(move || {
        let length = u32::from_ne_bytes(answer.get(..4)?.try_into().ok()?) as usize;
        let kind = u16::from_ne_bytes(answer.get(4..6)?.try_into().ok()?);
        let body = answer.get(HEADER..length)?;
        answer = answer.get(length.next_multiple_of(4)..).unwrap_or(&[]);
        Some((kind, body))
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    const TCP: &str = "  sl  local_address rem_address   st tx_queue rx_queue tr tm->when retrnsmt   uid  timeout inode
   0: 0100007F:0016 00000000:0000 0A 00000000:00000000 00:00000000 00000000     5        0 828145 1 00000000a540d059 100 0 0 10 0
   1: 0100007F:0016 0200007F:9999 01 00000000:00000000 00:00000000 00000000     0        0 7 1 00000000a540d059 100 0 0 10 0
";

    // Goal: addresses are read in the byte order of the machine, connections are no listeners, and a line that is not
    // understood is no silence.
    #[cfg(target_endian = "little")]
    #[test]
    fn tables_are_read_whole() {
        let mut sockets = Sockets::new();
        read_table(TCP, Protocol::Tcp, false, &mut sockets).unwrap();
        let place = Place::parse("tcp/127.0.0.1:22").unwrap();
        let socket = Socket {
            inode: 828_145,
            uid: 5,
        };
        assert_eq!(sockets, Sockets::from([(place, vec![socket])]));
        let mut v6 = Sockets::new();
        let line = TCP
            .replace(
                "0100007F:0016 00000000",
                "00000000000000000000000001000000:0016 00000000000000000000000000000000",
            )
            .replace(
                "0100007F:0016 0200007F",
                "00000000000000000000000001000000:0016 00000000000000000000000001000000",
            );
        read_table(&line, Protocol::Tcp, true, &mut v6).unwrap();
        assert_eq!(v6.keys().next().unwrap().to_string(), "tcp/[::1]:22");
        for (from, to) in [("0100007F", "0100007"), (" 0A ", " XX "), ("828145", "-1")] {
            let broken = TCP.replace(from, to);
            let read = read_table(&broken, Protocol::Tcp, false, &mut Sockets::new());
            assert!(read.is_err(), "{from}");
        }
    }

    // Goal: whatever a message says of its length, reading it ends, and an answer that is cut off is never a whole one.
    #[test]
    fn answers_are_read_whole() {
        let mut message = vec![0_u8; HEADER + MESSAGE];
        message[0..4].copy_from_slice(&((HEADER + MESSAGE) as u32).to_ne_bytes());
        message[4..6].copy_from_slice(&BY_FAMILY.to_ne_bytes());
        message[HEADER] = AF_INET;
        message[HEADER + 1] = 10;
        message[HEADER + 4..HEADER + 6].copy_from_slice(&4444_u16.to_be_bytes());
        message[HEADER + 68..HEADER + 72].copy_from_slice(&9_u32.to_ne_bytes());
        let mut done = vec![0_u8; HEADER + 4];
        done[0..4].copy_from_slice(&20_u32.to_ne_bytes());
        done[4..6].copy_from_slice(&DONE.to_ne_bytes());
        let whole = [message.clone(), done].concat();
        let read = |answer: &[u8]| {
            let mut sockets = Sockets::new();
            read_answer(answer, Protocol::Tcp, &mut sockets).map(|()| sockets)
        };
        let sockets = read(&whole).unwrap();
        assert_eq!(
            sockets.keys().next().unwrap().to_string(),
            "tcp/0.0.0.0:4444"
        );
        assert!(is_whole(&whole) && !is_whole(&message));
        for end in 0..whole.len() - 4 {
            assert!(read(&whole[..end]).is_err(), "{end}");
        }
        for length in [0_u32, 1, 15, 16, 17, u32::MAX] {
            let mut odd = whole.clone();
            odd[0..4].copy_from_slice(&length.to_ne_bytes());
            let _ = read(&odd);
        }
    }

    // Goal: a place has one text, so that no listener goes by two names.
    #[test]
    fn places_have_one_text() {
        for text in ["tcp/0.0.0.0:22", "udp/[::]:53"] {
            assert_eq!(Place::parse(text).unwrap().to_string(), text);
        }
        for text in [
            "tcp/0.0.0.0:022",
            "tcp/::1:22",
            "sctp/0.0.0.0:1",
            "tcp/[0::]:1",
            "tcp/x/0.0.0.0:1",
        ] {
            assert_eq!(Place::parse(text), None, "{text}");
        }
    }
}
