//! Keeps the state before, and carries steps out.
//!
//! Flow of a step: look → is it so already? → is it what the plan was made for? → make the new thing aside → look again,
//! exchange, and judge what came out.
//!
//! **Invariant:** nothing is replaced or removed whose state, judged after it was taken out of its place, is not the one
//! that the step expects.

use std::path::Path;
use std::sync::Arc;

use super::fs::{Fs, FsError, HostPath, Leftover, Look, NodeType, Want, Wanted};
use super::kinds::{DIRECTORY, QUIET, VALIDATE};
use super::parts::{self, Part, View};
use super::place::{self, Terms};
use super::state::{ALL_FLAGS, state_of, type_of, wanted_of};
use super::tree::{self, Keep};
use super::{Host, validate};
use crate::model::{Contents, Digest, Observed, ReasonCode, State, Step, Value, Verb};
use crate::ports::{ActContext, ActError, Captured};

/// What a step is about, read from it once.
struct Task<'a> {
    step: &'a Step,
    path: HostPath,
}

impl<'a> Task<'a> {
    fn of(step: &'a Step) -> Result<Self, ActError> {
        let path = HostPath::from_address(&step.address)
            .ok_or_else(|| ActError::Refused(format!("{} is no path of a host", step.address)))?;
        Ok(Self { step, path })
    }

    /// In which terms the step sees what stands there. A directory that no resource of its own is about counts whole where
    /// it comes or goes, and without what it holds where a manifest lists that: which it is, the digests tell.
    fn terms(&self, look: &Look) -> Terms {
        let terms = Terms::of(&self.step.resource);
        let Look::Present(node, _) = look else {
            return terms;
        };
        let is_listed = || {
            let digest = state_of(node, None).digest();
            digest == self.step.expect || digest == self.step.leaves
        };
        match node.node_type == NodeType::Directory && self.is_directory() && is_listed() {
            true => Terms::Shallow,
            false => terms,
        }
    }

    fn is_directory(&self) -> bool {
        self.step.resource.kind.0 == DIRECTORY
    }

    fn see(&self, fs: &dyn Fs) -> Observed {
        let look = fs.look(&self.path, Want::Digest);
        place::observed(fs, &self.path, &look, self.terms(&look))
    }

    /// Whether nothing is left to do. What differs only beyond the digest still has to be done.
    fn is_done(&self, observed: &Observed) -> bool {
        if observed.digest() != Some(self.step.leaves) {
            return false;
        }
        let links = |state: Option<&State>| {
            state
                .and_then(|state| state.beyond.get("links"))
                .and_then(Value::as_int)
        };
        // A file with other names is put anew, which leaves one; no other number can be brought about.
        links(self.step.state.as_ref()) != Some(1) || links(observed.state()) == Some(1)
    }

    /// Whether a link stands in the way of a place where nothing was or is to be. Without following it nothing is there;
    /// this is how the place of a file looks after an undo has put a swapped directory back.
    fn is_led_away(&self, look: &Look) -> bool {
        let absent = Observed::absent_digest();
        matches!(look, Look::Unseen(reason) if reason.code == ReasonCode::Redirected)
            && (self.step.expect == absent || self.step.leaves == absent)
    }

    /// Judges what stands at the place, or was just taken out of it.
    fn verify(&self, fs: &dyn Fs, path: &HostPath, look: &Look) -> Result<(), FsError> {
        let terms = self.terms(look);
        let observed = place::observed(fs, path, look, terms);
        if observed.digest() != Some(self.step.expect) {
            return Err(FsError::Stale(found(&observed)));
        }
        let Look::Present(node, _) = look else {
            return Ok(());
        };
        let goes = match &self.step.state {
            Some(state) => type_of(state) != Some(NodeType::Directory),
            None => true,
        };
        if terms == Terms::Shallow && node.node_type == NodeType::Directory && goes {
            return require_empty(fs, path, &self.path);
        }
        Ok(())
    }
}

/// A directory that was seen without what it holds goes only when it holds nothing.
fn require_empty(fs: &dyn Fs, path: &HostPath, shown: &HostPath) -> Result<(), FsError> {
    let mut is_empty = true;
    fs.list(path, &mut |_| {
        is_empty = false;
        std::ops::ControlFlow::Break(())
    })
    .map_err(|reason| FsError::Refused(reason.text))?;
    if is_empty {
        return Ok(());
    }
    // As stale as any other change of it: whoever fills it must not make a way back look broken.
    Err(FsError::Stale(format!(
        "the directory {} is not empty, and what it holds is not for this step to remove",
        shown.address()
    )))
}

/// What stands there instead, without its content.
fn found(observed: &Observed) -> String {
    match observed {
        Observed::Absent => "nothing is there".to_owned(),
        Observed::NotEvaluated(reason) => reason.text.clone(),
        Observed::Present(state) => match state.get("type").and_then(Value::as_text) {
            Some(word) => format!(
                "a {} with another content or other attributes",
                word.replace('_', " ")
            ),
            None => "something else".to_owned(),
        },
    }
}

impl<F: Fs> Host<F> {
    pub(crate) fn keep_before(&self, step: &Step, max_bytes: u64) -> Result<Captured, ActError> {
        let mut contents = Contents::default();
        if let Some(part) = parts::of(&step.resource.kind) {
            let mut host = View::new(&self.fs);
            host.keep_bytes = max_bytes;
            let observed = part.see(&host, &step.address, &step.options, &mut contents);
            if contents.bytes() as u64 > max_bytes {
                contents = Contents::default();
            }
            return Ok(Captured { observed, contents });
        }
        let task = Task::of(step)?;
        let mut keep = Keep {
            contents: &mut contents,
            bytes_left: max_bytes,
            overflowed: false,
        };
        let want = match max_bytes {
            0 => Want::Digest,
            max_bytes => Want::Bytes {
                unless: None,
                max_bytes,
            },
        };
        let look = self.fs.look(&task.path, want);
        let mut observed = place::kept(
            &self.fs,
            &task.path,
            &look,
            task.terms(&look),
            Some(&mut keep),
        );
        if task.is_led_away(&look) {
            observed = Observed::Absent;
        }
        if keep.overflowed {
            contents = Contents::default();
        }
        Ok(Captured { observed, contents })
    }

    pub(crate) fn carry_out(
        &self,
        step: &Step,
        context: &ActContext<'_>,
    ) -> Result<Vec<String>, ActError> {
        if let Some(part) = parts::of(&step.resource.kind) {
            return self.carry_out_part(part, step, context);
        }
        let task = Task::of(step)?;
        let now = task.see(&self.fs);
        if task.is_done(&now) {
            return Ok(Vec::new());
        }
        if now.digest() != Some(step.expect) {
            return Err(ActError::Stale { found: found(&now) });
        }
        let verify = |path: &HostPath, look: &Look| task.verify(&self.fs, path, look);
        match (step.verb, &step.state) {
            (Verb::Remove, _) => {
                self.fs
                    .remove(&task.path, context.nonce, &verify)
                    .map_err(act_error)?;
                Ok(Vec::new())
            }
            (Verb::Put, None) => Err(ActError::Refused("the step has no state to put".into())),
            (Verb::Put, Some(state)) => {
                let wanted = wanted(state, &now, context)?;
                let argv = self.validate_command(step)?;
                let is_quiet = step.options.contains_key(QUIET);
                let prepare = |file: &Path| match wanted.node_type {
                    NodeType::File => {
                        validate::run(&argv, file, is_quiet).map_err(FsError::Refused)
                    }
                    _ => Ok(()),
                };
                self.fs
                    .put(&task.path, &wanted, context.nonce, &verify, &prepare)
                    .map_err(act_error)
            }
        }
    }

    fn carry_out_part(
        &self,
        part: &dyn Part,
        step: &Step,
        context: &ActContext<'_>,
    ) -> Result<Vec<String>, ActError> {
        let host = View::new(&self.fs);
        let see = || {
            part.see(
                &host,
                &step.address,
                &step.options,
                &mut Contents::default(),
            )
        };
        let now = see();
        if now.digest() == Some(step.leaves) {
            return Ok(Vec::new());
        }
        if now.digest() != Some(step.expect) {
            let found = match &now {
                Observed::Absent => "it is not there".to_owned(),
                Observed::NotEvaluated(reason) => reason.text.clone(),
                Observed::Present(_) => "it has other values".to_owned(),
            };
            return Err(ActError::Stale { found });
        }
        part.act(&host, step, &now, context)
    }

    /// The command of a step, which the configuration of now has to allow too.
    fn validate_command(&self, step: &Step) -> Result<Vec<String>, ActError> {
        let Some(Value::List(words)) = step.options.get(VALIDATE) else {
            return Ok(Vec::new());
        };
        let argv: Vec<String> = words
            .iter()
            .filter_map(Value::as_text)
            .map(str::to_owned)
            .collect();
        match argv.first() {
            Some(program) if !self.config.validate_commands.contains(program) => {
                Err(ActError::Refused(format!(
                    "{} is no allowed validate command",
                    program.escape_debug()
                )))
            }
            _ => Ok(argv),
        }
    }

    pub(crate) fn clean_up(&self, step: &Step, nonce: &str) -> Result<(), ActError> {
        if let Some(part) = parts::of(&step.resource.kind) {
            return part.tidy(&View::new(&self.fs), step, nonce);
        }
        let task = Task::of(step)?;
        if task.path.0.is_empty() {
            return Ok(());
        }
        let judge = |path: &HostPath, look: &Look| {
            let terms = task.terms(look);
            let observed = place::observed(&self.fs, path, look, terms);
            let is = |digest| any_flags(&observed).any(|one| one == digest);
            let holds_unseen = terms == Terms::Shallow
                && matches!(look, Look::Present(node, _) if node.node_type == NodeType::Directory)
                && require_empty(&self.fs, path, path).is_err();
            if holds_unseen {
                Leftover::Foreign
            } else if is(step.expect) {
                Leftover::Expected
            } else if is(step.leaves) {
                Leftover::Made
            } else {
                Leftover::Foreign
            }
        };
        self.fs.tidy(&task.path, nonce, &judge).map_err(act_error)
    }
}

/// The digests of a state with every combination of flags: a change clears them while it moves things.
fn any_flags(observed: &Observed) -> impl Iterator<Item = Digest> {
    let state = observed.state().cloned();
    ALL_FLAGS.into_iter().filter_map(move |flags| {
        let mut state = state.clone()?;
        state.fields.insert("flags".into(), flags.into());
        Some(state.digest())
    })
}

/// What has to be put for this state, with its content.
pub fn wanted(state: &State, now: &Observed, context: &ActContext<'_>) -> Result<Wanted, ActError> {
    let find = |digest: &Digest| -> Option<Arc<[u8]>> { context.contents.content(digest) };
    let there = now
        .state()
        .and_then(|state| state.get("content"))
        .and_then(Value::as_blob);
    let mut wanted = wanted_of(state, &find, there).map_err(ActError::Refused)?;
    if let Some(blob) = state.fields.get("tree").and_then(Value::as_blob) {
        let archive = find(&blob.digest)
            .ok_or_else(|| ActError::Refused("its tree is not kept anywhere".into()))?;
        let children = tree::children_of(&archive, &find).map_err(ActError::Refused)?;
        wanted.children = Some(children);
    }
    Ok(wanted)
}

/// What a failed change comes to for a step.
pub fn act_error(error: FsError) -> ActError {
    match error {
        FsError::Stale(found) => ActError::Stale { found },
        FsError::Refused(why) => ActError::Refused(why),
        FsError::Failed(why) => ActError::Failed(why),
    }
}
