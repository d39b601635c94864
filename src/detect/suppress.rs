//! Which findings a team's suppressions take out of what counts.
//!
//! **Invariant:** what an attacker can write makes nothing milder: names and addresses count only where all records behind a
//! finding are authenticated, targets not where anybody may have written them, and what could not be read or was cut matches
//! nothing.

use std::collections::{BTreeMap, BTreeSet};

use globset::{GlobBuilder, GlobMatcher};
use jiff::Timestamp;

use super::collect::Bounds;
use crate::model::{Address, Finding, FindingSelector, Net, Suppressed, Suppression, Trust};
use crate::selector::Matcher;

/// What is left, what is not, and what is to be said.
#[derive(Clone, PartialEq, Debug, Default)]
pub struct Split {
    pub findings: Vec<Finding>,
    pub suppressed: Vec<Suppressed>,
    /// What every reader has to see.
    pub notices: Vec<String>,
}

/// Takes out what is suppressed at this time. `address` says where the resource of a finding is.
///
/// With `grows`, a finding may still get records: then nothing holds by what these could add, its addresses and objects.
pub fn split<'a>(
    findings: Vec<Finding>,
    grows: bool,
    suppressions: &[Suppression],
    address: impl Fn(&Finding) -> Option<&'a Address>,
    now: Timestamp,
) -> Split {
    let mut split = Split::default();
    let mut ready = Vec::new();
    for suppression in suppressions {
        if suppression.expires > now {
            ready.push((suppression, Chosen::new(&suppression.selector)));
        } else {
            split.notices.push(format!(
                "suppression {} of {} expired at {} ({}) and holds nothing back; renew it or take it out",
                suppression.id, suppression.owner, suppression.expires, suppression.origin
            ));
        }
    }
    let mut unbelieved: BTreeMap<&str, BTreeSet<Trust>> = BTreeMap::new();
    for finding in findings {
        let address = address(&finding);
        let mut by = None;
        for (suppression, chosen) in &ready {
            match chosen.fits(&finding, grows, address) {
                Fit::Yes => {
                    by = Some(*suppression);
                    break;
                }
                Fit::NotBelieved => {
                    let trusts = unbelieved.entry(&suppression.id).or_default();
                    trusts.insert(finding.trust);
                }
                Fit::No => {}
            }
        }
        match by {
            None => split.findings.push(finding),
            Some(by) => split.suppressed.push(Suppressed {
                suppression: by.id.clone(),
                owner: by.owner.clone(),
                expires: by.expires,
                reason: by.reason.clone(),
                finding,
            }),
        }
    }
    for (id, trusts) in unbelieved {
        let trusts: Vec<_> = trusts.iter().map(ToString::to_string).collect();
        split.notices.push(format!(
            "suppression {id} would choose findings that rest on {} records, whose writer could choose what it chooses by, and \
             holds none of them back",
            trusts.join(" and ")
        ));
    }
    split
}

/// Whether a suppression chooses a finding.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
enum Fit {
    Yes,
    No,
    /// It would, if what it chooses by were nobody's to write.
    NotBelieved,
}

/// A selector, ready to match.
struct Chosen<'a> {
    selector: &'a FindingSelector,
    targets: Vec<Option<GlobMatcher>>,
    resource: Option<Matcher>,
    actor: Option<Option<GlobMatcher>>,
    addresses: Vec<Option<Net>>,
}

impl<'a> Chosen<'a> {
    fn new(selector: &'a FindingSelector) -> Self {
        Self {
            selector,
            targets: selector.targets.iter().map(|it| glob(it)).collect(),
            resource: selector.resource.as_ref().map(Matcher::new),
            actor: selector.actor.as_deref().map(glob),
            addresses: selector
                .addresses
                .iter()
                .map(|it| it.parse().ok())
                .collect(),
        }
    }

    fn fits(&self, finding: &Finding, grows: bool, address: Option<&Address>) -> Fit {
        let all = self.is_rule(finding)
            && self.is_resource(finding, address)
            && self.is_on_targets(finding, grows)
            && self.is_by(finding)
            && self.is_from(finding, grows);
        match all {
            false => Fit::No,
            true if finding.trust >= self.least_trust() => Fit::Yes,
            true => Fit::NotBelieved,
        }
    }

    /// How far the records behind a finding have to be believed.
    fn least_trust(&self) -> Trust {
        if self.actor.is_some() || !self.addresses.is_empty() {
            Trust::Authenticated
        } else if !self.targets.is_empty() {
            Trust::HostWritten
        } else {
            Trust::Unauthenticated
        }
    }

    fn is_rule(&self, finding: &Finding) -> bool {
        let is = |wanted: &str| {
            let rule = finding.rule.as_ref();
            rule.is_some_and(|it| it.id.as_deref() == Some(wanted) || it.title == wanted)
        };
        self.selector.rule.as_deref().is_none_or(is)
            && (self.selector.indicator.as_ref()).is_none_or(|it| *it == finding.indicator)
    }

    fn is_resource(&self, finding: &Finding, address: Option<&Address>) -> bool {
        let Some(matcher) = &self.resource else {
            return true;
        };
        match (&finding.resource, address) {
            (Some(id), Some(address)) => {
                matcher.matches(id, address, crate::model::RiskLevel::Low, false)
            }
            _ => false,
        }
    }

    fn is_on_targets(&self, finding: &Finding, grows: bool) -> bool {
        let is_one = |target: &String| {
            let mut globs = self.targets.iter().flatten();
            globs.any(|glob| glob.is_match(target))
        };
        if self.targets.is_empty() {
            return true;
        }
        let of_drift = finding.resource.as_ref().map(|it| it.target.0.clone());
        let place = of_drift.as_ref().or(finding.targets.first());
        let objects = finding.targets.get(1..).unwrap_or_default();
        place.is_some_and(is_one)
            || (!grows
                && is_whole(&finding.targets)
                && !objects.is_empty()
                && objects.iter().all(is_one))
    }

    fn is_by(&self, finding: &Finding) -> bool {
        let Some(glob) = &self.actor else {
            return true;
        };
        let (Some(glob), Some(actor)) = (glob, &finding.actor) else {
            return false;
        };
        glob.is_match(&actor.name)
    }

    fn is_from(&self, finding: &Finding, grows: bool) -> bool {
        let is_one = |address: &String| {
            let mut nets = self.addresses.iter().flatten();
            nets.any(|net| net.holds(address))
        };
        let all = &finding.addresses;
        self.addresses.is_empty()
            || (!grows && is_whole(all) && !all.is_empty() && all.iter().all(is_one))
    }
}

/// Whether a finding names all that there was; beyond a bound it names the first.
fn is_whole(names: &[String]) -> bool {
    names.len() < Bounds::default().names
}

/// None matches nothing.
fn glob(text: &str) -> Option<GlobMatcher> {
    let glob = GlobBuilder::new(text).literal_separator(true).build();
    glob.ok().map(|glob| glob.compile_matcher())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::{Actor, Level, ResourceId, RuleRef, Selector, Span, TargetName};

    fn now() -> Timestamp {
        "2026-11-24T00:00:00Z".parse().unwrap()
    }

    fn suppression(selector: FindingSelector) -> Suppression {
        Suppression {
            id: "known".to_owned(),
            selector,
            reason: "r".to_owned(),
            owner: "ops".to_owned(),
            expires: "2026-11-25T00:00:00Z".parse().unwrap(),
            origin: Span {
                file: "suppressions.yaml".to_owned(),
                line: 1,
                column: 1,
            },
        }
    }

    fn by_rule(trust: Trust) -> Finding {
        let mut finding = by_drift();
        finding.resource = None;
        finding.rule = Some(RuleRef {
            id: Some("a-b".to_owned()),
            title: "Public Bucket".to_owned(),
        });
        finding.targets = vec![
            "AWS::Account/1".to_owned(),
            "AWS::S3::Bucket/shop".to_owned(),
        ];
        finding.actor = Some(Actor {
            name: "arn:aws:iam::1:user/scan".to_owned(),
            ..Actor::default()
        });
        finding.addresses = vec!["192.0.2.7".to_owned()];
        finding.trust = trust;
        finding
    }

    fn by_drift() -> Finding {
        let id = ResourceId::new(&TargetName("web-1".to_owned()), "Cron", "/etc/cron.d/x");
        Finding::on(id, "scheduled-job", Level::Medium)
    }

    fn suppressed(selector: FindingSelector, finding: Finding) -> (bool, usize) {
        let address = Address("/etc/cron.d/x".to_owned());
        let at = |finding: &Finding| finding.resource.is_some().then_some(&address);
        let split = split(vec![finding], false, &[suppression(selector)], at, now());
        (split.suppressed.len() == 1, split.notices.len())
    }

    fn texts(texts: &[&str]) -> Vec<String> {
        texts.iter().map(|text| (*text).to_owned()).collect()
    }

    fn some() -> FindingSelector {
        FindingSelector::default()
    }

    // Goal: each part chooses what it says, all of them have to, and nothing is chosen by a part that a finding does not have.
    #[test]
    fn parts_are_joined_by_and() {
        let of_rule = |rule: &str| FindingSelector {
            rule: Some(rule.to_owned()),
            ..some()
        };
        let of_resource = |path: &str| FindingSelector {
            resource: Some(Selector {
                path: Some(path.to_owned()),
                ..Selector::default()
            }),
            ..some()
        };
        let on = |target: &str| FindingSelector {
            targets: texts(&[target]),
            ..some()
        };
        let indicator = FindingSelector {
            indicator: Some("scheduled-job".to_owned()),
            ..some()
        };
        let other_job = FindingSelector {
            indicator: indicator.indicator.clone(),
            ..of_resource("/etc/cron.daily/*")
        };
        let authenticated = || by_rule(Trust::Authenticated);
        for (selector, finding, expected) in [
            (of_rule("a-b"), authenticated(), true),
            (of_rule("Public Bucket"), authenticated(), true),
            (of_rule("Public *"), authenticated(), false),
            (of_rule("a-b"), by_drift(), false),
            (on("web-*"), by_drift(), true),
            (on("db-*"), by_drift(), false),
            (on("AWS::Account/1"), authenticated(), true),
            (on("AWS::S3::Bucket/shop"), authenticated(), true),
            (on("AWS::S3::*"), authenticated(), false),
            (indicator, by_drift(), true),
            (of_resource("/etc/cron.d/*"), by_drift(), true),
            (of_resource("/etc/cron.d/*"), authenticated(), false),
            (other_job, by_drift(), false),
        ] {
            let what = format!("{selector:?} {finding:?}");
            assert_eq!(suppressed(selector, finding), (expected, 0), "{what}");
        }
    }

    // Goal: whoever can write a record cannot choose a name, an address or a target that is suppressed, nor hide one that is
    // not among many that are, and a suppression that is not believed is told.
    #[test]
    fn what_an_attacker_writes_is_no_selector() {
        let actor = FindingSelector {
            actor: Some("arn:aws:iam::1:user/*".to_owned()),
            ..some()
        };
        let address = FindingSelector {
            addresses: texts(&["192.0.2.0/28"]),
            ..some()
        };
        let targets = FindingSelector {
            targets: texts(&["AWS::S3::Bucket/*"]),
            ..some()
        };
        for (selector, least) in [
            (&actor, Trust::Authenticated),
            (&address, Trust::Authenticated),
            (&targets, Trust::HostWritten),
        ] {
            for trust in [
                Trust::Unauthenticated,
                Trust::HostWritten,
                Trust::Authenticated,
            ] {
                let expected = (trust >= least, usize::from(trust < least));
                assert_eq!(
                    suppressed(selector.clone(), by_rule(trust)),
                    expected,
                    "{selector:?} {trust}"
                );
            }
        }
        let mut also = by_rule(Trust::Authenticated);
        also.addresses.push("198.51.100.1".to_owned());
        also.targets.push("AWS::IAM::User/backdoor".to_owned());
        let mut none = by_rule(Trust::Authenticated);
        none.addresses.clear();
        let mut cut = by_rule(Trust::Authenticated);
        cut.addresses = vec!["192.0.2.7".to_owned(); 100];
        for (selector, finding) in [
            (&address, &also),
            (&targets, &also),
            (&address, &none),
            (&address, &cut),
        ] {
            assert_eq!(
                suppressed(selector.clone(), finding.clone()),
                (false, 0),
                "{selector:?}"
            );
        }
        let broken = FindingSelector {
            actor: Some("{".to_owned()),
            ..some()
        };
        assert_eq!(
            suppressed(broken, by_rule(Trust::Authenticated)),
            (false, 0)
        );
    }

    // Goal: a finding that still gets records is suppressed by nothing that the next one could belie.
    #[test]
    fn what_grows_is_held_by_what_stays() {
        let selector = |targets: &[&str], addresses: &[&str]| FindingSelector {
            targets: texts(targets),
            addresses: texts(addresses),
            ..some()
        };
        for (selector, expected) in [
            (selector(&["AWS::Account/*"], &[]), 1),
            (selector(&["AWS::S3::Bucket/*"], &[]), 0),
            (selector(&[], &["192.0.2.0/28"]), 0),
        ] {
            let findings = vec![by_rule(Trust::Authenticated)];
            let split = split(findings, true, &[suppression(selector)], |_| None, now());
            assert_eq!(split.suppressed.len(), expected);
        }
    }

    // Goal: an expired suppression holds nothing back and is told with its place.
    #[test]
    fn what_expired_is_told() {
        let mut expired = suppression(FindingSelector {
            indicator: Some("scheduled-job".to_owned()),
            ..some()
        });
        expired.expires = now();
        let split = split(vec![by_drift()], false, &[expired], |_| None, now());
        assert_eq!((split.findings.len(), split.suppressed.len()), (1, 0));
        assert!(
            split.notices[0].contains("known of ops expired"),
            "{:?}",
            split.notices
        );
        assert!(
            split.notices[0].contains("suppressions.yaml:1:1"),
            "{:?}",
            split.notices
        );
    }
}
