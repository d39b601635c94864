//! What comparing and planning cost in memory, and what a whole plan costs on a root folder.
//!
//! `cargo bench --bench plan`; the figure for the built program, start and git included, is `benches/plan-500.sh`.

use std::collections::BTreeSet;
use std::hint::black_box;
use std::path::Path;
use std::sync::Arc;

use criterion::{BenchmarkId, Criterion, Throughput, criterion_group, criterion_main};
use evenkeel::baseline::{Loaded, Source, load};
use evenkeel::clock::SystemClock;
use evenkeel::compare::compare;
use evenkeel::engine::{CycleInput, Engine};
use evenkeel::entropy::SystemEntropy;
use evenkeel::journal::NoStore;
use evenkeel::model::{
    Address, BaselineInfo, Blob, Command, Desired, Fields, Mode, Observation, Observed, Presence,
    ResourceId, Risk, RiskLevel, RunReport, SignatureState, Snapshot, Span, State, TargetInfo,
    TargetName, Value,
};
use evenkeel::plan::plan;
use evenkeel::ports::{Clock, Providers};
use evenkeel::providers::host::{Host, HostConfig, LocalFs};

const FILES: usize = 500;
/// Every so many a resource differs.
const DRIFT_EVERY: usize = 10;

fn fields(content: &str) -> Fields {
    Fields::from([
        ("type".to_owned(), Value::text("file")),
        ("mode".to_owned(), Value::text("0644")),
        ("uid".to_owned(), Value::Int(0)),
        ("gid".to_owned(), Value::Int(0)),
        (
            "content".to_owned(),
            Value::Blob(Blob::of(content.as_bytes())),
        ),
    ])
}

fn desired(target: &TargetName, at: usize) -> Desired {
    Desired {
        id: ResourceId::new(target, "File", format!("f{at}")),
        origin: Span {
            file: "host/all.yaml".to_owned(),
            line: 1,
            column: 1,
        },
        address: Address(format!("/srv/d{}/f{at}.conf", at % 10)),
        presence: Presence::Present(fields(&format!("setting = {at}\n"))),
        create_with: Fields::new(),
        scope: None,
        depends_on: BTreeSet::new(),
        risk: Risk {
            level: RiskLevel::Low,
            why: String::new(),
        },
        disclose: false,
        sensitive: false,
        controls: Vec::new(),
        one_way: None,
        options: Fields::new(),
    }
}

fn seen(at: usize) -> Observation {
    let content = match at % DRIFT_EVERY {
        0 => "tampered\n".to_owned(),
        _ => format!("setting = {at}\n"),
    };
    Observation::plain(Observed::Present(State::of(fields(&content))))
}

fn in_memory(criterion: &mut Criterion) {
    let mut group = criterion.benchmark_group("compare and plan");
    let target = TargetName("host".to_owned());
    for count in [FILES, 10_000] {
        let wanted: Vec<_> = (0..count).map(|at| desired(&target, at)).collect();
        let snapshot = Snapshot {
            observations: (0..count)
                .map(|at| (wanted[at].id.clone(), seen(at)))
                .collect(),
            ..Snapshot::default()
        };
        let now = SystemClock.now();
        group.throughput(Throughput::Elements(count as u64));
        group.bench_function(BenchmarkId::from_parameter(count), |bencher| {
            bencher.iter(|| {
                let found = compare(black_box(&wanted), black_box(&snapshot), &[], now);
                let plan = plan(&found.drifts, &[], 64 << 20);
                assert_eq!(plan.groups.len(), count / DRIFT_EVERY);
                plan
            });
        });
    }
    group.finish();
}

/// Writes a baseline and the root folder that it describes.
fn lay_out(folder: &Path) {
    let (baseline, root) = (folder.join("baseline"), folder.join("root"));
    std::fs::create_dir_all(baseline.join("host")).unwrap();
    std::fs::create_dir_all(root.join("srv")).unwrap();
    let project = "apiVersion: evenkeel.dev/v1\nkind: Project\ntargets:\n  - { name: host, provider: host, root: ../root }\n";
    std::fs::write(baseline.join("evenkeel.yaml"), project).unwrap();
    let mut manifests = String::new();
    for at in 0..FILES {
        let content = format!("setting = {at}\n").repeat(20);
        std::fs::write(root.join(format!("srv/f{at}")), &content).unwrap();
        manifests += &format!(
            "---\napiVersion: host.evenkeel.dev/v1\nkind: File\nmetadata: {{ name: f{at} }}\nspec: {{ path: /srv/f{at}, content: {content:?} }}\n"
        );
    }
    std::fs::write(baseline.join("host/all.yaml"), manifests).unwrap();
}

async fn whole_plan(folder: &Path) -> RunReport {
    let source = Source::folder(&folder.join("baseline")).unwrap();
    let loaded: Loaded = load(&source).unwrap();
    let project = loaded.project.unwrap();
    let target = project.targets[0].name.clone();
    let fs = LocalFs::open(&folder.join("root")).unwrap();
    let host = Host::new(target.clone(), fs, HostConfig::default());
    let providers = Providers::from([(target.clone(), Arc::new(host) as _)]);
    let engine = Engine {
        providers: &providers,
        store: &NoStore,
        clock: &SystemClock,
        entropy: &SystemEntropy,
        forge: None,
    };
    let input = CycleInput {
        command: Command::Plan,
        project: &project,
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
        targets: vec![TargetInfo {
            name: target,
            description: String::new(),
            committed_mode: Mode::Observe,
            mode: Mode::Observe,
        }],
        kill_switch: None,
        expected_plan: None,
        whole: true,
        notices: Vec::new(),
    };
    engine.cycle(input).await.unwrap()
}

fn on_a_root(criterion: &mut Criterion) {
    let folder = tempfile::tempdir().unwrap();
    lay_out(folder.path());
    let runtime = tokio::runtime::Builder::new_current_thread()
        .build()
        .unwrap();
    let mut group = criterion.benchmark_group("load, observe and plan");
    group.throughput(Throughput::Elements(FILES as u64));
    group.bench_function(BenchmarkId::from_parameter(FILES), |bencher| {
        bencher.iter(|| {
            let report = runtime.block_on(whole_plan(folder.path()));
            assert_eq!(report.comparison.coverage().clean, FILES);
            report
        });
    });
    group.finish();
}

criterion_group!(benches, in_memory, on_a_root);
criterion_main!(benches);
