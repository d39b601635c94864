//! Where networks are, as a table of the team says it.
//!
//! A line is `NETWORK,LATITUDE,LONGITUDE` in degrees, with a name after another comma if wanted; `#` begins a comment. The longest
//! network that holds an address counts.

use core::net::IpAddr;
use std::collections::HashMap;

/// The most lines.
const MAX_LINES: usize = 2_000_000;

/// A point on earth, in degrees.
#[derive(Clone, Copy, PartialEq, Debug)]
pub struct Point {
    pub latitude: f64,
    pub longitude: f64,
}

/// Networks of one length: where each is, and what that is called.
type Networks = HashMap<u128, (Point, Box<str>)>;

/// The table.
#[derive(Clone, Debug, Default)]
pub struct Places {
    /// By the length of the network; IPv4 addresses as mapped ones.
    by_length: Vec<(u8, Networks)>,
}

impl Point {
    /// A point, if there is such a one.
    pub fn new(latitude: f64, longitude: f64) -> Option<Self> {
        let sound = (-90.0..=90.0).contains(&latitude) && (-180.0..=180.0).contains(&longitude);
        sound.then_some(Self {
            latitude,
            longitude,
        })
    }

    /// How far another one is, over the surface, in kilometres.
    pub fn distance(self, other: Self) -> f64 {
        /// The mean radius.
        const EARTH: f64 = 6371.0;
        let (a, b) = (self.latitude.to_radians(), other.latitude.to_radians());
        let across = (other.longitude - self.longitude).to_radians() / 2.0;
        let up = (b - a) / 2.0;
        let half = up.sin().powi(2) + a.cos() * b.cos() * across.sin().powi(2);
        2.0 * EARTH * half.sqrt().min(1.0).asin()
    }
}

impl Places {
    /// Reads a table.
    ///
    /// # Errors
    /// A line and what is wrong with it.
    pub fn read(text: &str) -> Result<Self, String> {
        let mut lengths: HashMap<u8, Networks> = HashMap::new();
        for (number, line) in text.lines().enumerate() {
            if number >= MAX_LINES {
                return Err(format!("it has more than {MAX_LINES} lines"));
            }
            let line = line.trim();
            if line.is_empty() || line.starts_with('#') {
                continue;
            }
            let (network, length, point, name) =
                entry(line).ok_or_else(|| format!("line {} is no NETWORK,LAT,LON", number + 1))?;
            let of = lengths.entry(length).or_default();
            of.insert(network, (point, name.into()));
        }
        let mut by_length: Vec<_> = lengths.into_iter().collect();
        by_length.sort_by_key(|(length, _)| std::cmp::Reverse(*length));
        Ok(Self { by_length })
    }

    /// Where an address is, and what the place is called.
    pub fn of(&self, address: &str) -> Option<(Point, &str)> {
        let address = bits(address.parse().ok()?);
        self.by_length.iter().find_map(|(length, networks)| {
            let (point, name) = networks.get(&(address & mask(*length)))?;
            Some((*point, &**name))
        })
    }
}

fn bits(address: IpAddr) -> u128 {
    match address {
        IpAddr::V4(address) => u128::from(address.to_ipv6_mapped()),
        IpAddr::V6(address) => u128::from(address),
    }
}

fn mask(length: u8) -> u128 {
    u128::MAX.checked_shl(u32::from(128 - length)).unwrap_or(0)
}

fn entry(line: &str) -> Option<(u128, u8, Point, &str)> {
    let mut parts = line.splitn(4, ',').map(str::trim);
    let network = parts.next()?;
    let (address, length) = match network.split_once('/') {
        Some((address, length)) => (address, Some(length.parse::<u8>().ok()?)),
        None => (network, None),
    };
    let address: IpAddr = address.parse().ok()?;
    let length = match address {
        IpAddr::V4(_) => length.unwrap_or(32).checked_add(96)?,
        IpAddr::V6(_) => length.unwrap_or(128),
    };
    if length > 128 {
        return None;
    }
    let point = Point::new(parts.next()?.parse().ok()?, parts.next()?.parse().ok()?)?;
    let name = parts.next().filter(|name| !name.is_empty());
    let network = bits(address) & mask(length);
    Some((
        network,
        length,
        point,
        name.unwrap_or(line.split(',').next()?),
    ))
}

#[cfg(test)]
#[path = "places/tests.rs"]
mod tests;
