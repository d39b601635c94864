//! Names of system calls, which a raw audit log has as numbers.
//!
//! The tables are those of the kernel's own headers, one file an architecture.

use std::sync::LazyLock;

type Names = Vec<Option<&'static str>>;

static X86_64: LazyLock<Names> = LazyLock::new(|| names(include_str!("syscalls/x86_64.txt")));
static AARCH64: LazyLock<Names> = LazyLock::new(|| names(include_str!("syscalls/aarch64.txt")));
static I386: LazyLock<Names> = LazyLock::new(|| names(include_str!("syscalls/i386.txt")));

fn names(table: &'static str) -> Names {
    let mut names = Vec::new();
    for (number, name) in table.lines().filter_map(|line| line.split_once(' ')) {
        let Ok(number) = number.parse::<usize>() else {
            continue;
        };
        if names.len() <= number {
            names.resize(number + 1, None);
        }
        names[number] = Some(name);
    }
    names
}

/// The architecture's usual name and its table, from `arch=` as auditd writes it (an ELF machine with flags, in hex).
fn table(arch: &str) -> Option<(&'static str, &'static Names)> {
    match arch.to_ascii_lowercase().as_str() {
        "c000003e" => Some(("x86_64", &X86_64)),
        "c00000b7" => Some(("aarch64", &AARCH64)),
        "40000003" => Some(("i386", &I386)),
        _ => None,
    }
}

/// The architecture's usual name.
pub(super) fn architecture(arch: &str) -> Option<&'static str> {
    table(arch).map(|(name, _)| name)
}

/// The name of a system call; none for an architecture or number that is not known.
pub(super) fn name(arch: &str, number: &str) -> Option<&'static str> {
    let number: usize = number.parse().ok()?;
    table(arch)?.1.get(number).copied().flatten()
}

#[cfg(test)]
mod tests {
    use super::*;

    // Goal: a table that is off by one, or an architecture taken for another, would name a harmless call for an execve.
    #[test]
    fn each_architecture_has_its_own_numbers() {
        assert_eq!(name("c000003e", "59"), Some("execve"));
        assert_eq!(name("c000003e", "322"), Some("execveat"));
        assert_eq!(name("c00000b7", "221"), Some("execve"));
        assert_eq!(name("40000003", "11"), Some("execve"));
        assert_eq!(name("c000003e", "316"), Some("renameat2"));
        assert_eq!(name("c00000b7", "276"), Some("renameat2"));
        assert_eq!(name("c000003e", "99999999"), None);
        assert_eq!(name("c000003e", "-1"), None);
        assert_eq!(name("deadbeef", "59"), None);
        assert_eq!(architecture("C000003E"), Some("x86_64"));
    }
}
