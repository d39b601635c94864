//! The settings of `guard`, `forge` and `trust`.
//!
//! **Invariant:** a setting that is wrong is reported, never replaced by its default in silence.

use super::selector::selectors;
use super::terms;
use crate::document::{Fields, Yaml};
use crate::model::{ForgeConfig, GuardConfig, Problems, TrustConfig};

/// Decodes `guard`.
pub(super) fn guard(node: &Yaml, problems: &mut Problems) -> Option<GuardConfig> {
    let mut fields = node.fields(problems)?;
    let mut guard = GuardConfig::default();
    set(
        &mut guard.max_changes,
        number(&mut fields, "max_changes", 0, 1_000_000, problems),
    );
    guard.max_changed_percent = number(&mut fields, "max_changed_percent", 0, 100, problems);
    if let Some(node) = fields.take("protected") {
        guard.protected = selectors(node, problems);
    }
    if let Some(node) = fields.take("require_approval") {
        guard.require_approval = selectors(node, problems);
    }
    set(
        &mut guard.undo_max_bytes,
        number(&mut fields, "undo_max_bytes", 0, 1 << 40, problems),
    );
    guard.kill_switch = fields
        .take("kill_switch")
        .and_then(|node| terms::absolute_path(node, problems));
    if let Some(node) = fields.take("validate_commands") {
        guard.validate_commands = node
            .list(problems)
            .unwrap_or_default()
            .iter()
            .filter_map(|item| terms::absolute_path(item, problems))
            .collect();
    }
    set(
        &mut guard.suspend_after_undo,
        fields
            .take("suspend_after_undo")
            .and_then(|node| terms::duration(node, problems)),
    );
    fields.finish(problems);
    Some(guard)
}

/// Decodes `forge`.
pub(super) fn forge(node: &Yaml, problems: &mut Problems) -> Option<ForgeConfig> {
    let mut fields = node.fields(problems)?;
    let kind = fields
        .take("kind")
        .and_then(|node| node.one_of(&[("github", "github")], problems));
    let repository = fields
        .require("repository", problems)
        .and_then(|node| repository(node, problems));
    let base = fields
        .take("base")
        .and_then(|node| branch(node, problems))
        .unwrap_or_else(|| "main".to_owned());
    let api_url = fields
        .take("api_url")
        .and_then(|node| api_url(node, problems))
        .unwrap_or_else(|| "https://api.github.com".to_owned());
    let token_env = fields
        .take("token_env")
        .and_then(|node| variable(node, problems))
        .unwrap_or_else(|| "GITHUB_TOKEN".to_owned());
    let reopen = number(&mut fields, "reopen_after_days", 0, 3650, problems);
    let valid = number(&mut fields, "approval_valid_days", 1, 365, problems);
    let max_open = number(&mut fields, "max_open", 0, 1000, problems);
    let labels = fields
        .take("labels")
        .map(|node| terms::lines(node, problems))
        .unwrap_or_default();
    fields.finish(problems);
    Some(ForgeConfig {
        kind: kind.unwrap_or("github").to_owned(),
        repository: repository?,
        base,
        api_url,
        token_env,
        reopen_after_days: reopen.unwrap_or(7),
        approval_valid_days: valid.unwrap_or(7),
        max_open: max_open.unwrap_or(10),
        labels,
    })
}

/// Decodes `trust`.
pub(super) fn trust(node: &Yaml, problems: &mut Problems) -> Option<TrustConfig> {
    let mut fields = node.fields(problems)?;
    let require_signed = fields
        .take("require_signed")
        .and_then(|node| node.boolean(problems))
        .unwrap_or(false);
    let allowed_signers = fields
        .take("allowed_signers")
        .and_then(|node| terms::relative_path(node, problems));
    fields.finish(problems);
    Some(TrustConfig {
        require_signed,
        allowed_signers,
    })
}

fn set<T>(place: &mut T, value: Option<T>) {
    if let Some(value) = value {
        *place = value;
    }
}

fn number<T: TryFrom<i64>>(
    fields: &mut Fields<'_>,
    name: &'static str,
    min: i64,
    max: i64,
    problems: &mut Problems,
) -> Option<T> {
    let value = fields.take(name)?.integer(min, max, problems)?;
    T::try_from(value).ok()
}

fn repository(node: &Yaml, problems: &mut Problems) -> Option<String> {
    let text = terms::line(node, problems)?;
    let part = |part: &str| {
        !matches!(part, "" | "." | "..")
            && part.len() <= 100
            && part
                .chars()
                .all(|c| c.is_ascii_alphanumeric() || "-_.".contains(c))
    };
    if text.split('/').count() == 2 && text.split('/').all(part) {
        return Some(text.to_owned());
    }
    problems.push(
        node.problem(format!("\"{}\" is not a repository", terms::shown(text)))
            .hint("write owner/name, such as acme/servers"),
    );
    None
}

fn branch(node: &Yaml, problems: &mut Problems) -> Option<String> {
    let text = terms::line(node, problems)?;
    if git2::Reference::is_valid_name(&format!("refs/heads/{text}")) && text.len() <= 200 {
        return Some(text.to_owned());
    }
    problems.push(
        node.problem(format!("\"{}\" is not a branch", terms::shown(text)))
            .hint("write its name without refs/heads/, such as main"),
    );
    None
}

fn variable(node: &Yaml, problems: &mut Problems) -> Option<String> {
    let text = terms::line(node, problems)?;
    let allowed = |c: char| c.is_ascii_alphanumeric() || c == '_';
    if text.len() <= 100
        && text.chars().all(allowed)
        && !text.starts_with(|c: char| c.is_ascii_digit())
    {
        return Some(text.to_owned());
    }
    problems.push(
        node.problem("the name of an environment variable is expected here")
            .hint(
                "never the token itself: take a token that was committed as stolen, and revoke it",
            ),
    );
    None
}

/// The token goes to this address, so it is `https`, or `http` on this very machine.
fn api_url(node: &Yaml, problems: &mut Problems) -> Option<String> {
    let text = terms::line(node, problems)?;
    let (secure, rest) = match (text.strip_prefix("https://"), text.strip_prefix("http://")) {
        (Some(rest), _) => (true, rest),
        (_, Some(rest)) => (false, rest),
        _ => (true, ""),
    };
    let authority = rest.split('/').next().unwrap_or("");
    let wrong = if authority.is_empty() {
        "the address is not of the form https://HOST"
    } else if text.contains(['@', '?', '#', '\\', ' ']) {
        "the address holds more than a host and a path"
    } else if !secure && !is_this_machine(authority) {
        "the token would travel unencrypted"
    } else {
        return Some(text.trim_end_matches('/').to_owned());
    };
    problems.push(
        node.problem(wrong)
            .hint("write it like https://github.example.com/api/v3"),
    );
    None
}

fn is_this_machine(authority: &str) -> bool {
    let host = match authority.strip_prefix('[') {
        Some(rest) => rest.split(']').next().unwrap_or(""),
        None => authority.split(':').next().unwrap_or(""),
    };
    matches!(host, "localhost" | "127.0.0.1" | "::1")
}
