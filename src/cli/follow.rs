//! `evenkeel detect --follow`: sources that grow, each finding told once when it is made.
//!
//! Flow: new files are opened → each is read until it has no more → what is new is told → a short rest → again, until the
//! process is asked to end; then what is held back is read and counted, and the sources are told.

use std::sync::Arc;
use std::time::Duration;

use jiff::SignedDuration;
use tokio::signal::unix::{SignalKind, signal};

use super::CliError;
use super::args::{DetectArgs, DetectFormat};
use super::detect::{bounds, pool};
use super::incident::of_detect;
use super::output::Terminal;
use super::sources::{self, How, SEEN};
use super::told::Told;
use crate::clock::SystemClock;
use crate::detect::heuristics::Heuristics;
use crate::detect::scan::{Looked, Scan, look};
use crate::detect::sigma::Rules;
use crate::engine::Incidents;
use crate::events::Seen;
use crate::events::follow::Followed;
use crate::events::source::Wanted;
use crate::model::{Detection, Record, RunId, Suppression};
use crate::ports::Clock;
use crate::report::detection::{json, ocsf, sarif, text};

/// How long nothing is asked when nothing came.
const REST: Duration = Duration::from_millis(500);
/// A finding that was quiet for so long is told anew when it comes again.
const QUIET: SignedDuration = SignedDuration::from_hours(1);

/// Reads until the process is interrupted or asked to end. The findings of the answer are those that were told.
pub async fn run(
    args: &DetectArgs,
    wanted: &[Wanted],
    scan: Scan,
    suppressions: &[Suppression],
    terminal: &Terminal,
) -> Result<(Detection, Option<Heuristics>), CliError> {
    let failed =
        |error: std::io::Error| CliError::new(format!("failed to listen to signals: {error}"));
    let mut interrupt = signal(SignalKind::interrupt()).map_err(failed)?;
    let mut terminate = signal(SignalKind::terminate()).map_err(failed)?;
    let lateness = SignedDuration::try_from(args.lateness).unwrap_or(SignedDuration::MAX);
    let mut round = Round {
        args,
        zone: sources::zone(args.zone.as_deref())?,
        followed: wanted.iter().cloned().map(Followed::new).collect(),
        wanted,
        rules: scan.rules(),
        acts: scan.has_heuristics(),
        scan: scan.late_by(lateness),
        seen: Seen::new(SEEN),
        told: Told::new(MAX_TOLD),
        incidents: of_detect::known(args)?,
        suppressions,
        suppressed: Detection::default(),
    };
    let pool = pool(args.threads)?;
    loop {
        let busy = pool.install(|| round.read())?;
        round.tell(terminal);
        tokio::select! {
            biased;
            _ = interrupt.recv() => break,
            _ = terminate.recv() => break,
            () = tokio::time::sleep(if busy { Duration::ZERO } else { REST }) => {}
        }
    }
    pool.install(|| round.read_rest())?;
    Ok(round.finish(terminal))
}

struct Round<'a> {
    args: &'a DetectArgs,
    wanted: &'a [Wanted],
    zone: jiff::tz::TimeZone,
    followed: Vec<Followed>,
    rules: Arc<Rules>,
    /// Whether records are made into acts, for heuristics.
    acts: bool,
    scan: Scan,
    seen: Seen,
    told: Told,
    /// Those of the state, and what would have been recorded since.
    incidents: Incidents,
    suppressions: &'a [Suppression],
    /// What they took out, and what is to be said of it.
    suppressed: Detection,
}

impl Round<'_> {
    /// Reads a part of each source; whether there is more.
    fn read(&mut self) -> Result<bool, CliError> {
        let now = SystemClock.now();
        let (rules, acts) = (&self.rules, self.acts);
        let (scan, seen) = (&mut self.scan, &mut self.seen);
        let map = |record: Record| look(rules, acts, record);
        let mut busy = false;
        for (followed, wanted) in self.followed.iter_mut().zip(self.wanted) {
            let how = How {
                wanted,
                zone: &self.zone,
                bounds: bounds(self.args),
            };
            followed
                .look(&|opened| how.given(opened))
                .map_err(|error| CliError::of(&error))?;
            for reader in followed.readers() {
                reader.until(now);
                take(scan, reader.next(seen, &map).unwrap_or_default());
                busy |= !reader.is_idle();
            }
        }
        Ok(busy)
    }

    /// Reads all that there is, and what was held back.
    fn read_rest(&mut self) -> Result<(), CliError> {
        while self.read()? {}
        let (rules, acts) = (&self.rules, self.acts);
        let (scan, seen) = (&mut self.scan, &mut self.seen);
        let map = |record: Record| look(rules, acts, record);
        for followed in &mut self.followed {
            for reader in followed.readers() {
                take(scan, reader.close(seen, &map));
            }
        }
        Ok(())
    }

    fn tell(&mut self, terminal: &Terminal) {
        self.suppressed.findings = self.scan.fresh(QUIET);
        of_detect::suppress(&mut self.suppressed, true, self.suppressions);
        self.suppressed.suppressed.truncate(MAX_TOLD);
        let mut fresh = std::mem::take(&mut self.suppressed.findings);
        if fresh.is_empty() {
            return;
        }
        let now = SystemClock.now();
        let settled = self.incidents.settle(&mut fresh, now);
        self.incidents
            .apply(&settled.changes, &RunId(String::new()), now);
        for finding in fresh {
            match self.args.format {
                DetectFormat::Text => terminal.out(&text::one(&finding, &terminal.style(false))),
                DetectFormat::Json => terminal.out(&json::one(&finding)),
                DetectFormat::Ocsf => terminal.out(&ocsf::one(&finding)),
                // A scan is one document, which is there at the end.
                DetectFormat::Sarif => {}
            }
            self.told.add(finding);
        }
    }

    fn finish(mut self, terminal: &Terminal) -> (Detection, Option<Heuristics>) {
        self.scan.count_all();
        self.tell(terminal);
        let (mut detection, learned) = self.scan.finish();
        self.told.end(&mut detection);
        detection.suppressed = self.suppressed.suppressed;
        detection.notices.extend(self.suppressed.notices);
        detection.sources = self
            .followed
            .into_iter()
            .flat_map(Followed::into_tallies)
            .collect();
        (detection, learned)
    }
}

/// The most findings that are remembered for the reports at the end.
const MAX_TOLD: usize = 50_000;

fn take(scan: &mut Scan, looked: Vec<Looked>) {
    looked.into_iter().for_each(|looked| scan.take(looked));
}

/// Tells what was read, after the findings were told one by one.
pub fn end(detection: &Detection, format: DetectFormat, terminal: &Terminal) {
    match format {
        DetectFormat::Text => terminal.out(&text::sources(detection, &terminal.style(false))),
        DetectFormat::Json => terminal.out(&json::sources(detection)),
        DetectFormat::Sarif => terminal.out(&sarif::render(detection, 0)),
        // A reader of OCSF expects events and nothing else.
        DetectFormat::Ocsf => {}
    }
}
