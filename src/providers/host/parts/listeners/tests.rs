use std::collections::BTreeMap;

use super::sockets::{Protocol, Sockets};
use super::survey::{answers, differing_places, disagreement, merged, tables};
use super::*;
use crate::model::Kind;

fn allowed(program: &str, port: u16, ip: Option<&str>, uid: i64) -> Value {
    Value::List(vec![
        "tcp".into(),
        ip.unwrap_or_default().into(),
        Value::Int(port.into()),
        Value::Int(port.into()),
        program.into(),
        Value::Int(uid),
    ])
}

fn member(place: &str, program: &str, uids: &[i64]) -> Member {
    let programs = program.split(" + ").map(Value::text).collect();
    let uids = uids.iter().map(|uid| Value::Int(*uid)).collect();
    let fields = Fields::from([
        (PROGRAM.to_owned(), Value::List(programs)),
        ("uid".to_owned(), Value::List(uids)),
    ]);
    Member {
        address: Address(format!("//listener/{place}")),
        kind: Kind("Listener".into()),
        observed: Observed::Present(State::of(fields)),
        remedy: Some(State::default()),
        by_hand: None,
    }
}

fn desired(entries: Vec<Value>) -> Desired {
    let text = r#"{"id":{"target":"t","kind":"Listeners","name":"all"},"address":"//listeners/all","presence":{"present":{}},
        "create_with":{},"scope":null,"depends_on":[],"risk":{"level":"low","why":""},"disclose":false,"sensitive":false,
        "controls":[],"options":{}}"#;
    let mut desired: Desired = serde_json::from_str(text).unwrap();
    desired.options.insert(ALLOWED.into(), Value::List(entries));
    desired
}

// Goal: a place is allowed for a program and a user: another program, a deleted one, one of two holders, another address or
// another user are listed; and the controller judges that again, whatever a host proposes.
#[test]
fn another_program_is_not_allowed() {
    let desired = desired(vec![
        allowed("/usr/sbin/sshd", 22, None, 0),
        allowed("/usr/sbin/dns", 53, Some("127.0.0.1"), -1),
        allowed(KERNEL, 2049, None, -1),
    ]);
    let is_listed = |place: &str, program: &str, uids: &[i64]| {
        Listeners.judge(&desired, &mut member(place, program, uids))
    };
    for (place, program) in [
        ("tcp/0.0.0.0:22", "/usr/sbin/sshd"),
        ("tcp/[::]:22", "/usr/sbin/sshd"),
        ("tcp/127.0.0.1:53", "/usr/sbin/dns"),
        ("tcp/0.0.0.0:2049", UNKNOWN),
    ] {
        assert!(!is_listed(place, program, &[0]), "{place}");
    }
    for (place, program, uids) in [
        ("tcp/0.0.0.0:22", "/usr/bin/perl", &[0][..]),
        ("tcp/0.0.0.0:22", "/usr/sbin/sshd (deleted)", &[0]),
        (
            "tcp/0.0.0.0:22",
            "/usr/sbin/sshd (another file than the one there)",
            &[0],
        ),
        ("tcp/0.0.0.0:22", "/usr/bin/perl + /usr/sbin/sshd", &[0]),
        // A path that spells two programs is one.
        ("tcp/0.0.0.0:22", "/usr/sbin/sshd, /usr/sbin/sshd", &[0]),
        ("tcp/0.0.0.0:22", "/usr/sbin/sshd", &[0, 1000]),
        ("tcp/0.0.0.0:22", "/usr/sbin/sshd", &[]),
        ("tcp/0.0.0.0:22", UNKNOWN, &[0]),
        ("tcp/0.0.0.0:53", "/usr/sbin/dns", &[0]),
        ("udp/0.0.0.0:22", "/usr/sbin/sshd", &[0]),
        ("tcp/0.0.0.0:2222", "/usr/sbin/sshd", &[0]),
    ] {
        assert!(
            is_listed(place, program, uids),
            "{place} {program} {uids:?}"
        );
    }
}

// Goal: what nobody may end has no step, and what lies elsewhere or is of another kind is no listener at all.
#[test]
fn members_are_judged() {
    let desired = desired(vec![]);
    let mut unknown = member("tcp/0.0.0.0:1", UNKNOWN, &[0]);
    let mut spared = member("tcp/0.0.0.0:1", "/usr/sbin/sshd", &[0]);
    let mut plain = member("tcp/0.0.0.0:1", "/usr/bin/perl", &[0]);
    if let Observed::Present(state) = &mut spared.observed {
        state.fields.insert(SPARED.into(), "it is ours".into());
    }
    for (member, by_hand) in [
        (&mut unknown, true),
        (&mut spared, true),
        (&mut plain, false),
    ] {
        assert!(Listeners.judge(&desired, member));
        assert_eq!((member.by_hand.is_some(), &member.remedy), (by_hand, &None));
    }
    let mut elsewhere = member("tcp/0.0.0.0:1", "/usr/bin/perl", &[0]);
    elsewhere.address = Address("/etc/shadow".into());
    assert!(!Listeners.judge(&desired, &mut elsewhere));
    let mut other = member("tcp/0.0.0.0:1", "/usr/bin/perl", &[0]);
    other.kind = Kind("File".into());
    assert!(!Listeners.judge(&desired, &mut other));
}

// Goal: a socket that one list hides is told, and so is a second one behind a place that both have.
#[test]
fn a_hidden_socket_is_told() {
    let socket = |inode| sockets::Socket { inode, uid: 0 };
    let place = |text: &str| Place::parse(text).unwrap();
    let ssh = place("tcp/0.0.0.0:22");
    let evil = place("tcp/0.0.0.0:4444");
    let tables = Sockets::from([(ssh, vec![socket(1)])]);
    assert!(differing_places(&tables, &tables).is_empty());
    let answers = Sockets::from([(ssh, vec![socket(1), socket(2)]), (evil, vec![socket(3)])]);
    let told = disagreement(&differing_places(&tables, &answers));
    assert_eq!(
        told,
        "tcp/0.0.0.0:22 differs between /proc/net and netlink; tcp/0.0.0.0:4444 is hidden from /proc/net"
    );
    let many: BTreeMap<_, _> = (1..=9)
        .map(|port| (place(&format!("udp/[::]:{port}")), false))
        .collect();
    assert!(disagreement(&many).ends_with("; 4 more"));
    // With both heard, nothing of either is left out.
    let all = merged(tables, answers);
    assert_eq!(all[&ssh], [socket(1), socket(2)]);
}

// Goal: both of the kernel's lists have the sockets of this very process, with the same numbers, and the walk finds whose
// they are.
#[test]
fn both_lists_have_a_socket_of_ours() {
    let fs = crate::providers::host::LocalFs::open(std::path::Path::new("/")).unwrap();
    let machine = crate::providers::host::fs::Fs::machine(&fs).unwrap();
    let tcp = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let udp = std::net::UdpSocket::bind("127.0.0.1:0").unwrap();
    let places = [
        (Protocol::Tcp, tcp.local_addr().unwrap()),
        (Protocol::Udp, udp.local_addr().unwrap()),
    ];
    let tables = tables(machine).unwrap();
    let holders = owners::holders(machine).unwrap();
    for (protocol, address) in places {
        let place = Place { protocol, address };
        // Some kernels have no such interface.
        if let Ok(answers) = answers(machine) {
            assert_eq!(answers.get(&place), tables.get(&place), "{place}");
        }
        let (_, processes) = listener(machine, &place, &tables[&place], &holders);
        let pids: Vec<_> = processes.iter().map(|one| one.pid).collect();
        assert_eq!(pids, [std::process::id()]);
        let program = processes[0].program.as_ref().unwrap();
        let own = std::env::current_exe().unwrap();
        assert_eq!(program.path, own.display().to_string());
        assert!(owners::spared(machine, pids[0]).is_some());
    }
}
