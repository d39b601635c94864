use super::*;

/// As nft lists it: what jumps before what is jumped to, and with all that the kernel counts.
const LISTED: &str = r#"{"nftables": [
 {"metainfo": {"version": "1.0.6"}},
 {"table": {"family": "inet", "name": "filter", "handle": 1}},
 {"counter": {"family": "inet", "name": "hits", "table": "filter", "handle": 3, "packets": 7, "bytes": 9}},
 {"set": {"family": "inet", "name": "blocked", "table": "filter", "type": "ipv4_addr", "handle": 5, "flags": ["interval", "timeout"],
   "elem": [{"prefix": {"addr": "10.0.0.0", "len": 8}}, {"elem": {"val": "192.0.2.1", "timeout": 3600, "expires": 3599}}]}},
 {"map": {"family": "inet", "name": "m", "table": "filter", "type": "inet_service", "handle": 6, "map": "verdict", "elem": [[80, {"jump": {"target": "web"}}]]}},
 {"set": {"family": "inet", "name": "seen", "table": "filter", "type": "ipv4_addr", "handle": 8, "flags": ["dynamic"], "elem": ["198.51.100.1"]}},
 {"chain": {"family": "inet", "table": "filter", "name": "web", "handle": 1}},
 {"chain": {"family": "inet", "table": "filter", "name": "input", "handle": 2, "type": "filter", "hook": "input", "prio": 0, "policy": "drop"}},
 {"rule": {"family": "inet", "table": "filter", "chain": "input", "handle": 8, "expr": [{"counter": {"packets": 4, "bytes": 5}}, {"drop": null}]}},
 {"rule": {"family": "inet", "table": "filter", "chain": "input", "handle": 9, "expr": [{"vmap": {"key": {"payload": {"protocol": "tcp", "field": "dport"}}, "data": "@m"}}]}},
 {"table": {"family": "ip", "name": "a/b c", "handle": 2}},
 {"chain": {"family": "ip", "table": "a/b c", "name": "x y/z", "handle": 1}}
]}"#;

fn of(text: &str, part: &Part) -> (Option<Fields>, Contents) {
    let mut contents = Contents::default();
    let fields = fields(text.as_bytes(), part, &mut contents).unwrap();
    (fields, contents)
}

fn table() -> Part {
    Part::Table {
        family: "inet".into(),
        name: "filter".into(),
    }
}

// Goal: the order of keys, handles, counts and the time that an element has left are no drift; the order of rules, a policy
// and an element are.
#[test]
fn what_counts_is_what_was_written() {
    let (listed, _) = of(LISTED, &Part::Whole);
    let same = [
        (r#""handle": 8"#, r#""handle": 80"#),
        (r#""packets": 4"#, r#""packets": 400"#),
        (r#""packets": 7"#, r#""packets": 8"#),
        (r#""expires": 3599"#, r#""expires": 1"#),
        (r#""elem": ["198.51.100.1"]"#, r#""elem": ["198.51.100.2"]"#),
        (
            r#""prio": 0, "policy": "drop""#,
            r#""policy": "drop", "prio": 0"#,
        ),
    ];
    for (from, to) in same {
        assert_ne!(LISTED.replace(from, to), LISTED);
        assert_eq!(
            of(&LISTED.replace(from, to), &Part::Whole).0,
            listed,
            "{to}"
        );
    }
    let other = [
        (r#""policy": "drop""#, r#""policy": "accept""#),
        (r#""prio": 0"#, r#""prio": 1"#),
        (r#""timeout": 3600"#, r#""timeout": 60"#),
        (r#""len": 8"#, r#""len": 9"#),
        (r#"{"drop": null}"#, r#"{"accept": null}"#),
        (r#""chain": "input""#, r#""chain": "web""#),
    ];
    for (from, to) in other {
        assert_ne!(
            of(&LISTED.replace(from, to), &Part::Whole).0,
            listed,
            "{to}"
        );
    }
    let mut swapped: Vec<&str> = LISTED.lines().collect();
    swapped.swap(10, 11);
    assert_ne!(of(&swapped.join("\n"), &Part::Whole).0, listed);
}

// Goal: a table of one's own says nothing of others, and what puts it makes chains before what jumps to them, with the very
// names, also those that a hostile hand gave.
#[test]
fn the_way_back_is_whole_and_in_order() {
    for part in [Part::Whole, table()] {
        let (fields, contents) = of(LISTED, &part);
        let find = |digest: &Digest| contents.get(digest);
        let text = transaction(&part, fields.as_ref(), &find).unwrap();
        let json: Json = serde_json::from_str(&text).unwrap();
        let commands = json["nftables"].as_array().unwrap();
        let added: Vec<String> = commands
            .iter()
            .filter_map(|command| only(command["add"].as_object().map(|_| &command["add"])?))
            .map(|(kind, entry)| {
                format!(
                    "{kind} {}",
                    entry.get("name").or(entry.get("expr")).unwrap()
                )
            })
            .collect();
        let place = |what: &str| added.iter().position(|one| one.starts_with(what)).unwrap();
        assert!(place("chain \"web\"") < place("map \"m\""), "{added:?}");
        assert!(place("map \"m\"") < place("rule "), "{added:?}");
        assert_eq!(text.contains("x y/z"), part == Part::Whole);
        // As if nft listed what it was told.
        let is_table = usize::from(part != Part::Whole);
        let again: Vec<Json> = commands[is_table..]
            .iter()
            .filter_map(|command| command.get("add").cloned())
            .collect();
        let again = json!({"nftables": again}).to_string();
        assert_eq!(of(&again, &part).0, fields);
        let empty = |_: &Digest| None;
        assert!(transaction(&part, fields.as_ref(), &empty).is_err());
    }
    let gone = transaction(&table(), None, &|_| None).unwrap();
    assert!(gone.contains("delete") && !gone.contains("chain"), "{gone}");
}

// Goal: a state of one table puts nothing into another one, and what is no listing is never an empty one.
#[test]
fn strange_texts_are_refused() {
    let (fields, contents) = of(LISTED, &Part::Whole);
    let find = |digest: &Digest| contents.get(digest);
    assert!(transaction(&table(), fields.as_ref(), &find).is_err());
    for text in [
        "",
        "[]",
        "{}",
        r#"{"nftables": {}}"#,
        r#"{"nftables": [1]}"#,
        r#"{"nftables": [{"chain": {"family": "inet"}}]}"#,
        r#"{"nftables": [{"rule": {"family": "inet", "table": "t"}}]}"#,
    ] {
        let mut contents = Contents::default();
        assert!(
            super::fields(text.as_bytes(), &Part::Whole, &mut contents).is_err(),
            "{text}"
        );
    }
    assert_eq!(of(r#"{"nftables": []}"#, &table()).0, None);
    let with_xt = LISTED.replace(r#"{"drop": null}"#, r#"{"xt": null}"#);
    assert!(of(&with_xt, &table()).0.unwrap().contains_key(IPTABLES));
}

// Goal: chains come back in the order in which they were made, which for two of one priority is the one they are asked in.
#[test]
fn chains_keep_their_order() {
    let (fields, contents) = of(LISTED, &table());
    let find = |digest: &Digest| contents.get(digest);
    let text = transaction(&table(), fields.as_ref(), &find).unwrap();
    assert!(
        text.find("\"web\"").unwrap() < text.find("\"input\"").unwrap(),
        "{text}"
    );
}
