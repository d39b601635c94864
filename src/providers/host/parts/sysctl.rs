//! `Sysctl`: a setting of the running kernel.
//!
//! **Invariant:** a key is a path below `/proc/sys` and leads nowhere else.

use super::{Part, View, address, nowhere};
use crate::document::{Declared, Fields as YamlFields, Yaml, YamlValue};
use crate::model::{
    Address, Contents, Desired, Fields, Observation, Observed, Presence, Reason, ReasonCode, Risk,
    RiskLevel, State, Step, Value,
};
use crate::ports::{ActContext, ActError};
use crate::providers::host::kinds::{Decoding, Draft, blank};
use crate::providers::host::machine::not_running;

/// The place of all settings.
const PLACE: &str = "sysctl";
/// The field with the value that the kernel has.
const LIVE: &str = "live";
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
        let (Some(key), Some(value)) = (key, value) else {
            return Vec::new();
        };
        let expected = Fields::from([(LIVE.to_owned(), Value::Text(value))]);
        let mut desired = blank(declared, &nowhere(), Presence::Present(expected));
        desired.address = address(PLACE, &key);
        desired.risk = Risk::new(RiskLevel::Medium, "changes the running kernel");
        vec![Draft::new(desired, nowhere(), at)]
    }

    fn look(&self, host: &View<'_>, desired: &Desired, shown: &mut Contents) -> Observation {
        Observation::plain(self.see(host, &desired.address, &desired.options, shown))
    }

    fn see(
        &self,
        host: &View<'_>,
        address: &Address,
        _options: &Fields,
        _keep: &mut Contents,
    ) -> Observed {
        let Some(machine) = host.fs.machine() else {
            return Observed::NotEvaluated(not_running());
        };
        let Some(path) = path_of(address) else {
            let reason = Reason::new(ReasonCode::Unsupported, "its key is none of the kernel's");
            return Observed::NotEvaluated(reason);
        };
        match machine.read(&path, MAX_VALUE) {
            Ok(Some(bytes)) => {
                let text = normal(&String::from_utf8_lossy(&bytes));
                Observed::Present(State::of(Fields::from([(
                    LIVE.to_owned(),
                    Value::Text(text),
                )])))
            }
            Ok(None) => Observed::NotEvaluated(Reason::new(
                ReasonCode::Unsupported,
                "this kernel has no such setting",
            )),
            Err(reason) => Observed::NotEvaluated(reason),
        }
    }

    fn act(
        &self,
        host: &View<'_>,
        step: &Step,
        _now: &Observed,
        _context: &ActContext<'_>,
    ) -> Result<Vec<String>, ActError> {
        let refused = |why: &str| ActError::Refused(why.to_owned());
        let machine = host
            .fs
            .machine()
            .ok_or_else(|| ActError::Refused(not_running().text))?;
        let path = path_of(&step.address).ok_or_else(|| refused("its key is none"))?;
        let value = step
            .state
            .as_ref()
            .and_then(|state| state.fields.get(LIVE))
            .and_then(Value::as_text)
            .ok_or_else(|| refused("a setting of the kernel cannot be taken away"))?;
        machine
            .write(&path, value.as_bytes())
            .map_err(|error| ActError::Failed(error.to_string()))?;
        Ok(Vec::new())
    }
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
    if text.len() as u64 <= MAX_VALUE && !text.chars().any(|c| c.is_control() && c != '\t') {
        return Some(normal(&text));
    }
    decoding
        .problems
        .push(node.problem("the value is too long or has control characters"));
    None
}

/// Fields of a value are told apart by any blanks.
fn normal(text: &str) -> String {
    text.split_whitespace().collect::<Vec<_>>().join(" ")
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
    if names.len() < 2 || key.len() > 256 || !names.iter().all(|name| is_sound(name)) {
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
            "net", "net..x", "net.//.x", "net.\0", "a b.c", "/.x", "a.", ".a",
        ] {
            assert_eq!(path(bad), None, "{bad}");
        }
    }

    // Goal: blanks between the numbers of a value are no drift.
    #[test]
    fn blanks_do_not_count() {
        assert_eq!(normal("4096\t131072   6291456\n"), "4096 131072 6291456");
    }
}
