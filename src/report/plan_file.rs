//! Plan files: what `plan --out FILE` writes and `reconcile --plan FILE` carries out or refuses.
//!
//! Flow: a report → [`PlanFile`] → JSON in a file that only its owner reads → [`read`] → the plan, to be compared with the
//! live state step by step.
//!
//! **Invariant:** a plan that was cut, edited or made by another version is refused whole, and no file, however large,
//! takes more than a bounded amount of memory.

use std::fs::File;
use std::io::{self, Read, Write};
use std::path::Path;

use jiff::Timestamp;
use serde::{Deserialize, Serialize};

use crate::model::{BaselineInfo, Group, Plan, RunReport};

/// The schema of the files that are written now.
pub const SCHEMA: &str = "evenkeel.dev/plan-file/v1";
/// The largest file that is read, in bytes.
pub const MAX_BYTES: u64 = 64 << 20;

/// A plan that was made earlier, with where it came from.
#[derive(Clone, PartialEq, Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct PlanFile {
    pub schema: String,
    pub plan: Plan,
    pub baseline: BaselineInfo,
    pub made_at: Timestamp,
}

/// A plan file could not be written or read.
#[derive(Debug, thiserror::Error)]
pub enum PlanFileError {
    #[error("failed to write the plan file")]
    Write(#[source] io::Error),
    #[error("failed to read the plan file")]
    Read(#[source] io::Error),
    #[error("the plan file is larger than {} MiB", MAX_BYTES >> 20)]
    TooLarge,
    #[error("the plan file is no JSON of a plan")]
    Malformed(#[source] serde_json::Error),
    #[error(
        "the plan file has schema {found:?}, and this version reads {SCHEMA}; make the plan anew"
    )]
    OtherSchema { found: String },
    #[error("the plan file was changed after it was made: {what} does not match its hash")]
    Edited { what: String },
}

impl PlanFile {
    /// The plan of a report.
    pub fn of(report: &RunReport) -> Self {
        Self {
            schema: SCHEMA.to_owned(),
            plan: report.plan.clone(),
            baseline: report.baseline.clone(),
            made_at: report.ended,
        }
    }
}

/// Writes a plan file, readable by its owner alone; what was at this path stays whole until the new file is.
///
/// # Errors
/// When the file cannot be written; then nothing has changed.
pub fn write(path: &Path, file: &PlanFile) -> Result<(), PlanFileError> {
    let directory = match path.parent() {
        Some(parent) if !parent.as_os_str().is_empty() => parent,
        _ => Path::new("."),
    };
    let mut temporary = tempfile::NamedTempFile::new_in(directory).map_err(PlanFileError::Write)?;
    let mut text = serde_json::to_string_pretty(file).map_err(PlanFileError::Malformed)?;
    text.push('\n');
    temporary
        .write_all(text.as_bytes())
        .map_err(PlanFileError::Write)?;
    temporary
        .persist(path)
        .map_err(|error| PlanFileError::Write(error.error))?;
    Ok(())
}

/// Reads a plan file and checks that it is whole.
///
/// # Errors
/// When it cannot be read, is too large, is no plan file of a known schema, or does not match its own hashes.
pub fn read(path: &Path) -> Result<PlanFile, PlanFileError> {
    let opened = File::open(path).map_err(PlanFileError::Read)?;
    parse(opened)
}

fn parse(source: impl Read) -> Result<PlanFile, PlanFileError> {
    let mut bytes = Vec::new();
    source
        .take(MAX_BYTES + 1)
        .read_to_end(&mut bytes)
        .map_err(PlanFileError::Read)?;
    if bytes.len() as u64 > MAX_BYTES {
        return Err(PlanFileError::TooLarge);
    }
    #[derive(Deserialize)]
    struct Header {
        schema: String,
    }
    // The schema first: a file of another version is to be told so, and not that a field is unknown.
    let header: Header = serde_json::from_slice(&bytes).map_err(PlanFileError::Malformed)?;
    if header.schema != SCHEMA {
        return Err(PlanFileError::OtherSchema {
            found: header.schema.chars().take(100).collect(),
        });
    }
    let file: PlanFile = serde_json::from_slice(&bytes).map_err(PlanFileError::Malformed)?;
    check(&file.plan)?;
    Ok(file)
}

fn check(plan: &Plan) -> Result<(), PlanFileError> {
    let edited = |what: String| Err(PlanFileError::Edited { what });
    for group in &plan.groups {
        if group.steps.is_empty() {
            return edited(format!("group {}", group.hash.short()));
        }
        let again = Group::new(group.target.clone(), group.steps.clone());
        if again.hash != group.hash || again.fingerprint != group.fingerprint {
            return edited(format!("group {}", group.hash.short()));
        }
        // The hash covers the digest that a step leaves, and the digest has to cover the state that it puts.
        for step in &group.steps {
            let leaves = match &step.state {
                Some(state) => state.digest(),
                None => crate::model::Observed::absent_digest(),
            };
            if leaves != step.leaves {
                return edited(format!("the state of {}", step.resource));
            }
        }
    }
    if Plan::new(plan.groups.clone()).hash != plan.hash {
        return edited("the list of groups".to_owned());
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::report::samples;
    use std::os::unix::fs::PermissionsExt;

    // Goal: a plan survives its file, which nobody else can read.
    #[test]
    fn a_plan_survives_its_file() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("plan.json");
        let file = PlanFile::of(&samples::mixed());
        write(&path, &file).unwrap();
        assert_eq!(read(&path).unwrap(), file);
        let mode = std::fs::metadata(&path).unwrap().permissions().mode();
        assert_eq!(mode & 0o777, 0o600);
        assert_eq!(std::fs::read_dir(folder.path()).unwrap().count(), 1);
    }

    // Goal: no edit of what would be done passes. Method: each way to change a plan's JSON that keeps it readable.
    #[test]
    fn edits_are_found() {
        let edits: [fn(&mut PlanFile); 6] = [
            |file| file.plan.groups[0].steps[0].address.0 = "/etc/shadow".into(),
            |file| {
                let state = file.plan.groups[0].steps[0].state.as_mut().unwrap();
                state.fields.insert("mode".into(), "4755".into());
            },
            |file| file.plan.groups[0].steps[0].state = None,
            |file| file.plan.groups[0].steps.clear(),
            |file| file.plan.groups[0].fingerprint = "0000000000000000".into(),
            |file| {
                file.plan.groups.pop();
            },
        ];
        for (i, edit) in edits.iter().enumerate() {
            let mut file = PlanFile::of(&samples::mixed());
            edit(&mut file);
            let text = serde_json::to_vec(&file).unwrap();
            let result = parse(text.as_slice());
            assert!(
                matches!(result, Err(PlanFileError::Edited { .. })),
                "edit {i}: {result:?}"
            );
        }
    }

    // Goal: what is no plan file is refused with the right reason: cut, of another version, endless.
    #[test]
    fn refuses_what_is_no_plan() {
        let text = serde_json::to_string(&PlanFile::of(&samples::mixed())).unwrap();
        let cut = &text[..text.len() / 2];
        assert!(matches!(
            parse(cut.as_bytes()),
            Err(PlanFileError::Malformed(_))
        ));
        let newer = text.replace("plan-file/v1", "plan-file/v9");
        let refused = parse(newer.as_bytes()).unwrap_err();
        assert!(
            matches!(refused, PlanFileError::OtherSchema { .. }),
            "{refused}"
        );
        assert!(matches!(
            parse(io::repeat(b' ')),
            Err(PlanFileError::TooLarge)
        ));
        assert!(matches!(
            read(Path::new("/nonexistent/plan.json")),
            Err(PlanFileError::Read(_))
        ));
    }

    proptest::proptest! {
        // Goal: bytes that end the program that reads them, or that change what would be done and pass. Method: any bytes of a
        // plan file changed, taken out or put in.
        #[test]
        fn changed_bytes_are_no_other_plan(
            edits in proptest::collection::vec(
                (proptest::prelude::any::<proptest::sample::Index>(), 0..3_u8, proptest::prelude::any::<u8>()),
                1..4,
            ),
        ) {
            let file = PlanFile::of(&samples::mixed());
            let mut bytes = serde_json::to_vec(&file).unwrap();
            for (at, how, byte) in edits {
                let at = at.index(bytes.len());
                match how {
                    0 => bytes[at] = byte,
                    1 => drop(bytes.remove(at)),
                    _ => bytes.insert(at, byte),
                }
            }
            if let Ok(read) = parse(bytes.as_slice()) {
                proptest::prop_assert_eq!(read.plan.hash, file.plan.hash);
            }
        }
    }
}
