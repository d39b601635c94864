//! Kubernetes audit events of others: what is said of each, and a recorded takeover of a cluster.

use std::collections::{BTreeMap, BTreeSet};
use std::ffi::OsStr;
use std::path::Path;
use std::sync::Arc;

use evenkeel::detect::sigma::Rules;
use evenkeel::events::{formats, kubernetes};
use evenkeel::model::{Level, Record};
use serde_json::Value as Json;

use super::evaluate::{self, Finding, findings, shared, terms};

/// What the corpus calls our rules, by the files that hold them.
const CALLED: [(&str, &str); 34] = [
    ("Anonymous Request Allowed", "anonymous_request"),
    ("Attach to cluster-admin Role", "cluster_admin_binding"),
    ("Attach/Exec Pod", "exec_into_pod"),
    ("ClusterRole With Pod Exec Created", "role_with_exec"),
    ("ClusterRole With Wildcard Created", "role_with_wildcard"),
    (
        "ClusterRole With Write Privileges Created",
        "role_with_writes",
    ),
    ("Create Disallowed Namespace", "namespace_outside_the_list"),
    ("Create Disallowed Pod", "image_outside_the_list"),
    ("Create HostNetwork Pod", "host_network"),
    ("Create NodePort Service", "node_port"),
    ("Create Privileged Pod", "privileged_container"),
    ("Create Sensitive Mount Pod", "sensitive_host_path"),
    (
        "Create/Modify Configmap With Private Credentials",
        "configmap_credentials",
    ),
    ("Disallowed K8s User", "user_outside_the_list"),
    ("K8s ConfigMap Created", "configmap_created"),
    ("K8s ConfigMap Deleted", "configmap_deleted"),
    ("K8s Deployment Created", "deployment_created"),
    ("K8s Deployment Deleted", "deployment_deleted"),
    ("K8s Namespace Created", "namespace_created"),
    ("K8s Namespace Deleted", "namespace_deleted"),
    ("K8s Role/Clusterrole Created", "role_created"),
    ("K8s Role/Clusterrole Deleted", "role_deleted"),
    ("K8s Role/Clusterrolebinding Created", "rolebinding_created"),
    ("K8s Role/Clusterrolebinding Deleted", "rolebinding_deleted"),
    ("K8s Secret Created", "secret_created"),
    ("K8s Secret Deleted", "secret_deleted"),
    ("K8s Service Created", "service_created"),
    ("K8s Service Deleted", "service_deleted"),
    ("K8s Serviceaccount Created", "serviceaccount_created"),
    ("K8s Serviceaccount Deleted", "serviceaccount_deleted"),
    ("Pod Created in Kube Namespace", "pod_in_system_namespace"),
    (
        "Service Account Created in Kube Namespace",
        "service_account_in_system_namespace",
    ),
    ("System ClusterRole Modified/Deleted", "system_role_changed"),
    ("json_pointer_example", "pointer"),
];

fn lines(path: &str) -> Option<Vec<Json>> {
    let text = std::fs::read_to_string(shared(path)?).unwrap();
    let parse = |line| serde_json::from_str(line).unwrap();
    Some(text.lines().map(parse).collect())
}

/// A team's own list, as a filter: what a selection names is let be.
fn filter(rules: &[String], selection: &str) -> (String, String) {
    let text = format!(
        "title: list\nlogsource: {{product: kubernetes, service: audit}}\nfilter:\n  rules: [{}]\n  \
         selection:\n    {selection}\n  condition: not selection\n",
        rules.join(", ")
    );
    (format!("filter of {}", rules.join(", ")), text)
}

/// The id of the rule in a file.
fn id(files: &[(String, String)], stem: &str) -> String {
    let wanted = format!("/{stem}.yml");
    let (_, text) = files
        .iter()
        .find(|(path, _)| path.ends_with(&wanted))
        .unwrap_or_else(|| panic!("no rule in {stem}.yml"));
    let id = text.lines().find_map(|line| line.strip_prefix("id: "));
    id.unwrap().to_owned()
}

/// The lists of the corpus that matter to us; an expectation names some.
const LISTS: [&str; 7] = [
    "allow_user_some-user.yaml",
    "allow_namespace_foo.yaml",
    "allow_only_apache_container.yaml",
    "allow_nginx_container.yaml",
    "trust_nginx_container.yaml",
    "disallow_kactivity.yaml",
    "single_rule_with_json_pointer.yaml",
];

fn lists(expectation: &Json) -> BTreeSet<&'static str> {
    let named = expectation["rules"].as_array().unwrap();
    let is_named = |list: &&str| named.iter().any(|name| name == *list);
    LISTS.into_iter().filter(is_named).collect()
}

/// The rules as an expectation wants them: with the lists that it names, beside those that the corpus' rules come with.
fn rules(named: &BTreeSet<&str>) -> Arc<Rules> {
    if named.contains("single_rule_with_json_pointer.yaml") {
        let text = "title: pointer\nid: pointer\nlogsource: {product: kubernetes, service: audit}\ndetection:\n  \
                    selection: {requestObject.metadata.labels.pod-template-hash|exists: true}\n  condition: selection\n";
        return evaluate::load(&[("pointer.yml".to_owned(), text.to_owned())]);
    }
    let mut files = evaluate::rule_files(&["kubernetes", "kubernetes-allow-lists"]);
    let mut users = "minikube, minikube-user, kubelet, kops, admin, kube, kube-proxy".to_owned();
    let mut namespaces = "default, kube-system, kube-public".to_owned();
    if named.contains("allow_user_some-user.yaml") {
        users.push_str(", some-user");
    }
    if named.contains("allow_namespace_foo.yaml") {
        namespaces.push_str(", foo");
    }
    let image = if named.contains("allow_only_apache_container.yaml") {
        "requestObject.spec.containers.image: httpd"
    } else if named.contains("allow_nginx_container.yaml") {
        "requestObject.spec.containers.image: nginx"
    } else {
        // No list: every image may run.
        "verb|exists: true"
    };
    let list = |stems: &[&str], selection: &str| {
        let ids: Vec<_> = stems.iter().map(|stem| id(&files, stem)).collect();
        filter(&ids, selection)
    };
    let mut filters = vec![
        list(
            &["user_outside_the_list"],
            &format!("user.username: [{users}]"),
        ),
        list(
            &["namespace_outside_the_list"],
            &format!("objectRef.name: [{namespaces}]"),
        ),
        list(&["image_outside_the_list"], image),
    ];
    if named.contains("trust_nginx_container.yaml") {
        filters.push(list(
            &[
                "privileged_container",
                "sensitive_host_path",
                "host_network",
            ],
            "requestObject.spec.containers.image: nginx",
        ));
    }
    if named.contains("disallow_kactivity.yaml") {
        let quiet = |stem: &str| {
            CALLED
                .iter()
                .any(|(name, called)| name.starts_with("K8s ") && *called == stem)
        };
        files.retain(|(path, _)| {
            !Path::new(path)
                .file_stem()
                .and_then(OsStr::to_str)
                .is_some_and(quiet)
        });
    }
    files.extend(filters);
    evaluate::load(&files)
}

fn decoded(events: &[Json]) -> Vec<Record> {
    let decode = |(line, event): (usize, &Json)| {
        kubernetes::decode(event.clone(), line as u64 + 1, &terms()).ok()
    };
    events.iter().enumerate().filter_map(decode).collect()
}

// Goal: a rule that hits more or less often than the corpus says, or hits where it wants silence. Method: for each of the 66
// expectations the rules with its lists, on its trace; the counts of the rules that it names are exact, and where it wants
// nothing no rule at all hits.
#[test]
fn the_corpus_is_met() {
    let (Some(expectations), Some(events)) = (
        lines("corpora/kubernetes-audit/expect.jsonl"),
        lines("corpora/kubernetes-audit/events.jsonl"),
    ) else {
        return;
    };
    let mut traces: BTreeMap<String, Vec<Json>> = BTreeMap::new();
    for event in events {
        let trace = event["file"].as_str().unwrap().to_owned();
        traces
            .entry(trace)
            .or_default()
            .push(event["event"].clone());
    }
    let all = evaluate::rule_files(&["kubernetes", "kubernetes-allow-lists"]);
    let mut loaded: BTreeMap<_, Arc<Rules>> = BTreeMap::new();
    let mut wrong = Vec::new();
    for expectation in &expectations {
        let named = lists(expectation);
        let rules = loaded.entry(named.clone()).or_insert_with(|| rules(&named));
        let found = findings(
            rules,
            decoded(&traces[expectation["trace"].as_str().unwrap()]),
        );
        let mut counts: BTreeMap<&str, u64> = BTreeMap::new();
        for finding in &found {
            *counts.entry(&finding.id).or_default() += 1;
        }
        let is_met = if expectation["detect"] == true {
            let wanted = expectation["counts"].as_object().unwrap();
            wanted.iter().all(|(name, count)| {
                let called = CALLED.iter().find(|(called, _)| called == name);
                let stem = called.unwrap_or_else(|| panic!("no rule for {name}")).1;
                let id = match stem {
                    "pointer" => "pointer".to_owned(),
                    stem => id(&all, stem),
                };
                counts.get(id.as_str()).copied() == count.as_u64()
            })
        } else {
            found.is_empty()
        };
        if !is_met {
            let titles: Vec<_> = found.iter().map(|finding| &finding.title).collect();
            wrong.push(format!("{}: {titles:?}", expectation["test"]));
        }
    }
    assert_eq!(expectations.len(), 66);
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

/// A step of the recording: what it was, by whom, from where, and whether it was meant ill.
struct Step {
    name: String,
    actor: String,
    address: String,
    malicious: bool,
    records: Vec<String>,
}

fn steps(truth: &Json) -> Vec<Step> {
    let text = |step: &Json, key: &str| step[key].as_str().unwrap().to_owned();
    let of = |step: &Json| Step {
        name: text(step, "id"),
        actor: text(step, "actor"),
        address: text(step, "source_ip"),
        malicious: step["verdict"] == "malicious",
        records: step["audit_ids"]
            .as_array()
            .unwrap()
            .iter()
            .map(|id| id.as_str().unwrap().to_owned())
            .collect(),
    };
    truth["steps"].as_array().unwrap().iter().map(of).collect()
}

fn above_low<'a>(found: &'a [Finding], step: &Step) -> Vec<&'a Finding> {
    let of_step = |finding: &&Finding| {
        let id = finding.record.id.as_deref();
        step.records.iter().any(|record| id == Some(record))
    };
    found
        .iter()
        .filter(of_step)
        .filter(|finding| finding.level > Level::Low)
        .collect()
}

// Goal: an attacker's step that nothing tells, that is laid to somebody else, or a person's daily work that is told as one.
// Among the steps are changes under the reconciler's manager name and annotations that tell tools to look away.
#[test]
fn a_recorded_takeover_is_seen_step_by_step() {
    let Some(dir) = shared("recordings/kubernetes/incident-cluster-admin") else {
        return;
    };
    let truth = std::fs::read_to_string(dir.join("truth.yaml")).unwrap();
    let truth: Json = serde_yaml::from_str(&truth).unwrap();
    let events = lines("recordings/kubernetes/incident-cluster-admin/audit.jsonl").unwrap();
    let records = decoded(&events);
    assert_eq!(records.len(), events.len(), "every event is a record");
    let rules = evaluate::load(&evaluate::rule_files(&["kubernetes"]));
    let found = findings(&rules, records);
    let steps = steps(&truth);
    assert_eq!(steps.iter().filter(|step| step.malicious).count(), 15);
    let mut wrong = Vec::new();
    for step in &steps {
        let told = above_low(&found, step);
        let titles: Vec<_> = told.iter().map(|finding| &finding.title).collect();
        match step.malicious {
            true if told.is_empty() => wrong.push(format!("{} is not told", step.name)),
            false if !told.is_empty() => wrong.push(format!("{} is told: {titles:?}", step.name)),
            _ => {}
        }
        for finding in told {
            let event = formats::event(&finding.record);
            let is_right =
                event.actor.name == step.actor && event.addresses.contains(&step.address);
            if !is_right {
                wrong.push(format!("{} is laid to {event:?}", step.name));
            }
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

// Goal: evasion by what a caller writes about itself. Method: the attacker's events of the recording again, under the
// reconciler's manager name and user agent, with labels of what is built in and annotations that tell tools to look away; each
// is told at least as loudly as before.
#[test]
fn nothing_that_a_caller_writes_makes_a_finding_milder() {
    let Some(events) = lines("recordings/kubernetes/incident-cluster-admin/audit.jsonl") else {
        return;
    };
    let rules = evaluate::load(&evaluate::rule_files(&["kubernetes"]));
    let disguised: Vec<Json> = events.iter().cloned().map(disguise).collect();
    let mut compared = 0;
    for (before, after) in events.iter().zip(&disguised) {
        let titles = |event: &Json| -> BTreeSet<String> {
            let found = findings(&rules, decoded(std::slice::from_ref(event)));
            found.into_iter().map(|finding| finding.title).collect()
        };
        let (before, after) = (titles(before), titles(after));
        assert!(before.is_subset(&after), "{before:?} became {after:?}");
        compared += before.len();
    }
    assert!(compared > 30, "only {compared} findings were compared");
}

fn disguise(mut event: Json) -> Json {
    let uri = event["requestURI"].as_str().unwrap_or_default();
    let path = uri.split('?').next().unwrap().to_owned();
    event["requestURI"] =
        format!("{path}?fieldManager=dryRun=All&fieldManager=evenkeel&force=true").into();
    event["userAgent"] = "evenkeel/0.1.0".into();
    if let Some(object) = event["requestObject"].as_object_mut() {
        let metadata = object
            .entry("metadata")
            .or_insert_with(|| Json::Object(serde_json::Map::new()));
        for (field, key, value) in [
            ("labels", "kubernetes.io/bootstrapping", "rbac-defaults"),
            ("labels", "app.kubernetes.io/managed-by", "evenkeel"),
            (
                "annotations",
                "kubectl.kubernetes.io/last-applied-configuration",
                "{}",
            ),
            (
                "annotations",
                "argocd.argoproj.io/compare-options",
                "IgnoreExtraneous",
            ),
        ] {
            if !metadata[field].is_object() {
                metadata[field] = Json::Object(serde_json::Map::new());
            }
            metadata[field][key] = value.into();
        }
    }
    event
}
