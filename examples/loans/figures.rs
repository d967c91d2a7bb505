//! Counts activities and the durations of cases.

use std::collections::BTreeMap;
use std::fmt;

use evercore::chrono::{DateTime, Utc};

use crate::domain::Lifecycle;

/// The numbers of activities, and the durations of cases.
#[derive(Debug, Default, PartialEq)]
pub(crate) struct Figures {
    /// The number of events by activity and lifecycle.
    pub(crate) activities: BTreeMap<(String, Lifecycle), u64>,
    /// The number of cases by their duration.
    pub(crate) durations: BTreeMap<Duration, u64>,
}

/// The times of a case's first and last events, in microseconds since 1970.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) struct Span {
    pub(crate) first_at: i64,
    pub(crate) last_at: i64,
}

/// The duration of a case, as a rough class.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Duration {
    Minute,
    Hour,
    Day,
    Week,
    TwoWeeks,
    Month,
    TwoMonths,
    Longer,
}

/// Each class but the last, with its name and its upper bound in days, which is exclusive.
const DURATIONS: [(Duration, &str, f64); 7] = [
    (Duration::Minute, "under a minute", 1.0 / 1_440.0),
    (Duration::Hour, "under an hour", 1.0 / 24.0),
    (Duration::Day, "under a day", 1.0),
    (Duration::Week, "under a week", 7.0),
    (Duration::TwoWeeks, "under two weeks", 14.0),
    (Duration::Month, "under 30 days", 30.0),
    (Duration::TwoMonths, "under 60 days", 60.0),
];

impl Span {
    pub(crate) fn of(time: DateTime<Utc>) -> Self {
        let at = time.timestamp_micros();
        Self { first_at: at, last_at: at }
    }

    /// Returns the span that covers both.
    pub(crate) fn and(self, other: Self) -> Self {
        Self {
            first_at: self.first_at.min(other.first_at),
            last_at: self.last_at.max(other.last_at),
        }
    }
}

impl Figures {
    pub(crate) fn add_case(&mut self, span: Span) {
        *self.durations.entry(Duration::of(span)).or_default() += 1;
    }
}

impl Duration {
    #[expect(clippy::cast_precision_loss, reason = "these are rough figures")]
    fn of(Span { first_at, last_at }: Span) -> Self {
        const MICROS_OF_A_DAY: f64 = 86_400_000_000.0;
        let days = (last_at - first_at) as f64 / MICROS_OF_A_DAY;
        DURATIONS.iter().find(|(.., end)| days < *end).map_or(Self::Longer, |(found, ..)| *found)
    }
}

impl fmt::Display for Duration {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let known = DURATIONS.iter().find(|(duration, ..)| duration == self);
        f.pad(known.map_or("longer", |(_, name, _)| name))
    }
}

/// Formats the figures as charts.
impl fmt::Display for Figures {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut activities = BTreeMap::<&str, u64>::new();
        for ((activity, _), events) in &self.activities {
            *activities.entry(activity).or_default() += events;
        }
        chart(f, "events by activity", &activities)?;
        writeln!(f)?;
        chart(f, "cases by duration", &self.durations)
    }
}

fn chart<K: fmt::Display>(
    f: &mut fmt::Formatter<'_>,
    title: &str,
    counts: &BTreeMap<K, u64>,
) -> fmt::Result {
    const WIDTH: u64 = 40;
    let most = counts.values().copied().max().unwrap_or(0).max(1);
    writeln!(f, "{title}")?;
    for (name, &count) in counts {
        // Any count above zero has a visible bar.
        let length = (count * WIDTH).div_ceil(most);
        let bar = "█".repeat(usize::try_from(length).unwrap_or(0));
        writeln!(f, "{name:<32} {count:>9}  {bar}")?;
    }
    Ok(())
}
