//! Small worlds to go wrong in.

use std::sync::Arc;

use proptest::prelude::*;

use crate::baseline::{Loaded, Source, load};
use crate::engine::EngineError;
use crate::model::{Mode, RunId, RunReport, TargetName};
use crate::ports::{RecordQuery, StateStore};
use crate::providers::host::fs::{HostPath, NodeType};
use crate::providers::host::path::parse;
use crate::saga::{RUN_STARTED, undo_groups};
use crate::sim::deed::{Deed, Dress};
use crate::sim::{Bench, Faults, Picture, Setup};

/// A baseline, and what was done to a world that was as it says.
#[derive(Clone)]
pub struct Case {
    pub loaded: Arc<Loaded>,
    pub tampering: Vec<Deed>,
}

impl std::fmt::Debug for Case {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let declared = self.loaded.declared.values().flatten();
        let ids: Vec<_> = declared.map(|one| one.id.short()).collect();
        write!(f, "{ids:?} after {:?}", self.tampering)
    }
}

/// A bench whose world was put right and then tampered with.
pub struct Rig {
    pub bench: Bench,
    pub faults: Arc<Faults>,
    runtime: tokio::runtime::Runtime,
}

/// Places that the tampering is about: managed, in the exclusive directory, and of nobody.
const PLACES: [&str; 14] = [
    "/etc",
    "/etc/a",
    "/etc/b",
    "/etc/sub",
    "/etc/sub/f",
    "/etc/x",
    "/etc/x/one",
    "/etc/x/evil",
    "/etc/x/dir",
    "/etc/x/dir/deep",
    "/etc/gone",
    "/etc/other",
    "/srv",
    "/srv/data",
];

/// Content and mode of `/etc/a`, `/etc/b`, `/etc/sub/f` and `/etc/x/one`, where they are managed.
pub type Files = [Option<(&'static str, u32)>; 4];

pub fn baseline(files: &Files) -> Loaded {
    let document = |kind: &str, name: &str, spec: &str| {
        format!(
            "---\napiVersion: host.evenkeel.dev/v1\nkind: {kind}\nmetadata: {{ name: {name} }}\nspec: {{ {spec} }}\n"
        )
    };
    let mut text = document("Directory", "etc", "path: /etc, mode: \"0755\"");
    text += &document("Directory", "x", "path: /etc/x, exclusive: true");
    text += &document("File", "gone", "path: /etc/gone, state: absent");
    let places = [
        ("a", "/etc/a"),
        ("b", "/etc/b"),
        ("f", "/etc/sub/f"),
        ("one", "/etc/x/one"),
    ];
    for ((name, path), file) in places.iter().zip(files) {
        let Some((content, mode)) = file else {
            continue;
        };
        if *name == "f" {
            text += &document("Directory", "sub", "path: /etc/sub, mode: \"0750\"");
        }
        let spec = format!("path: {path}, content: \"{content}\", mode: \"{mode:04o}\"");
        text += &document("File", name, &spec);
    }
    let project = "apiVersion: evenkeel.dev/v1\nkind: Project\ntargets:\n- { name: web, provider: host, root: /nowhere, mode: enforce }\n";
    let source = Source::empty()
        .with("evenkeel.yaml", project)
        .with("web/all.yaml", text);
    let loaded = load(&source).unwrap();
    assert_eq!(loaded.problems.to_string(), "");
    loaded
}

pub fn cases() -> impl Strategy<Value = Case> {
    let file = || {
        let contents = prop::sample::select(vec!["A", "B", ""]);
        let modes = prop::sample::select(vec![0o644, 0o600, 0o4755]);
        prop::option::weighted(0.7, (contents, modes))
    };
    let files = [file(), file(), file(), file()];
    (files, prop::collection::vec(tampering(), 0..8)).prop_map(|(files, mut tampering)| {
        let flags =
            |deed: &Deed| matches!(deed, Deed::Dress { dress, .. } if dress.immutable.is_some());
        if tampering.iter().any(flags) {
            // Names of one inode share its flags, and hard links are what no undo brings back.
            tampering.retain(|deed| !matches!(deed, Deed::Link { .. }));
        }
        Case {
            loaded: Arc::new(baseline(&files)),
            tampering,
        }
    })
}

fn path(text: &str) -> HostPath {
    parse(text).unwrap()
}

fn paths() -> impl Strategy<Value = HostPath> {
    prop::sample::select(PLACES.to_vec()).prop_map(path)
}

fn write(path: HostPath, content: &str) -> Deed {
    Deed::Write {
        path,
        content: content.as_bytes().into(),
        dress: Dress::default(),
    }
}

fn make(path: HostPath, node_type: NodeType) -> Deed {
    Deed::Make {
        path,
        node_type,
        target: (node_type == NodeType::Symlink).then(|| b"/srv".to_vec()),
        device: (node_type == NodeType::BlockDevice).then_some((7, 1)),
        dress: Dress::default(),
    }
}

fn dress(path: HostPath, mode: Option<u32>, immutable: Option<bool>) -> Deed {
    let dress = Dress {
        mode,
        immutable,
        ..Dress::default()
    };
    Deed::Dress { path, dress }
}

pub fn tampering() -> impl Strategy<Value = Deed> {
    let types = prop::sample::select(vec![
        NodeType::Directory,
        NodeType::Symlink,
        NodeType::Fifo,
        NodeType::BlockDevice,
    ]);
    let modes = prop::sample::select(vec![0o777, 0o600, 0o4755]);
    prop_oneof![
        4 => (paths(), "[xyz]{0,2}").prop_map(|(path, text)| write(path, &text)),
        3 => (paths(), types).prop_map(|(path, node_type)| make(path, node_type)),
        3 => (paths(), modes).prop_map(|(path, mode)| dress(path, Some(mode), None)),
        2 => paths().prop_map(|path| dress(path, None, Some(true))),
        2 => paths().prop_map(|path| Deed::Remove { path }),
        1 => (paths(), paths()).prop_map(|(path, to)| Deed::Link { path, to }),
        1 => (paths(), paths()).prop_map(|(path, to)| Deed::Rename { path, to }),
    ]
}

/// Tampering that asks for every sort of step.
pub fn rich_tampering() -> Vec<Deed> {
    vec![
        write(path("/etc/a"), "tampered"),
        dress(path("/etc/a"), None, Some(true)),
        Deed::Remove {
            path: path("/etc/sub"),
        },
        Deed::Remove {
            path: path("/etc/x/one"),
        },
        make(path("/etc/x/one"), NodeType::Directory),
        write(path("/etc/x/one/within"), "kept for undo"),
        write(path("/etc/x/evil"), "evil"),
        make(path("/etc/x/dir"), NodeType::Directory),
        write(path("/etc/x/dir/deep"), "deep"),
        make(path("/etc/x/link"), NodeType::Symlink),
        dress(path("/etc/b"), Some(0o4755), None),
        write(path("/etc/gone"), "back again"),
        dress(path("/etc"), Some(0o777), None),
    ]
}

/// The places of nobody, where this baseline leaves any.
pub fn unmanaged(case: &Case) -> Vec<HostPath> {
    let is_managed = |name: &str| {
        let mut declared = case.loaded.declared.values().flatten();
        declared.any(|one| one.id.name == name)
    };
    let mut paths = vec![path("/srv"), path("/srv/data")];
    if !is_managed("a") {
        paths.push(path("/etc/a"));
    }
    paths
}

pub fn is_temporary(path: &HostPath) -> bool {
    path.0.iter().any(|name| name.starts_with(b".evenkeel"))
}

pub fn has_temporary(picture: &Picture) -> bool {
    picture.0.keys().any(is_temporary)
}

impl Rig {
    pub fn new(case: &Case) -> Self {
        let faults = Faults::none();
        let bench = Bench::new(Setup {
            loaded: Arc::clone(&case.loaded),
            target: TargetName("web".into()),
            mode: Mode::Enforce,
            start: "2026-11-24T02:00:00Z".parse().unwrap(),
            seed: 0,
            faults: Arc::clone(&faults),
        })
        .unwrap();
        let runtime = tokio::runtime::Builder::new_current_thread()
            .build()
            .unwrap();
        for deed in [
            make(path("/srv"), NodeType::Directory),
            write(path("/srv/data"), "not ours"),
        ] {
            bench.world.apply(&deed).unwrap();
        }
        runtime.block_on(bench.settle()).unwrap();
        for deed in &case.tampering {
            // Random deeds do not always make sense; those that do not have no effect.
            let _ = bench.world.apply(deed);
        }
        faults.disarm();
        Self {
            bench,
            faults,
            runtime,
        }
    }

    pub fn plan(&self) -> RunReport {
        self.runtime.block_on(self.bench.plan()).unwrap()
    }

    pub fn reconcile(&self) -> Result<RunReport, EngineError> {
        self.bench.clock.advance(std::time::Duration::from_secs(60));
        self.runtime.block_on(self.bench.reconcile())
    }

    /// A person looks, and lets go on what a failed undo has stopped.
    pub fn resume(&self, run: &RunId) {
        self.bench.resume(run).unwrap();
    }

    /// Begins a new process on the same world and store.
    pub fn restart(&mut self) {
        self.bench.restart();
    }

    /// Runs until nothing is left to do: what was not to be seen at first, because a link stood in the way, takes
    /// another run.
    pub fn converge(&self) {
        for _ in 0..4 {
            let report = self.reconcile().expect("nothing goes wrong any more");
            assert!(report.errors.is_empty(), "{:?}", report.errors);
            if report.comparison.drifts.is_empty() && report.comparison.not_evaluated.is_empty() {
                assert!(self.plan().plan.groups.is_empty());
                assert!(!has_temporary(&self.bench.world.picture()));
                return;
            }
        }
        panic!("it does not converge: {:?}", self.plan().comparison);
    }

    /// The runs that did something which stands, newest first.
    fn standing(&self) -> Vec<RunId> {
        let query = RecordQuery {
            kinds: vec![RUN_STARTED],
            ..RecordQuery::default()
        };
        let mut runs: Vec<RunId> = self
            .bench
            .store
            .records(&query)
            .unwrap()
            .into_iter()
            .filter(|record| record.payload["command"] == "reconcile")
            .map(|record| record.run)
            .filter(|run| {
                !undo_groups(&self.bench.store, run)
                    .unwrap()
                    .groups
                    .is_empty()
            })
            .collect();
        runs.reverse();
        runs
    }

    /// Takes every run back, newest first.
    pub fn undo_all(&self) {
        for run in self.standing() {
            let report = self.runtime.block_on(self.bench.undo(run)).unwrap();
            assert!(report.errors.is_empty(), "{:?}", report.errors);
            let failed: Vec<_> = report
                .outcomes
                .iter()
                .filter(|one| !one.is_done())
                .collect();
            assert!(failed.is_empty(), "{failed:?}");
        }
    }

    /// Takes every run back as far as it goes.
    pub fn try_undo_all(&self) {
        for run in self.standing() {
            let _ = self.runtime.block_on(self.bench.undo(run));
        }
    }
}
