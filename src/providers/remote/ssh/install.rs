//! Puts the worker on a host for good, and takes it away.
//!
//! Flow: where sudo starts the worker, somebody who may become root logs in and runs one script that puts the worker and
//! the line of sudoers in their places; elsewhere the login user sends the worker to its own folder, as a run would.
//!
//! **Invariant:** a user's folder is only cleaned with that user's rights, so that no link in it leads root anywhere.

use std::path::PathBuf;
use std::sync::Arc;

use super::{Become, Login, Program, Reason, SUDO_DIR, Said, Ssh, SshConnector};
use super::{bounded, code, unreachable};

const INSTALL: &str = include_str!("install.sh");
const CLEAN: &str = include_str!("clean.sh");
const ROOT: &str = "root";
/// The most lines that are taken of what a script did.
const MAX_DEEDS: usize = 100;

/// One host, with those who may log in there.
pub struct Installer {
    /// As a run logs in.
    host: SshConnector,
    /// As one who may become root.
    admin: SshConnector,
}

/// What was done to one file or folder of a host.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Deed {
    pub what: Verb,
    pub path: String,
}

/// What can be done to a file.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Verb {
    Put,
    /// It was right already.
    Kept,
    Removed,
}

impl Verb {
    /// The word for it, here and in the scripts.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Put => "put",
            Self::Kept => "kept",
            Self::Removed => "removed",
        }
    }
}

impl Installer {
    /// A host with these settings. `admin` is who logs in where root's rights are needed, by `identity` where that is
    /// given; one who is not root becomes it by sudo.
    pub fn new(
        ssh: &Ssh,
        path: &dyn Fn(&str) -> PathBuf,
        program: Arc<Program>,
        admin: &str,
        identity: Option<PathBuf>,
    ) -> Self {
        let as_admin = Ssh {
            user: Some(admin.to_owned()),
            r#become: Become::Nobody,
            ..ssh.clone()
        };
        let mut of_admin = SshConnector::new(as_admin, path, Arc::clone(&program));
        if identity.is_some() {
            of_admin.identity = identity;
        }
        Self {
            host: SshConnector::new(ssh.clone(), path, program),
            admin: of_admin,
        }
    }

    /// Where sudo starts the worker, and the line that lets the login user do so.
    ///
    /// # Errors
    /// A sentence: no login user is named, or sudo would understand its name as something else.
    pub fn line(&self) -> Result<(String, String), String> {
        let digest = &self.host.program.digest;
        let path = format!("{SUDO_DIR}/worker-{digest}");
        let user = self.login_user()?;
        let line = format!("{user} ALL=(root) NOPASSWD: sha256:{digest} {path} serve");
        Ok((path, line))
    }

    fn login_user(&self) -> Result<&str, String> {
        let Some(user) = self.host.ssh.user.as_deref() else {
            return Err(
                "ssh.user is not set, and the line of sudoers has to name who logs in".into(),
            );
        };
        // `ALL` is everyone, a word in capitals an alias, and some signs stand for groups and files.
        let begins = user.starts_with(|c: char| c.is_ascii_lowercase() || c == '_');
        let allowed = |c: char| c.is_ascii_alphanumeric() || "._-".contains(c);
        match begins && user.chars().all(allowed) {
            _ if user == ROOT => Err("root needs no sudo: leave `become` out".into()),
            true => Ok(user),
            false => Err(format!(
                "sudoers would not take {user} for the name of a user"
            )),
        }
    }

    /// Puts the worker on the host, and where sudo starts it the line that allows that.
    ///
    /// # Errors
    /// The host cannot be reached, or has no place that is safe, or no room.
    pub async fn install(&self) -> Result<Vec<Deed>, Reason> {
        let [digest, machine] = self.host.worker();
        if self.host.ssh.r#become == Become::Nobody {
            let login = Arc::new(self.host.login().await?);
            let file = |what| Deed {
                what,
                path: format!("worker-{digest}"),
            };
            return Ok(match self.host.present(&login).await?.1 {
                true => vec![file(Verb::Put)],
                false => vec![file(Verb::Kept)],
            });
        }
        let user = self.login_user().map_err(|why| unreachable(&why))?;
        let login = Arc::new(self.admin.login().await?);
        let args = [digest, machine, user];
        self.run(&login, INSTALL, &args, &self.host.program.bytes)
            .await
    }

    /// Takes away every worker of any version, and the line.
    ///
    /// # Errors
    /// The host cannot be reached, or something could not be removed.
    pub async fn clean(&self) -> Result<Vec<Deed>, Reason> {
        if self.host.ssh.r#become == Become::Nobody {
            let login = Arc::new(self.host.login().await?);
            return self.clean_up(&login, &[], "").await.map(|done| done.0);
        }
        let user = self.login_user().map_err(|why| unreachable(&why))?;
        let login = Arc::new(self.admin.login().await?);
        let (mut deeds, has_user) = self.clean_up(&login, self.as_root(), user).await?;
        if has_user {
            let as_user = ["sudo", "-n", "-H", "-u", user, "--"];
            deeds.extend(self.clean_up(&login, &as_user, "").await?.0);
        }
        Ok(deeds)
    }

    /// The way to root's rights.
    fn as_root(&self) -> &'static [&'static str] {
        match self.admin.ssh.user.as_deref() {
            Some(ROOT) => &[],
            _ => &["sudo", "-n", "--"],
        }
    }

    async fn clean_up(
        &self,
        login: &Arc<Login>,
        by: &[&str],
        user: &str,
    ) -> Result<(Vec<Deed>, bool), Reason> {
        let ended = self.admin.carry_out(login, by, CLEAN, &[user], &[]).await?;
        match ended.code {
            0 => Ok((deeds(&ended.output), true)),
            code::NO_USER => Ok((deeds(&ended.output), false)),
            code => Err(self.explain(code, &ended.said, "cleaned").await),
        }
    }

    async fn run(
        &self,
        login: &Arc<Login>,
        script: &str,
        args: &[&str],
        input: &[u8],
    ) -> Result<Vec<Deed>, Reason> {
        let ended = self
            .admin
            .carry_out(login, self.as_root(), script, args, input)
            .await?;
        match ended.code {
            0 => Ok(deeds(&ended.output)),
            code => Err(self.explain(code, &ended.said, "installed").await),
        }
    }

    async fn explain(&self, code: i32, said: &Said, what: &str) -> Reason {
        let host = &self.host.ssh.host;
        let user = self.host.ssh.user.as_deref().unwrap_or_default();
        let line = said.last_line().await;
        let quoted = line
            .as_deref()
            .map_or_else(String::new, |line| format!(" ({line})"));
        let text = match code {
            code::OTHER_MACHINE => return self.admin.explain(code, said).await,
            code::UNSAFE => format!(
                "{} on {host} can be changed by others than root or is a link, so nothing was installed",
                line.as_deref().unwrap_or("a folder on the way")
            ),
            code::NO_ROOM => format!(
                "not everything could be written or removed on {host}{quoted}; what worked there still does"
            ),
            code::NOT_ROOT => format!(
                "{} has no root's rights on {host}; --as names a user who is root, or becomes it by sudo without a password",
                self.admin.ssh.user.as_deref().unwrap_or_default()
            ),
            code::NO_USER => format!("{host} has no user {user}"),
            code::NO_SUDO => format!("sudo on {host} does not do{quoted}"),
            _ => format!("nothing was {what} on {host}{quoted}"),
        };
        unreachable(&text)
    }
}

/// What a script says that it did.
fn deeds(output: &[u8]) -> Vec<Deed> {
    let verbs = [Verb::Put, Verb::Kept, Verb::Removed];
    String::from_utf8_lossy(output)
        .lines()
        .filter_map(|line| {
            let (word, path) = line.split_once(' ')?;
            let what = verbs.into_iter().find(|verb| verb.as_str() == word)?;
            let path = bounded(path);
            Some(Deed { what, path })
        })
        .take(MAX_DEEDS)
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn installer(user: Option<&str>) -> Installer {
        let ssh = Ssh {
            host: "web".into(),
            user: user.map(str::to_owned),
            port: None,
            jump: vec![],
            identity: None,
            config: None,
            known_hosts: None,
            r#become: Become::Sudo,
            timeout: std::time::Duration::from_secs(1),
        };
        let program = Program {
            bytes: b"worker".as_slice().into(),
            digest: "ab".repeat(32),
            architecture: "x86_64",
        };
        Installer::new(&ssh, &|path| path.into(), Arc::new(program), "root", None)
    }

    // Goal: a name that sudoers reads as everyone, an alias, a group or an include gives no line at all.
    #[test]
    fn the_line_names_one_user() {
        let (path, line) = installer(Some("deploy")).line().unwrap();
        assert!(path.starts_with("/usr/local/lib/evenkeel/worker-abab"));
        assert!(
            line.starts_with("deploy ALL=(root) NOPASSWD: sha256:abab"),
            "{line}"
        );
        assert!(line.ends_with(&format!(" {path} serve")), "{line}");
        for user in ["ALL", "ADMINS", "+all", "@include", "a+b", "root", "1000"] {
            assert!(installer(Some(user)).line().is_err(), "{user}");
        }
        assert!(installer(None).line().is_err());
    }

    // Goal: what a host prints is taken word by word, a bounded number of lines, and never with control characters.
    #[test]
    fn deeds_are_bounded() {
        let said = b"Welcome\nput /a/worker-1\nkept /b\nremoved /c \x1b[2J\nrm -rf /\n";
        let deeds_said: Vec<_> = deeds(said)
            .iter()
            .map(|deed| format!("{} {}", deed.what.as_str(), deed.path))
            .collect();
        assert_eq!(deeds_said[..2], ["put /a/worker-1", "kept /b"]);
        assert_eq!(deeds_said.len(), 3);
        assert!(!deeds_said[2].contains('\u{1b}'), "{deeds_said:?}");
        assert_eq!(deeds(&b"put /x\n".repeat(5000)).len(), MAX_DEEDS);
    }
}
