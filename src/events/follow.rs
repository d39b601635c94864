//! Sources that are read as they grow: a file under its name, whichever file has it; a folder with what comes into it.
//!
//! Flow: [`Followed::look`] finds new files → [`Followed::readers`] are read until each is idle → again.
//!
//! **Invariant:** a file that was moved away is read on beside its successor, so nothing is lost while its writer still holds
//! it. How many are held is bounded; one that is given up for that is told in its tally.

use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};
use std::sync::Arc;

use super::reader::{Given, ReadError, Reader};
use super::source::{self, Opened, SourceError, Wanted};
use super::tail::{Identity, Tail};
use crate::model::{Format, Tally};

/// How many files that were moved away are read on, for each source.
const MAX_MOVED: usize = 8;

/// One source that is followed.
pub struct Followed {
    wanted: Wanted,
    /// Newest last.
    open: Vec<Open>,
    known: BTreeSet<Identity>,
    /// What a file of this name was read as, for its successor that is empty yet.
    formats: BTreeMap<PathBuf, Format>,
    /// Files that are not read any more, or cannot be.
    done: Vec<Tally>,
    was_there: bool,
}

struct Open {
    path: PathBuf,
    identity: Identity,
    reader: Reader,
}

impl Followed {
    /// Nothing is opened yet.
    pub fn new(wanted: Wanted) -> Self {
        Self {
            wanted,
            open: Vec::new(),
            known: BTreeSet::new(),
            formats: BTreeMap::new(),
            done: Vec::new(),
            was_there: false,
        }
    }

    /// Opens what is new. `given` says how a file is read.
    ///
    /// # Errors
    /// The source cannot be looked at.
    pub fn look(&mut self, given: &impl Fn(&Opened) -> Given) -> Result<(), SourceError> {
        let files = match source::files(&self.wanted) {
            Ok(files) => files,
            // A folder may be empty yet, and in a rotation a name has no file for a moment.
            Err(SourceError::Empty(_)) => Vec::new(),
            Err(SourceError::Io { source, .. })
                if self.was_there && source.kind() == std::io::ErrorKind::NotFound =>
            {
                Vec::new()
            }
            Err(error) => return Err(error),
        };
        self.was_there = true;
        for file in files {
            // A name that is between two files, as in a rotation, is there the next time.
            let Ok(meta) = self.meta(&file) else {
                continue;
            };
            let identity = Identity::of(&meta);
            if !meta.is_file() || self.known.contains(&identity) {
                continue;
            }
            self.begin(&file, meta.len(), given);
        }
        self.let_old_ones_go();
        Ok(())
    }

    /// A link is only followed where it was named itself.
    fn meta(&self, file: &Path) -> std::io::Result<std::fs::Metadata> {
        match file == self.wanted.path {
            true => std::fs::metadata(file),
            false => std::fs::symlink_metadata(file),
        }
    }

    fn begin(&mut self, file: &Path, length: u64, given: &impl Fn(&Opened) -> Given) {
        let known_as = self.formats.get(file).copied();
        if length == 0 && self.wanted.format.or(known_as).is_none() {
            // What it is will be told by its first lines.
            return;
        }
        let Ok((opened, identity)) = open(&self.wanted, file) else {
            return;
        };
        let name = opened.name.to_string();
        let mut given = given(&opened);
        // The name's earlier file told the format, and its trust stays what it was: nobody named it.
        let named = given.format.is_some();
        given.format = given.format.or(known_as);
        if let (false, Some(format)) = (named, known_as) {
            given.trust = given.trust.or(Some(source::trust_of(format, false)));
        }
        self.known.insert(identity);
        match Reader::following(opened, given) {
            Ok(reader) => {
                self.formats.insert(file.to_owned(), reader.format());
                self.open.push(Open {
                    path: file.to_owned(),
                    identity,
                    reader,
                });
            }
            Err(
                error @ (ReadError::Unknown(_) | ReadError::Unread { .. } | ReadError::Io { .. }),
            ) => {
                self.done.push(Tally {
                    source: name,
                    error: Some(error.to_string()),
                    ..Tally::default()
                });
            }
        }
    }

    /// Of the files that have another name by now, or none, the oldest are given up beyond the bound.
    fn let_old_ones_go(&mut self) {
        let is_moved = |open: &Open| {
            let meta = self.meta(&open.path);
            meta.map_or(true, |meta| Identity::of(&meta) != open.identity)
        };
        let moved: Vec<_> = (0..self.open.len())
            .filter(|place| is_moved(&self.open[*place]))
            .collect();
        // From the back, so that the places before stay what they are.
        let given_up = moved.len().saturating_sub(MAX_MOVED);
        for place in moved.into_iter().take(given_up).rev() {
            let mut tally = self.open.remove(place).reader.into_tally();
            tally.error = Some(format!(
                "it was moved away and {MAX_MOVED} later ones too, so it is not followed any more"
            ));
            self.done.push(tally);
        }
    }

    /// What is being read.
    pub fn readers(&mut self) -> impl Iterator<Item = &mut Reader> {
        self.open.iter_mut().map(|open| &mut open.reader)
    }

    /// What was read of each file.
    pub fn into_tallies(self) -> Vec<Tally> {
        let open = self.open.into_iter().map(|open| open.reader.into_tally());
        self.done.into_iter().chain(open).collect()
    }
}

fn open(wanted: &Wanted, file: &Path) -> Result<(Opened, Identity), SourceError> {
    let io = |source| SourceError::Io {
        path: file.display().to_string(),
        source,
    };
    let opened = source::open_file(file, file != wanted.path).map_err(io)?;
    let meta = opened.metadata().map_err(io)?;
    if !meta.is_file() {
        return Err(SourceError::Neither(file.display().to_string()));
    }
    let written = meta.modified().ok().and_then(|time| time.try_into().ok());
    let identity = Identity::of(&meta);
    Ok((
        Opened {
            name: Arc::from(file.display().to_string()),
            bytes: Box::new(Tail::new(opened)),
            written,
        },
        identity,
    ))
}

#[cfg(test)]
mod tests {
    use jiff::Timestamp;
    use jiff::tz::TimeZone;

    use super::*;
    use crate::events::{Seen, SourceTerms};
    use crate::model::{Record, Trust};

    fn given(opened: &Opened) -> Given {
        Given {
            format: None,
            trust: None,
            terms: SourceTerms {
                name: Arc::clone(&opened.name),
                trust: Trust::Unauthenticated,
                host: None,
                zone: TimeZone::UTC,
                until: Timestamp::UNIX_EPOCH,
            },
            bounds: crate::events::frame::Bounds::default(),
        }
    }

    fn more(followed: &mut Followed) -> Vec<String> {
        followed.look(&given).unwrap();
        let mut seen = Seen::new(16);
        let text = |record: Record| record.body["message"].as_str().unwrap_or("").to_owned();
        let mut all = Vec::new();
        for reader in followed.readers() {
            all.extend(reader.next(&mut seen, &text).unwrap());
        }
        all
    }

    // Goal: a rotation that is looked at in its middle ends the run; a log that is empty yet is never read; a link that comes
    // into a folder is followed.
    #[test]
    fn names_come_and_go() {
        let dir = tempfile::tempdir().unwrap();
        let (log, moved) = (dir.path().join("auth.log"), dir.path().join("auth.log.1"));
        let line = |said: &str| format!("2026-03-01T10:00:00+00:00 h1 app: {said}\n");
        std::fs::write(&log, "").unwrap();
        let wanted: Wanted = log.to_str().unwrap().parse().unwrap();
        let mut followed = Followed::new(wanted);
        assert!(more(&mut followed).is_empty());
        std::fs::write(&log, line("one")).unwrap();
        assert_eq!(more(&mut followed), ["one"]);
        std::fs::rename(&log, &moved).unwrap();
        assert!(more(&mut followed).is_empty());
        std::fs::write(&log, line("two")).unwrap();
        assert_eq!(more(&mut followed), ["two"]);
        let tallies = followed.into_tallies();
        let records: Vec<_> = tallies.iter().map(|tally| tally.records).collect();
        assert_eq!(records, [1, 1]);

        let folder: Wanted = dir.path().to_str().unwrap().parse().unwrap();
        std::os::unix::fs::symlink(&moved, dir.path().join("link.log")).unwrap();
        let mut followed = Followed::new(folder);
        let mut all = more(&mut followed);
        all.sort();
        assert_eq!(all, ["one", "two"]);
        assert!(
            Followed::new("nowhere".parse().unwrap())
                .look(&given)
                .is_err()
        );
    }
}
