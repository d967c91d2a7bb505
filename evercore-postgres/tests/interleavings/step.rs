//! The steps of writers and readers of the log, and which of them can be swapped.

/// A writer or the reader. Where there is nothing to read but for decisions, the reader is a third writer.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Actor {
    First,
    Second,
    Reader,
}

/// A statement of an actor.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Step {
    /// A writer begins a transaction, and locks the row of its aggregate.
    Lock,
    /// A writer reads the last position that was drawn.
    Look,
    /// A writer announces the position that it has read as its floor.
    Announce,
    /// A writer draws a position.
    Draw,
    /// A writer inserts an event at the position that it drew last.
    Insert,
    /// A writer begins a transaction, and locks in shared mode the tag that its event can be found by.
    LockTag,
    /// A decider begins a transaction, and locks exclusively the tag that its decision rests on.
    LockBoundary,
    /// A decider reads the frontier, in one call.
    ReadFrontier,
    /// A decider reads all events with the tag.
    ReadTagged,
    /// A decider checks that it has seen all events with the tag. If it has not, it writes nothing.
    Check,
    /// A writer announces its floor, in one call.
    AnnounceFloor,
    /// A writer inserts an event with the tag at the position that it drew last.
    InsertTagged,
    /// The writer of a group draws a position for a second member, which decides on nothing.
    DrawBeside,
    /// The writer of a group inserts an event of that member with the tag, at its position.
    InsertBeside,
    /// A fault: a decider begins a transaction and locks nothing.
    LockNothing,
    /// A fault: a decider locks the tag in shared mode.
    LockBoundaryShared,
    /// A fault: a decider takes the highest position that it has read for the frontier.
    TakeHighest,
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
    /// A fault: a reader takes the snapshot for its page before it reads anything else.
    TakeSnapshot,
    /// A fault: a reader reads the lowest floor among those held by processes only.
    ReadFloorsOfProcesses,
    /// A fault: a reader reads everything that is visible.
    ReadAll,
}

/// The resources that actors share. Two steps that share nothing, or only read it, can be swapped without effect.
#[derive(Clone, Copy, Debug, Default)]
struct Shares {
    sequence: Access,
    floors: Access,
    events: Access,
    tag: Access,
}

#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
enum Access {
    #[default]
    None,
    Reads,
    /// Changes that are independent of each other: two floors, or the events of two commits.
    Adds,
    /// Changes whose order matters.
    Changes,
}

impl Step {
    /// Returns whether the order of two steps of different actors matters.
    pub(crate) fn matters_to(self, other: Self) -> bool {
        let (one, other) = (self.shares(), other.shares());
        one.sequence.matters_to(other.sequence)
            || one.floors.matters_to(other.floors)
            || one.events.matters_to(other.events)
            || one.tag.matters_to(other.tag)
    }

    /// Returns whether a reader of the log takes this step, and no writer.
    pub(crate) fn is_of_reader(self) -> bool {
        matches!(
            self,
            Self::ReadLast
                | Self::ReadFloors
                | Self::ReadPage
                | Self::ReadAll
                | Self::TakeSnapshot
                | Self::ReadFloorsOfProcesses
        )
    }

    /// Returns whether the server makes this step wait while another actor holds a lock that it took with `held`.
    pub(crate) fn waits_for(self, held: Self) -> bool {
        matches!(
            (self, held),
            (Self::LockBoundary, Self::LockBoundary | Self::LockTag | Self::LockBoundaryShared)
                | (Self::LockTag | Self::LockBoundaryShared, Self::LockBoundary)
        )
    }

    /// Returns whether other actors can observe when the step is taken.
    pub(crate) fn shares_any(self) -> bool {
        let Shares { sequence, floors, events, tag } = self.shares();
        [sequence, floors, events, tag] != [Access::None; 4]
    }

    fn shares(self) -> Shares {
        let none = Shares::default();
        match self {
            // Each writer has its own aggregate, and a row is invisible before its commit.
            Self::Lock
            | Self::Insert
            | Self::InsertTagged
            | Self::InsertBeside
            | Self::TakeHighest
            | Self::LockNothing => none,
            // Before and after each other, and before and after the commit that releases them.
            Self::LockTag | Self::LockBoundary | Self::LockBoundaryShared => {
                Shares { tag: Access::Changes, ..none }
            }
            Self::ReadFrontier => Shares { sequence: Access::Reads, floors: Access::Reads, ..none },
            Self::AnnounceFloor => Shares { sequence: Access::Reads, floors: Access::Adds, ..none },
            Self::Look | Self::ReadLast => Shares { sequence: Access::Reads, ..none },
            Self::Draw | Self::DrawBeside => Shares { sequence: Access::Changes, ..none },
            Self::Announce | Self::Rollback | Self::Prepare | Self::RollbackPrepared => {
                Shares { floors: Access::Adds, ..none }
            }
            Self::Commit | Self::CommitPrepared => {
                Shares { floors: Access::Adds, events: Access::Adds, tag: Access::Adds, ..none }
            }
            Self::ReadFloors | Self::ReadFloorsOfProcesses => {
                Shares { floors: Access::Reads, ..none }
            }
            Self::ReadPage
            | Self::TakeSnapshot
            | Self::ReadAll
            | Self::ReadTagged
            | Self::Check => Shares { events: Access::Reads, ..none },
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
