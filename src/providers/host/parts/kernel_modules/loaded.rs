//! What a kernel says of its loaded modules, in two ways, and of what taints it.
//!
//! **Invariant:** a line or a name that is no module's is told, and no unchecked name becomes part of a path.

use std::collections::{BTreeMap, BTreeSet};

use crate::model::{AGREE, Reason, ReasonCode};
use crate::providers::host::machine::Machine;
use crate::providers::host::path::escape;

const TABLE: &str = "/proc/modules";
const FOLDER: &str = "/sys/module";
const TAINTED: &str = "/proc/sys/kernel/tainted";
/// The letters of the kernel's flags, from the first bit on (`Documentation/admin-guide/tainted-kernels.rst`).
const LETTERS: &str = "PFSRMBUDAWCIOELKXTNJ";
/// The largest table, in bytes, the longest name, and the most folders of modules, built-in ones included.
const MAX_TABLE: u64 = 4 << 20;
const MAX_NAME: usize = 64;
const MAX_FOLDERS: usize = 20_000;
/// How often the two ways are compared before they disagree: modules come and go meanwhile.
const ROUNDS: usize = 3;
/// The most that is named of one sort.
const MAX_NAMED: usize = 5;

/// All that was told.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub struct Loaded {
    /// The letters of each module.
    pub modules: BTreeMap<String, String>,
    pub observers: String,
    /// Lines and names that are no module's; empty where there are none.
    pub unread: String,
}

/// Whether this may be the name of a module.
pub fn is_name(text: &str) -> bool {
    let is_part = |byte: u8| byte.is_ascii_alphanumeric() || matches!(byte, b'_' | b'-');
    !text.is_empty() && text.len() <= MAX_NAME && text.bytes().all(is_part)
}

/// Whether this is the letter of a flag.
pub fn is_letter(text: &str) -> bool {
    text.len() == 1 && LETTERS.contains(text)
}

/// The kernel's own flags, as letters; a flag without one as `bit-20`.
///
/// # Errors
/// It does not say.
pub fn taint(machine: &dyn Machine) -> Result<Vec<String>, Reason> {
    let bytes = machine.read(TAINTED, 64)?.unwrap_or_default();
    let text = String::from_utf8_lossy(&bytes);
    let bits: u64 = text.trim().parse().map_err(|_| {
        let text = format!("{TAINTED} does not say what taints the kernel");
        Reason::new(ReasonCode::Unsupported, text)
    })?;
    Ok(letters(bits))
}

pub(super) fn letters(bits: u64) -> Vec<String> {
    let set = (0..64).filter(|bit| bits >> bit & 1 == 1);
    set.map(|bit| match LETTERS.chars().nth(bit) {
        Some(letter) => letter.to_string(),
        None => format!("bit-{bit}"),
    })
    .collect()
}

/// Asks in both ways, again where they differ.
///
/// # Errors
/// One of them could not be asked.
pub fn loaded(machine: &dyn Machine) -> Result<Loaded, Reason> {
    let mut differing: Option<BTreeSet<(String, bool)>> = None;
    let mut all = Loaded::default();
    for _ in 0..ROUNDS {
        let mut unread = BTreeSet::new();
        let table = table(machine, &mut unread)?;
        let folders = folders(machine, &mut unread)?;
        let mut now = BTreeSet::new();
        now.extend(
            table
                .keys()
                .filter(|it| !folders.contains_key(*it))
                .map(|it| (it.clone(), true)),
        );
        now.extend(
            folders
                .keys()
                .filter(|it| !table.contains_key(*it))
                .map(|it| (it.clone(), false)),
        );
        let mut modules = folders;
        for (name, letters) in table {
            merge(modules.entry(name).or_default(), &letters);
        }
        all = Loaded {
            modules,
            observers: AGREE.to_owned(),
            unread: named(unread.into_iter().collect()),
        };
        let still: BTreeSet<_> = match differing {
            None => now,
            Some(before) => before.intersection(&now).cloned().collect(),
        };
        if still.is_empty() {
            return Ok(all);
        }
        differing = Some(still);
    }
    all.observers = disagreement(&differing.unwrap_or_default());
    Ok(all)
}

fn merge(letters: &mut String, more: &str) {
    for letter in more.chars() {
        if !letters.contains(letter) {
            letters.push(letter);
        }
    }
}

/// Names, and whether the table has each.
pub(super) fn disagreement(differing: &BTreeSet<(String, bool)>) -> String {
    let texts = differing.iter().map(|(name, in_table)| match in_table {
        true => format!("{name} is hidden from {FOLDER}"),
        false => format!("{name} is hidden from {TABLE}"),
    });
    named(texts.collect())
}

fn named(mut texts: Vec<String>) -> String {
    let more = texts.len().saturating_sub(MAX_NAMED);
    texts.truncate(MAX_NAMED);
    if more > 0 {
        texts.push(format!("{more} more"));
    }
    texts.join("; ")
}

/// The modules of `/proc/modules`. A kernel that can load none has no such file.
fn table(
    machine: &dyn Machine,
    unread: &mut BTreeSet<String>,
) -> Result<BTreeMap<String, String>, Reason> {
    let bytes = machine.read(TABLE, MAX_TABLE)?.unwrap_or_default();
    Ok(read_table(&bytes, unread))
}

pub(super) fn read_table(bytes: &[u8], unread: &mut BTreeSet<String>) -> BTreeMap<String, String> {
    let mut modules = BTreeMap::<String, String>::new();
    let lines = bytes.split(|byte| *byte == b'\n').enumerate();
    for (at, line) in lines.filter(|(_, line)| !line.is_empty()) {
        match std::str::from_utf8(line).ok().and_then(module) {
            Some((name, letters)) => merge(modules.entry(name).or_default(), &letters),
            None => {
                let shown = escape(&line[..line.len().min(MAX_NAME)]);
                unread.insert(format!("line {} of {TABLE}: {shown}", at + 1));
            }
        }
    }
    modules
}

/// `name size uses users state address`, and `(OE)` where it taints; `+` and `-` there say that it comes or goes.
fn module(line: &str) -> Option<(String, String)> {
    let words: Vec<_> = line.split(' ').collect();
    let (words, flags) = match &words[..] {
        [words @ .., last] if words.len() == 6 => {
            (words, last.strip_prefix('(')?.strip_suffix(')')?)
        }
        words => (words, ""),
    };
    let [name, size, _uses, _users, state, address] = words else {
        return None;
    };
    size.parse::<u64>().ok()?;
    let is_right = is_name(name)
        && ["Live", "Loading", "Unloading"].contains(state)
        && address.starts_with("0x");
    let letters = read_letters(flags.trim_end_matches(['+', '-']))?;
    is_right.then(|| ((*name).to_owned(), letters))
}

fn read_letters(text: &str) -> Option<String> {
    let is_right = text.len() <= 64 && text.bytes().all(|byte| byte.is_ascii_uppercase());
    is_right.then(|| text.to_owned())
}

/// The modules of `/sys/module`: a built-in one has a folder and no `initstate`.
fn folders(
    machine: &dyn Machine,
    unread: &mut BTreeSet<String>,
) -> Result<BTreeMap<String, String>, Reason> {
    let names = machine.names(FOLDER)?.ok_or_else(|| {
        let text = format!("there is no {FOLDER}, so what is loaded cannot be told in two ways");
        Reason::new(ReasonCode::Unsupported, text)
    })?;
    if names.len() > MAX_FOLDERS {
        let text = format!("{FOLDER} has more than {MAX_FOLDERS} entries");
        return Err(Reason::new(ReasonCode::TooLarge, text));
    }
    let mut modules = BTreeMap::new();
    for name in names {
        if !is_name(&name) {
            let shown = escape(&name.as_bytes()[..name.len().min(MAX_NAME)]);
            unread.insert(format!("{FOLDER}: {shown}"));
            continue;
        }
        if machine
            .read(&format!("{FOLDER}/{name}/initstate"), 4096)?
            .is_none()
        {
            continue;
        }
        let taint = machine.read(&format!("{FOLDER}/{name}/taint"), 4096)?;
        let taint = taint.unwrap_or_default();
        let text = String::from_utf8_lossy(&taint);
        let letters = read_letters(text.trim()).unwrap_or_else(|| {
            unread.insert(format!("{FOLDER}/{name}/taint"));
            String::new()
        });
        modules.insert(name, letters);
    }
    Ok(modules)
}
