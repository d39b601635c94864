//! What was recorded, as a file system and a machine that the host provider can look at.
//!
//! **Invariant:** a place that was not looked at is unseen, not absent; nothing can be put, removed or run.

use std::collections::{BTreeMap, BTreeSet};
use std::ops::ControlFlow;
use std::sync::Arc;
use std::time::Duration;

use sha2::{Digest as _, Sha256};

use super::format::{Entry as Held, Recorded, hex, path_of};
use super::not_recorded;
use crate::model::{Blob, Digest, Reason, ReasonCode};
use crate::providers::host::fs::{
    Entry, Fs, FsError, HostPath, Judge, Look, Node, NodeType, Prepare, Verify, Want, Wanted,
};
use crate::providers::host::machine::Machine;
use crate::providers::host::path::parse;
use crate::providers::host::tool::Said;

/// Ids that stand for a name which the recording does not explain. No resource wants it.
const UNKNOWN: u32 = u32::MAX;

/// What stood at a place, and what it held where that is known.
type Noted = (Node, Option<Arc<[u8]>>);

/// The recorded files of a host.
pub struct Tree {
    nodes: BTreeMap<HostPath, Noted>,
    /// Places of which everything was recorded.
    whole: Vec<HostPath>,
    sysctls: BTreeMap<String, String>,
}

struct Making<'a> {
    users: BTreeMap<&'a str, u32>,
    groups: BTreeMap<&'a str, u32>,
    known: BTreeMap<String, Arc<[u8]>>,
}

impl Tree {
    /// All places that were looked at. `known` tells contents by their SHA-256.
    pub fn of_files(recorded: &Recorded, known: BTreeMap<String, Arc<[u8]>>) -> Self {
        let making = Making::of(recorded, known);
        let mut nodes = BTreeMap::new();
        let powerful = recorded.suid_files.iter();
        let entries = powerful
            .map(|one| (&one.path, &one.entry))
            .chain(&recorded.files);
        for (path, entry) in entries {
            if let Ok(path) = path_of(path) {
                nodes.insert(path, making.node(entry));
            }
        }
        let mut tree = Self {
            nodes,
            whole: recorded
                .observed_roots
                .iter()
                .filter_map(|root| path_of(root).ok())
                .collect(),
            sysctls: recorded.sysctls.clone(),
        };
        tree.mark(recorded);
        tree.tell("/etc/passwd", passwd(recorded));
        tree.tell("/etc/group", group(recorded));
        tree.tell("/etc/gshadow", gshadow(recorded));
        tree.tell("/etc/shadow", shadow(recorded));
        tree.tell("/var/lib/dpkg/status", status(recorded));
        tree
    }

    /// The powerful files alone, as a whole tree: they were looked for everywhere.
    pub fn of_powerful(recorded: &Recorded, known: BTreeMap<String, Arc<[u8]>>) -> Self {
        let making = Making::of(recorded, known);
        let mut nodes = BTreeMap::new();
        for one in &recorded.suid_files {
            let Ok(path) = path_of(&one.path) else {
                continue;
            };
            let mut above = path.split().map(|(parent, _)| parent);
            while let Some(dir) = above {
                above = dir.split().map(|(parent, _)| parent);
                nodes.entry(dir).or_insert_with(|| (folder(), None));
            }
            nodes.insert(path, making.node(&one.entry));
        }
        let mut tree = Self {
            nodes,
            whole: vec![HostPath::default()],
            sysctls: BTreeMap::new(),
        };
        tree.mark(recorded);
        tree
    }

    /// Sets flags and capabilities, which are recorded apart.
    fn mark(&mut self, recorded: &Recorded) {
        for line in &recorded.attributes {
            let Some((flags, path)) = line.split_once(' ') else {
                continue;
            };
            if let Some((node, _)) = parse(path).ok().and_then(|path| self.nodes.get_mut(&path)) {
                node.immutable = flags.contains('i');
                node.append_only = flags.contains('a');
            }
        }
        for line in &recorded.capabilities {
            let Some((path, capabilities)) = line.rsplit_once(' ') else {
                continue;
            };
            if let Some((node, _)) = parse(path).ok().and_then(|path| self.nodes.get_mut(&path)) {
                node.capabilities = Some(capabilities.to_owned());
            }
        }
    }

    /// What a file says, where its content was not recorded but what it says was.
    fn tell(&mut self, path: &str, text: String) {
        if let Some((node, bytes)) = parse(path).ok().and_then(|path| self.nodes.get_mut(&path))
            && bytes.is_none()
            && node.node_type == NodeType::File
        {
            *bytes = Some(text.into_bytes().into());
        }
    }

    fn was_looked_at(&self, path: &HostPath) -> bool {
        self.whole.iter().any(|root| path.is_within(root))
    }
}

impl<'a> Making<'a> {
    fn of(recorded: &'a Recorded, known: BTreeMap<String, Arc<[u8]>>) -> Self {
        let users = recorded.users.iter();
        let groups = recorded.groups.iter();
        Self {
            users: users.map(|user| (user.name.as_str(), user.uid)).collect(),
            groups: groups
                .map(|group| (group.name.as_str(), group.gid))
                .collect(),
            known,
        }
    }

    fn node(&self, entry: &Held) -> Noted {
        let id = |names: &BTreeMap<&str, u32>, name: &str| {
            let number = || name.parse().unwrap_or(UNKNOWN);
            names.get(name).copied().unwrap_or_else(number)
        };
        let node_type = match entry.sort.as_str() {
            "dir" => NodeType::Directory,
            "link" => NodeType::Symlink,
            "fifo" => NodeType::Fifo,
            "socket" => NodeType::Socket,
            "char" => NodeType::CharDevice,
            "block" => NodeType::BlockDevice,
            _ => NodeType::File,
        };
        let (content, bytes) = match node_type {
            NodeType::File => self.content(entry),
            _ => (None, None),
        };
        let node = Node {
            node_type,
            mode: u32::from_str_radix(&entry.mode, 8).unwrap_or(0) & 0o7777,
            uid: id(&self.users, &entry.owner),
            gid: id(&self.groups, &entry.group),
            links: entry.nlink,
            size: entry.size,
            target: entry
                .target
                .as_ref()
                .map(|target| target.clone().into_bytes()),
            content,
            ..folder()
        };
        (node, bytes)
    }

    /// The content by a digest of ours where anybody knows it, else by one that stands for the recorded digest.
    fn content(&self, entry: &Held) -> (Option<Blob>, Option<Arc<[u8]>>) {
        let recorded = entry.sha256.clone().unwrap_or_default();
        let text = entry.content.as_ref().map(String::as_bytes);
        if let Some(text) = text.filter(|text| hex(&Sha256::digest(text)) == recorded) {
            return (Some(Blob::of(text)), Some(text.into()));
        }
        let unknown = || Blob {
            digest: Digest::of_json("evenkeel recorded content v1", &recorded),
            size: entry.size,
        };
        match self.known.get(&recorded) {
            Some(bytes) => (Some(Blob::of(bytes)), Some(Arc::clone(bytes))),
            None => (Some(unknown()), None),
        }
    }
}

fn folder() -> Node {
    Node {
        node_type: NodeType::Directory,
        mode: 0o755,
        uid: 0,
        gid: 0,
        links: 1,
        size: 0,
        device: None,
        target: None,
        content: None,
        capabilities: None,
        acl: None,
        default_acl: None,
        xattrs: Vec::new(),
        immutable: false,
        append_only: false,
        file_system: 1,
        inode: 1,
    }
}

fn passwd(recorded: &Recorded) -> String {
    let line = |user: &super::format::User| {
        format!(
            "{}:x:{}:{}:{}:{}:{}\n",
            user.name, user.uid, user.gid, user.gecos, user.home, user.shell
        )
    };
    recorded.users.iter().map(line).collect()
}

fn group(recorded: &Recorded) -> String {
    let line = |group: &super::format::Group| {
        format!(
            "{}:x:{}:{}\n",
            group.name,
            group.gid,
            group.members.join(",")
        )
    };
    recorded.groups.iter().map(line).collect()
}

fn gshadow(recorded: &Recorded) -> String {
    let line =
        |group: &super::format::Group| format!("{}:*::{}\n", group.name, group.members.join(","));
    recorded.groups.iter().map(line).collect()
}

/// A password that is set has a hash that nobody recorded.
fn shadow(recorded: &Recorded) -> String {
    let line = |user: &super::format::User| {
        let hash = match user.password.as_str() {
            "set" => "$y$recorded",
            "empty" => "",
            _ => "!",
        };
        format!("{}:{hash}:19000:0:99999:7:::\n", user.name)
    };
    recorded.users.iter().map(line).collect()
}

fn status(recorded: &Recorded) -> String {
    let paragraph = |(name, version): (&String, &String)| {
        let (name, architecture) = name.split_once(':').unwrap_or((name, "all"));
        format!(
            "Package: {name}\nStatus: install ok installed\nArchitecture: {architecture}\nVersion: {version}\n\n"
        )
    };
    recorded.packages.iter().map(paragraph).collect()
}

/// What of dpkg's database would speak against the packages that were recorded, which are all there were.
fn is_dpkgs(path: &HostPath) -> bool {
    let place = path.address().0;
    place == "/var/lib/dpkg/updates" || place.starts_with("/var/lib/dpkg/info/")
}

impl Fs for Tree {
    fn look(&self, path: &HostPath, want: Want) -> Look {
        let mut above = path.split().map(|(parent, _)| parent);
        while let Some(parent) = above {
            match self.nodes.get(&parent).map(|(node, _)| node.node_type) {
                Some(NodeType::Symlink) => {
                    let text = format!("{} is a symbolic link", parent.address());
                    return Look::Unseen(Reason::new(ReasonCode::Redirected, text));
                }
                Some(NodeType::Directory) | None => {}
                Some(_) => return Look::Absent,
            }
            above = parent.split().map(|(parent, _)| parent);
        }
        match self.nodes.get(path) {
            Some((node, bytes)) => {
                let mut node = node.clone();
                if want == Want::Nothing {
                    node.content = None;
                }
                let wants = match want {
                    Want::Bytes { unless, max_bytes } => {
                        node.size <= max_bytes && node.content.map(|blob| blob.digest) != unless
                    }
                    _ => false,
                };
                Look::Present(Box::new(node), bytes.clone().filter(|_| wants))
            }
            // A place that was looked into, and of which nothing itself was noted, is not gone.
            None if self.was_looked_at(path) && !self.whole.contains(path) => Look::Absent,
            None if is_dpkgs(path) => Look::Absent,
            None => Look::Unseen(not_recorded(&path.address().0)),
        }
    }

    fn list(
        &self,
        path: &HostPath,
        visit: &mut dyn FnMut(Entry) -> ControlFlow<()>,
    ) -> Result<(), Reason> {
        let mut seen = BTreeSet::new();
        for (below, (node, _)) in self.nodes.range(path.clone()..) {
            if !below.is_within(path) {
                break;
            }
            let Some(name) = below.0.get(path.0.len()) else {
                continue;
            };
            if !seen.insert(name) {
                continue;
            }
            let entry = Entry {
                name: name.clone(),
                node_type: (below.0.len() == path.0.len() + 1).then_some(node.node_type),
            };
            if visit(entry).is_break() {
                break;
            }
        }
        match self.was_looked_at(path) {
            true => Ok(()),
            false => Err(not_recorded(&format!("all of {}", path.address()))),
        }
    }

    fn creator(&self) -> (u32, u32) {
        (0, 0)
    }

    fn machine(&self) -> Option<&dyn Machine> {
        Some(self)
    }

    fn put(
        &self,
        _: &HostPath,
        _: &Wanted,
        _: &str,
        _: Verify<'_>,
        _: Prepare<'_>,
    ) -> Result<Vec<String>, FsError> {
        Err(unchangeable())
    }

    fn remove(&self, _: &HostPath, _: &str, _: Verify<'_>) -> Result<(), FsError> {
        Err(unchangeable())
    }

    fn tidy(&self, _: &HostPath, _: &str, _: Judge<'_>) -> Result<(), FsError> {
        Err(unchangeable())
    }
}

impl Machine for Tree {
    fn read(&self, path: &str, _max_bytes: u64) -> Result<Option<Vec<u8>>, Reason> {
        let key = path
            .strip_prefix("/proc/sys/")
            .ok_or_else(|| not_recorded(path))?;
        let names: Vec<_> = key.split('/').map(|name| name.replace('.', "/")).collect();
        let value = self
            .sysctls
            .get(&names.join("."))
            .or_else(|| self.sysctls.get(&key.replace('/', ".")));
        match value {
            Some(value) => Ok(Some(value.clone().into_bytes())),
            None => Err(not_recorded(path)),
        }
    }

    fn write(&self, _path: &str, _bytes: &[u8]) -> Result<(), FsError> {
        Err(unchangeable())
    }

    fn names(&self, folder: &str) -> Result<Option<Vec<String>>, Reason> {
        Err(not_recorded(folder))
    }

    fn link(&self, path: &str) -> Result<Option<Vec<u8>>, Reason> {
        Err(not_recorded(path))
    }

    fn identity(&self, _path: &str) -> Option<(u64, u64)> {
        None
    }

    fn own_pid(&self) -> u32 {
        0
    }

    fn sock_diag(&self, _request: &[u8]) -> Result<Vec<u8>, Reason> {
        Err(not_recorded("which program holds a socket"))
    }

    fn end(&self, _pid: u32, _is_same: &dyn Fn() -> Result<(), String>) -> Result<(), FsError> {
        Err(unchangeable())
    }

    fn call(&self, program: &str, _: &[&str], _: &[u8], _: Duration) -> Result<Said, Reason> {
        Err(not_recorded(&format!("what {program} says")))
    }
}

fn unchangeable() -> FsError {
    FsError::Refused("a recorded host cannot be changed".to_owned())
}
