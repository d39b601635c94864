use super::*;

fn rules(programs: &[&str], digests: &[&str], no_deleted: bool) -> Rules {
    let texts = |texts: &[&str]| {
        texts
            .iter()
            .map(|text| (*text).to_owned())
            .collect::<Vec<_>>()
    };
    Rules {
        programs: Globs::new(&texts(programs)).unwrap(),
        digests: texts(digests).into_iter().collect(),
        no_deleted,
    }
}

// Goal: a program that deleted its file is still known by where that was, and one that is only in memory by being gone.
#[test]
fn what_is_gone_is_forbidden_too() {
    let all = rules(&["/tmp/**", "/dev/shm/*"], &["ab"], false);
    for program in ["/tmp/x", "/tmp/a/b (deleted)", "/dev/shm/x (deleted)"] {
        assert!(all.forbid(program, &[]), "{program}");
    }
    let memory = "/memfd:x (deleted)";
    assert!(!all.forbid("/usr/bin/tmp", &[]) && !all.forbid(memory, &[]));
    assert!(rules(&[], &[], true).forbid(memory, &[]));
    assert!(!rules(&[], &[], true).forbid("/usr/sbin/sshd", &[]));
    // Renamed, it is what it was.
    assert!(all.forbid("/usr/sbin/cron", &["cd".to_owned(), "ab".to_owned()]));
}

// Goal: a host that lists a process as another's, or one that nothing forbids, has nothing done to it.
#[test]
fn members_are_judged_by_what_they_say() {
    assert_eq!(address_of("/usr/bin/nc").0, "//process/usr/bin/nc");
    assert_eq!(address_of("memfd").0, "//process/memfd");
}
