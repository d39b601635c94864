//! Correlations: what is counted, in which time, and when that is a finding.

use super::rule::RuleIndex;

/// What is counted.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Counts {
    /// Hits.
    Events,
    /// Different values of fields.
    Values,
    /// Whether hits of several rules come together, in any order.
    Together,
    /// Whether hits of several rules come one after the other.
    InOrder,
    Sum,
    Average,
    Median,
    /// By nearest rank.
    Percentile(u8),
}

/// A comparison with what was counted.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Against {
    Less,
    AtMost,
    More,
    AtLeast,
    Equal,
    Different,
}

impl Against {
    pub(super) const NAMES: [(&'static str, Self); 6] = [
        ("lt", Self::Less),
        ("lte", Self::AtMost),
        ("gt", Self::More),
        ("gte", Self::AtLeast),
        ("eq", Self::Equal),
        ("neq", Self::Different),
    ];

    fn holds(self, counted: f64, limit: f64) -> bool {
        match self {
            Self::Less => counted < limit,
            Self::AtMost => counted <= limit,
            Self::More => counted > limit,
            Self::AtLeast => counted >= limit,
            Self::Equal => counted == limit,
            Self::Different => counted != limit,
        }
    }
}

/// Which rules have to have hit.
#[derive(Clone, PartialEq, Debug)]
pub enum Hitting {
    All(Vec<Hitting>),
    Any(Vec<Hitting>),
    /// The place of a rule in [`Correlation::rules`].
    Rule(usize),
}

/// When what was counted is a finding.
#[derive(Clone, PartialEq, Debug)]
pub enum When {
    /// All comparisons hold.
    Number(Vec<(Against, f64)>),
    Rules(Hitting),
}

impl When {
    pub(super) fn holds(&self, counted: f64) -> bool {
        match self {
            Self::Number(comparisons) => comparisons
                .iter()
                .all(|(against, limit)| against.holds(counted, *limit)),
            Self::Rules(_) => false,
        }
    }
}

/// A value that is taken from each hit.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Taken {
    /// As the correlation calls it.
    pub name: String,
    /// The field for each of [`Correlation::rules`].
    pub fields: Vec<String>,
}

/// A correlation whose rules are known.
#[derive(Clone, PartialEq, Debug)]
pub struct Correlation {
    pub counts: Counts,
    pub rules: Vec<RuleIndex>,
    /// What hits have in common that are counted together.
    pub group_by: Vec<Taken>,
    /// In seconds.
    pub timespan: i64,
    pub when: When,
    /// The fields whose values are counted or added.
    pub values: Vec<Taken>,
    /// Whether the rules that it counts are findings too.
    pub generate: bool,
}
