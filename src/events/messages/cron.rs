//! Messages of cron and crontab: `(USER) WHAT (DETAIL)`.

use super::Said;

pub(super) fn parse(message: &str) -> Option<Said> {
    let rest = message.strip_prefix('(')?;
    let (user, rest) = rest.split_once(") ")?;
    let (what, detail) = match rest.split_once(" (") {
        Some((what, detail)) => (what, detail.strip_suffix(')').unwrap_or(detail)),
        None => (rest, ""),
    };
    let said = match what {
        "CMD" | "CMDEND" => {
            // cronie and newer Debian: `CMD ([1234] ...)`.
            let said = Said::new(if what == "CMD" {
                "cron-run"
            } else {
                "cron-end"
            });
            let command = detail
                .strip_prefix('[')
                .and_then(|rest| rest.split_once("] "))
                .filter(|(id, _)| id.bytes().all(|byte| byte.is_ascii_digit()));
            said.with(
                "command_line",
                command.map_or(detail, |(_, command)| command),
            )
        }
        "REPLACE" | "DELETE" => Said::done("cron-change").with("target_user", detail),
        "BEGIN EDIT" | "END EDIT" => Said::new("cron-edit").with("target_user", detail),
        "LIST" => Said::new("cron-list").with("target_user", detail),
        "RELOAD" => Said::new("cron-reload").with("file", detail),
        _ => Said::new("cron-other").with("detail", detail),
    };
    Some(said.with("user", user).with("words", what))
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::super::tests::fields;

    // Goal: jobs, changes of crontabs and reloads are told apart; a command keeps its own brackets.
    #[test]
    fn usual_messages() {
        assert_eq!(
            fields("CRON", "(root) CMD (cd / && (run-parts /etc/cron.hourly))"),
            json!({"action": "cron-run", "user": "root", "words": "CMD", "command_line": "cd / && (run-parts /etc/cron.hourly)"})
        );
        assert_eq!(
            fields("crond", "(root) CMD ([77] /bin/x)")["command_line"],
            "/bin/x"
        );
        assert_eq!(
            fields("crontab", "(root) REPLACE (alice)"),
            json!({"action": "cron-change", "outcome": "success", "user": "root", "words": "REPLACE", "target_user": "alice"})
        );
        assert_eq!(
            fields("cron", "(*system*) RELOAD (/etc/cron.d/x)")["file"],
            "/etc/cron.d/x"
        );
        assert_eq!(
            fields("cron", "(CRON) STARTUP (fork ok)")["action"],
            "cron-other"
        );
    }
}
