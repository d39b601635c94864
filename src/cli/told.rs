//! The findings that were told while sources were followed, for the exit code and the reports at the end.
//!
//! **Invariant:** memory is bounded. Of what is beyond the bound the worst is kept, so that the exit code is that of all, and
//! the number is said.

use crate::model::{Detection, Finding};

/// Findings in the order in which they were told.
pub struct Told {
    most: usize,
    kept: Vec<Finding>,
    /// The first of the worst that are not kept.
    worst: Option<Box<Finding>>,
    beyond: u64,
}

impl Told {
    /// Keeps so many, and one more.
    pub fn new(most: usize) -> Self {
        Self {
            most,
            kept: Vec::new(),
            worst: None,
            beyond: 0,
        }
    }

    pub fn add(&mut self, finding: Finding) {
        if self.kept.len() < self.most {
            self.kept.push(finding);
            return;
        }
        self.beyond += 1;
        if self
            .worst
            .as_ref()
            .is_none_or(|worst| worst.level < finding.level)
        {
            self.worst = Some(Box::new(finding));
        }
    }

    /// Puts what was told into the result.
    pub fn end(self, detection: &mut Detection) {
        detection.findings = self.kept;
        detection.findings.extend(self.worst.map(|worst| *worst));
        if self.beyond > 1 {
            detection.notices.push(format!(
                "{} findings were told and are not in the reports at the end, which hold {} and the worst of the others",
                self.beyond - 1,
                self.most,
            ));
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::{Level, ResourceId, TargetName};
    use crate::report::FailOn;
    use crate::report::detection::code;
    use crate::report::exit::{CLEAN, INDICATOR};

    // Goal: a flood of harmless findings, which an attacker can make, hides from the exit code what comes after it.
    #[test]
    fn what_is_beyond_the_bound_counts() {
        let resource = ResourceId::new(&TargetName("h1".into()), "File", "x");
        let finding = |level| Finding::on(resource.clone(), "unlisted-key", level);
        let end = |levels: &[Level]| {
            let mut told = Told::new(2);
            levels.iter().for_each(|level| told.add(finding(*level)));
            let mut detection = Detection::default();
            told.end(&mut detection);
            (
                code(&detection, FailOn::default(), false),
                detection.findings.len(),
                detection.notices.len(),
            )
        };
        let (low, high) = (Level::Low, Level::Critical);
        assert_eq!(end(&[low, low]), (CLEAN, 2, 0));
        assert_eq!(end(&[low, low, low]), (CLEAN, 3, 0));
        assert_eq!(end(&[low, low, low, high, low]), (INDICATOR, 3, 1));
    }
}
