//! `saddr=`: a socket address as the kernel has it in memory, in hex.

use std::net::{Ipv4Addr, Ipv6Addr};

use super::value;

/// Whom a socket call was about.
#[derive(PartialEq, Eq, Debug)]
pub(super) enum SocketAddress {
    Internet {
        address: String,
        port: u16,
    },
    /// A path, or `@name` for an abstract one.
    Local(String),
}

/// Decodes an address of a family that has one; none for others and for what is cut short.
pub(super) fn decode(hex: &str) -> Option<SocketAddress> {
    let bytes = value::unhex(hex)?;
    let family = u16::from_le_bytes([*bytes.first()?, *bytes.get(1)?]);
    let port = || Some(u16::from_be_bytes([*bytes.get(2)?, *bytes.get(3)?]));
    match family {
        1 => local(&bytes[2..]),
        2 => {
            let octets: [u8; 4] = bytes.get(4..8)?.try_into().ok()?;
            Some(SocketAddress::Internet {
                address: Ipv4Addr::from(octets).to_string(),
                port: port()?,
            })
        }
        10 => {
            let octets: [u8; 16] = bytes.get(8..24)?.try_into().ok()?;
            // An IPv4 address in IPv6's form is the same peer.
            Some(SocketAddress::Internet {
                address: Ipv6Addr::from(octets).to_canonical().to_string(),
                port: port()?,
            })
        }
        _ => None,
    }
}

fn local(path: &[u8]) -> Option<SocketAddress> {
    let until_nul = |bytes: &[u8]| {
        let end = bytes.iter().position(|byte| *byte == 0);
        value::text(&bytes[..end.unwrap_or(bytes.len())])
    };
    match path.split_first()? {
        (0, []) => None,
        (0, name) => Some(SocketAddress::Local(format!("@{}", until_nul(name)))),
        _ => Some(SocketAddress::Local(until_nul(path))),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    // Goal: addresses of each family, with the memory behind a path left out, and nothing of what is cut short.
    #[test]
    fn each_family() {
        let internet = |address: &str, port| {
            Some(SocketAddress::Internet {
                address: address.to_owned(),
                port,
            })
        };
        let local = |path: &str| Some(SocketAddress::Local(path.to_owned()));
        assert_eq!(
            decode("02000016C61233420000000000000000"),
            internet("198.18.51.66", 22)
        );
        assert_eq!(
            decode("0A0001BB0000000020010DB800000000000000000000000100000000"),
            internet("2001:db8::1", 443)
        );
        assert_eq!(
            decode("0A0001BB0000000000000000000000000000FFFFC000020100000000"),
            internet("192.0.2.1", 443)
        );
        assert_eq!(decode("01002F746D702F730041414141"), local("/tmp/s"));
        assert_eq!(decode("010000746D7000"), local("@tmp"));
        for cut in [
            "",
            "02",
            "0200",
            "020000",
            "02000016C612",
            "0A0001BB00",
            "0100",
            "1000",
            "zz",
        ] {
            assert_eq!(decode(cut), None, "{cut}");
        }
    }
}
