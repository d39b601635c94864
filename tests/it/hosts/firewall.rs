//! Firewalls on real hosts: an attacker's rule is found and taken out, and a baseline that would lock everybody out is taken
//! back by the host itself.

use std::process::Stdio;

use super::fleet::Fleet;
use super::{Host, Hosts};
use crate::support::{drifts, run_of};

const BASELINE: &str = r#"
apiVersion: host.evenkeel.dev/v1
kind: Firewall
metadata: { name: rules }
disclose: true
spec:
  ruleset: true
  rulesFrom: ../files/nftables.conf
"#;
const RULES: &str = r#"#!/usr/sbin/nft -f

flush ruleset

table inet filter {
	set admins { type ipv4_addr; flags interval; elements = { 198.18.0.0/24, 192.0.2.1 }; }
	map ways { type inet_service : verdict; elements = { 443 : jump web }; }
	chain web { counter accept; }
	chain input {
		type filter hook input priority filter; policy drop;
		iif "lo" accept
		ct state established,related accept
		icmp type echo-request limit rate 5/second accept
		ip saddr @admins tcp dport 22 counter accept comment "management"
		tcp dport vmap @ways
		tcp dport { 8080, 9000-9010 } accept
	}
	chain forward {
		type filter hook forward priority filter; policy drop;
	}
}
"#;

fn fleet(hosts: &Hosts, name: &str, rules: &str) -> Option<Fleet> {
    let fleet = Fleet::of(hosts, &[name], BASELINE, "")?;
    baseline(&fleet, rules);
    Some(fleet)
}

fn baseline(fleet: &Fleet, rules: &str) {
    fleet
        .project
        .write("desired-state/files/nftables.conf", rules);
    fleet.project.commit("rules");
}

fn load(host: &Host<'_>, rules: &str) {
    super::succeeded(host.exec(&["nft", "-f", "-"], rules.as_bytes()));
}

/// All rules in nft's own words, without what they counted.
fn rules(host: &Host<'_>) -> String {
    host.run(&["nft", "-s", "list", "ruleset"])
}

fn can_log_in(host: &Host<'_>) -> bool {
    let mut ssh = host.ssh();
    ssh.args(["-o", "ConnectTimeout=2", host.name(), "true"]);
    ssh.stderr(Stdio::null()).status().unwrap().success()
}

// Goal: another way to write the same rules and what they counted are no drift; an attacker's rule, table, element, policy
// and order are, and are shown by chain and rule; one run restores the very rules, and an undo what was there.
#[test]
fn the_rules_are_restored() {
    let Some(hosts) = Hosts::start() else { return };
    let host = hosts.take("h2");
    let Some(fleet) = fleet(&hosts, "h2", RULES) else {
        return;
    };
    load(
        &host,
        &RULES
            .replace("\n\t\t", "; ")
            .replace("{; ", "{ ")
            .replace("filter;", "0;"),
    );
    assert!(can_log_in(&host));
    assert_eq!(drifts(&fleet.json(0, "plan")), Vec::<String>::new());
    let good = rules(&host);

    for evil in [
        "insert rule inet filter input tcp dport 4444 accept",
        "add table ip evil; add chain ip evil x { type nat hook prerouting priority -100; }",
        "add element inet filter admins { 203.0.113.0/24 }",
        "add chain inet filter input { policy accept; }",
        "flush chain inet filter forward; delete chain inet filter forward",
    ] {
        load(&host, evil);
        assert_eq!(
            drifts(&fleet.json(2, "plan")),
            ["h2/Firewall/rules"],
            "{evil}"
        );
    }
    let shown = fleet.run(&["plan"]).expect(2).stdout;
    for part in [
        "chains.inet filter/input",
        "-tcp dport 4444 accept",
        "tables.ip evil",
    ] {
        assert!(shown.contains(part), "{part}: {shown}");
    }
    let bad = rules(&host);
    let done = fleet.json(0, "reconcile");
    assert_eq!(rules(&host), good);
    assert_eq!(drifts(&fleet.json(0, "plan")), Vec::<String>::new());
    fleet.run(&["undo", "--reopen", &run_of(&done)]).expect(0);
    assert_eq!(rules(&host), bad);
    host.run(&["nft", "flush", "ruleset"]);
}

// Goal: a table of one's own leaves others alone, is made where it is missing, and its undo takes it away again.
#[test]
fn a_table_of_ones_own() {
    let Some(hosts) = Hosts::start() else { return };
    let host = hosts.take("h2");
    let Some(fleet) = fleet(&hosts, "h2", &RULES.replace("flush ruleset", "")) else {
        return;
    };
    let table = BASELINE.replace("ruleset: true", "table: { family: inet, name: filter }");
    fleet.project.write("desired-state/web/all.yaml", &table);
    fleet.project.commit("a table");
    load(&host, "flush ruleset; add table ip other");
    let before = rules(&host);
    let done = fleet.json(0, "reconcile");
    assert!(rules(&host).contains("table ip other") && rules(&host).contains("management"));
    fleet.run(&["undo", "--reopen", &run_of(&done)]).expect(0);
    assert_eq!(rules(&host), before);
    host.run(&["nft", "flush", "ruleset"]);
}

// Goal: a mistake in the rules is told with its place and in nft's own words, and nothing on the host is touched by trying
// them; it costs this resource alone.
#[test]
fn a_mistake_is_told_in_the_words_of_nft() {
    let Some(hosts) = Hosts::start() else { return };
    let host = hosts.take("h2");
    let Some(fleet) = fleet(
        &hosts,
        "h2",
        &RULES.replace("tcp dport vmap", "tcp dporty vmap"),
    ) else {
        return;
    };
    load(&host, RULES);
    let before = rules(&host);
    let reasons = Fleet::reasons(&fleet.json(4, "reconcile"), "h2");
    let line = RULES
        .lines()
        .position(|line| line.contains("vmap"))
        .unwrap()
        + 1;
    for part in [
        "all.yaml:8:",
        &format!("line {line}:"),
        "Error: syntax error",
    ] {
        assert!(reasons[0].contains(part), "{part}: {reasons:?}");
    }
    assert_eq!(rules(&host), before);
    // The baseline alone can say no more; a file of the host in it is refused before anybody is asked.
    fleet.run(&["check"]).expect(0);
    baseline(&fleet, "include \"/etc/shadow\"\n");
    assert!(
        fleet
            .run(&["check"])
            .expect(1)
            .all()
            .contains("include a file")
    );
    host.run(&["nft", "flush", "ruleset"]);
}

// Goal: rules that shut management out, at once or for every new login, are taken back by the host itself: it stays reachable,
// has the rules from before to the letter, and the run says what happened. The same for an undo that would do it.
#[test]
fn whoever_shuts_himself_out_is_let_in_again() {
    let Some(hosts) = Hosts::start() else { return };
    let host = hosts.take("h2");
    let good = "table inet filter { chain input { type filter hook input priority 0; policy accept; tcp dport 22 counter accept; }; }";
    let ssh = "ip saddr @admins tcp dport 22 counter accept comment \"management\"";
    let no_login = RULES.replace(ssh, "");
    let no_word = no_login.replace("ct state established,related accept", "");
    let shut = [("no login", no_login), ("no word", no_word)];
    for (how, shut) in shut {
        let Some(fleet) = fleet(&hosts, "h2", &shut) else {
            return;
        };
        load(&host, &format!("flush ruleset; {good}"));
        let before = rules(&host);
        let report = fleet.json(1, "reconcile");
        assert_eq!(rules(&host), before, "{how}");
        assert!(can_log_in(&host), "{how}");
        assert_eq!(drifts(&report), ["h2/Firewall/rules"], "{how}: {report:#}");
        let said = report["errors"].to_string();
        if how == "no login" {
            assert!(said.contains("taken back by the host itself"), "{said}");
        }
        fleet.run(&["journal", "verify"]).expect(0);
        // Nothing is left in flight, and a baseline that lets management in is put.
        baseline(&fleet, RULES);
        assert_eq!(
            fleet.json(0, "reconcile")["recovered"]
                .as_array()
                .unwrap()
                .len(),
            0
        );
    }
    host.run(&["nft", "flush", "ruleset"]);
}
