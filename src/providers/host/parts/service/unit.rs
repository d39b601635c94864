//! What systemd says of a unit, and the names of units and of the files that change them.
//!
//! **Invariant:** pure; a line that is missing or not understood makes the unit unknown, never another one.

use std::collections::BTreeMap;

/// The properties that are asked for, all of which have to be answered.
pub const PROPERTIES: &str = "--property=Id,LoadState,ActiveState,SubState,UnitFileState,DropInPaths,NeedDaemonReload,Result";
/// The types of units that a manifest may name.
const TYPES: [&str; 5] = ["service", "socket", "timer", "path", "target"];
/// The longest name of a unit.
const MAX_NAME: usize = 255;
/// Where packages put what belongs to them; what lies there is theirs to change.
const VENDOR: [&str; 2] = ["/usr/lib/", "/lib/"];
/// Where units of packages lie.
pub const VENDOR_UNITS: &str = "/usr/lib/systemd/system";

/// A unit as systemd has it.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Unit {
    /// The name it stands for; another one where the name asked for is an alias.
    pub id: String,
    pub load: String,
    pub is_running: bool,
    /// `enabled`, `disabled`, `static`, ...
    pub file_state: String,
    /// The drop-ins that are in force, but for those of packages.
    pub drop_ins: Vec<String>,
    pub needs_reload: bool,
    /// Why it ended, in a word.
    pub result: String,
}

impl Unit {
    /// Reads what `systemctl show` says; none where it is not understood.
    pub fn parse(said: &[u8]) -> Option<Self> {
        let text = std::str::from_utf8(said).ok()?;
        let mut values = BTreeMap::new();
        for line in text.lines().filter(|line| !line.is_empty()) {
            let (name, value) = line.split_once('=')?;
            if values.insert(name, value).is_some() {
                return None;
            }
        }
        let value = |name: &str| values.get(name).copied();
        let is_running = match (value("ActiveState")?, value("SubState")?) {
            // It ended and waits to be started anew.
            ("activating", sub) => !sub.starts_with("auto-restart"),
            (state, _) => ["active", "reloading", "refreshing"].contains(&state),
        };
        let needs_reload = match value("NeedDaemonReload")? {
            "yes" => true,
            "no" => false,
            _ => return None,
        };
        Some(Self {
            id: value("Id")?.to_owned(),
            load: value("LoadState")?.to_owned(),
            is_running,
            file_state: value("UnitFileState")?.to_owned(),
            drop_ins: paths(value("DropInPaths")?),
            needs_reload,
            // Units of some types have none.
            result: value("Result").unwrap_or_default().to_owned(),
        })
    }
}

/// Paths separated by blanks, which systemd does not mark in a path itself: what starts with no slash goes on with the one
/// before.
fn paths(text: &str) -> Vec<String> {
    let mut paths: Vec<String> = Vec::new();
    for word in text.split(' ').filter(|word| !word.is_empty()) {
        match paths.last_mut() {
            Some(last) if !word.starts_with('/') => {
                last.push(' ');
                last.push_str(word);
            }
            _ => paths.push(word.to_owned()),
        }
    }
    paths.retain(|path| !is_vendor(path));
    paths
}

/// Whether a package owns what lies here.
pub fn is_vendor(path: &str) -> bool {
    VENDOR.iter().any(|place| path.starts_with(place))
}

/// The whole name of a unit, `.service` where it names no type; none where it is no name of a unit to keep.
pub fn name_of(text: &str) -> Option<String> {
    let name = match text.rsplit_once('.') {
        Some((_, kind)) if TYPES.contains(&kind) => text.to_owned(),
        _ => format!("{text}.service"),
    };
    let (stem, _) = name.rsplit_once('.')?;
    let is_sound = |byte: u8| byte.is_ascii_alphanumeric() || b":-_.\\@".contains(&byte);
    let is_name = !stem.is_empty()
        && name.len() <= MAX_NAME
        && !name.starts_with(['-', '.', '@'])
        && name.bytes().all(is_sound)
        // A template itself is never started.
        && !stem.ends_with('@')
        && stem.matches('@').count() <= 1;
    is_name.then_some(name)
}

/// The template of an instance.
pub fn template_of(name: &str) -> Option<String> {
    let (stem, kind) = name.rsplit_once('.')?;
    let (template, _) = stem.split_once('@')?;
    Some(format!("{template}@.{kind}"))
}

/// The folders' names that hold drop-ins of a unit: its own, its template's, those of each prefix and of its type.
pub fn drop_in_folders(name: &str) -> Vec<String> {
    let mut folders = vec![format!("{name}.d")];
    let template = template_of(name);
    folders.extend(template.as_ref().map(|template| format!("{template}.d")));
    let Some((stem, kind)) = name.rsplit_once('.') else {
        return folders;
    };
    let stem = stem.split('@').next().unwrap_or(stem);
    for (at, _) in stem.match_indices('-') {
        folders.push(format!("{}.{kind}.d", &stem[..=at]));
        if template.is_some() {
            folders.push(format!("{}@.{kind}.d", &stem[..=at]));
        }
    }
    folders.push(format!("{kind}.d"));
    folders
}

#[cfg(test)]
mod tests {
    use super::*;

    const SHOWN: &str = "Id=a.service\nLoadState=loaded\nActiveState=active\nSubState=running\nUnitFileState=enabled\nDropInPaths=/run/systemd/system/a.service.d/b c.conf /lib/systemd/system/service.d/x.conf /etc/systemd/system/a.service.d/z.conf\nNeedDaemonReload=no\nResult=success\n";

    // Goal: no drop-in hides behind a blank in its name, and a package's are none that count.
    #[test]
    fn reads_what_systemctl_shows() {
        let unit = Unit::parse(SHOWN.as_bytes()).unwrap();
        let drop_ins = [
            "/run/systemd/system/a.service.d/b c.conf",
            "/etc/systemd/system/a.service.d/z.conf",
        ];
        assert_eq!(unit.drop_ins, drop_ins);
        assert!(unit.is_running && !unit.needs_reload);
        let starting = SHOWN
            .replace("=active", "=activating")
            .replace("SubState=running", "SubState=auto-restart");
        assert!(!Unit::parse(starting.as_bytes()).unwrap().is_running);
    }

    // Goal: an answer that lacks something, says it twice or is no text is not taken for a unit.
    #[test]
    fn what_is_not_understood_is_no_unit() {
        for line in SHOWN.lines().filter(|line| !line.starts_with("Result")) {
            let without = SHOWN.replace(&format!("{line}\n"), "");
            assert_eq!(Unit::parse(without.as_bytes()), None, "{line}");
        }
        for more in ["Id=b.service\n", "nothing\n"] {
            assert_eq!(Unit::parse(format!("{SHOWN}{more}").as_bytes()), None);
        }
        assert_eq!(Unit::parse(b"Id=\xff"), None);
    }

    // Goal: no name is an option, a path or a template.
    #[test]
    fn names() {
        assert_eq!(name_of("ssh").as_deref(), Some("ssh.service"));
        assert_eq!(name_of("a.b").as_deref(), Some("a.b.service"));
        assert_eq!(
            name_of("getty@tty1.service").as_deref(),
            Some("getty@tty1.service")
        );
        for bad in [
            "",
            "-x",
            "a/b",
            "../a",
            "a b",
            "x@.service",
            "a@b@c",
            "*",
            ".socket",
            "a\n",
        ] {
            assert_eq!(name_of(bad), None, "{bad:?}");
        }
    }

    // Goal: every folder that systemd reads drop-ins of a unit from is looked into.
    #[test]
    fn folders_of_drop_ins() {
        let folders = drop_in_folders("a-b@c.service");
        assert_eq!(
            folders,
            [
                "a-b@c.service.d",
                "a-b@.service.d",
                "a-.service.d",
                "a-@.service.d",
                "service.d"
            ]
        );
    }
}
