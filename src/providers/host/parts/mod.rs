//! Parts of a host that are no places in its file system: kernel settings, accounts, packages, sockets.
//!
//! Flow: a manifest → [`Part::decode`] → [`Part::look`] → [`Part::remedy`] → a step → [`Part::see`], [`Part::act`].
//!
//! A part stands at an address that no path has, `//KIND/NAME`, so that it neither collides with a file nor explains
//! anything to an exclusive directory.
//!
//! **Invariant:** `remedy` and `judge` are pure: the controller makes what a host may only observe.

pub(super) mod accounts;
mod firewall;
mod kernel_modules;
mod listeners;
mod mounts;
pub(super) mod names;
pub(super) mod package;
mod preload;
mod processes;
mod service;
mod sysctl;

use std::cell::OnceCell;
use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

pub use listeners::sockets_end;

use super::dpkg::Database;
use super::fs::{Fs, HostPath};
use super::kinds::{Decoding, Draft};
use crate::document::{Declared, Fields as YamlFields};
use crate::model::{
    Address, Contents, Desired, Fields, Kind, Member, Observation, Observed, Reason, State, Step,
};
use crate::ports::{ActContext, ActError};

/// What a part is looked at through: one view for a look at all parts, so that what several need is read once.
pub struct View<'a> {
    pub fs: &'a dyn Fs,
    /// How much content may be kept for a way back, in bytes.
    pub keep_bytes: u64,
    packages: OnceCell<Result<Database, Reason>>,
}

impl<'a> View<'a> {
    /// A view that has seen nothing yet, and keeps no content.
    pub fn new(fs: &'a dyn Fs) -> Self {
        Self {
            fs,
            keep_bytes: 0,
            packages: OnceCell::new(),
        }
    }

    /// dpkg's database, as it was when it was first asked for.
    ///
    /// # Errors
    /// It could not be read.
    pub fn packages(&self) -> Result<&Database, Reason> {
        let read = || Database::read(self.fs);
        self.packages
            .get_or_init(read)
            .as_ref()
            .map_err(Reason::clone)
    }
}

/// A text of a manifest that only the host's own program can put in its one form.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Debug, Serialize, Deserialize)]
pub struct Question {
    pub kind: Kind,
    pub text: String,
}

/// What the host's program made of such a text.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Form {
    Is(String),
    /// The text is wrong, in the program's words.
    Wrong(String),
    /// It could not be asked.
    Unknown(Reason),
}

/// The answers that are known.
pub type Forms = BTreeMap<Question, Form>;

/// One kind of part.
pub trait Part: Sync {
    /// The kind as manifests name it.
    fn kind(&self) -> &'static str;

    /// Reads one document; problems go into the decoding. Nothing live is asked.
    fn decode<'a>(
        &self,
        declared: &'a Declared,
        spec: &mut YamlFields<'a>,
        decoding: &mut Decoding<'_>,
    ) -> Vec<Draft<'a>>;

    /// Puts a text of a manifest in its one form, without touching anything live.
    fn form(&self, _host: &View<'_>, _text: &str) -> Form {
        Form::Wrong("this kind has no texts of that sort".to_owned())
    }

    /// Whether a step of this kind can cut the host off from whoever asked for it.
    fn may_cut_off(&self) -> bool {
        false
    }

    /// What has to be put right before the resource at this address, since this one follows from it.
    fn follows(&self, _address: &Address) -> Vec<Address> {
        Vec::new()
    }

    /// Looks at a resource and at all that lies in its scope. Content that may be shown goes into `shown`.
    fn look(&self, host: &View<'_>, desired: &Desired, shown: &mut Contents) -> Observation;

    /// What stands at one address, in the same terms as `look`; content that a way back needs goes into `keep`.
    fn see(
        &self,
        host: &View<'_>,
        address: &Address,
        options: &Fields,
        keep: &mut Contents,
    ) -> Observed;

    /// Brings the state of a step about, or takes the thing away where it has none. What stands there now was seen a
    /// moment ago and is what the step expects.
    ///
    /// # Errors
    /// It was not done, or not wholly.
    fn act(
        &self,
        host: &View<'_>,
        step: &Step,
        now: &Observed,
        context: &ActContext<'_>,
    ) -> Result<Vec<String>, ActError>;

    /// Takes away what an interrupted `act` left aside.
    ///
    /// # Errors
    /// It could not.
    fn tidy(&self, _host: &View<'_>, _step: &Step, _nonce: &str) -> Result<(), ActError> {
        Ok(())
    }

    /// The state that putting a resource back leaves; none for the observed fields with the expected ones over them.
    fn remedy(&self, _desired: &Desired, _observed: &Observed) -> Option<State> {
        None
    }

    /// Why putting it right as it differs now cannot be taken back, where that is not so of every change of it.
    fn one_way(&self, _desired: &Desired, _observed: &Observed) -> Option<String> {
        None
    }

    /// How long a step may take, besides the time that every answer of a host may.
    #[cfg(feature = "controller")]
    fn takes(&self) -> std::time::Duration {
        std::time::Duration::ZERO
    }

    /// What a person has to do where this differs and no step can put it right.
    fn by_hand(&self, _desired: &Desired, _observed: &Observed) -> Option<String> {
        None
    }

    /// Whether a listing of this resource may hold such a member; sets what is to be made of it.
    fn judge(&self, _desired: &Desired, _member: &mut Member) -> bool {
        false
    }
}

/// All of them.
const PARTS: &[&dyn Part] = &[
    &accounts::AccountsPart,
    &accounts::GroupPart,
    &accounts::UserPart,
    &firewall::Firewall,
    &kernel_modules::KernelModules,
    &listeners::Listeners,
    &listeners::Listener,
    &mounts::Mounts,
    &names::HOSTS,
    &names::RESOLVER,
    &package::Package,
    &service::Service,
    &preload::Preload,
    &processes::Processes,
    &processes::Process,
    &sysctl::Sysctl,
];

/// The part of this kind.
pub fn of(kind: &Kind) -> Option<&'static dyn Part> {
    PARTS.iter().find(|part| part.kind() == kind.0).copied()
}

/// How long a step on a resource of this kind may take, besides the time that every answer of a host may.
#[cfg(feature = "controller")]
pub fn takes(kind: &Kind) -> std::time::Duration {
    of(kind).map_or(std::time::Duration::ZERO, Part::takes)
}

/// The names of their kinds.
pub fn kinds() -> impl Iterator<Item = &'static str> {
    PARTS.iter().map(|part| part.kind())
}

/// Puts a text in its one form.
pub fn form(host: &View<'_>, question: &Question) -> Form {
    match of(&question.kind) {
        Some(part) => part.form(host, &question.text),
        None => Form::Wrong("no such kind".to_owned()),
    }
}

/// Whether a step can cut its host off from whoever asked for it.
pub fn may_cut_off(step: &Step) -> bool {
    of(&step.resource.kind).is_some_and(|part| part.may_cut_off())
}

/// Whether an address is one of a part, and no path.
pub fn is_address(address: &Address) -> bool {
    address.0.starts_with("//")
}

/// The address of a part.
pub fn address(place: &str, name: &str) -> Address {
    Address(format!("//{place}/{name}"))
}

/// Finishes what was seen, or said to be seen, of a resource: pure, so that no host proposes what is done to it.
pub fn finish(part: &dyn Part, desired: &Desired, mut seen: Observation) -> Observation {
    seen.remedy = part.remedy(desired, &seen.observed);
    seen.one_way = part.one_way(desired, &seen.observed);
    seen.by_hand = part.by_hand(desired, &seen.observed);
    if let Some(listing) = &mut seen.listing {
        listing
            .members
            .retain_mut(|member| part.judge(desired, member));
    }
    seen
}

/// Nothing is a path here.
pub fn nowhere() -> HostPath {
    HostPath::default()
}
