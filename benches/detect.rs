//! What `benches/detect.sh` needs: the input, and the engine alone to be measured against.
//!
//! - `detect make FOLDER RECORDS RULES`: `trail.json` with CloudTrail-like records, one a line, and `rules/` with generated
//!   rules, spread over log sources as published packs are. The same each time.
//! - `detect rsigma RULES TRAIL`: a pass with one `rsigma_eval` engine that has all rules, as its documentation shows it.

use std::fmt::Write as _;
use std::fs::File;
use std::io::{BufRead, BufReader, BufWriter, Write as _};
use std::path::Path;
use std::process::ExitCode;

use rsigma_eval::{Engine, JsonEvent};
use rsigma_parser::parse_sigma_directory;

#[allow(
    dead_code,
    reason = "it is used by tests that look at more of it than this"
)]
#[path = "../tests/it/detect/benign/mod.rs"]
mod benign;

const SEED: u64 = 1;

fn main() -> ExitCode {
    let args: Vec<String> = std::env::args().skip(1).collect();
    let args: Vec<&str> = args.iter().map(String::as_str).collect();
    let done = match args[..] {
        ["make", folder, records, rules] => make(Path::new(folder), records, rules),
        ["rsigma", rules, trail] => rsigma(Path::new(rules), Path::new(trail)),
        _ => {
            eprintln!("this is for benches/detect.sh");
            return ExitCode::FAILURE;
        }
    };
    match done {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("{error}");
            ExitCode::FAILURE
        }
    }
}

type Done = Result<(), Box<dyn std::error::Error>>;

fn make(folder: &Path, records: &str, rules: &str) -> Done {
    let (records, rules): (usize, usize) = (records.parse()?, rules.parse()?);
    let mut trail = BufWriter::new(File::create(folder.join("trail.json"))?);
    for record in benign::records(records, SEED) {
        serde_json::to_writer(&mut trail, &record)?;
        trail.write_all(b"\n")?;
    }
    trail.flush()?;
    std::fs::create_dir_all(folder.join("rules"))?;
    let mut chance = Chance(SEED);
    for number in 0..rules {
        let text = rule(&mut chance, number);
        std::fs::write(folder.join(format!("rules/r{number:05}.yml")), text)?;
    }
    Ok(())
}

fn rsigma(rules: &Path, trail: &Path) -> Done {
    let rules = parse_sigma_directory(rules)?;
    let mut engine = Engine::new();
    let refused = engine.add_rules(&rules.rules).len();
    let mut trail = BufReader::with_capacity(256 << 10, File::open(trail)?);
    let (mut line, mut records, mut hits) = (String::new(), 0_u64, 0_u64);
    while trail.read_line(&mut line)? > 0 {
        let body: serde_json::Value = serde_json::from_str(&line)?;
        hits += engine.evaluate(&JsonEvent::borrow(&body)).len() as u64;
        records += 1;
        line.clear();
    }
    let loaded = engine.rule_count();
    println!("{records} records, {loaded} rules ({refused} refused), {hits} hits");
    Ok(())
}

/// SplitMix64.
struct Chance(u64);

impl Chance {
    fn below(&mut self, limit: usize) -> usize {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut z = self.0;
        z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        ((z ^ (z >> 31)) % limit as u64) as usize
    }

    fn one_of<'a>(&mut self, list: &[&'a str]) -> &'a str {
        list[self.below(list.len())]
    }

    /// A word that is nowhere in the records.
    fn word(&mut self) -> String {
        const PARTS: [&str; 16] = [
            "dra", "kel", "mon", "rix", "tov", "bas", "lur", "pim", "gan", "sof", "wek", "zul",
            "hep", "cyr", "noq", "vad",
        ];
        (0..2 + self.below(3))
            .map(|_| self.one_of(&PARTS))
            .collect()
    }
}

/// A log source, its share of a hundred rules, and fields its rules look at.
type Source = (&'static str, usize, &'static [&'static str]);

/// About as the rules that are published fall on log sources; a tenth is for the records at hand.
const SOURCES: [Source; 12] = [
    (
        "category: process_creation, product: windows",
        38,
        &["Image", "CommandLine", "ParentImage", "OriginalFileName"],
    ),
    (
        "category: registry_set, product: windows",
        8,
        &["TargetObject", "Details"],
    ),
    (
        "category: file_event, product: windows",
        7,
        &["TargetFilename", "Image"],
    ),
    (
        "category: ps_script, product: windows",
        6,
        &["ScriptBlockText"],
    ),
    (
        "category: image_load, product: windows",
        4,
        &["ImageLoaded", "Image"],
    ),
    (
        "service: security, product: windows",
        6,
        &["EventID", "SubjectUserName", "ObjectName"],
    ),
    (
        "category: process_creation, product: linux",
        7,
        &["Image", "CommandLine"],
    ),
    (
        "service: auditd, product: linux",
        3,
        &["type", "a0", "a1", "name"],
    ),
    ("category: proxy", 4, &["c-uri", "c-useragent", "cs-host"]),
    (
        "service: activitylogs, product: azure",
        5,
        &["operationName", "properties.message"],
    ),
    (
        "category: application, product: kubernetes, service: audit",
        2,
        &["verb", "objectRef.resource", "objectRef.subresource"],
    ),
    (
        "service: cloudtrail, product: aws",
        10,
        &[
            "requestParameters.policyArn",
            "requestParameters.userName",
            "userIdentity.arn",
            "userAgent",
            "errorCode",
            "requestParameters.roleName",
        ],
    ),
];

fn rule(chance: &mut Chance, number: usize) -> String {
    let mut at = chance.below(SOURCES.iter().map(|(_, share, _)| share).sum());
    let (logsource, _, fields) = SOURCES
        .iter()
        .find(|(_, share, _)| {
            let is_it = at < *share;
            at = at.saturating_sub(*share);
            is_it
        })
        .unwrap_or(&SOURCES[0]);
    let mut text = format!(
        "title: Generated {number}\nid: 00000000-0000-4000-8000-{number:012}\nstatus: test\nlevel: medium\n\
         logsource: {{ {logsource} }}\ndetection:\n  selection:\n"
    );
    if logsource.contains("cloudtrail") {
        let service = chance.one_of(&["iam", "ec2", "s3", "kms", "sts", "lambda", "rds"]);
        let verb = chance.one_of(&["Create", "Delete", "Put", "Update", "Attach", "Get"]);
        let what = chance.one_of(&[
            "Role", "User", "Policy", "Key", "Bucket", "Snapshot", "Trail",
        ]);
        _ = writeln!(text, "    eventSource: {service}.amazonaws.com");
        _ = writeln!(text, "    eventName|startswith: {verb}{what}");
    }
    selection(chance, fields, &mut text);
    let condition = match chance.below(3) {
        0 => "selection",
        1 => {
            text.push_str("  filter:\n");
            selection(chance, fields, &mut text);
            "selection and not filter"
        }
        _ => {
            text.push_str("  other:\n");
            selection(chance, fields, &mut text);
            "selection and other"
        }
    };
    _ = writeln!(text, "  condition: {condition}");
    text
}

/// One or two fields, with one to six values each.
fn selection(chance: &mut Chance, fields: &[&str], text: &mut String) {
    let first = chance.below(fields.len());
    for place in 0..(1 + chance.below(2)).min(fields.len()) {
        let field = fields[(first + place) % fields.len()];
        let modifier = chance.one_of(&["", "|contains", "|endswith", "|startswith", "|contains"]);
        _ = writeln!(text, "    {field}{modifier}:");
        for _ in 0..=chance.below(6) {
            _ = writeln!(text, "      - {}", chance.word());
        }
    }
}
