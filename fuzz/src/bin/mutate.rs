//! Every target for a while without coverage: seeds, changed at random, the same each time. For a machine without libFuzzer,
//! and for a short run that needs no instrumented build.
//!
//! `mutate SECONDS [SEED]`: so many seconds in all. An input that crashes is written to `fuzz/artifacts/`.

use std::collections::BTreeMap;
use std::path::Path;
use std::time::{Duration, Instant};

use evenkeel::model::Format;
use evenkeel_fuzz::{learned, log, rule_tests, rules};

type Target = fn(&[u8]);

const TARGETS: [(&str, Target); 11] = [
    ("cloudtrail", |bytes| log(Some(Format::CloudTrail), bytes)),
    ("kubernetes-audit", |bytes| {
        log(Some(Format::KubernetesAudit), bytes)
    }),
    ("auditd", |bytes| log(Some(Format::Auditd), bytes)),
    ("syslog", |bytes| log(Some(Format::Syslog), bytes)),
    ("journald", |bytes| log(Some(Format::Journald), bytes)),
    ("falco", |bytes| log(Some(Format::Falco), bytes)),
    ("ocsf", |bytes| log(Some(Format::Ocsf), bytes)),
    ("sniffed", |bytes| log(None, bytes)),
    ("rules", rules),
    ("rule-tests", rule_tests),
    ("learned", learned),
];

fn main() {
    let mut args = std::env::args().skip(1);
    let seconds: u64 = args.next().and_then(|it| it.parse().ok()).unwrap_or(8);
    let seed: u64 = args.next().and_then(|it| it.parse().ok()).unwrap_or(1);
    let top = Path::new(env!("CARGO_MANIFEST_DIR"));
    let mut seeds = BTreeMap::new();
    for (name, _) in TARGETS {
        seeds.insert(name, read(&top.join("seeds").join(name)));
    }
    let words = words(&seeds);
    for (name, target) in TARGETS {
        let mut chance = Chance(seed);
        let until = Instant::now() + Duration::from_secs(seconds) / TARGETS.len() as u32;
        let mut count = 0_u64;
        let mut slowest = Duration::ZERO;
        while Instant::now() < until {
            let input = match count as usize {
                place if place < seeds[name].len() => seeds[name][place].clone(),
                _ => chance.input(&seeds[name], &words),
            };
            let began = Instant::now();
            if std::panic::catch_unwind(|| target(&input)).is_err() {
                let folder = top.join("artifacts").join(name);
                let path = folder.join(format!("seed-{seed}-input-{count}"));
                std::fs::create_dir_all(&folder).expect("a folder for what crashed");
                std::fs::write(&path, &input).expect("what crashed can be kept");
                eprintln!("{name}: crashed by {}", path.display());
                std::process::exit(1);
            }
            slowest = slowest.max(began.elapsed());
            count += 1;
        }
        println!(
            "{name}: {count} inputs without a crash, the slowest {} ms",
            slowest.as_millis()
        );
    }
}

fn read(folder: &Path) -> Vec<Vec<u8>> {
    let mut paths: Vec<_> = std::fs::read_dir(folder)
        .expect("a target has seeds")
        .map(|entry| entry.expect("a seed").path())
        .collect();
    paths.sort();
    paths
        .iter()
        .map(|path| std::fs::read(path).expect("a seed can be read"))
        .collect()
}

/// All words and marks of the seeds, and some that break things.
fn words(seeds: &BTreeMap<&str, Vec<Vec<u8>>>) -> Vec<Vec<u8>> {
    let mut words: Vec<Vec<u8>> = [
        "\"", "\\", "\n", "{", "[", "}", "]", "null", "-1", "1e999", "\0", "\u{1}", "\u{feff}",
    ]
    .iter()
    .chain(&[
        "18446744073709551616",
        "9223372036854775807",
        "\u{e9}",
        "|",
        "%",
        "*",
        "&a",
        "*a",
        "<<:",
        "1970",
        "T",
    ])
    .map(|word| word.as_bytes().to_vec())
    .collect();
    words.extend([vec![0xff], vec![0xc3], vec![0xf0, 0x9f]]);
    for text in seeds.values().flatten() {
        let parts =
            text.split(|byte| !byte.is_ascii_alphanumeric() && *byte != b'_' && *byte != b'.');
        words.extend(parts.filter(|part| !part.is_empty()).map(<[u8]>::to_vec));
    }
    words.sort();
    words.dedup();
    words
}

/// SplitMix64.
struct Chance(u64);

impl Chance {
    fn below(&mut self, limit: usize) -> usize {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut z = self.0;
        z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        ((z ^ (z >> 31)) % limit.max(1) as u64) as usize
    }

    fn input(&mut self, seeds: &[Vec<u8>], words: &[Vec<u8>]) -> Vec<u8> {
        let mut input = seeds[self.below(seeds.len())].clone();
        for _ in 0..=self.below(8) {
            let at = self.below(input.len() + 1);
            let end = (at + self.below(24)).min(input.len());
            match self.below(7) {
                0 if at < input.len() => input[at] ^= 1 << self.below(8),
                1 => drop(input.drain(at..end)),
                2 => drop(input.splice(at..at, words[self.below(words.len())].clone())),
                3 => drop(input.splice(at..end, words[self.below(words.len())].clone())),
                4 => {
                    // A piece once more, somewhere else.
                    let piece = input[at..end].to_vec();
                    let to = self.below(input.len() + 1);
                    drop(input.splice(to..to, piece));
                }
                5 => input.truncate(at.max(1)),
                _ => {
                    let other = &seeds[self.below(seeds.len())];
                    let from = self.below(other.len());
                    let till = (from + self.below(200)).min(other.len());
                    drop(input.splice(at..at, other[from..till].iter().copied()));
                }
            }
        }
        input.truncate(16 << 10);
        input
    }
}
