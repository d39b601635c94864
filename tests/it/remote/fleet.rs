//! What a fleet holds at a time. Method: the engine over forty hosts, each a worker of its own that is counted while it
//! runs.

use std::collections::BTreeSet;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use async_trait::async_trait;
use evenkeel::baseline::{Source, load};
use evenkeel::clock::SystemClock;
use evenkeel::engine::{CycleInput, Engine, EngineError};
use evenkeel::entropy::SystemEntropy;
use evenkeel::journal::MemoryStore;
use evenkeel::model::{BaselineInfo, Command, Reason, RunReport, SignatureState, TargetInfo};
use evenkeel::ports::{Provider, Providers};
use evenkeel::providers::remote::link::{Connector, Pipe};
use evenkeel::providers::remote::{RemoteConfig, RemoteHost};

use super::super::host::fixture::block;

const HOSTS: usize = 40;
/// How many hosts the engine is meant to hold at a time while it only looks.
const AT_ONCE: usize = 16;

#[derive(Default)]
struct Counted {
    made: AtomicUsize,
    open: AtomicUsize,
    most: AtomicUsize,
}

struct Counting(Arc<Counted>);

struct Open(Arc<Counted>);

impl Drop for Open {
    fn drop(&mut self) {
        self.0.open.fetch_sub(1, Ordering::SeqCst);
    }
}

#[async_trait]
impl Connector for Counting {
    async fn connect(&self) -> Result<Pipe, Reason> {
        self.0.made.fetch_add(1, Ordering::SeqCst);
        let now = self.0.open.fetch_add(1, Ordering::SeqCst) + 1;
        self.0.most.fetch_max(now, Ordering::SeqCst);
        let open = Open(Arc::clone(&self.0));
        let mut pipe = super::worker().connect().await?;
        let worker = std::mem::replace(&mut pipe.alive, Box::new(()));
        pipe.alive = Box::new(Mutex::new((worker, open)));
        Ok(pipe)
    }
}

/// Runs one command over all hosts with this manifest; gives how many connections were made, were open at a time at most,
/// and are open at its end.
fn cycle(command: Command, spec: &str) -> (Result<RunReport, EngineError>, [usize; 3]) {
    let temp = tempfile::tempdir().unwrap();
    let (baseline, root) = (temp.path().join("baseline"), temp.path().join("root"));
    std::fs::create_dir_all(baseline.join("all")).unwrap();
    std::fs::create_dir(&root).unwrap();
    let targets: String = (0..HOSTS)
        .map(|at| format!("  - {{ name: h{at}, provider: host, ssh: {{ host: h{at} }}, labels: {{ all: a }} }}\n"))
        .collect();
    std::fs::write(
        baseline.join("evenkeel.yaml"),
        format!("apiVersion: evenkeel.dev/v1\nkind: Project\ntargets:\n{targets}groups: [{{ name: all, labels: {{ all: a }} }}]\n"),
    )
    .unwrap();
    std::fs::write(
        baseline.join("all/all.yaml"),
        format!(
            "apiVersion: host.evenkeel.dev/v1\nkind: File\nmetadata: {{ name: f }}\nspec: {spec}\n"
        ),
    )
    .unwrap();
    let loaded = load(&Source::folder(&baseline).unwrap()).unwrap();
    let project = loaded.project.as_ref().unwrap();
    let counted = Arc::new(Counted::default());
    let providers: Providers = project
        .targets
        .iter()
        .map(|target| {
            let config = RemoteConfig {
                root: root.display().to_string(),
                ignore: vec![],
                validate_commands: vec![],
                timeout: Duration::from_secs(20),
                lock_wait: None,
                idle: Duration::from_secs(60),
                way_in: None,
                own: vec![],
            };
            let connector = Box::new(Counting(Arc::clone(&counted)));
            let host = RemoteHost::new(target.name.clone(), connector, config);
            (target.name.clone(), Arc::new(host) as Arc<dyn Provider>)
        })
        .collect();
    let input = CycleInput {
        command,
        project,
        declared: &loaded.declared,
        exemptions: &[],
        suppressions: &[],
        approvals: &[],
        findings: &[],
        logs: None,
        earlier: None,
        files: loaded.files.as_ref(),
        connect: true,
        baseline: BaselineInfo {
            commit: None,
            rev: "worktree".to_owned(),
            summary: None,
            prefix: String::new(),
            signature: SignatureState::NotRequired,
        },
        targets: project
            .targets
            .iter()
            .map(|target| TargetInfo {
                name: target.name.clone(),
                description: String::new(),
                committed_mode: target.mode,
                mode: target.mode,
            })
            .collect(),
        kill_switch: None,
        expected_plan: None,
        whole: true,
        notices: vec![],
    };
    let engine = Engine {
        providers: &providers,
        store: &MemoryStore::new(),
        clock: &SystemClock,
        entropy: &SystemEntropy,
        forge: None,
    };
    let report = block(engine.cycle(input));
    let figures = [&counted.made, &counted.most, &counted.open];
    (report, figures.map(|figure| figure.load(Ordering::SeqCst)))
}

// Goal: a plan of many hosts makes one connection to each and holds no more than it looks at; a reconcile, which has to
// keep others from acting, holds the one that it made. Both see every host.
#[test]
fn a_plan_holds_few_hosts_at_a_time() {
    for (command, open) in [(Command::Plan, 0), (Command::Reconcile, HOSTS)] {
        let (report, [made, most, at_end]) = cycle(command, "{ path: /f, content: x }");
        let drifts = report.unwrap().comparison.drifts;
        let hosts: BTreeSet<_> = drifts.iter().map(|drift| &drift.resource.target).collect();
        assert_eq!(hosts.len(), HOSTS);
        assert_eq!((made, at_end), (HOSTS, open), "{command:?}");
        assert!(most <= AT_ONCE.max(open), "{most}");
    }
}

// Goal: a mistake in what all hosts share is told once, and found before more than the first of them are connected to.
#[test]
fn a_shared_mistake_stops_the_rest() {
    let (report, [made, ..]) = cycle(Command::Plan, "{ path: relative }");
    let Err(EngineError::Problems(problems)) = report else {
        panic!("{report:?}");
    };
    assert_eq!(problems.0.len(), 1, "{problems}");
    assert!(made <= AT_ONCE, "{made}");
}
