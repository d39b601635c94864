//! The worker's end: reads requests, runs them against the root folder, answers.
//!
//! **Invariant:** it keeps nothing, listens on nothing and ends with its input. One request is done at a time, and while
//! it acts it holds the root's lock, so that no other run, not even one of a controller that lost its connection to it,
//! acts on the same root.

use std::io::{self, Read, Write};
use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use super::packet::{self, Limits, MAX_MESSAGE, PacketError};
use super::pledge::Pledge;
use super::wire::{Answer, Failure, Hello, Machine, Request, VERSION};
use crate::lock::RootLock;
use crate::model::{Contents, Digest, Reason, ReasonCode, Step, TargetName};
use crate::ports::{ActContext, ActError, ContentSource};
use crate::providers::host::filetree::Baselines;
use crate::providers::host::parts;
use crate::providers::host::{Host, HostConfig, LocalFs};

/// The only word that the program understands.
pub const SERVE: &str = "serve";
/// The largest content that is taken for a step, in bytes.
const MAX_CONTENT: u64 = 1 << 30;
/// For how long nothing may be asked before the connection is taken for lost.
const MAX_IDLE: Duration = Duration::from_secs(120);
/// What the program ends with then.
const FORGOTTEN: i32 = 3;
const FROM_CONTROLLER: Limits = Limits {
    message: MAX_MESSAGE,
    contents: MAX_CONTENT,
};

/// The program.
pub fn main() -> ExitCode {
    let mut words = std::env::args_os().skip(1);
    if words.next().is_none_or(|word| word != SERVE) || words.next().is_some() {
        eprintln!(
            "evenkeel-worker {} is started by evenkeel over ssh; there is nothing to do with it by hand",
            env!("CARGO_PKG_VERSION")
        );
        return ExitCode::FAILURE;
    }
    let idle = Arc::new(Mutex::new(Instant::now()));
    end_when_forgotten(Arc::clone(&idle));
    match serve(&mut io::stdin(), &mut io::stdout(), &idle) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("evenkeel-worker: {error}");
            ExitCode::FAILURE
        }
    }
}

/// Ends the program when it has been idle for too long: a link that broke without a word must not leave a worker behind
/// that holds the root for as long as TCP hopes.
fn end_when_forgotten(idle: Arc<Mutex<Instant>>) {
    std::thread::spawn(move || {
        loop {
            std::thread::sleep(MAX_IDLE / 24);
            // Whoever is busy holds it.
            if let Ok(since) = idle.try_lock()
                && since.elapsed() > MAX_IDLE
            {
                std::process::exit(FORGOTTEN);
            }
        }
    });
}

/// Serves until the input ends. While a request is worked on, `idle` is held; then it is when that ended.
///
/// # Errors
/// The other end does not speak the protocol, or is gone in the middle of it.
pub fn serve(
    input: &mut (dyn Read + Send),
    output: &mut (dyn Write + Send),
    idle: &Mutex<Instant>,
) -> Result<(), PacketError> {
    let mut serving = None;
    let ended = take_turns(input, output, idle, &mut serving);
    if let Some(serving) = &serving {
        // Whoever asked is gone without having said that the host is still reached. The lock is held until then.
        serving.pledge.redeem();
    }
    ended
}

fn take_turns(
    input: &mut (dyn Read + Send),
    output: &mut (dyn Write + Send),
    idle: &Mutex<Instant>,
    serving: &mut Option<Serving>,
) -> Result<(), PacketError> {
    while let Some((request, contents)) = packet::read::<Request>(input, FROM_CONTROLLER)? {
        let Ok(mut since) = idle.lock() else {
            return Err(PacketError::Ended);
        };
        let (answer, contents) = match (request, &*serving) {
            (Request::Hello(hello), None) => match begin(&hello) {
                Ok((machine, begun)) => {
                    *serving = Some(begun);
                    (Answer::Hello(machine), Contents::default())
                }
                Err(reason) => (Answer::Cannot(reason), Contents::default()),
            },
            (Request::Apply { step, nonce }, Some(Serving { host, pledge, .. })) => {
                let asking = Asking(Mutex::new((&mut *input, &mut *output)));
                let context = ActContext {
                    contents: &asking,
                    nonce: &nonce,
                };
                let answer = match carry_out(host, pledge, &step, &context) {
                    Ok(notes) => Answer::Applied { notes },
                    Err(error) => Answer::Failed(failure(error)),
                };
                (answer, contents)
            }
            (Request::Confirm { is_reached }, Some(Serving { pledge, .. })) => {
                let kept = match is_reached {
                    true => pledge.release(),
                    false => Err(pledge.redeem()),
                };
                let answer = match kept {
                    Ok(()) => Answer::Confirmed,
                    Err(how) => Answer::Failed(Failure::Failed(how.to_owned())),
                };
                (answer, contents)
            }
            (request, Some(Serving { host, .. })) => answer(host, request, &contents),
            (_, None) => (Answer::Cannot(before_hello()), Contents::default()),
        };
        packet::write(output, &answer, &contents)?;
        *since = Instant::now();
    }
    Ok(())
}

/// A root folder, open and, where the controller means to act, held.
struct Serving {
    host: Arc<Host<LocalFs>>,
    pledge: Pledge,
    _lock: Option<RootLock>,
}

fn begin(hello: &Hello) -> Result<(Machine, Serving), Reason> {
    let cannot = |text: String| Reason::new(ReasonCode::Unreachable, text);
    if hello.version != VERSION {
        return Err(cannot(format!(
            "the worker speaks version {VERSION} of the protocol, and evenkeel version {}",
            hello.version
        )));
    }
    let root = Path::new(&hello.root);
    let fs = LocalFs::open(root).map_err(|error| cannot(format!("{}: {error}", hello.root)))?;
    let lock = match hello.lock_wait_ms {
        None => None,
        Some(wait) => Some(hold(root, &hello.target, Duration::from_millis(wait))?),
    };
    let config = HostConfig {
        ignore: hello.ignore.clone(),
        validate_commands: hello.validate_commands.clone(),
        own: Vec::new(),
        root: Some(PathBuf::from(root)),
    };
    let system = rustix::system::uname();
    let machine = Machine {
        version: VERSION,
        uid: rustix::process::geteuid().as_raw(),
        gid: rustix::process::getegid().as_raw(),
        architecture: system.machine().to_string_lossy().into_owned(),
        kernel: system.release().to_string_lossy().into_owned(),
    };
    let host = Host::new(TargetName(hello.target.clone()), fs, config);
    let serving = Serving {
        host: Arc::new(host),
        pledge: Pledge::default(),
        _lock: lock,
    };
    Ok((machine, serving))
}

/// Carries a step out; one that could cut the host off is taken back unless its being reached is confirmed in time.
fn carry_out(
    host: &Arc<Host<LocalFs>>,
    pledge: &Pledge,
    step: &Step,
    context: &ActContext<'_>,
) -> Result<Vec<String>, ActError> {
    if !parts::may_cut_off(step) {
        return host.carry_out(step, context);
    }
    let before = host.keep_before(step, u64::MAX)?;
    let notes = host.carry_out(step, context)?;
    pledge.make(Arc::clone(host), step, before);
    Ok(notes)
}

fn hold(root: &Path, target: &str, wait: Duration) -> Result<RootLock, Reason> {
    RootLock::acquire(root, &format!("evenkeel, target {target}"), wait, &|_| {}).map_err(|error| {
        let text = crate::report_chain(&error);
        Reason::new(ReasonCode::Unreachable, text)
    })
}

fn before_hello() -> Reason {
    Reason::new(
        ReasonCode::Unreachable,
        "the worker was asked before it was greeted",
    )
}

fn answer(host: &Host<LocalFs>, request: Request, with: &Contents) -> (Answer, Contents) {
    let none = Contents::default();
    match request {
        Request::Names => (Answer::Names(host.names()), none),
        Request::Forms { questions } => {
            let known = host.forms(questions.clone());
            // One text may be asked for twice.
            let forms = questions.iter().filter_map(|question| known.get(question));
            let forms = forms.cloned().collect();
            (Answer::Forms { forms }, none)
        }
        Request::Observe { desired } => {
            host.hold_against(Baselines::received(&desired, with));
            let snapshot = host.look_at_all(&desired);
            let observations = snapshot.observations.into_iter().collect();
            (Answer::Observed { observations }, snapshot.contents)
        }
        Request::Capture { step, max_bytes } => match host.keep_before(&step, max_bytes) {
            Ok(captured) => {
                let observed = captured.observed;
                (Answer::Captured { observed }, captured.contents)
            }
            Err(error) => (Answer::Failed(failure(error)), none),
        },
        Request::Tidy { step, nonce } => match host.clean_up(&step, &nonce) {
            Ok(()) => (Answer::Tidied, none),
            Err(error) => (Answer::Failed(failure(error)), none),
        },
        Request::Hello(_) | Request::Content | Request::Confirm { .. } | Request::Apply { .. } => {
            let text = "the worker was asked something out of turn";
            let reason = Reason::new(ReasonCode::Unsupported, text);
            (Answer::Cannot(reason), none)
        }
    }
}

fn failure(error: ActError) -> Failure {
    match error {
        ActError::Stale { found } => Failure::Stale(found),
        ActError::Refused(why) => Failure::Refused(why),
        ActError::Failed(why) | ActError::Lost(why) => Failure::Failed(why),
    }
}

/// Asks the controller for content in the middle of a step.
struct Asking<'a>(Mutex<(&'a mut (dyn Read + Send), &'a mut (dyn Write + Send))>);

impl ContentSource for Asking<'_> {
    fn content(&self, digest: &Digest) -> Option<Arc<[u8]>> {
        let mut ends = self.0.lock().ok()?;
        let (input, output) = &mut *ends;
        let need = Answer::NeedContent { digest: *digest };
        packet::write(*output, &need, &Contents::default()).ok()?;
        match packet::read::<Request>(*input, FROM_CONTROLLER) {
            Ok(Some((Request::Content, contents))) => contents.get(digest),
            _ => None,
        }
    }
}

#[cfg(test)]
mod tests;
