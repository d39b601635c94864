//! Keeps the shape of the source: who imports whom, how long files are, and that no file is forgotten.

use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};

const MAX_LINES: usize = 800;

fn root() -> PathBuf {
    PathBuf::from(env!("CARGO_MANIFEST_DIR"))
}

fn rust_files(dir: &Path, found: &mut Vec<PathBuf>) {
    for entry in std::fs::read_dir(dir).expect("a source directory can be read") {
        let path = entry.expect("an entry can be read").path();
        if path.is_dir() {
            rust_files(&path, found);
        } else if path.extension().is_some_and(|ext| ext == "rs") {
            found.push(path);
        }
    }
}

fn sources() -> Vec<(PathBuf, String)> {
    let mut files = Vec::new();
    rust_files(&root().join("src"), &mut files);
    rust_files(&root().join("tests"), &mut files);
    files.sort();
    files
        .into_iter()
        .map(|path| {
            let text = std::fs::read_to_string(&path).expect("a source file is text");
            (path, text)
        })
        .collect()
}

/// The table in ARCHITECTURE.md: `| module | may import |` rows under the heading "Who may import whom".
fn import_table() -> BTreeMap<String, BTreeSet<String>> {
    let text = std::fs::read_to_string(root().join("ARCHITECTURE.md")).expect("ARCHITECTURE.md");
    let section = text
        .split("## Who may import whom")
        .nth(1)
        .expect("ARCHITECTURE.md has the section");
    let mut table = BTreeMap::new();
    for line in section.lines().take_while(|line| !line.starts_with("## ")) {
        let cells: Vec<_> = line.split('|').map(str::trim).collect();
        if cells.len() < 4 || !cells[1].starts_with('`') {
            continue;
        }
        let names = |cell: &str| -> Vec<String> {
            cell.split('`')
                .skip(1)
                .step_by(2)
                .map(str::to_owned)
                .collect()
        };
        for module in names(cells[1]) {
            table.insert(module, names(cells[2]).into_iter().collect());
        }
    }
    assert!(table.len() > 8, "the table was not found: {table:?}");
    table
}

/// The top-level module that a path belongs to, with `providers::host` told apart.
fn module_of(path: &Path) -> Option<String> {
    let inner = path.strip_prefix(root().join("src")).ok()?;
    let mut parts = inner.iter().map(|part| part.to_string_lossy().into_owned());
    let first = parts.next()?;
    let first = first.trim_end_matches(".rs").to_owned();
    match first.as_str() {
        "lib" | "main" => None,
        _ => Some(first),
    }
}

/// The modules of ours that a file names.
fn imports(text: &str) -> BTreeSet<String> {
    let mut found = BTreeSet::new();
    let code = text.split("\n#[cfg(test)]\nmod ").next().unwrap_or("");
    for piece in code.split("crate::").skip(1) {
        let inner = piece.strip_prefix('{');
        let names: Vec<&str> = match inner {
            Some(group) => group
                .split('}')
                .next()
                .unwrap_or("")
                .split(',')
                .map(str::trim)
                .collect(),
            None => vec![piece],
        };
        for name in names {
            let name: String = name
                .chars()
                .take_while(|c| c.is_ascii_alphanumeric() || *c == '_')
                .collect();
            if !name.is_empty() {
                found.insert(name);
            }
        }
    }
    found
}

// Goal: a stage that starts to import an adapter, or the model that starts to import anything, fails here. Method: every
// `crate::` path in the source is held against the table in ARCHITECTURE.md.
#[test]
fn imports_follow_the_table() {
    let table = import_table();
    let mut wrong = Vec::new();
    for (path, text) in sources() {
        let Some(module) = module_of(&path) else {
            continue;
        };
        let is_test = |part: &std::ffi::OsStr| part == "tests" || part == "tests.rs";
        let inner = path.strip_prefix(root()).unwrap_or(&path);
        if inner.iter().any(is_test) {
            continue;
        }
        let Some(allowed) = table.get(&module) else {
            wrong.push(format!("{module} is not in the table ({})", path.display()));
            continue;
        };
        for import in imports(&text) {
            // Free functions of the crate's root are no module.
            let is_module = table.contains_key(&import);
            if is_module && import != module && !allowed.contains(&import) && !allowed.contains("*")
            {
                wrong.push(format!("{} imports {import}", path.display()));
            }
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

// Goal: a file that outgrows one noun is split before it becomes a habit.
#[test]
fn files_are_short() {
    let long: Vec<_> = sources()
        .into_iter()
        .filter(|(_, text)| text.lines().count() > MAX_LINES)
        .map(|(path, text)| format!("{} has {} lines", path.display(), text.lines().count()))
        .collect();
    assert!(long.is_empty(), "{}", long.join("\n"));
}

// Goal: a source file that no `mod` names is dead code that nobody compiles.
#[test]
fn no_file_is_forgotten() {
    let all = sources();
    let named: BTreeSet<String> = all
        .iter()
        .flat_map(|(_, text)| text.lines())
        .filter_map(|line| {
            let line = line.trim();
            let line = line.strip_prefix("pub ").unwrap_or(line);
            let line = line.strip_prefix("pub(crate) ").unwrap_or(line);
            let line = line.strip_prefix("pub(super) ").unwrap_or(line);
            line.strip_prefix("mod ")?.strip_suffix(';')
        })
        .map(str::to_owned)
        .collect();
    let mut forgotten = Vec::new();
    for (path, _) in &all {
        let stem = path.file_stem().unwrap_or_default().to_string_lossy();
        let name = match stem.as_ref() {
            "lib" | "main" => continue,
            // Programs of their own.
            _ if path
                .parent()
                .is_some_and(|dir| dir.ends_with("src/bin") || dir.ends_with("tests/peers")) =>
            {
                continue;
            }
            "mod" => path
                .parent()
                .and_then(Path::file_name)
                .unwrap_or_default()
                .to_string_lossy()
                .into_owned(),
            stem => stem.to_owned(),
        };
        if !named.contains(&name) {
            forgotten.push(path.display().to_string());
        }
    }
    assert!(forgotten.is_empty(), "{}", forgotten.join("\n"));
}

// Goal: the pure stages stay pure: no clock, no randomness, no files, no async, no logging.
#[test]
fn pure_stages_have_no_effects() {
    let mut wrong = Vec::new();
    for (path, text) in sources() {
        let Some(module) = module_of(&path) else {
            continue;
        };
        let pure = ["model", "compare", "plan", "guard", "selector", "detect"];
        if !pure.contains(&module.as_str()) {
            continue;
        }
        let effects = [
            "std::fs",
            "std::env",
            "std::net",
            "std::process",
            "std::time::Instant",
            "SystemTime",
            "Timestamp::now",
            "tracing::",
            "async fn",
            ".await",
            "rand::",
            "getrandom",
            "println!",
        ];
        for effect in effects {
            if text.contains(effect) {
                wrong.push(format!("{} has {effect}", path.display()));
            }
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

// Goal: each module says what it is for and what it never does.
#[test]
fn modules_say_their_invariant() {
    let mut silent = Vec::new();
    for (path, text) in sources() {
        let top = path.ends_with("mod.rs") || path.parent() == Some(&root().join("src"));
        if !path.starts_with(root().join("src")) || !top {
            continue;
        }
        if path.ends_with("lib.rs") || path.ends_with("main.rs") {
            continue;
        }
        if !text.starts_with("//!") || !text.contains("**Invariant:**") {
            silent.push(path.display().to_string());
        }
    }
    assert!(silent.is_empty(), "no invariant in:\n{}", silent.join("\n"));
}
