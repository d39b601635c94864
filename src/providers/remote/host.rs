//! The provider for a host at the other end of a connection.
//!
//! Cost: one connection a host and cycle; one packet there and one back for the names, for a look at everything, and for
//! each step's capture and apply.
//!
//! **Invariant:** a connection that failed to come up is not tried again in this run, and one that broke is replaced at most
//! twice, so that a host costs a run no more than it was granted.

use std::collections::BTreeSet;
use std::sync::Mutex as Shared;
use std::time::{Duration, Instant};

use async_trait::async_trait;
use tokio::sync::Mutex;

use super::check;
use super::link::{Connector, Offer, Pipe};
use super::packet::{Limits, MAX_MESSAGE, PacketError};
use super::way_in::WayIn;
use super::wire::{Answer, Failure, Hello, Machine, Request, VERSION};
use crate::document::Declared;
use crate::model::{
    Address, Contents, Desired, Digest, Observation, Observed, Reason, ReasonCode, Snapshot, State,
    Step, TargetName, Value,
};
use crate::ports::{
    ActContext, ActError, Captured, ContentSource, Normalised, OwnPlace, Provider, SideFiles,
};
use crate::providers::host::filetree::Baselines;
use crate::providers::host::normalise::comparable;
use crate::providers::host::owner::TargetNames;
use crate::providers::host::parts::{self, Forms, Question};
use crate::providers::host::{HostConfig, beyond_undo, tree};

/// How often a connection that broke is replaced in one run.
const REPLACEMENTS: u32 = 2;
/// The live content of one look, in bytes: what a host keeps to show, and the keys that remedies are made from.
const MAX_LOOKED: u64 = 64 << 20;
/// How long a fresh login may take after a step that could have cut the host off.
const LOGIN: Duration = Duration::from_secs(10);
/// How long an answer is awaited after such a step: until the worker took it back and was heard of again.
const AFTER_CUT: Duration = Duration::from_secs(20);
/// Notes of one step that are taken.
const MAX_NOTES: usize = 20;

/// What a remote host is told, and how long it may take.
#[derive(Clone, Debug)]
pub struct RemoteConfig {
    /// The root folder on the host, absolute.
    pub root: String,
    pub ignore: Vec<String>,
    pub validate_commands: Vec<String>,
    /// How long one packet may take.
    pub timeout: Duration,
    /// Set where this run means to act: how long to wait for another run on the same root.
    pub lock_wait: Option<Duration>,
    /// After how long without a question a connection is made anew: its worker may have ended, and the other end of a
    /// link that broke without a word is not there.
    pub idle: Duration,
    /// What the next login depends on; none where there is no login.
    pub way_in: Option<WayIn>,
    /// Places of evenkeel's own on the host.
    pub own: Vec<(&'static str, &'static str)>,
}

/// A host that a worker looks at and changes.
pub struct RemoteHost {
    target: TargetName,
    config: RemoteConfig,
    connector: Box<dyn Connector>,
    road: Mutex<Road>,
    /// What the worker makes things as; known once it has answered.
    creator: Shared<(u32, u32)>,
    /// What its trees are held against.
    trees: Shared<Baselines>,
}

struct Road {
    state: RoadState,
    replaced: u32,
    /// When it was last asked something.
    asked: Instant,
    /// Whether a login worked when one was last made.
    is_open: bool,
}

enum RoadState {
    New,
    Up(Box<Pipe>),
    /// Nothing more is tried in this run.
    Down(Reason),
}

impl RemoteHost {
    /// A host that is not connected to before something is asked of it.
    pub fn new(target: TargetName, connector: Box<dyn Connector>, config: RemoteConfig) -> Self {
        Self {
            target,
            config,
            connector,
            road: Mutex::new(Road {
                state: RoadState::New,
                replaced: 0,
                asked: Instant::now(),
                is_open: true,
            }),
            creator: Shared::new((0, 0)),
            trees: Shared::default(),
        }
    }

    /// Asks the worker, over a connection that is there or is made.
    async fn ask(
        &self,
        request: &Request,
        with: &Contents,
        contents: u64,
        offer: Option<&Offer<'_>>,
    ) -> Result<(Answer, Contents), Reason> {
        let each = self.config.timeout;
        self.ask_within(each, request, with, contents, offer).await
    }

    async fn ask_within(
        &self,
        each: Duration,
        request: &Request,
        with: &Contents,
        contents: u64,
        offer: Option<&Offer<'_>>,
    ) -> Result<(Answer, Contents), Reason> {
        let mut road = self.road.lock().await;
        if matches!(road.state, RoadState::Up(_)) && road.asked.elapsed() > self.config.idle {
            road.state = RoadState::New;
        }
        if let RoadState::New = road.state {
            road.state = match self.connect(self.config.lock_wait).await {
                Ok(pipe) => RoadState::Up(Box::new(pipe)),
                Err(reason) => RoadState::Down(reason),
            };
            road.is_open = true;
        }
        let pipe = match &mut road.state {
            RoadState::Up(pipe) => pipe,
            RoadState::Down(reason) => return Err(reason.clone()),
            RoadState::New => unreachable!("it was left above"),
        };
        let limits = Limits {
            message: MAX_MESSAGE,
            contents,
        };
        match pipe.ask(request, with, limits, each, offer).await {
            Ok(answered) => {
                road.asked = Instant::now();
                Ok(answered)
            }
            Err(error) => {
                let reason = self.broken(&error, pipe).await;
                road.replace(reason.clone());
                Err(reason)
            }
        }
    }

    /// Makes a login of its own, has the worker answer, and ends.
    ///
    /// # Errors
    /// Why no worker answered.
    pub async fn prove_login(&self) -> Result<(), Reason> {
        self.connect(None).await.map(drop)
    }

    /// Starts a worker and greets it; with `lock_wait` it is to hold the root.
    async fn connect(&self, lock_wait: Option<Duration>) -> Result<Pipe, Reason> {
        let mut pipe = self.connector.connect().await?;
        let hello = Request::Hello(Hello {
            version: VERSION,
            target: self.target.0.clone(),
            root: self.config.root.clone(),
            ignore: self.config.ignore.clone(),
            validate_commands: self.config.validate_commands.clone(),
            lock_wait_ms: lock_wait.map(|wait| wait.as_millis() as u64),
        });
        let limits = Limits {
            message: MAX_MESSAGE,
            contents: 0,
        };
        let patience = self.config.timeout + lock_wait.unwrap_or_default();
        let answer = match pipe.ask(&hello, &none(), limits, patience, None).await {
            Ok((answer, _)) => answer,
            Err(error) => return Err(self.broken(&error, &pipe).await),
        };
        match answer {
            Answer::Hello(Machine {
                version: VERSION,
                uid,
                gid,
                ..
            }) => {
                if let Ok(mut creator) = self.creator.lock() {
                    *creator = (uid, gid);
                }
                Ok(pipe)
            }
            Answer::Hello(Machine { version, .. }) => Err(unreachable(format!(
                "the worker speaks version {version} of the protocol, and evenkeel version {VERSION}"
            ))),
            Answer::Cannot(reason) => Err(check::of_host(reason)),
            _ => Err(self.out_of_turn()),
        }
    }

    async fn broken(&self, error: &PacketError, pipe: &Pipe) -> Reason {
        let said = match pipe.said.last_line().await {
            Some(line) => format!(" ({line})"),
            None => String::new(),
        };
        unreachable(format!(
            "the worker on {} failed: {error}{said}",
            self.target
        ))
    }

    fn out_of_turn(&self) -> Reason {
        let text = format!("the worker on {} answered something else", self.target);
        Reason::new(ReasonCode::Unreachable, text)
    }

    /// Whoever answers out of turn is not asked again over this connection.
    async fn distrust(&self) -> Reason {
        let reason = self.out_of_turn();
        self.road.lock().await.replace(reason.clone());
        reason
    }

    async fn names(&self) -> Option<TargetNames> {
        match self.ask(&Request::Names, &none(), 0, None).await {
            Ok((Answer::Names(names), _)) => Some(names),
            Ok(_) => {
                self.distrust().await;
                None
            }
            // Why is said of each resource, when it is looked at.
            Err(_) => None,
        }
    }

    /// The one form of each of these texts; of none where the host could not be asked.
    async fn forms(&self, questions: Vec<Question>) -> Forms {
        let request = Request::Forms {
            questions: questions.clone(),
        };
        match self.ask(&request, &none(), 0, None).await {
            Ok((Answer::Forms { forms }, _)) if forms.len() == questions.len() => {
                let forms = forms.into_iter().map(check::form);
                questions.into_iter().zip(forms).collect()
            }
            Ok((Answer::Cannot(_), _)) | Err(_) => Forms::new(),
            Ok(_) => {
                self.distrust().await;
                Forms::new()
            }
        }
    }

    /// Proves that the host can still be reached by whoever comes anew, and says so to the worker, which otherwise takes the
    /// step back.
    async fn confirm(&self) -> Result<(), ActError> {
        let lost = match tokio::time::timeout(LOGIN, self.connector.connect()).await {
            Ok(Ok(_)) => None,
            Ok(Err(reason)) => Some(reason.text),
            Err(_) => Some(format!("no login within {} seconds", LOGIN.as_secs())),
        };
        let request = Request::Confirm {
            is_reached: lost.is_none(),
        };
        let each = self.config.timeout.max(AFTER_CUT);
        match (
            self.ask_within(each, &request, &none(), 0, None).await,
            lost,
        ) {
            (Ok((Answer::Confirmed, _)), None) => Ok(()),
            (Ok((Answer::Failed(Failure::Failed(why)), _)), Some(lost)) => {
                let why = check::bounded(&why);
                Err(ActError::Failed(format!("{why} ({lost})")))
            }
            (answer, _) => Err(self.not_done(answer).await),
        }
    }

    fn creator(&self) -> (u32, u32) {
        self.creator.lock().map_or((0, 0), |creator| *creator)
    }
}

impl Road {
    fn replace(&mut self, reason: Reason) {
        self.state = match self.replaced < REPLACEMENTS {
            true => RoadState::New,
            false => RoadState::Down(reason),
        };
        self.replaced += 1;
    }
}

#[async_trait]
impl Provider for RemoteHost {
    async fn normalise(
        &self,
        declared: &[Declared],
        files: &dyn SideFiles,
        connect: bool,
    ) -> Normalised {
        let names = match connect {
            true => self.names().await,
            false => None,
        };
        let config = HostConfig {
            ignore: self.config.ignore.clone(),
            validate_commands: self.config.validate_commands.clone(),
            ..HostConfig::default()
        };
        let creator = self.creator();
        let comparable =
            |forms: &Forms| comparable(declared, files, names.as_ref(), forms, creator, &config);
        let first = comparable(&Forms::new());
        let last = match connect && !first.questions.is_empty() {
            true => comparable(&self.forms(first.questions).await),
            false => first,
        };
        if let Ok(mut held) = self.trees.lock() {
            *held = last.trees;
        }
        last.normalised
    }

    async fn observe(&self, desired: &[Desired]) -> Snapshot {
        let trees = self.trees.lock().map(|held| held.clone());
        let trees = trees.unwrap_or_default();
        let request = Request::Observe {
            desired: desired.to_vec(),
        };
        let reason = match self.ask(&request, &trees.texts(), MAX_LOOKED, None).await {
            Ok((Answer::Observed { observations }, contents)) => {
                return check::snapshot(desired, observations, contents, &trees);
            }
            Ok((Answer::Cannot(reason), _)) => check::of_host(reason),
            Ok(_) => self.distrust().await,
            Err(reason) => reason,
        };
        let unseen = |one: &Desired| {
            let observed = Observed::NotEvaluated(reason.clone());
            (one.id.clone(), Observation::plain(observed))
        };
        Snapshot {
            observations: desired.iter().map(unseen).collect(),
            contents: Contents::default(),
        }
    }

    async fn capture(&self, step: &Step, max_bytes: u64) -> Result<Captured, ActError> {
        let request = Request::Capture {
            step: Box::new(step.clone()),
            max_bytes,
        };
        match self.ask(&request, &none(), max_bytes, None).await {
            Ok((Answer::Captured { observed }, contents)) => Ok(Captured { observed, contents }),
            other => Err(self.not_done(other).await),
        }
    }

    async fn apply(&self, step: &Step, context: &ActContext<'_>) -> Result<Vec<String>, ActError> {
        let request = Request::Apply {
            step: Box::new(step.clone()),
            nonce: context.nonce.to_owned(),
        };
        let offer = Offer {
            contents: context.contents,
            allowed: needed(step.state.as_ref(), context.contents),
        };
        let cuts = parts::may_cut_off(step);
        let each = match cuts {
            true => self.config.timeout.max(AFTER_CUT),
            // A host that is lost meanwhile is noticed sooner, by ssh itself.
            false => self.config.timeout + parts::takes(&step.resource.kind),
        };
        match self
            .ask_within(each, &request, &none(), 0, Some(&offer))
            .await
        {
            Ok((Answer::Applied { notes }, _)) => {
                if cuts {
                    self.confirm().await?;
                }
                let notes = notes.iter().take(MAX_NOTES);
                let mut notes: Vec<_> = notes.map(|note| check::bounded(note)).collect();
                notes.extend(self.still_open(step).await?);
                Ok(notes)
            }
            other => Err(self.not_done(other).await),
        }
    }

    async fn tidy(&self, step: &Step, nonce: &str) -> Result<(), ActError> {
        let request = Request::Tidy {
            step: Box::new(step.clone()),
            nonce: nonce.to_owned(),
        };
        match self.ask(&request, &none(), 0, None).await {
            Ok((Answer::Tidied, _)) => Ok(()),
            other => Err(self.not_done(other).await),
        }
    }

    async fn release(&self) {
        let mut road = self.road.lock().await;
        // Why a host could not be reached is still true then.
        if let RoadState::Up(_) = road.state {
            road.state = RoadState::New;
        }
    }

    fn own_places(&self) -> Vec<OwnPlace> {
        let places = self.config.own.iter();
        places
            .map(|(path, what)| OwnPlace {
                address: Address((*path).to_owned()),
                what,
            })
            .collect()
    }

    fn beyond_undo(&self) -> &'static [&'static str] {
        beyond_undo()
    }
}

impl RemoteHost {
    /// Why a step was not done, from an answer that does not say that it was.
    async fn not_done(&self, answer: Result<(Answer, Contents), Reason>) -> ActError {
        match answer {
            Ok((Answer::Failed(failure), _)) => match failure {
                Failure::Stale(found) => ActError::Stale {
                    found: check::bounded(&found),
                },
                Failure::Refused(why) => ActError::Refused(check::bounded(&why)),
                Failure::Failed(why) => ActError::Failed(check::bounded(&why)),
            },
            Ok((Answer::Cannot(reason), _)) => ActError::Refused(check::of_host(reason).text),
            Ok(_) => ActError::Lost(self.distrust().await.text),
            Err(reason) => ActError::Lost(reason.text),
        }
    }
}

impl RemoteHost {
    /// After a step on the way in: whether a new login works, tried while the connection that did the step is still there
    /// to take it back. A login that did not work before is not the step's fault, and gives a note.
    async fn still_open(&self, step: &Step) -> Result<Option<String>, ActError> {
        let way_in = self.config.way_in.as_ref();
        if !way_in.is_some_and(|way_in| way_in.holds(&step.address)) {
            return Ok(None);
        }
        let tried = self.prove_login().await;
        let mut road = self.road.lock().await;
        let was_open = std::mem::replace(&mut road.is_open, tried.is_ok());
        match tried {
            Ok(()) => Ok(None),
            Err(reason) if was_open => Err(ActError::Failed(format!(
                "a new login to {} no longer works after this step: {}; it is taken back over the connection that is still open",
                self.target, reason.text
            ))),
            Err(reason) => Ok(Some(format!(
                "a new login to {} did not work before this step either: {}",
                self.target, reason.text
            ))),
        }
    }
}

/// The contents that a state is made of, down to those of a kept tree. A worker is given no others.
fn needed(state: Option<&State>, contents: &dyn ContentSource) -> BTreeSet<Digest> {
    let Some(state) = state else {
        return BTreeSet::new();
    };
    let mut digests: BTreeSet<Digest> = state.blobs().map(|blob| blob.digest).collect();
    let archive = state
        .fields
        .get("tree")
        .and_then(Value::as_blob)
        .and_then(|blob| contents.content(&blob.digest));
    if let Some(archive) = archive {
        digests.extend(tree::contents_of(&archive).unwrap_or_default());
    }
    digests
}

fn none() -> Contents {
    Contents::default()
}

fn unreachable(text: String) -> Reason {
    Reason::new(ReasonCode::Unreachable, text)
}
