//! What was learned, as a file.
//!
//! A first line names the version and the BLAKE3 digest of the rest, which is JSON. The digest finds what was damaged or cut off. It
//! proves nothing about who wrote the file: one that is pinned in git is believed as the commit is.
//!
//! **Invariant:** what is loaded fits the memory given and every number in it is one that can be learned.

use serde::{Deserialize, Serialize};

use super::budget::Budget;
use super::failures::SavedFailures;
use super::novelty::SavedNovelty;
use super::travel::SavedTravel;
use super::volume::{SavedDistinct, SavedRate};

/// The version that is written, and the only one that is read.
const VERSION: u32 = 1;
const NAME: &str = "evenkeel-learned";
/// The most days that a heuristic can have learned before it tells anything.
const MAX_DAYS: usize = 1000;

/// A heuristic's budget and state, and the days on which it learned.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Part<T> {
    pub days: std::collections::BTreeSet<i64>,
    pub budget: Budget,
    pub state: T,
}

/// All parts of a saved state.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Saved {
    pub seed: u64,
    pub first_seen: Option<Part<SavedNovelty>>,
    pub rate: Option<Part<SavedRate>>,
    pub distinct: Option<Part<SavedDistinct>>,
    pub failed_then_success: Option<Part<SavedFailures>>,
    pub impossible_travel: Option<Part<SavedTravel>>,
    pub rare_child: Option<Part<SavedNovelty>>,
}

/// Why a learned state is not taken.
#[derive(Debug, PartialEq, Eq, thiserror::Error)]
pub enum LearnedError {
    #[error("it is no learned state of evenkeel")]
    Other,
    #[error("it is of version {0}, and this evenkeel reads version {VERSION}")]
    Version(String),
    #[error("it was changed or cut off since it was written")]
    Damaged,
    #[error("it cannot be read: {0}")]
    Malformed(String),
    #[error("it holds numbers of {0} that cannot have been learned")]
    Unsound(&'static str),
    #[error("it was learned with the seed {0}, and the settings say {1}")]
    Seed(u64, u64),
}

impl LearnedError {
    /// What to do about it.
    pub fn hint(&self) -> &'static str {
        match self {
            Self::Other => {
                "name the file that an earlier run wrote with --learned, or one that is not there yet"
            }
            Self::Version(_) => "move it away and learn anew; nothing is told while it learns",
            Self::Damaged | Self::Malformed(_) | Self::Unsound(_) => {
                "bring back a copy that is whole, or move it away and learn anew; find out who changed it"
            }
            Self::Seed(..) => {
                "give detect.heuristics.seed the value it had, or move the file away and learn anew"
            }
        }
    }
}

/// The file of a state.
pub fn write(state: &impl Serialize) -> Vec<u8> {
    // Numbers, texts and lists cannot fail to be written.
    let mut body = serde_json::to_vec(state).unwrap_or_default();
    body.push(b'\n');
    seal(body)
}

/// A file with this content, and the digest that goes with it.
pub fn seal(mut body: Vec<u8>) -> Vec<u8> {
    let digest = blake3::hash(&body).to_hex();
    let mut file = format!("{NAME} {VERSION} {digest}\n").into_bytes();
    file.append(&mut body);
    file
}

/// The state in a file.
///
/// # Errors
/// It is none, of another version, damaged, or not such as can be learned.
pub fn read(file: &[u8]) -> Result<Saved, LearnedError> {
    let end = file.iter().take(200).position(|byte| *byte == b'\n');
    let end = end.ok_or(LearnedError::Other)?;
    let head = std::str::from_utf8(&file[..end]).map_err(|_| LearnedError::Other)?;
    let mut words = head.split(' ');
    if words.next() != Some(NAME) {
        return Err(LearnedError::Other);
    }
    let version = words.next().unwrap_or_default();
    if version != VERSION.to_string() {
        let version = version.chars().filter(char::is_ascii_alphanumeric);
        return Err(LearnedError::Version(version.take(20).collect()));
    }
    let body = &file[end + 1..];
    let digest = blake3::hash(body).to_hex();
    if words.next() != Some(digest.as_str()) || words.next().is_some() {
        return Err(LearnedError::Damaged);
    }
    let saved: Saved = serde_json::from_slice(body).map_err(|error| {
        let (line, column) = (error.line(), error.column());
        LearnedError::Malformed(format!("line {line}, column {column} is not as expected"))
    })?;
    match saved.unsound() {
        Some(part) => Err(LearnedError::Unsound(part)),
        None => Ok(saved),
    }
}

impl Saved {
    fn unsound(&self) -> Option<&'static str> {
        fn bad<T>(part: Option<&Part<T>>, is_sound: fn(&T) -> bool) -> bool {
            part.is_some_and(|part| {
                part.days.len() > MAX_DAYS || !part.budget.is_sound() || !is_sound(&part.state)
            })
        }
        let parts = [
            (
                "first_seen",
                bad(self.first_seen.as_ref(), SavedNovelty::is_sound),
            ),
            ("rate", bad(self.rate.as_ref(), SavedRate::is_sound)),
            (
                "distinct",
                bad(self.distinct.as_ref(), SavedDistinct::is_sound),
            ),
            (
                "failed_then_success",
                bad(self.failed_then_success.as_ref(), SavedFailures::is_sound),
            ),
            (
                "impossible_travel",
                bad(self.impossible_travel.as_ref(), SavedTravel::is_sound),
            ),
            (
                "rare_child",
                bad(self.rare_child.as_ref(), SavedNovelty::is_sound),
            ),
        ];
        parts
            .into_iter()
            .find(|(_, bad)| *bad)
            .map(|(name, _)| name)
    }
}
