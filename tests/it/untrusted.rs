//! A fork's revision: planned with the configuration of the trusted commit, with no token, no network, no command, and
//! with nothing of the live system told to whoever wrote it.

use std::io::{Read, Write};
use std::net::TcpListener;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use super::support::{Project, Ran, config, directory, file};

const SECRET: &str = "correct-horse-battery";
const TOKEN: &str = "ghp_this-token-is-nobodys";

/// A forge that only counts who asks it.
struct Listener {
    port: u16,
    asked: Arc<AtomicUsize>,
}

impl Listener {
    fn new() -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let port = listener.local_addr().unwrap().port();
        let asked = Arc::new(AtomicUsize::new(0));
        let count = asked.clone();
        // Ends with the process of the tests.
        std::thread::spawn(move || {
            for stream in listener.incoming() {
                count.fetch_add(1, Ordering::SeqCst);
                let Ok(mut stream) = stream else { continue };
                let _ = stream.read(&mut [0; 4096]);
                let _ = stream.write_all(
                    b"HTTP/1.1 404 Not Found\r\nContent-Length: 2\r\nConnection: close\r\n\r\n{}",
                );
            }
        });
        Self { port, asked }
    }

    fn forge(&self) -> String {
        format!(
            "forge: {{ repository: ours/infra, api_url: \"http://127.0.0.1:{}\" }}\n",
            self.port
        )
    }

    fn asked(&self) -> usize {
        self.asked.load(Ordering::SeqCst)
    }
}

/// A trusted baseline with a forge, checked out, and a branch `fork` that tries everything.
struct Fork {
    project: Project,
    ours: Listener,
    theirs: Listener,
    marker: PathBuf,
}

fn git(project: &Project) -> git2::Repository {
    git2::Repository::open(&project.repo).unwrap()
}

fn branch(project: &Project, name: &str) {
    let repo = git(project);
    let head = repo.head().unwrap().peel_to_commit().unwrap();
    repo.branch(name, &head, false).unwrap();
}

fn checkout(project: &Project, name: &str) {
    let repo = git(project);
    repo.set_head(&format!("refs/heads/{name}")).unwrap();
    let mut force = git2::build::CheckoutBuilder::new();
    repo.checkout_head(Some(force.force())).unwrap();
}

impl Fork {
    fn new() -> Self {
        let (ours, theirs) = (Listener::new(), Listener::new());
        let guard = "guard: { max_changes: 1, validate_commands: [/usr/bin/touch] }\n";
        let project = Project::new(
            &config("propose", &(ours.forge() + guard)),
            &file("motd", "/motd", "hello\n"),
        );
        let marker = project.temp.path().join("marker");
        branch(&project, "main");
        branch(&project, "fork");
        checkout(&project, "fork");
        let validating = |name: &str, path: &str, content: &str| {
            let tool = format!(
                "validate: [/usr/bin/touch, {:?}], content",
                marker.display()
            );
            file(name, path, content).replacen("content", &tool, 1) + "disclose: true\n"
        };
        let mut manifests = file("motd", "/motd", "fork\n") + "disclose: true\n";
        manifests += &(file("shadow", "/etc/shadow", "root:x\n") + "disclose: true\n");
        manifests += &validating("tool", "/tool", "tool\n");
        manifests += &(directory("etc", "/etc", ", exclusive: true") + "disclose: true\n");
        manifests += "---\napiVersion: host.evenkeel.dev/v1\nkind: Symlink\nmetadata: { name: link }\nspec: { path: /link, target: elsewhere }\ndisclose: true\n";
        manifests += "---\napiVersion: host.evenkeel.dev/v1\nkind: AuthorizedKeys\nmetadata: { name: keys }\nspec: { user: ada, keys: [], exclusive: true }\ndisclose: true\n";
        let guard =
            "guard: { max_changes: 1000, validate_commands: [/usr/bin/touch, /usr/bin/env] }\n";
        project.write(
            "desired-state/evenkeel.yaml",
            &config("enforce", &(theirs.forge() + guard)),
        );
        project.write("desired-state/host/all.yaml", &manifests);
        project.commit("fork");
        checkout(&project, "main");
        let fork = Self {
            project,
            ours,
            theirs,
            marker,
        };
        fork.live();
        fork
    }

    /// A live system with something in it that is nobody's business.
    fn live(&self) {
        let write = |path: &str, text: &str| {
            let path = self.project.path(path);
            std::fs::create_dir_all(path.parent().unwrap()).unwrap();
            std::fs::write(path, text).unwrap();
        };
        write("motd", &format!("{SECRET}\n"));
        write("tool", &format!("{SECRET}\n"));
        write("etc/shadow", &format!("root:{SECRET}\nada:{SECRET}\n"));
        write("etc/passwd", "ada:x:1000:1000:Ada:/home/ada:/bin/sh\n");
        write("etc/secret.key", &format!("{SECRET}\n"));
        write(
            "home/ada/.ssh/authorized_keys",
            &format!(
                "environment=\"T={SECRET}\" ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIB9dG4kjRhQTtWTVzd2t27+t0DEHBPW7iOD23TUiYLio {SECRET}\n"
            ),
        );
        std::os::unix::fs::symlink(SECRET, self.project.path("link")).unwrap();
    }

    fn run(&self, args: &[&str], token: bool) -> Ran {
        let mut command = self.project.command(args);
        if token {
            command.env("GITHUB_TOKEN", TOKEN);
        }
        Ran::of(command.env("GITHUB_ACTIONS", "true"))
    }
}

const UNTRUSTED: [&str; 4] = ["plan", "--untrusted", "--rev", "fork"];

fn read_all(dir: &Path) -> String {
    let files = std::fs::read_dir(dir).unwrap();
    files
        .map(|entry| std::fs::read_to_string(entry.unwrap().path()).unwrap())
        .collect()
}

// Goal: a fork gets no token, no network and no command, whatever its own configuration says. Method: both forges are
// listeners that count; the trusted commit planned the same way asks its forge, so the count can be trusted.
#[test]
fn a_fork_gets_no_token_no_network_and_no_command() {
    let fork = Fork::new();
    let ran = fork.run(&[&UNTRUSTED[..], &["--format", "json"]].concat(), true);
    let report = ran.json();
    assert!(!ran.all().contains(TOKEN));
    assert_eq!((fork.ours.asked(), fork.theirs.asked()), (0, 0));
    assert!(!fork.marker.exists(), "the fork's command was run");
    assert!(
        !fork.project.repo.join(".evenkeel").exists(),
        "a plan leaves no state"
    );
    // Guard and mode are the trusted commit's.
    assert_eq!(
        report["baseline"]["signature"]["state"], "untrusted",
        "{report:#}"
    );
    assert_eq!(report["targets"][0]["mode"], "propose");
    assert_eq!(ran.code, 5, "max_changes: 1 of the trusted commit holds");
    if cfg!(feature = "github") {
        fork.run(&["plan"], true);
        assert!(fork.ours.asked() > 0, "the forge would have been asked");
    }
}

// Goal: a fork that points its resources at what it would like to read learns nothing of it, in no output: `disclose` of
// the fork, --show-content, every report, the plan file and the annotations included.
#[test]
fn a_fork_reads_nothing_of_the_live_system() {
    let fork = Fork::new();
    let out = fork.project.temp.path().join("out");
    std::fs::create_dir(&out).unwrap();
    let at = |name: &str| out.join(name).display().to_string();
    let reports = format!(
        "--report=sarif={},junit={},markdown={},json={}",
        at("sarif"),
        at("junit"),
        at("markdown"),
        at("json")
    );
    let plan_file = at("plan");
    for more in [
        &["--show-content", &reports, "--out", &plan_file][..],
        &["--format", "json"],
        &["-v", "--show-content"],
    ] {
        let ran = fork.run(&[&UNTRUSTED[..], more].concat(), false);
        assert_eq!(ran.code, 5, "{}", ran.all());
        assert!(ran.stdout.contains("shadow"), "{}", ran.stdout);
        assert!(!ran.all().contains(SECRET), "{}", ran.all());
        if more.contains(&"json") {
            for group in ran.json()["plan"]["groups"].as_array().unwrap() {
                let hash = group["hash"].as_str().unwrap();
                let show = [
                    "plan",
                    "show",
                    hash,
                    "--untrusted",
                    "--rev",
                    "fork",
                    "--show-content",
                ];
                let shown = fork.run(&show, false);
                assert!(shown.stdout.contains(&hash[..8]), "{}", shown.all());
                assert!(!shown.all().contains(SECRET), "{}", shown.all());
            }
        }
    }
    let written = read_all(&out);
    assert!(written.contains("shadow"));
    let told = written.lines().find(|line| line.contains(SECRET));
    assert_eq!(told, None, "a report tells the fork");
}

// Goal: a fork's mistakes are found like anybody's, and its paths do not leave the baseline.
#[test]
fn a_fork_is_checked() {
    let fork = Fork::new();
    checkout(&fork.project, "fork");
    let bad =
        file("bad", "/bad", "x").replace("content: \"x\"", "contentFrom: ../../../../etc/passwd");
    fork.project.write("desired-state/host/bad.yaml", &bad);
    fork.project.commit("worse");
    checkout(&fork.project, "main");
    let ran = fork.run(&UNTRUSTED, false);
    assert_eq!(ran.code, 1, "{}", ran.all());
    assert!(ran.stderr.contains("host/bad.yaml:5:"), "{}", ran.stderr);
    // A program that only the fork's own list allows is an error.
    let tool = file("bad", "/bad", "x").replace("content:", "validate: [/usr/bin/env], content:");
    checkout(&fork.project, "fork");
    fork.project.write("desired-state/host/bad.yaml", &tool);
    fork.project.commit("a command");
    checkout(&fork.project, "main");
    let ran = fork.run(&UNTRUSTED, false);
    assert_eq!(ran.code, 1, "{}", ran.all());
    assert!(
        ran.stderr.contains("no allowed validate command"),
        "{}",
        ran.stderr
    );
}

// Goal: with no revision named as trusted and none known, a fork is not planned by its own configuration.
#[test]
fn a_fork_never_vouches_for_itself() {
    let fork = Fork::new();
    checkout(&fork.project, "fork");
    let ran = fork.run(&["plan", "--untrusted"], false);
    assert_eq!(ran.code, 1, "{}", ran.all());
    assert!(ran.stderr.contains("--trusted-rev"), "{}", ran.stderr);
    let ran = fork.run(&["plan", "--untrusted", "--trusted-rev", "main"], false);
    assert_eq!(ran.code, 5, "{}", ran.all());
}
