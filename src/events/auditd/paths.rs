//! The files that an event names, and which of them it is about.

use serde_json::{Map, Value, json};

/// A system call's arguments that are directories by which it takes relative names.
const DIRECTORIES: [(&str, &[&str]); 17] = [
    ("execveat", &["a0"]),
    ("faccessat", &["a0"]),
    ("fchmodat", &["a0"]),
    ("fchmodat2", &["a0"]),
    ("fchownat", &["a0"]),
    ("futimesat", &["a0"]),
    ("linkat", &["a0", "a2"]),
    ("mkdirat", &["a0"]),
    ("mknodat", &["a0"]),
    ("openat", &["a0"]),
    ("openat2", &["a0"]),
    ("readlinkat", &["a0"]),
    ("renameat", &["a0", "a2"]),
    ("renameat2", &["a0", "a2"]),
    ("symlinkat", &["a1"]),
    ("unlinkat", &["a0"]),
    ("utimensat", &["a0"]),
];

/// What was done to files.
pub(super) struct Touched {
    /// As in the body: `{name, given, nametype, mode, inode, dev, unresolved}`.
    pub(super) paths: Vec<Value>,
    /// The file that the event is about.
    pub(super) object: Option<String>,
    /// What a rename took it from.
    pub(super) from: Option<String>,
    /// `create`, `delete`, `rename`, `write` or `attributes`.
    pub(super) change: Option<&'static str>,
}

/// Reads an event's PATH records. `call` is its SYSCALL record.
pub(super) fn touched(
    records: &[Map<String, Value>],
    call: Option<&Map<String, Value>>,
    syscall: Option<&str>,
    cwd: Option<&str>,
) -> Touched {
    let base = cwd.filter(|_| takes_working_directory(call, syscall));
    let mut touched = Touched {
        paths: Vec::new(),
        object: None,
        from: None,
        change: None,
    };
    let (mut created, mut deleted, mut plain) = (None, None, None);
    let (mut any_created, mut any_deleted) = (false, false);
    for record in records.iter().filter(|record| record["type"] == "PATH") {
        let nametype = text(record, "nametype").unwrap_or("");
        any_created |= nametype == "CREATE";
        any_deleted |= nametype == "DELETE";
        let (path, name) = described(record, base);
        touched.paths.push(path);
        let Some(name) = name else { continue };
        match nametype {
            "CREATE" => created = Some(name),
            "DELETE" => deleted = Some(name),
            "PARENT" => {}
            _ => plain = plain.or(Some(name)),
        }
    }
    touched.change = match (any_created, any_deleted) {
        (true, true) => Some("rename"),
        (true, false) => Some("create"),
        (false, true) => Some("delete"),
        (false, false) => plain.as_ref().and(by_call(call, syscall)),
    };
    if touched.change == Some("rename") {
        touched.from.clone_from(&deleted);
    }
    touched.object = created.or(deleted).or(plain);
    touched
}

fn text<'a>(record: &'a Map<String, Value>, key: &str) -> Option<&'a str> {
    record.get(key)?.as_str()
}

/// A PATH record for the body, and its name resolved where there is one.
fn described(record: &Map<String, Value>, base: Option<&str>) -> (Value, Option<String>) {
    let given = text(record, "name").filter(|name| !name.is_empty() && *name != "(null)");
    let name = given.map(|given| match (given.starts_with('/'), base) {
        (true, _) => resolve("/", given),
        (false, Some(base)) => resolve(base, given),
        (false, None) => given.to_owned(),
    });
    let mut path = Map::new();
    if let (Some(name), Some(given)) = (&name, given) {
        path.insert("name".to_owned(), name.as_str().into());
        if name != given {
            path.insert("given".to_owned(), given.into());
        }
        if !name.starts_with('/') {
            path.insert("unresolved".to_owned(), true.into());
        }
    }
    for key in ["nametype", "mode", "inode", "dev"] {
        if let Some(value) = record.get(key) {
            path.insert(key.to_owned(), value.clone());
        }
    }
    (json!(path), name)
}

/// Whether relative names are of the working directory: not where the call was given another directory, whose path the
/// log does not have.
fn takes_working_directory(call: Option<&Map<String, Value>>, syscall: Option<&str>) -> bool {
    let (Some(call), Some(syscall)) = (call, syscall) else {
        return true;
    };
    let Ok(at) = DIRECTORIES.binary_search_by_key(&syscall, |(name, _)| name) else {
        return true;
    };
    let working = |argument: &&str| {
        let given = text(call, argument).unwrap_or("");
        // AT_FDCWD, -100, as 32 or 64 bits.
        given == "ffffff9c" || given == "ffffffffffffff9c"
    };
    DIRECTORIES[at].1.iter().all(working)
}

/// What a call that neither creates nor deletes a name does to a file.
fn by_call(call: Option<&Map<String, Value>>, syscall: Option<&str>) -> Option<&'static str> {
    let flags = |argument: &str| u64::from_str_radix(text(call?, argument)?, 16).ok();
    // O_WRONLY, O_RDWR and O_TRUNC, the same on all architectures that have a table.
    let writes = |flags: u64| flags & 0o1003 != 0;
    match syscall? {
        "open" => flags("a1").filter(|flags| writes(*flags)).map(|_| "write"),
        "openat" => flags("a2").filter(|flags| writes(*flags)).map(|_| "write"),
        "creat" | "truncate" | "truncate64" => Some("write"),
        "chmod" | "fchmod" | "fchmodat" | "fchmodat2" | "chown" | "fchown" | "lchown"
        | "fchownat" | "chown32" | "fchown32" | "lchown32" | "setxattr" | "lsetxattr"
        | "fsetxattr" | "removexattr" | "lremovexattr" | "fremovexattr" | "utime" | "utimes"
        | "futimesat" | "utimensat" => Some("attributes"),
        _ => None,
    }
}

/// A name against a directory, by its letters alone: a symbolic link on the way is not followed.
pub(super) fn resolve(directory: &str, name: &str) -> String {
    let mut parts: Vec<&str> = Vec::new();
    let from = if name.starts_with('/') { "" } else { directory };
    for part in from.split('/').chain(name.split('/')) {
        match part {
            "" | "." => {}
            ".." => {
                parts.pop();
            }
            part => parts.push(part),
        }
    }
    format!("/{}", parts.join("/"))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn record(json: Value) -> Map<String, Value> {
        json.as_object().unwrap().clone()
    }

    fn path(name: &str, nametype: &str) -> Map<String, Value> {
        record(json!({"type": "PATH", "name": name, "nametype": nametype, "dev": "00:2a"}))
    }

    // Goal: the table is searched by halving.
    #[test]
    fn the_table_is_sorted() {
        assert!(DIRECTORIES.is_sorted_by_key(|(name, _)| *name));
    }

    // Goal: a name with dots does not hide which file it is.
    #[test]
    fn names_are_resolved() {
        assert_eq!(resolve("/root", "../etc/./cron.d//x"), "/etc/cron.d/x");
        assert_eq!(resolve("/root", "/etc/../../shadow"), "/shadow");
        assert_eq!(resolve("/", "."), "/");
    }

    // Goal: an overlay's own records, which have only the last part of a name or none, don't take the event's file away.
    #[test]
    fn a_rename_is_told_by_its_last_created_name() {
        let records = [
            path("/etc/shop/", "PARENT"),
            path("(null)", "DELETE"),
            path("(null)", "CREATE"),
            path("/etc/shop/.new", "DELETE"),
            path("/etc/shop/shop.conf", "DELETE"),
            path("shop.conf", "CREATE"),
            path("(null)", "CREATE"),
        ];
        let got = touched(&records, None, Some("rename"), Some("/etc/shop"));
        assert_eq!(got.object.as_deref(), Some("/etc/shop/shop.conf"));
        assert_eq!(got.change, Some("rename"));
        assert_eq!(got.paths.len(), 7);
    }

    // Goal: a name relative to a directory that the log does not name is not made into a path that never was.
    #[test]
    fn another_directory_is_not_the_working_one() {
        let call = |a0: &str| record(json!({"type": "SYSCALL", "a0": a0}));
        let records = [path("authorized_keys", "DELETE")];
        let got = touched(&records, Some(&call("5")), Some("unlinkat"), Some("/tmp"));
        assert_eq!(got.object.as_deref(), Some("authorized_keys"));
        assert_eq!(got.paths[0]["unresolved"], true);
        let got = touched(
            &records,
            Some(&call("ffffff9c")),
            Some("unlinkat"),
            Some("/tmp"),
        );
        assert_eq!(got.object.as_deref(), Some("/tmp/authorized_keys"));
        assert_eq!(got.change, Some("delete"));
    }

    // Goal: a file opened to be read is no change, one opened to be written is.
    #[test]
    fn opening_changes_by_its_flags() {
        let call = |flags: &str| record(json!({"type": "SYSCALL", "a0": "ffffff9c", "a2": flags}));
        let records = [path("/etc/hosts", "NORMAL")];
        let change =
            |flags: &str| touched(&records, Some(&call(flags)), Some("openat"), None).change;
        assert_eq!(change("0"), None);
        assert_eq!(change("80000"), None);
        assert_eq!(change("441"), Some("write"));
        assert_eq!(change("200"), Some("write"));
    }
}
