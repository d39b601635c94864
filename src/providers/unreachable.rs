//! A target that could not be reached: everything on it is not evaluated, and nothing is done there.

use async_trait::async_trait;

use crate::document::Declared;
use crate::model::{Address, Desired, Reason, Snapshot, Step};
use crate::ports::{ActContext, ActError, Captured, Normalised, OwnPlace, Provider, SideFiles};

/// Stands in for a target's provider, with the reason why that could not be made.
pub struct Unreachable {
    reason: Reason,
}

impl Unreachable {
    /// Stands in for a provider that could not be made for this reason.
    pub fn new(reason: Reason) -> Self {
        Self { reason }
    }

    fn refusal(&self) -> ActError {
        ActError::Lost(self.reason.text.clone())
    }
}

#[async_trait]
impl Provider for Unreachable {
    async fn normalise(
        &self,
        declared: &[Declared],
        _files: &dyn SideFiles,
        _connect: bool,
    ) -> Normalised {
        Normalised {
            not_evaluated: declared
                .iter()
                .map(|document| {
                    let place = Address(format!("/{}", document.id.short()));
                    (document.id.clone(), place, self.reason.clone())
                })
                .collect(),
            ..Normalised::default()
        }
    }

    async fn observe(&self, _desired: &[Desired]) -> Snapshot {
        Snapshot::default()
    }

    async fn capture(&self, _step: &Step, _max_bytes: u64) -> Result<Captured, ActError> {
        Err(self.refusal())
    }

    async fn apply(
        &self,
        _step: &Step,
        _context: &ActContext<'_>,
    ) -> Result<Vec<String>, ActError> {
        Err(self.refusal())
    }

    async fn tidy(&self, _step: &Step, _nonce: &str) -> Result<(), ActError> {
        Err(self.refusal())
    }

    fn own_places(&self) -> Vec<OwnPlace> {
        Vec::new()
    }

    fn beyond_undo(&self) -> &'static [&'static str] {
        &[]
    }
}
