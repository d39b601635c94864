//! Which of the places where an intruder stays on a Linux host the baseline watches, and which not.
//!
//! Source: MITRE ATT&CK for Enterprise, tactic TA0003 (Persistence), platform Linux; the places of each technique are those
//! of Debian.
//!
//! Flow: desired resources of one target → [`coverage`] → one [`Row`] a place.
//!
//! **Invariant:** pure, and never kinder than the truth: a place is watched as a whole only where anything new in it would
//! be drift.

use std::collections::BTreeSet;

use serde::Serialize;

use super::fs::HostPath;
use super::path::parse;
use super::{cron, filetree, kinds};
use crate::model::{Desired, ResourceId, Value};

/// How far a place is watched.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Watched {
    /// Nothing of it.
    No,
    /// Some of it: what is added beside that is not seen.
    Part,
    /// Anything changed or new in it is drift.
    Whole,
}

/// One place of one technique.
#[derive(Clone, PartialEq, Debug, Serialize)]
pub struct Row {
    /// `T1053.003`
    pub technique: &'static str,
    pub name: &'static str,
    pub place: &'static str,
    pub watched: Watched,
    /// The resources that watch it, in order.
    pub by: Vec<ResourceId>,
}

/// What a place is.
#[derive(Clone, Copy)]
enum Place {
    /// A folder, of which every entry counts.
    Folder(&'static str),
    /// A single file.
    File(&'static str),
    /// What only a kind of resource can list.
    Kind(&'static str),
    /// The keys of every user who has some: whole only where each is said to be all of them.
    Keys,
}

use Place::{File, Folder, Keys, Kind};

const TECHNIQUES: [(&str, &str, &[Place]); 20] = [
    (
        "T1037.004",
        "RC Scripts",
        &[
            Folder("/etc/init.d"),
            File("/etc/rc.local"),
            Folder("/etc/rc3.d"),
        ],
    ),
    ("T1053.002", "At", &[Folder("/var/spool/cron/atjobs")]),
    (
        "T1053.003",
        "Cron",
        &[
            File("/etc/crontab"),
            Folder("/etc/cron.d"),
            Folder("/etc/cron.hourly"),
            Folder("/etc/cron.daily"),
            Folder("/etc/cron.weekly"),
            Folder("/etc/cron.monthly"),
            Folder("/var/spool/cron/crontabs"),
        ],
    ),
    ("T1053.006", "Systemd Timers", &[Kind("Cron")]),
    ("T1078.003", "Local Accounts", &[Kind("Accounts")]),
    (
        "T1098.004",
        "SSH Authorized Keys",
        &[Keys, Folder("/etc/ssh")],
    ),
    ("T1133", "External Remote Services", &[Kind("Listeners")]),
    (
        "T1136.001",
        "Create Account: Local Account",
        &[File("/etc/passwd"), File("/etc/shadow"), File("/etc/group")],
    ),
    ("T1205", "Traffic Signaling", &[Kind("Firewall")]),
    (
        "T1542.003",
        "Bootkit",
        &[
            Folder("/boot"),
            File("/etc/default/grub"),
            Folder("/etc/grub.d"),
        ],
    ),
    (
        "T1543.002",
        "Systemd Service",
        &[
            Folder("/etc/systemd/system"),
            Folder("/usr/lib/systemd/system"),
            Folder("/run/systemd/system"),
        ],
    ),
    (
        "T1546.004",
        "Unix Shell Configuration Modification",
        &[
            File("/etc/profile"),
            Folder("/etc/profile.d"),
            File("/etc/bash.bashrc"),
            File("/etc/environment"),
            File("/root/.bashrc"),
            File("/root/.profile"),
        ],
    ),
    (
        "T1546.016",
        "Installer Packages",
        &[Folder("/var/lib/dpkg/info"), Folder("/etc/apt")],
    ),
    (
        "T1546.017",
        "Udev Rules",
        &[Folder("/etc/udev/rules.d"), Folder("/usr/lib/udev/rules.d")],
    ),
    (
        "T1547.006",
        "Kernel Modules and Extensions",
        &[
            File("/etc/modules"),
            Folder("/etc/modules-load.d"),
            Folder("/etc/modprobe.d"),
            Folder("/usr/lib/modules"),
            Kind("KernelModules"),
        ],
    ),
    (
        "T1547.013",
        "XDG Autostart Entries",
        &[Folder("/etc/xdg/autostart")],
    ),
    (
        "T1554",
        "Compromise Host Software Binary",
        &[
            Folder("/usr/bin"),
            Folder("/usr/sbin"),
            Folder("/usr/local"),
        ],
    ),
    (
        "T1556.003",
        "Pluggable Authentication Modules",
        &[
            Folder("/etc/pam.d"),
            Folder("/usr/lib/x86_64-linux-gnu/security"),
        ],
    ),
    (
        "T1574.006",
        "Dynamic Linker Hijacking",
        &[
            File("/etc/ld.so.preload"),
            File("/etc/ld.so.conf"),
            Folder("/etc/ld.so.conf.d"),
        ],
    ),
    (
        "T1505.003",
        "Web Shell",
        &[Folder("/var/www"), Folder("/srv")],
    ),
];

/// What the desired resources of one target watch, in the order of techniques.
pub fn coverage(desired: &[Desired]) -> Vec<Row> {
    let mut rows: Vec<Row> = TECHNIQUES
        .iter()
        .flat_map(|(technique, name, places)| {
            places.iter().map(|place| {
                let (watched, by) = judge(desired, *place);
                Row {
                    technique,
                    name,
                    place: place.label(),
                    watched,
                    by,
                }
            })
        })
        .collect();
    rows.sort_by_key(|row| row.technique);
    rows
}

impl Place {
    fn label(self) -> &'static str {
        match self {
            Folder(path) | File(path) => path,
            Kind("Cron") => "systemd timers",
            Kind("Accounts") => "accounts that may log in",
            Kind("KernelModules") => "loaded modules",
            Kind("Listeners") => "listening sockets",
            Kind("Firewall") => "the ruleset of nftables",
            Kind(other) => other,
            Keys => "authorized_keys of users",
        }
    }
}

fn judge(desired: &[Desired], place: Place) -> (Watched, Vec<ResourceId>) {
    let mut by = BTreeSet::new();
    let mut watched = Watched::No;
    for one in desired {
        let level = match place {
            Folder(path) => of_folder(one, &parse(path).unwrap_or_default()),
            File(path) => of_file(one, &parse(path).unwrap_or_default()),
            // Anything may be in another table.
            Kind("Firewall") if one.id.kind.0 == "Firewall" && one.scope.is_none() => Watched::Part,
            Kind(kind) if one.id.kind.0 == kind => match &one.scope {
                Some(scope) if !scope.ignore.is_empty() => Watched::Part,
                _ => Watched::Whole,
            },
            Kind(_) => Watched::No,
            Keys => of_keys(one),
        };
        if level > Watched::No {
            by.insert(one.id.clone());
            watched = watched.max(level);
        }
    }
    (watched, by.into_iter().collect())
}

/// A listing that is told to leave things alone sees a part.
fn whole_or_part(one: &Desired) -> Watched {
    match one
        .scope
        .as_ref()
        .is_some_and(|scope| scope.ignore.is_empty())
    {
        true => Watched::Whole,
        false => Watched::Part,
    }
}

/// A tree sees all of what lies in it where its manifest is all that there may be; dpkg knows no modes and no settings.
fn of_tree(one: &Desired, top: &HostPath, place: &HostPath) -> Watched {
    let is_open = one.options.get(filetree::judge::EXCLUSIVE) == Some(&Value::Bool(false));
    match (place.is_within(top), top.is_within(place)) {
        (true, _) if is_open || filetree::is_against_dpkg(one) => Watched::Part,
        (true, _) => whole_or_part(one),
        (_, true) => Watched::Part,
        _ => Watched::No,
    }
}

fn of_folder(one: &Desired, folder: &HostPath) -> Watched {
    if let Some(top) = filetree::top_of(one) {
        return of_tree(one, &top, folder);
    }
    if one.id.kind.0 == kinds::CRON {
        let is_place = cron::places().any(|place| place.path() == *folder && place.is_whole());
        // What is allowed without its lines may hold any.
        let mut allowed = one.scope.iter().flat_map(|scope| &scope.allow);
        return match is_place {
            true if allowed.any(|path| path.is_below(&folder.address())) => Watched::Part,
            true => whole_or_part(one),
            false => Watched::No,
        };
    }
    if one.id.kind.0 == "Service" {
        // What changes one unit, and no unit beside it.
        let places = ["/etc/systemd/system", "/run/systemd/system"];
        return match places.contains(&folder.address().0.as_str()) {
            true => Watched::Part,
            false => Watched::No,
        };
    }
    if one.id.kind.0 == "Preload" {
        let modules = folder.address().0 == "/etc/pam.d" && one.options.contains_key("modules");
        return match modules {
            true => Watched::Part,
            false => Watched::No,
        };
    }
    if one.id.kind.0 == "Package" {
        // Its own programs, where they are held against dpkg's database.
        let is_held = one
            .expected()
            .is_some_and(|fields| fields.contains_key("files"));
        let programs = ["/usr/bin", "/usr/sbin"].contains(&folder.address().0.as_str());
        return match is_held && programs {
            true => Watched::Part,
            false => Watched::No,
        };
    }
    let Some(path) = HostPath::from_address(&one.address) else {
        return Watched::No;
    };
    if one.scope.is_some() && folder.is_within(&path) {
        return whole_or_part(one);
    }
    match path.is_within(folder) {
        true => Watched::Part,
        false => Watched::No,
    }
}

fn of_file(one: &Desired, file: &HostPath) -> Watched {
    if filetree::is_against_dpkg(one) {
        // Most of these are configuration files, which dpkg lets a person change.
        return Watched::No;
    }
    if let Some(top) = filetree::top_of(one) {
        return of_tree(one, &top, file);
    }
    if one.id.kind.0 == kinds::CRON {
        // A file that is allowed without its lines may hold any.
        let is_place = cron::places().any(|place| place.holds(file));
        let allow = one.scope.as_ref().map(|scope| &scope.allow);
        return match is_place {
            true if allow.is_some_and(|allow| allow.contains(&file.address())) => Watched::Part,
            true => whole_or_part(one),
            false => Watched::No,
        };
    }
    let accounts = ["/etc/passwd", "/etc/shadow"].contains(&file.address().0.as_str());
    if one.id.kind.0 == "Accounts" && accounts {
        return Watched::Part;
    }
    if one.id.kind.0 == "Preload" {
        return match file.address().0.as_str() {
            "/etc/ld.so.preload" => Watched::Whole,
            "/etc/environment" | "/etc/profile" | "/etc/bash.bashrc" => Watched::Part,
            _ => Watched::No,
        };
    }
    let Some(path) = HostPath::from_address(&one.address) else {
        return Watched::No;
    };
    if path == *file {
        let says_content = one
            .expected()
            .is_none_or(|fields| fields.contains_key("content") || fields.contains_key("target"));
        return match says_content {
            true => Watched::Whole,
            false => Watched::Part,
        };
    }
    match one.scope.is_some() && file.is_within(&path) {
        true => whole_or_part(one),
        false => Watched::No,
    }
}

fn of_keys(one: &Desired) -> Watched {
    match one.id.kind.0 == kinds::AUTHORIZED_KEYS {
        true if kinds::is_exclusive(one) => Watched::Whole,
        true => Watched::Part,
        false => Watched::No,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::{Address, Fields, Presence, Scope, Span, TargetName};

    fn one(kind: &str, address: &str, scope: Option<Scope>) -> Desired {
        let target = TargetName("t".into());
        Desired {
            id: ResourceId::new(&target, kind, address.trim_matches('/')),
            origin: Span {
                file: "a.yaml".into(),
                line: 1,
                column: 1,
            },
            address: Address(address.into()),
            presence: Presence::Absent,
            create_with: Fields::new(),
            scope,
            depends_on: BTreeSet::new(),
            risk: crate::model::Risk::default(),
            disclose: false,
            sensitive: false,
            controls: vec![],
            one_way: None,
            options: Fields::new(),
        }
    }

    fn watched(desired: &[Desired], technique: &str, place: &str) -> Watched {
        let rows = coverage(desired);
        let row = rows
            .iter()
            .find(|row| row.technique == technique && row.place == place);
        row.unwrap().watched
    }

    // Goal: a file of a folder, or a listing with exceptions, is never taken for all of the folder.
    #[test]
    fn a_part_is_no_whole() {
        let all = Scope::default();
        let some = Scope {
            ignore: vec!["x".into()],
            ..Scope::default()
        };
        let pam = |desired: Desired| watched(&[desired], "T1556.003", "/etc/pam.d");
        assert_eq!(pam(one("File", "/etc/pam.d/su", None)), Watched::Part);
        assert_eq!(pam(one("File", "/etc/pam.dx", None)), Watched::No);
        assert_eq!(pam(one("Directory", "/etc/pam.d", None)), Watched::Part);
        assert_eq!(
            pam(one("Directory", "/etc", Some(all.clone()))),
            Watched::Whole
        );
        assert_eq!(pam(one("Directory", "/etc", Some(some))), Watched::Part);
        assert_eq!(
            pam(one("Directory", "/etc/pam.d/x", Some(all))),
            Watched::Part
        );
        assert_eq!(
            watched(
                &[one("File", "/etc/ld.so.preload", None)],
                "T1574.006",
                "/etc/ld.so.preload"
            ),
            Watched::Whole
        );
        let mut open = one("File", "/etc/crontab", None);
        open.presence = Presence::Present(Fields::from([("type".into(), "file".into())]));
        assert_eq!(watched(&[open], "T1053.003", "/etc/crontab"), Watched::Part);
    }

    // Goal: a tree with exceptions, or one beside whose entries there may be others, is never taken for all of a folder.
    #[test]
    fn a_tree_is_whole_where_it_is_all() {
        let tree = |ignore: &[&str], exclusive: bool| {
            let mut tree = one("FileTree", "//file-tree/usr", None);
            tree.scope = Some(Scope {
                within: [Address("/usr".into())].into(),
                ignore: ignore.iter().map(|glob| (*glob).to_owned()).collect(),
                ..Scope::default()
            });
            let exclusive = Value::Bool(exclusive);
            tree.options.insert("exclusive".into(), exclusive);
            tree
        };
        let bin = |desired: Desired| watched(&[desired], "T1554", "/usr/bin");
        assert_eq!(bin(tree(&[], true)), Watched::Whole);
        assert_eq!(bin(tree(&["x"], true)), Watched::Part);
        assert_eq!(bin(tree(&[], false)), Watched::Part);
        let mut of_dpkg = tree(&[], true);
        of_dpkg.options.insert("against".into(), "dpkg".into());
        assert_eq!(bin(of_dpkg.clone()), Watched::Part);
        of_dpkg.scope = tree(&[], true).scope.map(|scope| Scope {
            within: [Address("/etc".into())].into(),
            ..scope
        });
        let shells = watched(&[of_dpkg], "T1546.004", "/etc/profile");
        assert_eq!(shells, Watched::No);
        let shells = watched(&[tree(&[], true)], "T1546.004", "/etc/profile");
        assert_eq!(shells, Watched::No);
    }

    // Goal: a package watches its own programs and no other, and only where its files are looked at.
    #[test]
    fn packages_are_a_part() {
        let mut package = one("Package", "//package/procps", None);
        let programs = |one: &Desired| watched(std::slice::from_ref(one), "T1554", "/usr/bin");
        assert_eq!(programs(&package), Watched::No);
        let files = Value::Map(Fields::new());
        package.presence = Presence::Present(Fields::from([("files".into(), files)]));
        assert_eq!(programs(&package), Watched::Part);
        assert_eq!(watched(&[package], "T1554", "/usr/local"), Watched::No);
    }

    // Goal: a unit that is kept is never taken for all units.
    #[test]
    fn a_service_is_a_part() {
        let service = one("Service", "//service/ssh.service", None);
        let units = |place: &str| watched(std::slice::from_ref(&service), "T1543.002", place);
        assert_eq!(units("/etc/systemd/system"), Watched::Part);
        assert_eq!(units("/usr/lib/systemd/system"), Watched::No);
    }

    // Goal: keys beside listed ones are an intruder's, so only an exclusive list of them is whole.
    #[test]
    fn keys_are_whole_where_they_are_all() {
        let mut keys = one(kinds::AUTHORIZED_KEYS, "/root/.ssh/authorized_keys", None);
        let place = "authorized_keys of users";
        assert_eq!(watched(&[keys.clone()], "T1098.004", place), Watched::Part);
        keys.options.insert("exclusive".into(), Value::Bool(true));
        assert_eq!(watched(&[keys], "T1098.004", place), Watched::Whole);
    }

    // Goal: the table stays what it says: each technique once, each place a path that a resource could have.
    #[test]
    fn the_table_is_sound() {
        let ids: BTreeSet<_> = TECHNIQUES.iter().map(|(id, _, _)| id).collect();
        assert_eq!(ids.len(), TECHNIQUES.len());
        for (_, _, places) in TECHNIQUES {
            for place in places {
                if let Folder(path) | File(path) = place {
                    assert!(parse(path).is_ok(), "{path}");
                }
            }
        }
    }
}
