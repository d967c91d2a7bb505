//! Defines the commands that name their aggregate.

use std::fmt::Display;

use super::target::Target;
use crate::TaskBody;
use crate::{Aggregate, Decide, Result};

#[cfg(doc)]
use crate::EventStore;

/// A command that names its aggregate, so that it can be [dispatched](EventStore::dispatch) and
/// [sent](EventStore::send).
///
/// `#[command]` writes this implementation, and makes the command the body of a task, in which it is stored until a worker
/// does it. An implementation that is written by hand is not among [all commands](crate::task::Handlers::commands) of the
/// program; a worker is given it by [`Handlers::command`](crate::task::Handlers::command).
///
/// # Example
/// ```standalone_crate
/// # use evercore::{Aggregate, Apply, CommandError, Decide, Decision, EventMeta, EventStore, event};
/// # use evercore_memory as _;
/// # #[derive(Aggregate, Default)]
/// # struct Account { balance: i64 }
/// # #[event(aggregate = Account)]
/// # struct MoneyDeposited { amount: i64 }
/// # impl Apply<MoneyDeposited> for Account {
/// #     fn apply(&mut self, event: &MoneyDeposited, _: &EventMeta) { self.balance += event.amount }
/// # }
/// use evercore::command;
///
/// #[command(aggregate = Account, target = key_or_new(iban))]
/// struct Deposit { iban: String, amount: i64 }
///
/// impl Decide<Deposit> for Account {
///     type Error = String;
///
///     fn decide(account: &mut Decision<'_, Self>, command: &Deposit) -> Result<(), String> {
///         account.emit(MoneyDeposited { amount: command.amount });
///         Ok(())
///     }
/// }
///
/// # #[tokio::main(flavor = "current_thread")]
/// # async fn main() -> Result<(), CommandError<String>> {
/// let store = EventStore::connect("memory:").await?;
/// let iban = "NL91ABNA0417164300".to_owned();
/// let deposited = store.dispatch(Deposit { iban, amount: 30 }).await?;
/// assert_eq!(deposited.state().balance, 30);
/// # Ok(())
/// # }
/// ```
#[diagnostic::on_unimplemented(
    message = "`{Self}` does not name its aggregate",
    label = "not a command that names its aggregate",
    note = "put `#[evercore::command(aggregate = …, target = …)]` on `{Self}`, or name the aggregate with `EventStore::execute`"
)]
pub trait Command: TaskBody + Sync {
    /// The type of the aggregate that decides on it.
    type Aggregate: Aggregate + Decide<Self, Error: Display + Send>;

    /// Returns the aggregate that the command is for.
    ///
    /// # Errors
    /// [`Error::InvalidKey`](crate::Error::InvalidKey) if its key is not valid. A command without a valid target is not
    /// sent.
    fn target(&self) -> Result<Target>;
}
