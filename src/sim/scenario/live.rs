//! `live.yaml`: the world at the start.
//!
//! Flow: the document → [`Live`] → [`Live::fill`], which makes everything that is listed, in the order of the file.
//!
//! **Invariant:** a list that cannot be carried out is a problem at the entry that is to blame.

use std::collections::BTreeMap;

use super::terms;
use crate::document::{Fields, Yaml, YamlValue};
use crate::model::Problems;
use crate::providers::host::fs::{Fs, HostPath, Look, NodeType, Want};
use crate::sim::World;
use crate::sim::deed::{Deed, Dress};

/// The most entries.
const MAX_ENTRIES: usize = 50_000;

/// What there is at the start.
pub struct Live {
    /// Whether all that the baseline says is there already.
    pub seeded: bool,
    items: Vec<Item>,
}

/// One thing that is there.
struct Item {
    node: Yaml,
    deeds: Vec<Deed>,
    owner: Option<Owner>,
    group: Option<Owner>,
    path: HostPath,
}

/// A user or a group, before names are looked up in the world itself.
struct Owner {
    node: Yaml,
    name: Name,
}

enum Name {
    Id(u32),
    Text(String),
}

/// Decodes the document.
pub(super) fn decode(doc: &Yaml, problems: &mut Problems) -> Live {
    let mut live = Live {
        seeded: false,
        items: Vec::new(),
    };
    let Some(mut fields) = doc.fields(problems) else {
        return live;
    };
    if let Some(node) = fields.take("seed") {
        let words = [("baseline", true), ("nothing", false)];
        live.seeded = node.one_of(&words, problems).unwrap_or_default();
    }
    if let Some(node) = fields.take("files") {
        let items = node.list(problems).unwrap_or_default();
        if items.len() > MAX_ENTRIES {
            problems.push(node.problem(format!("at most {MAX_ENTRIES} entries are read")));
        }
        let items = items.iter().take(MAX_ENTRIES);
        live.items = items
            .filter_map(|item| self::item(item, problems))
            .collect();
    }
    fields.finish(problems);
    live
}

fn item(node: &Yaml, problems: &mut Problems) -> Option<Item> {
    let mut fields = node.fields(problems)?;
    let path = fields
        .require("path", problems)
        .and_then(|node| terms::host_path(node, problems));
    let words = [
        ("file", NodeType::File),
        ("directory", NodeType::Directory),
        ("symlink", NodeType::Symlink),
        ("fifo", NodeType::Fifo),
        ("socket", NodeType::Socket),
        ("char_device", NodeType::CharDevice),
        ("block_device", NodeType::BlockDevice),
    ];
    let node_type = match fields.take("type") {
        Some(node) => node.one_of(&words, problems),
        None => Some(NodeType::File),
    };
    let before = problems.0.len();
    let owner = owner(fields.take("owner"), problems);
    let group = self::owner(fields.take("group"), problems);
    let dress = dress(&mut fields, problems);
    let (path, node_type) = (path?, node_type?);
    let deeds = deeds(&path, node_type, dress, &mut fields, problems);
    fields.finish(problems);
    (problems.0.len() == before).then(|| Item {
        node: node.clone(),
        deeds,
        owner,
        group,
        path,
    })
}

fn deeds(
    path: &HostPath,
    node_type: NodeType,
    dress: Dress,
    fields: &mut Fields<'_>,
    problems: &mut Problems,
) -> Vec<Deed> {
    let path = || path.clone();
    if let Some(node) = fields.take("hard_link_to") {
        let to = terms::host_path(node, problems);
        let link = |of| Deed::Link {
            path: of,
            to: path(),
        };
        return to.map(link).into_iter().collect();
    }
    let mut deeds = Vec::new();
    match node_type {
        NodeType::File => {
            let content = fields.take("content");
            let content = content.and_then(|node| node.text(problems));
            deeds.push(Deed::Write {
                path: path(),
                content: content.unwrap_or_default().as_bytes().into(),
                dress,
            });
        }
        _ => {
            let target = match node_type {
                NodeType::Symlink => fields
                    .require("target", problems)
                    .and_then(|node| node.text(problems)),
                _ => None,
            };
            let device = match node_type {
                NodeType::CharDevice | NodeType::BlockDevice => fields
                    .require("device", problems)
                    .and_then(|node| device(node, problems)),
                _ => None,
            };
            deeds.push(Deed::Make {
                path: path(),
                node_type,
                target: target.map(|text| text.as_bytes().to_vec()),
                device,
                dress,
            });
        }
    }
    if node_type == NodeType::Directory
        && fields
            .take("mount")
            .and_then(|node| node.boolean(problems))
            .unwrap_or(false)
    {
        deeds.push(Deed::Mount { path: path() });
    }
    deeds
}

fn dress(fields: &mut Fields<'_>, problems: &mut Problems) -> Dress {
    let mode = fields.take("mode").and_then(|node| {
        let text = node.text(problems)?;
        let mode = terms::parse_mode(text);
        if mode.is_none() {
            problems.push(
                node.problem(format!("\"{}\" is no mode", terms::shown(text)))
                    .hint("write three or four octal digits in quotes, such as \"0644\""),
            );
        }
        mode
    });
    let capabilities = fields
        .take("capabilities")
        .and_then(|node| terms::line(node, 2_000, problems));
    let mut flag = |name| fields.take(name).and_then(|node| node.boolean(problems));
    Dress {
        immutable: flag("immutable"),
        append_only: flag("append_only"),
        unreadable: flag("unreadable"),
        mode,
        uid: None,
        gid: None,
        capabilities,
    }
}

fn owner(node: Option<&Yaml>, problems: &mut Problems) -> Option<Owner> {
    let node = node?;
    let name = match node.value {
        YamlValue::Int(_) => {
            let id = node.integer(0, i64::from(u32::MAX - 1), problems)?;
            Name::Id(u32::try_from(id).ok()?)
        }
        _ => Name::Text(terms::line(node, 256, problems)?),
    };
    Some(Owner {
        node: node.clone(),
        name,
    })
}

fn device(node: &Yaml, problems: &mut Problems) -> Option<(u32, u32)> {
    let text = node.text(problems)?;
    let parse = |text: &str| {
        let (major, minor) = text.split_once(':')?;
        Some((major.parse().ok()?, minor.parse().ok()?))
    };
    let found = parse(text);
    if found.is_none() {
        problems.push(
            node.problem(format!("\"{}\" is no device", terms::shown(text)))
                .hint("write its numbers as \"major:minor\""),
        );
    }
    found
}

impl Live {
    /// Makes everything that is listed; directories on the way are made too.
    ///
    /// # Errors
    /// Every entry that could not be made, with why.
    pub fn fill(&self, world: &World) -> Result<(), Problems> {
        let mut problems = Problems::default();
        let mut names: BTreeMap<&str, BTreeMap<String, u32>> = BTreeMap::new();
        for item in &self.items {
            world.make_parents(&item.path.address());
            for deed in &item.deeds {
                if let Err(why) = world.apply(deed) {
                    problems.push(item.node.problem(why));
                }
            }
            if matches!(item.path.address().0.as_str(), "/etc/passwd" | "/etc/group") {
                names.clear();
            }
            let mut id = |owner: &Option<Owner>, file: &'static str| match owner.as_ref()? {
                Owner {
                    name: Name::Id(id), ..
                } => Some(*id),
                Owner {
                    name: Name::Text(text),
                    node,
                } => {
                    let known = names.entry(file).or_insert_with(|| ids(world, file));
                    let id = known.get(text).copied();
                    if id.is_none() {
                        problems.push(
                            node.problem(format!(
                                "{file} of this world has no {}",
                                terms::shown(text)
                            ))
                            .hint(format!("list {file} before this entry, or write a number")),
                        );
                    }
                    id
                }
            };
            let dress = Dress {
                uid: id(&item.owner, "/etc/passwd"),
                gid: id(&item.group, "/etc/group"),
                ..Dress::default()
            };
            if let Err(why) = world.apply(&Deed::Dress {
                path: item.path.clone(),
                dress,
            }) {
                problems.push(item.node.problem(why));
            }
        }
        match problems.is_empty() {
            true => Ok(()),
            false => Err(problems),
        }
    }
}

/// The names and ids of a file like `/etc/passwd`; root is always known.
fn ids(world: &World, file: &str) -> BTreeMap<String, u32> {
    let path = crate::providers::host::path::parse(file).unwrap_or_default();
    let want = Want::Bytes {
        unless: None,
        max_bytes: 4 << 20,
    };
    let mut ids = BTreeMap::from([("root".to_owned(), 0)]);
    if let Look::Present(_, Some(bytes)) = world.look(&path, want) {
        for line in String::from_utf8_lossy(&bytes).lines() {
            let mut parts = line.split(':');
            if let (Some(name), Some(_), Some(Ok(id))) =
                (parts.next(), parts.next(), parts.next().map(str::parse))
            {
                ids.entry(name.to_owned()).or_insert(id);
            }
        }
    }
    ids
}
