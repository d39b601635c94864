//! How many connections a host costs, and what happens when no further one can be made.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use async_trait::async_trait;
use evenkeel::model::{Become, Reason, ReasonCode, Ssh, TargetName};
use evenkeel::ports::{ActError, Provider};
use evenkeel::providers::remote::link::{Connector, Pipe};
use evenkeel::providers::remote::{RemoteConfig, RemoteHost, WayIn};

use super::super::host::fixture::{Fixture, block, inverse};

/// Workers for as many logins as are allowed.
#[derive(Clone, Default)]
struct Logins {
    made: Arc<AtomicUsize>,
    allowed: Arc<AtomicUsize>,
}

#[async_trait]
impl Connector for Logins {
    async fn connect(&self) -> Result<Pipe, Reason> {
        if self.made.load(Ordering::SeqCst) >= self.allowed.load(Ordering::SeqCst) {
            return Err(Reason::new(ReasonCode::Unreachable, "Permission denied"));
        }
        self.made.fetch_add(1, Ordering::SeqCst);
        super::worker().connect().await
    }
}

impl Logins {
    fn made(&self) -> usize {
        self.made.load(Ordering::SeqCst)
    }

    fn allow(&self, all: usize) {
        self.allowed.store(all, Ordering::SeqCst);
    }

    /// The fixture's root as a host whose login user is not known.
    fn host(&self, fixture: &Fixture, idle: Duration) -> RemoteHost {
        let ssh = Ssh {
            host: "t".into(),
            user: None,
            port: None,
            jump: vec![],
            identity: None,
            config: None,
            known_hosts: None,
            r#become: Become::Nobody,
            timeout: Duration::from_secs(20),
        };
        let root = fixture.root.display().to_string();
        let config = RemoteConfig {
            way_in: Some(WayIn::new(&root, &ssh)),
            root,
            ignore: vec![],
            validate_commands: vec![],
            timeout: ssh.timeout,
            lock_wait: None,
            idle,
            own: vec![],
        };
        RemoteHost::new(TargetName("t".into()), Box::new(self.clone()), config)
    }
}

// Goal: a connection serves a whole run, however often something is asked; one that was idle for too long, or was given
// up, is made anew and costs none of the replacements of one that broke.
#[test]
fn connections_are_made_when_needed() {
    let fixture = Fixture::new();
    let manifest = "kind: File\nname: conf\nspec: { path: /conf, state: absent }\n";
    let (kept, short) = (Logins::default(), Logins::default());
    kept.allow(10);
    short.allow(10);
    let host = kept.host(&fixture, Duration::from_secs(60));
    let impatient = short.host(&fixture, Duration::ZERO);
    for _ in 0..5 {
        assert!(fixture.look_with(&host, manifest).unseen().is_empty());
        assert!(fixture.look_with(&impatient, manifest).unseen().is_empty());
    }
    assert_eq!(kept.made(), 1);
    assert!(short.made() >= 5, "{}", short.made());
    block(host.release());
    assert!(fixture.look_with(&host, manifest).unseen().is_empty());
    assert_eq!(kept.made(), 2);
}

// Goal: a step after which no new login works has failed, and is taken back over the connection that is open; that no
// login works then is not held against the step that takes it back, and is blamed on no later one. A step elsewhere asks
// for no login.
#[test]
fn a_step_that_locks_us_out_has_failed() {
    let fixture = Fixture::new();
    for dir in ["home", "home/.ssh"] {
        std::fs::create_dir(fixture.path(dir)).unwrap();
    }
    let before = "ours\n";
    fixture.write("home/.ssh/authorized_keys", before, 0o600);
    let manifest = "kind: File\nname: conf\nspec: { path: /conf, content: x }\n---\nkind: File\nname: keys\nspec: { path: /home/.ssh/authorized_keys, content: theirs }\n";
    let logins = Logins::default();
    logins.allow(1);
    let host = logins.host(&fixture, Duration::from_secs(60));
    let plan = fixture.look_with(&host, manifest).plan;
    let step = |name: &str| {
        let mut steps = plan.groups.iter().flat_map(|group| &group.steps);
        steps.find(|step| step.resource.name == name).unwrap()
    };
    fixture.act(&host, step("conf")).unwrap();
    let was = fixture.capture(&host, step("keys")).unwrap();
    match fixture.act(&host, step("keys")) {
        Err(ActError::Failed(why)) => assert!(
            why.contains("a new login to t no longer works after this step: Permission denied"),
            "{why}"
        ),
        other => panic!("{other:?}"),
    }
    let back = inverse(step("keys"), &was.observed);
    fixture.act(&host, &back).unwrap();
    let keys = fixture.path("home/.ssh/authorized_keys");
    assert_eq!(std::fs::read_to_string(&keys).unwrap(), before);
    assert_eq!(logins.made(), 1);

    logins.allow(2);
    fixture.act(&host, step("keys")).unwrap();
    assert_eq!(logins.made(), 2);
    assert_eq!(std::fs::read_to_string(&keys).unwrap(), "theirs");
}
