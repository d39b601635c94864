//! What `/etc/hosts` and `/etc/resolv.conf` say, apart from comments and layout.
//!
//! **Invariant:** pure; a line that is not understood is counted, never skipped: a program might understand it.

use std::collections::{BTreeMap, BTreeSet};
use std::net::IpAddr;

use crate::model::{Fields, Value};

/// What a file says, by field, and how many of its lines are not understood.
pub type Said = (Fields, i64);

/// The names of each address in `/etc/hosts`.
pub fn hosts(text: &str) -> Said {
    let mut entries: BTreeMap<IpAddr, BTreeSet<String>> = BTreeMap::new();
    let mut unread = 0;
    for line in lines(text, &['#']) {
        let mut words = line.split_whitespace();
        let address = words.next().and_then(|word| word.parse().ok());
        let names: BTreeSet<_> = words.map(str::to_ascii_lowercase).collect();
        match address {
            Some(address) if !names.is_empty() => {
                entries.entry(address).or_default().extend(names);
            }
            _ => unread += 1,
        }
    }
    let entries = entries
        .into_iter()
        .map(|(address, names)| (address.to_string(), list(names)));
    let entries = Value::Map(entries.collect());
    (Fields::from([("entries".to_owned(), entries)]), unread)
}

/// `/etc/hosts` of these entries.
pub fn write_hosts(fields: &Fields) -> String {
    let mut out = String::new();
    if let Some(Value::Map(entries)) = fields.get("entries") {
        for (address, names) in entries {
            out += &format!("{address}\t{}\n", texts(Some(names)).join(" "));
        }
    }
    out
}

/// The servers, search domains and options of `/etc/resolv.conf`. Of several `search` lines the last one counts, as for libc.
pub fn resolver(text: &str) -> Said {
    let mut servers = Vec::new();
    let mut search = Vec::new();
    let mut options = BTreeSet::new();
    let mut unread = 0;
    for line in lines(text, &['#', ';']) {
        let mut words = line.split_whitespace().map(str::to_owned);
        match (words.next().as_deref(), words.collect::<Vec<_>>()) {
            (Some("nameserver"), rest) if rest.len() == 1 => servers.extend(rest),
            (Some("search" | "domain"), rest) if !rest.is_empty() => search = rest,
            (Some("options"), rest) => options.extend(rest),
            _ => unread += 1,
        }
    }
    let fields = [
        ("nameservers", list(servers)),
        ("search", list(search)),
        ("options", list(options)),
    ];
    let fields = fields.map(|(name, value)| (name.to_owned(), value));
    (Fields::from(fields), unread)
}

/// `/etc/resolv.conf` of these fields.
pub fn write_resolver(fields: &Fields) -> String {
    let mut out = String::new();
    for server in texts(fields.get("nameservers")) {
        out += &format!("nameserver {server}\n");
    }
    for name in ["search", "options"] {
        let words = texts(fields.get(name));
        if !words.is_empty() {
            out += &format!("{name} {}\n", words.join(" "));
        }
    }
    out
}

fn lines<'a>(text: &'a str, marks: &'static [char]) -> impl Iterator<Item = &'a str> {
    let lines = text.lines().map(move |line| {
        let end = line.find(marks).unwrap_or(line.len());
        line[..end].trim()
    });
    lines.filter(|line| !line.is_empty())
}

pub fn list(texts: impl IntoIterator<Item = String>) -> Value {
    Value::List(texts.into_iter().map(Value::Text).collect())
}

fn texts(value: Option<&Value>) -> Vec<&str> {
    match value {
        Some(Value::List(items)) => items.iter().filter_map(Value::as_text).collect(),
        _ => Vec::new(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    // Goal: comments, layout, letters' size and order are no difference, another address or name is; and what is written is
    // what was meant.
    #[test]
    fn hosts_are_read_and_written() {
        let one = hosts("# x\n127.0.0.1 localhost\n::1\tIP6-localhost localhost # y\n");
        let two = hosts("0:0:0:0:0:0:0:1 localhost ip6-localhost\n127.0.0.1   LOCALHOST\n");
        assert_eq!(one, two);
        assert_ne!(
            one.0,
            hosts("127.0.0.1 localhost evil\n::1 ip6-localhost localhost").0
        );
        assert_eq!(hosts(&write_hosts(&one.0)), (one.0, 0));
        assert_eq!(hosts("localhost\n1.2.3 x\n10.0.0.1\n").1, 3);
    }

    // Goal: the order of servers counts, since the first one is asked; what libc overrides does not.
    #[test]
    fn resolvers_are_read_and_written() {
        let one = resolver(
            "; x\nsearch a\nsearch b c\nnameserver 10.0.0.1\nnameserver 10.0.0.2\noptions ndots:1\n",
        );
        assert_eq!(resolver(&write_resolver(&one.0)), (one.0.clone(), 0));
        let two =
            resolver("nameserver 10.0.0.2\nnameserver 10.0.0.1\nsearch b c\noptions ndots:1\n");
        assert_ne!(one, two);
        assert_eq!(resolver("nameserver\nsortlist 1\n").1, 2);
    }
}
