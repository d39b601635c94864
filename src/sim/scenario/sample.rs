//! A small scenario to break in tests.

use std::collections::BTreeMap;
use std::path::Path;

use tempfile::TempDir;

/// The files of a scenario by path.
pub struct Sample(BTreeMap<&'static str, String>);

const HEADER: &str = r#"apiVersion: evenkeel.dev/v1
kind: Scenario
title: A file is changed
story: Somebody changes a file.
attack: [T1565.001]
target: web
mode: enforce
start: 2026-11-24T02:00:00Z
cycle_every: 5m
duration: 20m
musts:
  - { restored: File/motd, within: 5m }
must_nots:
  - { changed: "/srv/**" }
"#;

const PROJECT: &str = "apiVersion: evenkeel.dev/v1\nkind: Project\ntargets:\n  - { name: web, provider: host, root: /, mode: enforce }\n";

const MANIFEST: &str = "apiVersion: host.evenkeel.dev/v1\nkind: File\nmetadata: { name: motd }\nspec: { path: /etc/motd, mode: \"0644\", content: \"hello\\n\" }\n";

const LIVE: &str = "seed: baseline\nfiles:\n  - { path: /srv/data, content: \"not ours\" }\n";

const TIMELINE: &str = r#"{"at": "+2m", "actor": "mallory", "truth": "malicious", "do": {"write": {"path": "/etc/motd", "content": "bye\n"}}}
"#;

impl Sample {
    pub fn new() -> Self {
        Self(BTreeMap::from([
            ("scenario.yaml", HEADER.to_owned()),
            ("baseline/evenkeel.yaml", PROJECT.to_owned()),
            ("baseline/web/all.yaml", MANIFEST.to_owned()),
            ("live.yaml", LIVE.to_owned()),
            ("timeline.jsonl", TIMELINE.to_owned()),
        ]))
    }

    /// The same with another file.
    pub fn with(mut self, path: &'static str, text: impl Into<String>) -> Self {
        self.0.insert(path, text.into());
        self
    }

    /// The same with a piece of a file replaced, which has to be there.
    pub fn replace(mut self, path: &'static str, piece: &str, by: &str) -> Self {
        let text = self.0.get_mut(path).expect("the sample has the file");
        assert!(text.contains(piece), "{path} has no {piece:?}");
        *text = text.replacen(piece, by, 1);
        self
    }

    /// The same with another expectation in place of the first must.
    pub fn must(self, item: &str) -> Self {
        self.replace("scenario.yaml", "{ restored: File/motd, within: 5m }", item)
    }

    /// The same with another expectation in place of the first must-not.
    pub fn must_not(self, item: &str) -> Self {
        self.replace("scenario.yaml", "{ changed: \"/srv/**\" }", item)
    }

    /// Writes the files to a folder.
    pub fn write_to(&self, dir: &Path) {
        for (path, text) in &self.0 {
            let path = dir.join(path);
            std::fs::create_dir_all(path.parent().unwrap()).unwrap();
            std::fs::write(path, text).unwrap();
        }
    }

    /// Writes the files to a new folder.
    pub fn write(&self) -> TempDir {
        let dir = tempfile::tempdir().unwrap();
        self.write_to(dir.path());
        dir
    }
}
