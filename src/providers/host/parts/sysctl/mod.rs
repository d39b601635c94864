//! `Sysctl`: a setting of the running kernel, and what the next boot would make of it.
//!
//! Fields: `live`, the value that the kernel has; `boot`, the one that the files of `sysctl.d` would set, with the file
//! `boot_in` and its `line`. The last two are never expected; they say where the baseline is put back, and let an undo
//! restore the line to the byte. Both halves are seen whatever the baseline asks for, so that an undo, which knows nothing
//! of the baseline, sees the same; what could not be seen of one is a field `live_unseen` or `boot_unseen`.
//!
//! **Invariant:** a key is a path below `/proc/sys` and leads nowhere else; of files only lines of the key are touched.

mod boot;
mod files;

use super::{Part, View, address, nowhere};
use crate::document::{Declared, Fields as YamlFields, Yaml, YamlValue};
use crate::model::{
    Address, Contents, Desired, Fields, Observation, Observed, Presence, Reason, ReasonCode, Risk,
    RiskLevel, State, Step, Value,
};
use crate::ports::{ActContext, ActError};
use crate::providers::host::fs::{Fs, FsError};
use crate::providers::host::kinds::{Decoding, Draft, blank};
use crate::providers::host::machine::{Machine, not_running};
use crate::providers::host::path::escape;

/// The place of all settings.
const PLACE: &str = "sysctl";
/// The field with the value that the kernel has.
const LIVE: &str = "live";
/// The field with the value that the next boot sets.
const BOOT: &str = "boot";
/// The file that decides that, and its line.
const BOOT_IN: &str = "boot_in";
const LINE: &str = "line";
/// Fields that say why a half could not be seen.
const UNSEEN: [(&str, &str); 2] = [(LIVE, "live_unseen"), (BOOT, "boot_unseen")];
/// Who writes one of these also changes the second, which is no setting of whoever asked for the first.
const FORWARDING: [&str; 2] = [
    "/proc/sys/net/ipv4/ip_forward",
    "/proc/sys/net/ipv4/conf/all/forwarding",
];
const REDIRECTS: &str = "/proc/sys/net/ipv4/conf/all/accept_redirects";
/// The longest value, in bytes.
const MAX_VALUE: u64 = 4096;

pub struct Sysctl;

impl Part for Sysctl {
    fn kind(&self) -> &'static str {
        "Sysctl"
    }

    fn decode<'a>(
        &self,
        declared: &'a Declared,
        spec: &mut YamlFields<'a>,
        decoding: &mut Decoding<'_>,
    ) -> Vec<Draft<'a>> {
        let at = spec.node();
        let key = spec
            .require("key", &mut decoding.problems)
            .and_then(|node| key_of(node, decoding));
        let value = spec
            .require("value", &mut decoding.problems)
            .and_then(|node| value_of(node, decoding));
        let halves = [spec.take(LIVE), spec.take("persist")]
            .map(|node| node.map_or(Some(true), |node| node.boolean(&mut decoding.problems)));
        let (Some(key), Some(value), [Some(live), Some(boot)]) = (key, value, halves) else {
            return Vec::new();
        };
        if !live && !boot {
            decoding
                .problems
                .push(at.problem("with `live` and `persist` both false there is nothing to keep"));
            return Vec::new();
        }
        let halves = [(LIVE, live), (BOOT, boot)].into_iter();
        let expected = halves
            .filter(|(_, counts)| *counts)
            .map(|(half, _)| (half.to_owned(), Value::Text(value.clone())))
            .collect();
        let mut desired = blank(declared, &nowhere(), Presence::Present(expected));
        desired.address = address(PLACE, &key);
        desired.risk = Risk::new(RiskLevel::Medium, "changes the kernel's settings");
        vec![Draft::new(desired, nowhere(), at)]
    }

    /// A write of one of these changes the others too: `ip_forward` all of `forwarding`, and `all` those of each interface.
    fn follows(&self, settled: &Address) -> Vec<Address> {
        let names: Vec<&str> = key(settled).split('.').collect();
        let ["net", ip @ ("ipv4" | "ipv6"), "conf", interface, setting] = names[..] else {
            return Vec::new();
        };
        let mut above = Vec::new();
        if interface != "all" {
            above.push(address(PLACE, &format!("net.{ip}.conf.all.{setting}")));
        }
        if (ip, setting) == ("ipv4", "forwarding") {
            above.push(address(PLACE, "net.ipv4.ip_forward"));
        }
        above
    }

    fn look(&self, host: &View<'_>, desired: &Desired, shown: &mut Contents) -> Observation {
        let seen = self.see(host, &desired.address, &desired.options, shown);
        let why = UNSEEN.iter().find_map(|(half, unseen)| {
            desired.expected()?.get(*half)?;
            text(seen.state()?, unseen).map(str::to_owned)
        });
        Observation::plain(match why {
            Some(why) => Observed::NotEvaluated(Reason::new(ReasonCode::Unsupported, why)),
            None => seen,
        })
    }

    fn see(
        &self,
        host: &View<'_>,
        address: &Address,
        _options: &Fields,
        _keep: &mut Contents,
    ) -> Observed {
        let mut fields = Fields::new();
        let halves = [see_live(host.fs, address), see_boot(host.fs, address)];
        for ((_, unseen), half) in UNSEEN.iter().zip(halves) {
            match half {
                Ok(half) => fields.extend(half),
                Err(reason) => drop(fields.insert((*unseen).to_owned(), Value::Text(reason.text))),
            }
        }
        Observed::Present(State::of(fields))
    }

    fn act(
        &self,
        host: &View<'_>,
        step: &Step,
        now: &Observed,
        context: &ActContext<'_>,
    ) -> Result<Vec<String>, ActError> {
        let refused = |why: &str| ActError::Refused(why.to_owned());
        let path = path_of(&step.address).ok_or_else(|| refused("its key is none"))?;
        let (Some(wanted), Some(now)) = (&step.state, now.state()) else {
            return Err(refused("a setting of the kernel cannot be taken away"));
        };
        let key = boot::path_of(key(&step.address));
        write_boot(host.fs, &key, now, wanted, context.nonce)?;
        if now.get(LIVE) != wanted.get(LIVE) {
            let value = text(wanted, LIVE).ok_or_else(|| refused("the state has no value"))?;
            let machine = host.fs.machine();
            let machine = machine.ok_or_else(|| ActError::Refused(not_running().text))?;
            write_live(machine, &path, value)?;
        }
        Ok(Vec::new())
    }

    fn tidy(&self, host: &View<'_>, step: &Step, nonce: &str) -> Result<(), ActError> {
        let key = boot::path_of(key(&step.address));
        let named = step.state.as_ref().and_then(|state| text(state, BOOT_IN));
        let named = named.filter(|file| boot::is_editable(file));
        for file in boot::OWN.into_iter().chain(named) {
            files::tidy(host.fs, file, &key, nonce)?;
        }
        Ok(())
    }

    /// The expected values, with the line that sets the one of the next boot where another one does.
    fn remedy(&self, desired: &Desired, observed: &Observed) -> Option<State> {
        let (expected, state) = (desired.expected()?, observed.state()?);
        let mut fields = state.fields.clone();
        fields.extend(expected.clone());
        if let Some(value) = differs(expected, state) {
            let (file, line) = line_for(desired, state, value)?;
            fields.insert(BOOT_IN.to_owned(), Value::Text(file));
            fields.insert(LINE.to_owned(), Value::Text(escape(&line)));
        }
        Some(State::of(fields))
    }

    fn by_hand(&self, desired: &Desired, observed: &Observed) -> Option<String> {
        let (expected, state) = (desired.expected()?, observed.state()?);
        let value = differs(expected, state)?;
        match line_for(desired, state, value) {
            Some(_) => None,
            None => Some(format!(
                "remove the line for {} from {}, after which no file of evenkeel's could be read",
                key(&desired.address),
                text(state, BOOT_IN).unwrap_or_default()
            )),
        }
    }
}

fn see_live(fs: &dyn Fs, address: &Address) -> Result<Fields, Reason> {
    let unsupported = |text: &str| Reason::new(ReasonCode::Unsupported, text);
    let path = path_of(address).ok_or_else(|| unsupported("its key is none of the kernel's"))?;
    let machine = fs.machine().ok_or_else(|| {
        let why = not_running().text;
        unsupported(&format!("{why}; `live: false` compares the files alone"))
    })?;
    let bytes = machine
        .read(&path, MAX_VALUE)?
        .ok_or_else(|| unsupported("this kernel has no such setting"))?;
    let value = boot::normal(&String::from_utf8_lossy(&bytes));
    Ok(Fields::from([(LIVE.to_owned(), Value::Text(value))]))
}

fn see_boot(fs: &dyn Fs, address: &Address) -> Result<Fields, Reason> {
    let mut fields = Fields::new();
    let mut set = |name: &str, value: String| fields.insert(name.to_owned(), Value::Text(value));
    let Some(decided) = boot::decide(&files::read(fs)?, &boot::path_of(key(address))) else {
        return Ok(fields);
    };
    if decided.line.len() as u64 > MAX_VALUE {
        let text = format!("{} has too long a line for it", decided.file);
        return Err(Reason::new(ReasonCode::TooLarge, text));
    }
    set(BOOT_IN, decided.file);
    set(LINE, escape(&decided.line));
    if let Some(value) = decided.value {
        set(BOOT, value);
    }
    Ok(fields)
}

fn write_live(machine: &dyn Machine, path: &str, value: &str) -> Result<(), ActError> {
    let failed = |error: FsError| ActError::Failed(error.to_string());
    let aside = match FORWARDING.contains(&path) {
        true => machine.read(REDIRECTS, MAX_VALUE).ok().flatten(),
        false => None,
    };
    machine.write(path, value.as_bytes()).map_err(failed)?;
    match aside {
        Some(aside) => machine.write(REDIRECTS, &aside).map_err(failed),
        None => Ok(()),
    }
}

/// Makes the line of one state the one of another.
fn write_boot(
    fs: &dyn Fs,
    key: &str,
    now: &State,
    wanted: &State,
    nonce: &str,
) -> Result<(), ActError> {
    let (from, to) = (own_line(now, key), own_line(wanted, key));
    match (from, to) {
        (from, to) if from == to => Ok(()),
        (Some((file, _)), Some((same, line))) if file == same => {
            files::change(fs, file, nonce, &|text| {
                boot::replaced(text?, key, &line).map(Some)
            })
        }
        (None, Some((file, line))) => files::change(fs, file, nonce, &|text| {
            Some(Some(boot::appended(text, &line)))
        }),
        (Some((file, _)), None) => {
            files::change(fs, file, nonce, &|text| boot::removed(text?, key))
        }
        _ => Err(ActError::Refused(
            "it is decided in another file of /etc now".to_owned(),
        )),
    }
}

/// The file below `/etc` that decides in a state, with the line that names the key; none where another one decides.
fn own_line<'a>(state: &'a State, key: &str) -> Option<(&'a str, Vec<u8>)> {
    let file = text(state, BOOT_IN).filter(|file| boot::is_editable(file))?;
    let line = files::line_of(text(state, LINE)?)?;
    boot::names(&line, key).then_some((file, line))
}

/// The value that the next boot should set, where it would not.
fn differs<'a>(expected: &'a Fields, state: &State) -> Option<&'a str> {
    let wanted = expected.get(BOOT)?;
    (state.get(BOOT) != Some(wanted)).then(|| wanted.as_text())?
}

fn line_for(desired: &Desired, state: &State, value: &str) -> Option<(String, Vec<u8>)> {
    let line = text(state, LINE).and_then(files::line_of);
    let decided = text(state, BOOT_IN).zip(line.as_deref());
    let name = key(&desired.address);
    boot::put_right(decided, &boot::path_of(name), name, value)
}

fn text<'a>(state: &'a State, field: &str) -> Option<&'a str> {
    state.fields.get(field).and_then(Value::as_text)
}

fn key(address: &Address) -> &str {
    address.0.strip_prefix("//sysctl/").unwrap_or_default()
}

/// The key of a manifest, with dots.
fn key_of(node: &Yaml, decoding: &mut Decoding<'_>) -> Option<String> {
    let text = node.text(&mut decoding.problems)?;
    if path_of(&address(PLACE, text)).is_some() {
        return Some(text.to_owned());
    }
    decoding.problems.push(
        node.problem(format!("\"{}\" is no key of sysctl", text.escape_debug()))
            .hint("write it with dots, such as net.ipv4.ip_forward"),
    );
    None
}

fn value_of(node: &Yaml, decoding: &mut Decoding<'_>) -> Option<String> {
    let text = match &node.value {
        YamlValue::Int(number) => number.to_string(),
        _ => node.text(&mut decoding.problems)?.to_owned(),
    };
    if text.len() as u64 <= MAX_VALUE / 2 && !text.chars().any(|c| c.is_control() && c != '\t') {
        return Some(boot::normal(&text));
    }
    decoding
        .problems
        .push(node.problem("the value is too long or has control characters"));
    None
}

/// The kernel's file for an address. As with `sysctl`, a `/` in a key stands for a dot in a name.
fn path_of(address: &Address) -> Option<String> {
    let key = address.0.strip_prefix("//sysctl/")?;
    let is_sound = |name: &str| {
        !name.is_empty()
            && name != ".."
            && name != "."
            && name
                .bytes()
                .all(|b| b.is_ascii_alphanumeric() || b"_-/@:".contains(&b))
    };
    let names: Vec<&str> = key.split('.').collect();
    // The first of the two parts the names.
    let is_by_dots = key
        .find('/')
        .is_none_or(|slash| key.find('.') < Some(slash));
    if !is_by_dots || names.len() < 2 || key.len() > 256 || !names.iter().all(|name| is_sound(name))
    {
        return None;
    }
    let names: Vec<String> = names.iter().map(|name| name.replace('/', ".")).collect();
    let leads_out = |name: &String| name.chars().all(|c| c == '.');
    (!names.iter().any(leads_out)).then(|| format!("/proc/sys/{}", names.join("/")))
}

#[cfg(test)]
mod tests {
    use super::*;

    // Goal: no key leads to a file that is no setting of the kernel.
    #[test]
    fn keys_stay_below_proc_sys() {
        let path = |key: &str| path_of(&address(PLACE, key));
        let forward = path("net.ipv4.conf.eth0/1.forwarding");
        assert_eq!(
            forward.as_deref(),
            Some("/proc/sys/net/ipv4/conf/eth0.1/forwarding")
        );
        for bad in [
            "net",
            "net..x",
            "net.//.x",
            "net.\0",
            "a b.c",
            "/.x",
            "a.",
            ".a",
            "net/ipv4.x",
        ] {
            assert_eq!(path(bad), None, "{bad}");
        }
    }

    // Goal: blanks between the numbers of a value are no drift.
    #[test]
    fn blanks_do_not_count() {
        assert_eq!(
            boot::normal("4096\t131072   6291456\n"),
            "4096 131072 6291456"
        );
    }
}
