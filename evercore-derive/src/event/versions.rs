//! Checks an event's versions and older shapes.

use darling::error::Accumulator;

use crate::rules;
use crate::value::{Number, Older, OlderShapes};

/// The versions of an event as declared.
pub(crate) struct Versions {
    pub(crate) current: u32,
    pub(crate) oldest: Option<u32>,
    /// The older shapes, the oldest first.
    pub(crate) older: Vec<Older>,
}

/// Reads the versions, and reports the mistakes in them.
pub(super) fn read(
    current: Option<Number>,
    oldest: Option<Number>,
    older: Option<OlderShapes>,
    mistakes: &mut Accumulator,
) -> Versions {
    let is_given = current.is_some();
    let current = rules::version(current, mistakes);
    let OlderShapes(older) = older.unwrap_or_default();
    let room = usize::try_from(current.saturating_sub(1)).unwrap_or(usize::MAX);
    if let (Some(first), true) = (older.first(), current > 0 && older.len() > room) {
        let problem = if is_given {
            let plural = if room == 1 { "" } else { "s" };
            let listed = older.len();
            format!("version {current} has {room} older version{plural}, but {listed} are listed")
        } else {
            "version 1 has no older versions; state the version of this event, as in `version = 2`"
                .to_owned()
        };
        mistakes.push(syn::Error::new(first.span(), problem).into());
    }
    if let Some(oldest) = &oldest {
        let begins = room.saturating_sub(older.len()) + 1;
        let problem = if oldest.value == 0 {
            Some("versions start at 1".to_owned())
        } else if oldest.value > current {
            Some(format!(
                "the event is at version {current}, so its oldest version cannot be a later one"
            ))
        } else if !older.is_empty() && usize::try_from(oldest.value).is_ok_and(|it| it > begins) {
            Some(format!(
                "the listed shapes begin at version {begins}; remove those that no database holds"
            ))
        } else {
            None
        };
        mistakes.extend(problem.map(|problem| syn::Error::new(oldest.span, problem).into()));
    }
    Versions { current, oldest: oldest.map(|oldest| oldest.value), older }
}
