//! A root folder, manifests for it, and the stages from manifest to step, without an engine.

use std::collections::{BTreeMap, BTreeSet};
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex};

use evenkeel::compare::compare;
use evenkeel::document::{Declared, parse};
use evenkeel::engine::Stored;
use evenkeel::model::{
    Comparison, Contents, Desired, Digest, Observed, Plan, Problems, ResourceId, Snapshot, Step,
    TargetName, Undo, Verb,
};
use evenkeel::plan::plan;
use evenkeel::ports::{ActContext, ActError, Captured, ContentSource, Provider, SideFiles};
use evenkeel::providers::host::{Host, HostConfig, LocalFs};
use evenkeel::providers::remote::RemoteHost;
use jiff::Timestamp;

pub struct Fixture {
    /// Holds the root, and things outside of it.
    pub temp: tempfile::TempDir,
    pub root: PathBuf,
    pub config: HostConfig,
    /// Files beside the manifests, by their paths in the baseline; below `t/store/` each by its digest.
    pub side: BTreeMap<String, Vec<u8>>,
    kept: Mutex<Contents>,
}

/// Side files in memory.
pub struct Files(pub BTreeMap<String, Vec<u8>>);

impl SideFiles for Files {
    fn read(&self, path: &str) -> Result<Arc<[u8]>, String> {
        let found = self.0.get(path).map(|bytes| bytes.as_slice().into());
        found.ok_or_else(|| format!("there is no file {path}"))
    }

    fn names_in(&self, directory: &str) -> Vec<String> {
        let names = self
            .0
            .keys()
            .filter_map(|path| path.strip_prefix(directory));
        let names = names.filter_map(|name| name.strip_prefix('/'));
        names.map(str::to_owned).collect()
    }
}

impl ContentSource for Fixture {
    fn content(&self, digest: &Digest) -> Option<Arc<[u8]>> {
        let stored = Stored {
            contents: &self.kept.lock().unwrap(),
            stores: &BTreeSet::from(["t/store".to_owned()]),
            files: &Files(self.side.clone()),
        };
        stored.content(digest)
    }
}

/// One look: what is wanted, what was seen, and what differs.
pub struct Looked {
    pub desired: Vec<Desired>,
    pub snapshot: Snapshot,
    pub comparison: Comparison,
    pub plan: Plan,
}

/// Whether the tests run as root; what needs it says so and checks less otherwise.
pub fn is_root() -> bool {
    rustix::process::geteuid().is_root()
}

thread_local! {
    /// One for all that a test asks, since a connection lives in the runtime that made it.
    static RUNTIME: tokio::runtime::Runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()
        .unwrap();
}

pub fn block<T>(future: impl Future<Output = T>) -> T {
    RUNTIME.with(|runtime| runtime.block_on(future))
}

impl Fixture {
    pub fn new() -> Self {
        let temp = tempfile::tempdir().unwrap();
        let root = temp.path().join("root");
        std::fs::create_dir(&root).unwrap();
        let config = HostConfig {
            root: Some(root.clone()),
            ..HostConfig::default()
        };
        Self {
            temp,
            root,
            config,
            side: BTreeMap::new(),
            kept: Mutex::default(),
        }
    }

    /// The host, as it is or, with `EVENKEEL_TEST_THROUGH_WORKER=1`, through a worker of its own process.
    pub fn host(&self) -> Box<dyn Provider> {
        match std::env::var_os("EVENKEEL_TEST_THROUGH_WORKER") {
            Some(_) => Box::new(self.remote()),
            None => Box::new(self.host_on(LocalFs::open(&self.root).unwrap())),
        }
    }

    /// The host through a worker of its own process.
    pub fn remote(&self) -> RemoteHost {
        crate::remote::host_at(&self.root, &self.config)
    }

    pub fn host_on<F: evenkeel::providers::host::fs::Fs>(&self, fs: F) -> Host<F> {
        Host::new(TargetName("t".into()), fs, self.config.clone())
    }

    pub fn path(&self, inner: &str) -> PathBuf {
        self.root.join(inner.trim_start_matches('/'))
    }

    /// Writes a file with its mode, and its directories.
    pub fn write(&self, inner: &str, content: impl AsRef<[u8]>, mode: u32) -> PathBuf {
        let path = self.path(inner);
        std::fs::create_dir_all(path.parent().unwrap()).unwrap();
        std::fs::write(&path, content).unwrap();
        chmod(&path, mode);
        path
    }

    /// Reads manifests: documents of `kind`, `name` and `spec`.
    pub fn declare(&self, yaml: &str) -> Vec<Declared> {
        let documents = parse("t/a.yaml", yaml.as_bytes()).unwrap();
        let mut problems = Problems::default();
        let declared = documents
            .iter()
            .map(|document| {
                let mut fields = document.fields(&mut problems).unwrap();
                let mut text = |name| {
                    let node = fields.require(name, &mut Problems::default()).unwrap();
                    node.text(&mut Problems::default()).unwrap().to_owned()
                };
                let (kind, name) = (text("kind"), text("name"));
                let spec = fields.take("spec").unwrap().clone();
                let word = fields.take("kind").unwrap().clone();
                Declared {
                    id: ResourceId::new(&TargetName("t".into()), &kind, name),
                    kind: word,
                    api_version: "host.evenkeel.dev/v1".into(),
                    at: document.span(),
                    spec: spec.into(),
                    disclose: false,
                    controls: vec![],
                    directory: "t".into(),
                    vars: Default::default(),
                }
            })
            .collect();
        assert!(problems.is_empty(), "{problems}");
        declared
    }

    /// What the manifests ask for; the contents they hold are kept.
    pub fn desired(&self, yaml: &str) -> Vec<Desired> {
        self.desired_of(self.host().as_ref(), yaml)
    }

    fn desired_of(&self, host: &dyn Provider, yaml: &str) -> Vec<Desired> {
        let declared = self.declare(yaml);
        let files = Files(self.side.clone());
        let normalised = block(host.normalise(&declared, &files, true));
        assert!(normalised.problems.is_empty(), "{}", normalised.problems);
        self.kept.lock().unwrap().extend(normalised.contents);
        normalised.desired
    }

    /// The problems of manifests, one a line.
    pub fn problems(&self, yaml: &str) -> String {
        let declared = self.declare(yaml);
        let files = Files(self.side.clone());
        let mut problems = block(self.host().normalise(&declared, &files, true)).problems;
        problems.sort();
        problems.to_string()
    }

    pub fn look(&self, yaml: &str) -> Looked {
        let host = self.host();
        let desired = self.desired_of(host.as_ref(), yaml);
        self.looked(host.as_ref(), desired)
    }

    pub fn look_with(&self, host: &dyn Provider, yaml: &str) -> Looked {
        self.looked(host, self.desired(yaml))
    }

    fn looked(&self, host: &dyn Provider, desired: Vec<Desired>) -> Looked {
        let snapshot = block(host.observe(&desired));
        self.kept.lock().unwrap().extend(snapshot.contents.clone());
        let comparison = compare(&desired, &snapshot, &[], Timestamp::UNIX_EPOCH);
        let plan = plan(&comparison.drifts, &[], 64 << 20);
        Looked {
            desired,
            snapshot,
            comparison,
            plan,
        }
    }

    pub fn keep(&self, contents: Contents) {
        self.kept.lock().unwrap().extend(contents);
    }

    pub fn capture(&self, host: &dyn Provider, step: &Step) -> Result<Captured, ActError> {
        let captured = block(host.capture(step, 64 << 20))?;
        self.keep(captured.contents.clone());
        Ok(captured)
    }

    /// Carries a step out as the saga does: captures, checks, applies.
    pub fn act(&self, host: &dyn Provider, step: &Step) -> Result<Observed, ActError> {
        let captured = self.capture(host, step)?;
        assert_eq!(
            captured.observed.digest(),
            Some(step.expect),
            "{} is captured in other terms than it was observed",
            step.address
        );
        let context = ActContext {
            contents: self,
            nonce: "n0nce",
        };
        block(host.apply(step, &context))?;
        Ok(captured.observed)
    }

    /// Puts everything right; gives the inverse steps, newest first.
    pub fn reconcile(&self, yaml: &str) -> Vec<Step> {
        let host = self.host();
        let looked = self.look(yaml);
        let mut undo = Vec::new();
        for group in &looked.plan.groups {
            for step in &group.steps {
                let before = self.act(host.as_ref(), step).unwrap_or_else(|error| {
                    panic!("{} {}: {error}", step.verb, step.address);
                });
                let after = block(host.capture(step, 0)).unwrap().observed;
                assert_eq!(
                    after.digest(),
                    Some(step.leaves),
                    "{}: {after:?} is not {:?}",
                    step.address,
                    step.state
                );
                undo.push(inverse(step, &before));
            }
        }
        assert_eq!(self.leftovers(), Vec::<PathBuf>::new());
        undo.reverse();
        undo
    }

    pub fn undo(&self, steps: &[Step]) {
        let host = self.host();
        for step in steps {
            self.act(host.as_ref(), step)
                .unwrap_or_else(|error| panic!("{} {}: {error}", step.verb, step.address));
            let after = block(host.capture(step, 0)).unwrap().observed;
            assert_eq!(after.digest(), Some(step.leaves), "{}", step.address);
        }
        assert_eq!(self.leftovers(), Vec::<PathBuf>::new());
    }

    /// Temporary names that are still there.
    pub fn leftovers(&self) -> Vec<PathBuf> {
        let mut found = Vec::new();
        walk(self.temp.path(), &mut found);
        found.retain(|path| {
            let name = path.file_name().unwrap().to_string_lossy();
            name.starts_with(".evenkeel")
        });
        found
    }
}

/// Takes back what a step did.
pub fn inverse(step: &Step, before: &Observed) -> Step {
    Step {
        verb: match before {
            Observed::Present(_) => Verb::Put,
            _ => Verb::Remove,
        },
        expect: step.leaves,
        leaves: step.expect,
        state: before.state().cloned(),
        options: BTreeMap::new(),
        undo: Undo::Restore,
        ..step.clone()
    }
}

pub fn walk(dir: &Path, found: &mut Vec<PathBuf>) {
    for entry in std::fs::read_dir(dir).into_iter().flatten().flatten() {
        let path = entry.path();
        if entry.file_type().is_ok_and(|kind| kind.is_dir()) {
            walk(&path, found);
        }
        found.push(path);
    }
}

pub fn chmod(path: &Path, mode: u32) {
    std::fs::set_permissions(path, std::fs::Permissions::from_mode(mode)).unwrap();
}

impl Looked {
    /// `change kind address: fields`, one for each drift.
    pub fn drifts(&self) -> Vec<String> {
        self.comparison
            .drifts
            .iter()
            .map(|drift| {
                let fields: Vec<_> = drift
                    .fields
                    .iter()
                    .map(|field| field.path.as_str())
                    .collect();
                let fields = match drift.change {
                    evenkeel::model::Change::Changed => format!(": {}", fields.join(" ")),
                    _ => String::new(),
                };
                format!(
                    "{:?} {} {}{fields}",
                    drift.change, drift.resource.kind, drift.address
                )
            })
            .collect()
    }

    /// `code address`, one for each resource that could not be evaluated.
    pub fn unseen(&self) -> Vec<String> {
        self.comparison
            .not_evaluated
            .iter()
            .map(|unseen| format!("{:?} {}", unseen.reason.code, unseen.address))
            .collect()
    }
}
