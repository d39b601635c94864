//! Sigma: every construct of the specification by a case of ours (`tests/sigma/*.yaml`), and published rules on records of
//! others.
//!
//! The corpora lie beside the project; says so where they are missing.

use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};
use std::sync::Arc;

use evenkeel::detect::fields::Views;
use evenkeel::detect::sigma::{Correlator, Fired, Limits, Loaded, Options, RuleFile, Rules};
use evenkeel::model::{Format, Problems, Record, RecordPlace, TimeBasis, Trust};
use serde_json::{Value as Json, json};

/// A folder or file of the corpora, or none after saying so.
fn corpus(path: &str) -> Option<PathBuf> {
    let found = Path::new(env!("CARGO_MANIFEST_DIR"))
        .join("../shared/corpora")
        .join(path);
    if !found.exists() {
        eprintln!("skipped: no {path} in ../shared/corpora");
        return None;
    }
    Some(found)
}

fn rule_files(dir: &Path, found: &mut Vec<(String, String)>) {
    for entry in std::fs::read_dir(dir).unwrap() {
        let path = entry.unwrap().path();
        if path.is_dir() {
            rule_files(&path, found);
        } else if path.extension().is_some_and(|ext| ext == "yml") {
            let text = std::fs::read_to_string(&path).unwrap();
            found.push((path.to_string_lossy().into_owned(), text));
        }
    }
}

fn load(dir: &Path) -> Loaded {
    let mut files = Vec::new();
    rule_files(dir, &mut files);
    let files: Vec<_> = files
        .iter()
        .map(|(path, text)| RuleFile { path, text })
        .collect();
    Rules::load(&files, &Options::default())
}

/// A record as a decoder would make it.
fn record(format: Format, line: u64, time: &str, body: Json) -> Record {
    Record {
        format,
        place: RecordPlace {
            source: Arc::from("test"),
            line,
        },
        trust: Trust::HostWritten,
        time: time.parse().unwrap(),
        basis: TimeBasis::Stated,
        id: None,
        host: None,
        body,
    }
}

/// How the records of the cases look to rules.
const VIEWS: &str = "
- logsource: {product: test, service: app}
- logsource: {product: test, category: started}
  when: {kind: [start, begin]}
  fields: {Image: exe}
";

/// Every case by its name, with the file that it stands in.
fn cases() -> BTreeMap<String, Json> {
    let dir = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/sigma");
    let mut found = BTreeMap::new();
    for entry in std::fs::read_dir(dir).unwrap() {
        let path = entry.unwrap().path();
        let text = std::fs::read_to_string(&path).unwrap();
        let cases: Vec<Json> = serde_yaml::from_str(&text)
            .unwrap_or_else(|error| panic!("{}: {error}", path.display()));
        for case in cases {
            let name = case["case"].as_str().expect("a case has a name").to_owned();
            assert!(
                found.insert(name.clone(), case).is_none(),
                "two cases are called {name}"
            );
        }
    }
    found
}

/// The documents of a case, which for most is one detection.
fn documents(case: &Json) -> String {
    if let Some(documents) = case["documents"].as_str() {
        return documents.to_owned();
    }
    let detection = case["detection"]
        .as_str()
        .expect("a case has documents or a detection");
    let mut text = "title: T\nlogsource: {product: test}\ndetection:\n".to_owned();
    for line in detection.lines() {
        text.push_str(&format!("  {line}\n"));
    }
    if !detection.contains("condition:") {
        text.push_str("  condition: selection\n");
    }
    text
}

fn load_case(case: &Json) -> Loaded {
    let mut problems = Problems::default();
    let mut views = Views::default();
    views.add(Format::Ocsf, "views", VIEWS, &mut problems);
    assert!(problems.is_empty(), "{problems}");
    let placeholders = match &case["placeholders"] {
        Json::Null => BTreeMap::new(),
        given => serde_json::from_value(given.clone()).unwrap(),
    };
    let options = Options {
        placeholders,
        views,
        ..Options::default()
    };
    let text = documents(case);
    let file = RuleFile {
        path: "rules.yml",
        text: &text,
    };
    Rules::load(&[file], &options)
}

/// A record of a case, some seconds after the first of January.
fn at(second: i64, line: u64, body: &Json) -> Record {
    let start: jiff::Timestamp = "2024-01-01T00:00:00Z".parse().unwrap();
    let time = start + jiff::SignedDuration::from_secs(second);
    record(Format::Ocsf, line, &time.to_string(), body.clone())
}

fn second(time: jiff::Timestamp) -> i64 {
    time.as_second() - at(0, 0, &json!({})).time.as_second()
}

fn list(case: &Json, name: &str) -> Vec<Json> {
    case[name].as_array().cloned().unwrap_or_default()
}

/// What fired, as a case says it, with as much as the case says.
fn told(rules: &Rules, fired: &Fired, wanted: Option<&Json>) -> Json {
    let lines: Vec<_> = fired
        .records
        .iter()
        .map(|record| record.place.line)
        .collect();
    let counted = match fired.counted.fract() == 0.0 {
        true => json!(fired.counted as i64),
        false => json!(fired.counted),
    };
    let mut told = vec![
        json!(rules.rule(fired.rule).title),
        json!(second(fired.time)),
        counted,
        json!(lines),
    ];
    if wanted.is_some_and(|wanted| wanted.as_array().is_some_and(|parts| parts.len() > 4)) {
        told.push(json!(
            fired.group.iter().cloned().collect::<BTreeMap<_, _>>()
        ));
    }
    Json::Array(told)
}

/// What a case says and what came of it, where they differ.
fn differences(name: &str, case: &Json) -> Vec<String> {
    let loaded = load_case(case);
    let problems: Vec<_> = loaded.problems.iter().map(ToString::to_string).collect();
    if let Some(refused) = case["refused"].as_str() {
        let is_told = problems
            .iter()
            .any(|problem| problem.contains(refused) && problem.starts_with("rules.yml:"));
        return match is_told {
            true => Vec::new(),
            false => vec![format!("{name}: \"{refused}\" is not told: {problems:?}")],
        };
    }
    if !problems.is_empty() {
        return vec![format!("{name}: refused: {problems:?}")];
    }
    let rules = Arc::new(loaded.rules);
    let titles = |record: &Record| -> Vec<String> {
        let hits = rules.hits(record);
        hits.iter()
            .map(|hit| rules.rule(hit.rule).title.clone())
            .collect()
    };
    let mut wrong = Vec::new();
    for (wanted, bodies) in [(true, list(case, "hits")), (false, list(case, "misses"))] {
        for body in bodies {
            if titles(&at(0, 1, &body)).is_empty() == wanted {
                wrong.push(format!(
                    "{name}: {body} should {}",
                    if wanted { "hit" } else { "miss" }
                ));
            }
        }
    }
    let mut correlator = Correlator::new(Arc::clone(&rules), Limits::default());
    let mut fired = Vec::new();
    for (number, record) in list(case, "records").iter().enumerate() {
        let record = at(record[0].as_i64().unwrap(), number as u64 + 1, &record[1]);
        let found = titles(&record);
        if let Some(hit) = case["hit"].get(number)
            && json!(found) != *hit
        {
            wrong.push(format!(
                "{name}: record {}: {found:?} and not {hit}",
                number + 1
            ));
        }
        fired.extend(correlator.feed(&rules.hits(&record), &record));
    }
    let wanted = list(case, "fired");
    let fired: Vec<_> = fired
        .iter()
        .enumerate()
        .map(|(at, fired)| told(&rules, fired, wanted.get(at)))
        .collect();
    if fired != wanted {
        wrong.push(format!(
            "{name}: fired {} and not {}",
            json!(fired),
            json!(wanted)
        ));
    }
    if let Some(wanted) = case["findings"].as_array() {
        let all = rules.all().iter().filter(|rule| rule.is_finding);
        let findings: Vec<_> = all.map(|rule| json!(rule.title)).collect();
        if findings != *wanted {
            wrong.push(format!("{name}: findings {findings:?}"));
        }
    }
    let uncounted = correlator.uncounted();
    for (what, count) in [
        ("late", uncounted.late),
        ("without_group", uncounted.without_group),
        ("without_value", uncounted.without_value),
    ] {
        if case["uncounted"][what].as_u64().unwrap_or(0) != count {
            wrong.push(format!("{name}: {count} {what}"));
        }
    }
    wrong
}

// Goal: a construct of Sigma that means something else here than in its specification, or that is passed over in silence.
// Method: each case says what hits, misses, fires or is refused with which words.
#[test]
fn every_construct_means_what_the_specification_says() {
    let wrong: Vec<_> = cases()
        .iter()
        .flat_map(|(name, case)| differences(name, case))
        .collect();
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

// Goal: a construct that the page promises and nothing proves, or a case that the page does not tell of.
#[test]
fn the_page_and_the_cases_agree() {
    let text = std::fs::read_to_string(Path::new(env!("CARGO_MANIFEST_DIR")).join("docs/sigma.md"))
        .unwrap();
    let mut told = BTreeMap::new();
    for line in text.lines().filter(|line| line.starts_with("| ")) {
        let cells: Vec<_> = line.trim_matches('|').split(" | ").map(str::trim).collect();
        let Some((last, verdict)) = cells.last().zip(cells.get(cells.len().wrapping_sub(2))) else {
            continue;
        };
        for name in last.split('`').skip(1).step_by(2) {
            assert!(["yes", "refused"].contains(verdict), "{line}");
            assert!(
                told.insert(name.to_owned(), *verdict == "refused")
                    .is_none(),
                "{name} twice"
            );
        }
    }
    let proven: BTreeMap<_, _> = cases()
        .into_iter()
        .map(|(name, case)| (name, !case["refused"].is_null()))
        .collect();
    let differ: Vec<_> = told
        .iter()
        .filter(|(name, refused)| proven.get(*name) != Some(refused))
        .chain(proven.iter().filter(|(name, _)| !told.contains_key(*name)))
        .collect();
    assert!(differ.is_empty(), "{differ:?}");
}

/// Failed logins by user, three of them in a minute.
fn many_failed() -> Arc<Rules> {
    let case = &cases()["event-count"];
    Arc::new(load_case(case).rules)
}

/// A correlator that was given a hit for each of these seconds and users.
fn fed(
    rules: &Arc<Rules>,
    limits: Limits,
    hits: impl Iterator<Item = (i64, String)>,
) -> Correlator {
    let mut correlator = Correlator::new(Arc::clone(rules), limits);
    for (line, (second, user)) in hits.enumerate() {
        let record = at(second, line as u64, &json!({"e": "failed", "user": user}));
        correlator.feed(&rules.hits(&record), &record);
    }
    correlator
}

// Goal: memory that grows with whoever an attacker claims to be. Method: more groups than may be held; the oldest go, and each
// that still counted is told.
#[test]
fn correlations_are_bounded_and_say_what_they_lost() {
    let rules = many_failed();
    let limits = Limits {
        max_hits: 100,
        ..Limits::default()
    };
    let correlator = fed(&rules, limits, (0..250).map(|user| (0, format!("u{user}"))));
    assert_eq!(
        (correlator.held(), correlator.uncounted().given_up),
        (100, 150)
    );
}

// Goal: groups that stay for ever once they were opened. Method: what is older than the timespan is gone when the next hit
// comes, and is no loss.
#[test]
fn groups_leave_with_their_last_hit() {
    let rules = many_failed();
    let hits = (0..500).map(|user| (0, format!("u{user}")));
    let correlator = fed(
        &rules,
        Limits::default(),
        hits.chain([(61, "late".to_owned())]),
    );
    assert_eq!((correlator.held(), correlator.uncounted().given_up), (1, 0));
}

// Goal: a finding that drags every record of a flood along. Method: the latest are named, and the others are a number.
#[test]
fn evidence_is_bounded() {
    let rules = many_failed();
    let limits = Limits {
        max_evidence: 2,
        ..Limits::default()
    };
    let mut correlator = fed(
        &rules,
        limits,
        (0..2).map(|second| (second, "a".to_owned())),
    );
    let record = at(2, 2, &json!({"e": "failed", "user": "a"}));
    let fired = correlator.feed(&rules.hits(&record), &record);
    let lines: Vec<_> = fired[0]
        .records
        .iter()
        .map(|record| record.place.line)
        .collect();
    assert_eq!((lines, fired[0].more), (vec![1, 2], 1));
}

// Goal: a rule that hits a record once for each view or element, and so is counted several times.
#[test]
fn a_rule_hits_a_record_once() {
    let mut problems = Problems::default();
    let mut views = Views::default();
    let text = "- logsource: {product: test, service: a}\n  each: records\n- logsource: {product: test, service: b}\n";
    views.add(Format::Ocsf, "views", text, &mut problems);
    let options = Options {
        views,
        ..Options::default()
    };
    let rule =
        "title: T\nlogsource: {product: test}\ndetection: {s: {f|contains: x}, condition: s}\n";
    let file = RuleFile {
        path: "rules.yml",
        text: rule,
    };
    let rules = Rules::load(&[file], &options).rules;
    let body = json!({"f": "x", "records": [{"f": "y"}, {"f": "ax"}, {"f": "bx"}]});
    let hits = rules.hits(&at(0, 1, &body));
    assert_eq!(hits.len(), 1);
    assert_eq!((hits[0].view, hits[0].element), (0, Some(1)));
    assert_eq!(hits[0].selections, ["s"]);
}

// Goal: a rule that loses its title in front of the engine, which is given none; and one that no log can ever meet and that nobody
// is told of.
#[test]
fn rules_keep_their_words() {
    let rules = load_case(&cases()["logsource-parts"]).rules;
    let hits = rules.hits(&at(0, 1, &json!({"kind": "start", "exe": "x"})));
    assert_eq!(rules.rule(hits[0].rule).title, "Category");
    let unreachable: Vec<_> = rules
        .unreachable()
        .map(|index| rules.rule(index).title.as_str())
        .collect();
    assert_eq!(unreachable, ["Both"]);
}

// Goal: one bad rule that takes good ones along, or good ones that hide it: both lists are complete.
#[test]
fn what_is_sound_is_kept_beside_what_is_not() {
    let good = "title: Good\nlogsource: {product: test}\ndetection: {s: {f: x}, condition: s}\n";
    let bad =
        "title: Bad\nlogsource: {product: test}\ndetection: {s: {f|containz: x}, condition: s}\n";
    let broken = "title: [\n";
    let files = [("good.yml", good), ("bad.yml", bad), ("broken.yml", broken)];
    let files = files.map(|(path, text)| RuleFile { path, text });
    let loaded = Rules::load(&files, &Options::default());
    let titles: Vec<_> = loaded
        .rules
        .all()
        .iter()
        .map(|rule| rule.title.as_str())
        .collect();
    assert_eq!(titles, ["Good"]);
    let told: Vec<_> = loaded.problems.iter().map(ToString::to_string).collect();
    assert_eq!(told.len(), 2, "{told:?}");
    assert_eq!(
        told[0],
        "bad.yml:3:17: the modifier `containz` is not known (rule \"Bad\")"
    );
    assert_eq!(
        loaded.problems[0].problem.hint.as_deref(),
        Some("did you mean `contains`?")
    );
    assert!(told[1].starts_with("broken.yml:"), "{told:?}");
}

// Goal: a rule that means something else here than it says, or that is passed over without a word. Method: all 322 published
// rules are loaded; the one with a placeholder that nobody has given a value is refused and named, with its place.
#[test]
fn published_rules_load() {
    let Some(dir) = corpus("sigma-rules") else {
        return;
    };
    let loaded = load(&dir);
    let told: Vec<_> = loaded.problems.iter().map(ToString::to_string).collect();
    assert!(!told.is_empty());
    for told in told {
        assert!(told.contains("the placeholder `%"), "{told}");
        assert!(
            told.ends_with("(rule \"AWS Console Login Monitoring\")"),
            "{told}"
        );
    }
    assert_eq!(loaded.rules.all().len(), 321);
}

// Goal: a hit too many or too few against what two independent evaluators agree on: 80 pairs of a rule and a record.
#[test]
fn hits_are_those_of_other_evaluators() {
    let (Some(dir), Some(events)) = (
        corpus("sigma-rules/aws_cloudtrail"),
        corpus("cloudtrail-stratus.jsonl"),
    ) else {
        return;
    };
    let rules = load(&dir).rules;
    let text = std::fs::read_to_string(events).unwrap();
    let lines: Vec<_> = text.lines().enumerate().collect();
    let find = |lines: &[(usize, &str)]| {
        let mut pairs = Vec::new();
        for (line, text) in lines {
            let body: Json = serde_json::from_str(text).unwrap();
            let time = body["eventTime"].as_str().unwrap().to_owned();
            let record = record(Format::CloudTrail, *line as u64 + 1, &time, body);
            pairs.extend(rules.hits(&record).iter().map(|hit| (hit.rule, *line)));
        }
        pairs
    };
    // By two threads, since a run evaluates records side by side.
    let (first, second) = lines.split_at(lines.len() / 2);
    let pairs = std::thread::scope(|scope| {
        let other = scope.spawn(|| find(second));
        let mut pairs = find(first);
        pairs.extend(other.join().unwrap());
        pairs
    });
    let distinct: BTreeSet<_> = pairs.iter().collect();
    assert_eq!(distinct.len(), pairs.len(), "a rule hit a record twice");
    assert_eq!(pairs.len(), 80);
}
