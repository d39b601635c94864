//! The sockets that a baseline allows, and whether one is among them.
//!
//! **Invariant:** an entry allows a place for a program: another program at that place is not allowed by it.

use std::net::IpAddr;

use super::sockets::{Place, Protocol};
use crate::document::{Yaml, YamlValue};
use crate::model::{Problems, Value};
use crate::providers::host::kinds::Decoding;

/// What stands for the program of a socket that the kernel itself holds.
pub const KERNEL: &str = "kernel";

/// One entry.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Allowed {
    protocol: Protocol,
    address: Option<IpAddr>,
    ports: (u16, u16),
    program: String,
    uid: Option<u32>,
}

/// Reads an entry of a manifest; none after saying what is wrong with it, or where its user is not known.
pub fn entry(node: &Yaml, decoding: &mut Decoding<'_>) -> Option<Allowed> {
    let problems = &mut decoding.problems;
    let mut fields = node.fields(problems)?;
    let protocol = fields.require("protocol", problems)?;
    let address = fields.take("address");
    let port = fields.require("port", problems)?;
    let program = fields.require("program", problems)?;
    let user = fields.take("user");
    fields.finish(problems);
    let words = Protocol::ALL.map(|protocol| (protocol.word(), protocol));
    let protocol = protocol.one_of(&words, problems)?;
    let address = match address {
        None => None,
        Some(node) => Some(ip(node, problems)?),
    };
    let ports = ports(port, problems)?;
    let path = program.text(problems)?;
    if path != KERNEL && (!path.starts_with('/') || path.chars().any(char::is_control)) {
        problems.push(
            program
                .problem("the program is named by its absolute path")
                .hint("as `readlink /proc/PID/exe` shows it; `kernel` for a socket that no process holds"),
        );
        return None;
    }
    let program = path.to_owned();
    let uid = match user {
        None => None,
        Some(node) => Some(decoding.user(node)?),
    };
    Some(Allowed {
        protocol,
        address,
        ports,
        program,
        uid,
    })
}

fn ip(node: &Yaml, problems: &mut Problems) -> Option<IpAddr> {
    let ip = node.text(problems)?.parse().ok();
    if ip.is_none() {
        problems.push(
            node.problem("this is no address of a host")
                .hint("such as 127.0.0.1, \"::1\" or 0.0.0.0; without `address` any one is meant"),
        );
    }
    ip
}

/// `22` or `9000-9010`.
fn ports(node: &Yaml, problems: &mut Problems) -> Option<(u16, u16)> {
    let parsed = match &node.value {
        YamlValue::Int(port) => u16::try_from(*port).ok().map(|port| (port, port)),
        _ => {
            let text = node.text(problems)?;
            let (first, last) = text.split_once('-').unwrap_or((text, text));
            first.trim().parse().ok().zip(last.trim().parse().ok())
        }
    };
    let parsed = parsed.filter(|(first, last)| first <= last && *first > 0);
    if parsed.is_none() {
        problems.push(
            node.problem("this is no port")
                .hint("a number from 1 to 65535, or two with a dash: \"9000-9010\""),
        );
    }
    parsed
}

impl Allowed {
    /// Whether a socket is allowed that a process of this program holds, made by this user.
    pub fn allows(&self, place: &Place, program: &str, uid: u32) -> bool {
        let (first, last) = self.ports;
        self.protocol == place.protocol
            && self.address.is_none_or(|ip| ip == place.address.ip())
            && (first..=last).contains(&place.address.port())
            && self.program == program
            && self.uid.is_none_or(|own| own == uid)
    }

    /// The entry as an option of a resource.
    pub fn value(&self) -> Value {
        let address = self.address.map(|ip| ip.to_string()).unwrap_or_default();
        let uid = self.uid.map_or(-1, i64::from);
        Value::List(vec![
            self.protocol.word().into(),
            Value::Text(address),
            Value::Int(self.ports.0.into()),
            Value::Int(self.ports.1.into()),
            Value::Text(self.program.clone()),
            Value::Int(uid),
        ])
    }

    /// The entry behind such an option.
    pub fn of(value: &Value) -> Option<Self> {
        let Value::List(parts) = value else {
            return None;
        };
        let [protocol, address, first, last, program, uid] = &parts[..] else {
            return None;
        };
        let word = protocol.as_text()?;
        let number = |value: &Value| u16::try_from(value.as_int()?).ok();
        Some(Self {
            protocol: Protocol::ALL.into_iter().find(|one| one.word() == word)?,
            address: match address.as_text()? {
                "" => None,
                text => Some(text.parse().ok()?),
            },
            ports: (number(first)?, number(last)?),
            program: program.as_text()?.to_owned(),
            uid: u32::try_from(uid.as_int()?).ok(),
        })
    }
}
