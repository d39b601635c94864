//! The engine on a bench: one simulated host, a journal in memory, a virtual clock, seeded nonces.
//!
//! Flow: a loaded baseline and a [`World`] → [`Bench`] → the same `plan`, `reconcile` and `undo` as on a real machine.
//!
//! **Invariant:** the engine and the host provider are the ones that act for real; only what is below their ports differs.

use std::collections::BTreeMap;
use std::sync::Arc;

use jiff::Timestamp;

use super::{Faults, FaultyStore, SeededEntropy, World};
use crate::baseline::Loaded;
use crate::clock::VirtualClock;
use crate::document::Declared;
use crate::engine::{CycleInput, Engine, EngineError, UndoInput};
use crate::journal::MemoryStore;
use crate::model::{
    BaselineInfo, Command, GuardConfig, Mode, Problems, Project, RunId, RunReport, SignatureState,
    TargetInfo, TargetName,
};
use crate::ports::{Clock, Provider, Providers, StateStore};
use crate::providers::host::{Host, HostConfig};

/// One simulated host with its engine.
pub struct Bench {
    pub world: World,
    pub clock: VirtualClock,
    pub store: FaultyStore<MemoryStore>,
    entropy: SeededEntropy,
    loaded: Arc<Loaded>,
    project: Project,
    declared: BTreeMap<TargetName, Vec<Declared>>,
    target: TargetInfo,
    providers: Providers,
}

/// What a bench is set up with.
pub struct Setup {
    /// A baseline without problems.
    pub loaded: Arc<Loaded>,
    pub target: TargetName,
    /// The mode of this drill, whatever the baseline says.
    pub mode: Mode,
    pub start: Timestamp,
    pub seed: u64,
    pub faults: Arc<Faults>,
}

impl Bench {
    /// An empty world for one target of a baseline; none where the baseline has no such target.
    pub fn new(setup: Setup) -> Option<Self> {
        let project = setup.loaded.project.clone()?;
        let target = project
            .targets
            .iter()
            .find(|target| target.name == setup.target)?;
        let target = TargetInfo {
            name: target.name.clone(),
            description: "host, simulated".to_owned(),
            committed_mode: target.mode,
            mode: setup.mode,
        };
        let declared = setup.loaded.declared.get(&target.name).cloned();
        let world = World::new(Arc::clone(&setup.faults));
        Some(Self {
            providers: providers(&target.name, &world, &project),
            world,
            clock: VirtualClock::at(setup.start),
            store: FaultyStore::new(MemoryStore::new(), setup.faults),
            entropy: SeededEntropy::new(setup.seed),
            declared: BTreeMap::from([(target.name.clone(), declared.unwrap_or_default())]),
            loaded: setup.loaded,
            project,
            target,
        })
    }

    /// Looks and decides, and changes nothing.
    ///
    /// # Errors
    /// The manifests are not valid.
    pub async fn plan(&self) -> Result<RunReport, EngineError> {
        self.engine().cycle(self.input(Command::Plan)).await
    }

    /// One cycle of reconciliation.
    ///
    /// # Errors
    /// The manifests are not valid, or the journal fails.
    pub async fn reconcile(&self) -> Result<RunReport, EngineError> {
        self.engine().cycle(self.input(Command::Reconcile)).await
    }

    /// Begins a new process on the same world and store, after a kill.
    pub fn restart(&mut self) {
        self.entropy = self.entropy.next();
        self.providers = providers(&self.target.name, &self.world, &self.project);
    }

    /// Ends what an undo or a failed one began to hold up.
    ///
    /// # Errors
    /// The run held nothing up, or the journal fails.
    pub fn resume(&self, run: &RunId) -> Result<RunId, EngineError> {
        self.engine().resume(run)
    }

    /// Takes an earlier run back.
    ///
    /// # Errors
    /// It did nothing that stands, or the journal fails.
    pub async fn undo(&self, run: RunId) -> Result<RunReport, EngineError> {
        let input = UndoInput {
            run,
            reopen: true,
            cycle: self.input(Command::Undo),
        };
        self.engine().undo(input).await
    }

    /// Puts everything that the baseline says in place, whatever its guard says, and leaves no trace of it in the
    /// journal. Directories that are missing on the way are made.
    ///
    /// # Errors
    /// What is wrong with the manifests, or what could not be put in place.
    pub async fn settle(&self) -> Result<(), Problems> {
        let provider = self.providers[&self.target.name].as_ref();
        self.make_parents(provider).await?;
        let project = Project {
            guard: GuardConfig {
                max_changes: usize::MAX,
                kill_switch: None,
                validate_commands: self.project.guard.validate_commands.clone(),
                ..GuardConfig::default()
            },
            ..self.project.clone()
        };
        let clock = VirtualClock::at(self.clock.now());
        let store = MemoryStore::new();
        let engine = Engine {
            store: &store,
            clock: &clock,
            ..self.engine()
        };
        let target = TargetInfo {
            mode: Mode::Enforce,
            ..self.target.clone()
        };
        let input = || CycleInput {
            project: &project,
            targets: vec![target.clone()],
            exemptions: &[],
            suppressions: &[],
            ..self.input(Command::Reconcile)
        };
        let mut errors = Vec::new();
        // What depends on something that was in the way is put in place one cycle later.
        for _ in 0..4 {
            let report = engine.cycle(input()).await.map_err(problems)?;
            if report.plan.groups.is_empty() {
                return Ok(());
            }
            errors = report.errors;
        }
        Err(general(format!(
            "the baseline cannot be put in place: {}",
            errors.first().map_or("it keeps differing", String::as_str)
        )))
    }

    async fn make_parents(&self, provider: &dyn Provider) -> Result<(), Problems> {
        let declared = &self.declared[&self.target.name];
        let normalised = provider
            .normalise(declared, self.loaded.files.as_ref(), true)
            .await;
        if !normalised.problems.is_empty() {
            return Err(normalised.problems);
        }
        for wanted in normalised.desired {
            if wanted.expected().is_some() {
                self.world.make_parents(&wanted.address);
            }
        }
        Ok(())
    }

    fn engine(&self) -> Engine<'_> {
        Engine {
            providers: &self.providers,
            store: &self.store as &dyn StateStore,
            clock: &self.clock as &dyn Clock,
            entropy: &self.entropy,
            forge: None,
        }
    }

    fn input(&self, command: Command) -> CycleInput<'_> {
        CycleInput {
            command,
            project: &self.project,
            declared: &self.declared,
            exemptions: &self.loaded.exemptions,
            suppressions: &[],
            approvals: &[],
            findings: &[],
            logs: None,
            earlier: None,
            files: self.loaded.files.as_ref(),
            connect: true,
            baseline: BaselineInfo {
                commit: None,
                rev: "scenario".to_owned(),
                summary: None,
                prefix: String::new(),
                signature: SignatureState::NotRequired,
            },
            targets: vec![self.target.clone()],
            kill_switch: None,
            expected_plan: None,
            whole: self.project.targets.len() == 1,
            notices: Vec::new(),
        }
    }
}

fn providers(target: &TargetName, world: &World, project: &Project) -> Providers {
    let config = HostConfig {
        ignore: project.ignore.clone(),
        validate_commands: project.guard.validate_commands.clone(),
        own: Vec::new(),
        root: None,
    };
    let host = Host::new(target.clone(), world.clone(), config);
    Providers::from([(target.clone(), Arc::new(host) as Arc<dyn Provider>)])
}

fn general(message: String) -> Problems {
    let mut problems = Problems::default();
    problems.push(crate::model::Problem::general(message));
    problems
}

fn problems(error: EngineError) -> Problems {
    match error {
        EngineError::Problems(problems) => problems,
        error => general(crate::report_chain(&error)),
    }
}
