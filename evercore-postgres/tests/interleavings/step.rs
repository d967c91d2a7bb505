//! The steps that writers and readers of the log take, and which of them can be swapped.

/// Whose turn it is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Actor {
    First,
    Second,
    Reader,
}

/// One statement of an actor.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Step {
    /// A writer begins, and locks the row of its aggregate.
    Lock,
    /// A writer reads the last position that was drawn.
    Look,
    /// A writer announces what it has read as its floor.
    Announce,
    /// A writer draws a position.
    Draw,
    /// A writer inserts an event at the position that it drew last.
    Insert,
    Commit,
    Rollback,
    Prepare,
    CommitPrepared,
    RollbackPrepared,
    /// A reader reads the last position that was drawn.
    ReadLast,
    /// A reader reads the lowest floor.
    ReadFloors,
    /// A reader reads from its cursor to the frontier.
    ReadPage,
    /// The mistake: a reader takes the snapshot that it reads its page with before it looks at anything.
    TakeSnapshot,
    /// The mistake: a reader reads the lowest floor of those that a process holds.
    ReadFloorsOfProcesses,
    /// The mistake: a reader reads whatever is there.
    ReadAll,
}

/// What actors share. Two steps that share nothing, or only read it, can be swapped: nobody can tell.
#[derive(Clone, Copy, Debug, Default)]
struct Shares {
    sequence: Access,
    floors: Access,
    events: Access,
}

#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
enum Access {
    #[default]
    None,
    Reads,
    /// Changes that do not depend on each other: two floors, or the events of two commits.
    Adds,
    /// Changes whose order can be told.
    Changes,
}

impl Step {
    /// Whether it makes a difference which of two steps of different actors comes first.
    pub(crate) fn matters_to(self, other: Self) -> bool {
        let (one, other) = (self.shares(), other.shares());
        one.sequence.matters_to(other.sequence)
            || one.floors.matters_to(other.floors)
            || one.events.matters_to(other.events)
    }

    /// Whether anybody else could tell when it was taken.
    pub(crate) fn shares_any(self) -> bool {
        let Shares { sequence, floors, events } = self.shares();
        [sequence, floors, events] != [Access::None; 3]
    }

    fn shares(self) -> Shares {
        let none = Shares::default();
        match self {
            // Each writer has an aggregate of its own, and nobody sees a row before its commit.
            Self::Lock | Self::Insert => none,
            Self::Look | Self::ReadLast => Shares { sequence: Access::Reads, ..none },
            Self::Draw => Shares { sequence: Access::Changes, ..none },
            Self::Announce | Self::Rollback | Self::Prepare | Self::RollbackPrepared => {
                Shares { floors: Access::Adds, ..none }
            }
            Self::Commit | Self::CommitPrepared => {
                Shares { floors: Access::Adds, events: Access::Adds, ..none }
            }
            Self::ReadFloors | Self::ReadFloorsOfProcesses => {
                Shares { floors: Access::Reads, ..none }
            }
            Self::ReadPage | Self::TakeSnapshot | Self::ReadAll => {
                Shares { events: Access::Reads, ..none }
            }
        }
    }
}

impl Access {
    fn matters_to(self, other: Self) -> bool {
        let can_be_swapped = matches!(
            (self, other),
            (Self::None, _)
                | (_, Self::None)
                | (Self::Reads, Self::Reads)
                | (Self::Adds, Self::Adds)
        );
        !can_be_swapped
    }
}
