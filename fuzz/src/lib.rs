//! What the fuzz targets do with bytes: the product's own path, and what has to hold whatever the bytes are.
//!
//! **Invariant:** nothing in here asks a clock or chance, so that an input fails each time or never.

use std::io::Cursor;
use std::sync::{Arc, LazyLock};

use evenkeel::detect::scan::{Scan, ScanOptions, look};
use evenkeel::detect::sigma::{Options, RuleFile, Rules};
use evenkeel::detect::{heuristics, rule_tests};
use evenkeel::events::frame::Bounds;
use evenkeel::events::source::Opened;
use evenkeel::events::{Given, Reader, Seen, SourceTerms};
use evenkeel::model::{Detection, Format, Record, Tally, Trust};
use jiff::Timestamp;
use jiff::tz::TimeZone;

/// Products of all formats that can be read.
const PRODUCTS: [&str; 4] = ["aws", "kubernetes", "linux", "suricata"];

/// Asked of the logs of a product: something of each sort that looks at whatever a record holds.
const ASKED: &str = r#"
title: Any word
logsource: { product: PRODUCT }
detection: { words: ["e"], condition: words }
level: low
---
title: A field by an expression
name: expression-PRODUCT
logsource: { product: PRODUCT }
detection: { some: { "eventName|re": "^[A-Z].*", "host|exists": false }, condition: some }
level: medium
---
title: Several of one host
correlation:
  type: event_count
  rules: [expression-PRODUCT]
  group-by: [host, userIdentity.arn]
  timespan: 5m
  condition: { gte: 2 }
level: high
"#;

static RULES: LazyLock<Arc<Rules>> = LazyLock::new(|| {
    let texts = PRODUCTS.map(|product| ASKED.replace("PRODUCT", product));
    let files: Vec<_> = PRODUCTS
        .iter()
        .zip(&texts)
        .map(|(path, text)| RuleFile { path, text })
        .collect();
    let loaded = Rules::load(&files, &Options::default());
    assert!(loaded.problems.is_empty(), "{:?}", loaded.problems);
    Arc::new(loaded.rules)
});

/// A state of heuristics, as it is and with the digest that goes with its content, without which nothing of it is looked at.
pub fn learned(bytes: &[u8]) {
    let _ = heuristics::read(bytes);
    let _ = heuristics::read(&heuristics::seal(bytes.to_vec()));
}

/// A log through reader, decoder, rules and correlations. Each line has to be in exactly one count.
pub fn log(format: Option<Format>, bytes: &[u8]) {
    if let Some((tally, _)) = detect(format, bytes, &RULES) {
        let left_out: u64 = tally.left_out.values().map(|left| left.count).sum();
        assert_eq!(
            tally.records + tally.joined + left_out,
            tally.lines,
            "lines that are in no count, or in two: {tally:?}"
        );
    }
}

/// Rules, then `%%` on a line by itself, then a log.
pub fn rules(bytes: &[u8]) {
    let text = String::from_utf8_lossy(bytes);
    let (rules, log) = text.split_once("\n%%\n").unwrap_or((&text, ""));
    let file = RuleFile {
        path: "fuzzed.yml",
        text: rules,
    };
    let loaded = Rules::load(&[file], &Options::default());
    _ = detect(None, log.as_bytes(), &Arc::new(loaded.rules));
}

/// Tests of rules, and each case's log.
pub fn rule_tests(bytes: &[u8]) {
    let text = String::from_utf8_lossy(bytes);
    if let Ok(tests) = rule_tests::read("fuzzed.test.yaml", &text) {
        for case in tests.cases {
            _ = detect(tests.format, &case.log, &RULES);
        }
    }
}

fn detect(format: Option<Format>, bytes: &[u8], rules: &Arc<Rules>) -> Option<(Tally, Detection)> {
    let name: Arc<str> = Arc::from("fuzzed");
    let opened = Opened {
        name: Arc::clone(&name),
        bytes: Box::new(Cursor::new(bytes.to_vec())),
        written: None,
    };
    let given = Given {
        format,
        trust: None,
        terms: SourceTerms {
            name,
            trust: Trust::Unauthenticated,
            host: None,
            zone: TimeZone::UTC,
            until: Timestamp::from_second(1_772_000_000).unwrap_or_default(),
        },
        bounds: Bounds {
            line: 4096,
            source: 1 << 20,
        },
    };
    let mut reader = Reader::new(opened, given).ok()?;
    let mut seen = Seen::new(64);
    let mut scan = Scan::new(
        Arc::clone(rules),
        ScanOptions {
            waiting_bytes: 4096,
            ..ScanOptions::default()
        },
    );
    while let Some(looked) = reader.next(&mut seen, &|record: Record| look(rules, true, record)) {
        looked.into_iter().for_each(|looked| scan.take(looked));
    }
    Some((reader.into_tally(), scan.finish().0))
}
