use super::*;

// Goal: catches the wrong one of two networks that hold an address, and IPv4 networks that hold IPv6 addresses.
#[test]
fn the_longest_network_counts() {
    let text = "# ours\n192.0.2.0/24, 52.5, 13.4, Berlin\n\n192.0.2.7,48.1,11.6,Munich\n2001:db8::/32,1,2\n0.0.0.0/0,0,0,nowhere\n";
    let places = Places::read(text).unwrap();
    let name = |address| places.of(address).map(|(_, name)| name);
    assert_eq!(name("192.0.2.7"), Some("Munich"));
    assert_eq!(name("192.0.2.8"), Some("Berlin"));
    assert_eq!(name("2001:db8::1"), Some("2001:db8::/32"));
    assert_eq!(name("198.51.100.1"), Some("nowhere"));
    assert_eq!(name("2001:db9::1"), None);
    assert_eq!(name("sts.amazonaws.com"), None);
}

// Goal: catches a distance in the wrong unit, or over the wrong side of the earth.
#[test]
fn distances() {
    let point = |latitude, longitude| Point::new(latitude, longitude).unwrap();
    let (berlin, tokyo) = (point(52.5, 13.4), point(35.7, 139.7));
    assert!((berlin.distance(tokyo) - 8920.0).abs() < 30.0);
    assert!((point(0.0, 179.0).distance(point(0.0, -179.0)) - 222.4).abs() < 1.0);
    assert!((point(90.0, 0.0).distance(point(-90.0, 0.0)) - 20015.0).abs() < 1.0);
}

// Goal: catches a line that is passed over or makes it panic, instead of being named.
#[test]
fn what_is_no_place_is_named() {
    for wrong in [
        "x,1,2",
        "192.0.2.0/33,1,2",
        "192.0.2.0/24,91,2",
        "192.0.2.0/24,1",
        "192.0.2.0/24,NaN,2",
        "192.0.2.0/-1,1,2",
        "2001:db8::/129,1,2",
        "192.0.2.0/240,1,2",
        ",,",
        "192.0.2.0/24;1;2",
    ] {
        let why = Places::read(&format!("# a\n{wrong}\n")).unwrap_err();
        assert_eq!(why, "line 2 is no NETWORK,LAT,LON", "{wrong}");
    }
}
