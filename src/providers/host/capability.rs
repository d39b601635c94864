//! File capabilities: between the raw `security.capability` attribute and the words of `setcap`.
//!
//! **Invariant:** two attributes that grant different things never have the same words.

use std::fmt::Write as _;

/// Names by number, as in `linux/capability.h`.
const NAMES: [&str; 41] = [
    "cap_chown",
    "cap_dac_override",
    "cap_dac_read_search",
    "cap_fowner",
    "cap_fsetid",
    "cap_kill",
    "cap_setgid",
    "cap_setuid",
    "cap_setpcap",
    "cap_linux_immutable",
    "cap_net_bind_service",
    "cap_net_broadcast",
    "cap_net_admin",
    "cap_net_raw",
    "cap_ipc_lock",
    "cap_ipc_owner",
    "cap_sys_module",
    "cap_sys_rawio",
    "cap_sys_chroot",
    "cap_sys_ptrace",
    "cap_sys_pacct",
    "cap_sys_admin",
    "cap_sys_boot",
    "cap_sys_nice",
    "cap_sys_resource",
    "cap_sys_time",
    "cap_sys_tty_config",
    "cap_mknod",
    "cap_lease",
    "cap_audit_write",
    "cap_audit_control",
    "cap_setfcap",
    "cap_mac_override",
    "cap_mac_admin",
    "cap_syslog",
    "cap_wake_alarm",
    "cap_block_suspend",
    "cap_audit_read",
    "cap_perfmon",
    "cap_bpf",
    "cap_checkpoint_restore",
];

const REVISION_2: u32 = 0x0200_0000;
const REVISION_3: u32 = 0x0300_0000;
const EFFECTIVE: u32 = 1;

/// What a file grants.
#[derive(Clone, Copy, PartialEq, Eq, Default)]
struct Sets {
    permitted: u64,
    inheritable: u64,
    effective: bool,
}

/// The words for a raw attribute: clauses such as `cap_chown,cap_net_raw=ep` separated by spaces, or `hex:…` where
/// words would not tell all of it.
pub fn words(raw: &[u8]) -> String {
    match decode(raw).and_then(|sets| in_words(&sets)) {
        Some(words) => words,
        None => raw.iter().fold("hex:".to_owned(), |mut text, byte| {
            let _ = write!(text, "{byte:02x}");
            text
        }),
    }
}

fn decode(raw: &[u8]) -> Option<Sets> {
    let word = |at: usize| -> Option<u32> {
        Some(u32::from_le_bytes(raw.get(at..at + 4)?.try_into().ok()?))
    };
    let magic = word(0)?;
    let known = match (magic & !EFFECTIVE, raw.len()) {
        (REVISION_2, 20) => true,
        // Capabilities of a user namespace mean something else than those of the host; words cannot tell.
        (REVISION_3, 24) => word(20)? == 0,
        _ => false,
    };
    if !known {
        return None;
    }
    let wide = |low: usize, high: usize| Some(u64::from(word(low)?) | u64::from(word(high)?) << 32);
    Some(Sets {
        permitted: wide(4, 12)?,
        inheritable: wide(8, 16)?,
        effective: magic & EFFECTIVE != 0,
    })
}

fn in_words(sets: &Sets) -> Option<String> {
    let all = sets.permitted | sets.inheritable;
    if all == 0 || all >> NAMES.len() != 0 {
        return None;
    }
    let clause = |set: u64, flags: &str| {
        let names: Vec<_> = NAMES
            .iter()
            .enumerate()
            .filter(|(number, _)| set >> number & 1 == 1)
            .map(|(_, name)| *name)
            .collect();
        (!names.is_empty()).then(|| format!("{}={flags}", names.join(",")))
    };
    let e = if sets.effective { "e" } else { "" };
    let both = sets.permitted & sets.inheritable;
    let clauses: Vec<_> = [
        clause(both, &format!("{e}ip")),
        clause(sets.permitted & !both, &format!("{e}p")),
        clause(sets.inheritable & !both, &format!("{e}i")),
    ]
    .into_iter()
    .flatten()
    .collect();
    Some(clauses.join(" "))
}

/// The raw attribute for words, or for `hex:…`.
///
/// # Errors
/// A fragment for the person who wrote them.
pub fn raw(text: &str) -> Result<Vec<u8>, String> {
    if let Some(hex) = text.strip_prefix("hex:") {
        return unhex(hex).ok_or_else(|| "the hexadecimal digits are not whole bytes".to_owned());
    }
    let sets = read(text)?;
    let magic = REVISION_2 | if sets.effective { EFFECTIVE } else { 0 };
    let low = |set: u64| (set & 0xffff_ffff) as u32;
    let high = |set: u64| (set >> 32) as u32;
    Ok([
        magic,
        low(sets.permitted),
        low(sets.inheritable),
        high(sets.permitted),
        high(sets.inheritable),
    ]
    .iter()
    .flat_map(|word| word.to_le_bytes())
    .collect())
}

/// The one way to write what these words mean.
///
/// # Errors
/// As [`raw`].
pub fn canonical(text: &str) -> Result<String, String> {
    raw(text).map(|raw| words(&raw))
}

fn read(text: &str) -> Result<Sets, String> {
    let mut sets = Sets::default();
    let mut effective_of = 0;
    for clause in text.split_whitespace() {
        let at = clause
            .find(['=', '+'])
            .ok_or("a clause is written cap_name,cap_name=flags")?;
        let (names, flags) = (&clause[..at], &clause[at + 1..]);
        let mut set = 0;
        for name in names.split(',') {
            let lower = name.to_ascii_lowercase();
            let number = NAMES
                .iter()
                .position(|known| *known == lower)
                .ok_or_else(|| format!("\"{}\" is no capability", name.escape_debug()))?;
            set |= 1_u64 << number;
        }
        if flags.is_empty() {
            return Err("the flags e, i and p are missing after =".to_owned());
        }
        for flag in flags.chars() {
            match flag {
                'p' => sets.permitted |= set,
                'i' => sets.inheritable |= set,
                'e' => effective_of |= set,
                _ => return Err(format!("\"{}\" is no flag: e, i or p", flag.escape_debug())),
            }
        }
    }
    let all = sets.permitted | sets.inheritable;
    if all == 0 {
        return Err("no capability is given".to_owned());
    }
    if effective_of != 0 && effective_of != all {
        return Err(
            "a file's capabilities are effective all together or not at all: give e to each clause or to none"
                .to_owned(),
        );
    }
    sets.effective = effective_of != 0;
    Ok(sets)
}

/// Bytes from pairs of hexadecimal digits.
pub fn unhex(text: &str) -> Option<Vec<u8>> {
    if !text.len().is_multiple_of(2) || !text.bytes().all(|byte| byte.is_ascii_hexdigit()) {
        return None;
    }
    (0..text.len())
        .step_by(2)
        .map(|at| u8::from_str_radix(&text[at..at + 2], 16).ok())
        .collect()
}

/// Bytes as pairs of hexadecimal digits.
pub fn hex(bytes: &[u8]) -> String {
    bytes.iter().fold(String::new(), |mut text, byte| {
        let _ = write!(text, "{byte:02x}");
        text
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    // Goal: the ways in which people write the same grant come to one form, and it survives the raw attribute.
    #[test]
    fn words_have_one_form() {
        for (written, form) in [
            ("cap_net_raw=ep", "cap_net_raw=ep"),
            ("cap_net_raw+pe", "cap_net_raw=ep"),
            ("CAP_NET_RAW,cap_chown=ep", "cap_chown,cap_net_raw=ep"),
            ("cap_chown=p cap_kill=i", "cap_chown=p cap_kill=i"),
            ("cap_checkpoint_restore=eip", "cap_checkpoint_restore=eip"),
        ] {
            assert_eq!(canonical(written).as_deref(), Ok(form));
            assert_eq!(words(&raw(form).unwrap()), form);
        }
    }

    // Goal: what is no grant is refused, and says why.
    #[test]
    fn nonsense_is_refused() {
        for text in [
            "",
            "cap_net_raw",
            "cap_fly=ep",
            "cap_net_raw=x",
            "cap_net_raw=",
            "=ep",
            "cap_chown=ep cap_kill=p",
            "cap_chown=e",
            "hex:0",
            "hex:é",
        ] {
            assert!(raw(text).is_err(), "{text:?}");
        }
    }

    // Goal: an attribute that words cannot tell in full (a namespace's root, unknown bits, a broken length) is shown
    // raw, so that it never equals a harmless one, and can be restored byte for byte.
    #[test]
    fn odd_attributes_stay_raw() {
        let mut namespaced = raw("cap_chown=ep").unwrap();
        namespaced[3] = 3;
        namespaced.extend(1000_u32.to_le_bytes());
        let mut unknown = raw("cap_chown=ep").unwrap();
        unknown[15] = 0x80;
        for odd in [namespaced, unknown, vec![], vec![1, 2, 3]] {
            let text = words(&odd);
            assert!(text.starts_with("hex:"), "{text}");
            assert_eq!(raw(&text).unwrap(), odd);
        }
    }
}
