//! Defines the positions of a commit's events.

use std::fmt;
use std::sync::Arc;

use serde::{Deserialize, Serialize};

use crate::{Error, Position, Result};

/// The positions of a commit's events, in the order of the events. They grow; events of other commits may lie between.
///
/// ```
/// use evercore::engine::Positions;
/// use evercore::{Error, Position};
///
/// let positions = Positions::listed([3, 4, 7].map(Position::new).into_iter().collect::<Result<_, _>>()?)?;
/// assert_eq!(positions.len(), 3);
/// assert_eq!(positions.last(), Some(Position::new(7)?));
/// assert_eq!(positions.to_string(), "3, 4, 7");
/// # Ok::<_, Error>(())
/// ```
#[derive(Clone, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(try_from = "Vec<Position>", into = "Vec<Position>")]
pub struct Positions(Form);

/// A span where no other event lies between, else a list, so that equal positions have equal forms.
#[derive(Clone, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
enum Form {
    #[default]
    Empty,
    Span {
        first: Position,
        last: Position,
    },
    List(Arc<[Position]>),
}

impl Positions {
    /// The positions of a commit without events.
    pub const NONE: Self = Self(Form::Empty);

    /// Makes the positions from `first` to `last`, all of the same commit.
    ///
    /// # Errors
    /// [`Error::Corrupt`] if `first` is [`Position::START`] or after `last`.
    pub fn span(first: Position, last: Position) -> Result<Self> {
        if first == Position::START || last < first {
            let problem = format!("a commit has events from position {first} to {last}");
            return Err(Error::corrupt("positions of a commit", problem));
        }
        Ok(Self(Form::Span { first, last }))
    }

    /// Makes positions between which those of other commits may lie.
    ///
    /// # Errors
    /// [`Error::Corrupt`] if they do not grow, or if the first is [`Position::START`].
    pub fn listed(list: Vec<Position>) -> Result<Self> {
        let (Some(&first), Some(&last)) = (list.first(), list.last()) else {
            return Ok(Self::NONE);
        };
        if list.windows(2).any(|pair| pair[1] <= pair[0]) {
            return Err(Error::corrupt("positions of a commit", "they do not grow"));
        }
        let span = Self::span(first, last)?;
        Ok(if span.len() == list.len() { span } else { Self(Form::List(list.into())) })
    }

    /// Returns the position of the first event.
    #[must_use]
    pub fn first(&self) -> Option<Position> {
        match &self.0 {
            Form::Empty => None,
            Form::Span { first, .. } => Some(*first),
            Form::List(list) => list.first().copied(),
        }
    }

    /// Returns the position of the last event.
    #[must_use]
    pub fn last(&self) -> Option<Position> {
        match &self.0 {
            Form::Empty => None,
            Form::Span { last, .. } => Some(*last),
            Form::List(list) => list.last().copied(),
        }
    }

    /// Returns the number of events.
    #[must_use]
    pub fn len(&self) -> usize {
        match &self.0 {
            Form::Empty => 0,
            Form::Span { first, last } => {
                usize::try_from(last.get() - first.get() + 1).unwrap_or(usize::MAX)
            }
            Form::List(list) => list.len(),
        }
    }

    /// Returns whether the commit has no events.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.0 == Form::Empty
    }

    /// Returns the position of the event with this index, from 0.
    #[must_use]
    pub fn get(&self, index: usize) -> Option<Position> {
        match &self.0 {
            Form::Empty => None,
            Form::Span { first, .. } => {
                let index = i64::try_from(index).ok().filter(|_| index < self.len())?;
                Some(Position::known(first.get() + index))
            }
            Form::List(list) => list.get(index).copied(),
        }
    }

    /// Iterates over the positions.
    pub fn iter(&self) -> impl ExactSizeIterator<Item = Position> + DoubleEndedIterator {
        (0..self.len()).map(|index| self.get(index).expect("BUG: the index is below the length"))
    }
}

impl TryFrom<Vec<Position>> for Positions {
    type Error = Error;

    fn try_from(list: Vec<Position>) -> Result<Self> {
        Self::listed(list)
    }
}

impl From<Positions> for Vec<Position> {
    fn from(positions: Positions) -> Self {
        positions.iter().collect()
    }
}

/// Shows all positions: `3 to 5`, or `3, 4, 7`.
impl fmt::Display for Positions {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.0 {
            Form::Empty => f.write_str("none"),
            Form::Span { first, last } if first == last => write!(f, "{first}"),
            Form::Span { first, last } => write!(f, "{first} to {last}"),
            Form::List(list) => {
                let all: Vec<_> = list.iter().map(Position::to_string).collect();
                f.write_str(&all.join(", "))
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn positions(numbers: &[i64]) -> Result<Positions> {
        let list = numbers.iter().map(|number| Position::new(*number));
        Positions::listed(list.collect::<Result<_>>()?)
    }

    #[test]
    fn equal_positions_are_equal_however_they_were_made() -> Result<()> {
        let span = Positions::span(Position::new(3)?, Position::new(5)?)?;
        assert_eq!(span, positions(&[3, 4, 5])?);
        assert_eq!(span.iter().map(Position::get).collect::<Vec<_>>(), [3, 4, 5]);
        assert_eq!((span.get(2), span.get(3)), (span.last(), None));
        assert_eq!(positions(&[])?, Positions::NONE);
        Ok(())
    }

    #[test]
    fn positions_with_gaps_are_kept_one_by_one() -> Result<()> {
        let gaps = positions(&[3, 5, 9])?;
        assert_eq!(gaps.iter().rev().map(Position::get).collect::<Vec<_>>(), [9, 5, 3]);
        assert_eq!((gaps.len(), gaps.get(1)), (3, Some(Position::new(5)?)));
        let json = serde_json::to_string(&gaps).expect("numbers");
        assert_eq!(serde_json::from_str::<Positions>(&json).expect("they grow"), gaps);
        Ok(())
    }

    #[test]
    fn positions_that_do_not_grow_are_refused() {
        for wrong in [&[0, 1][..], &[2, 2], &[3, 2], &[0]] {
            assert!(matches!(positions(wrong), Err(Error::Corrupt { .. })), "{wrong:?}");
        }
    }
}
