//! Dispatches commands that name their aggregate, and sends them to be done later.

use super::execute::Execute;
use super::named::Command;
use crate::Task;
use crate::engine::Capability;
use crate::{CommandId, Context, EventStore, Result};

#[expect(unused_imports, reason = "the docs link to it")]
use crate::Error;

impl EventStore {
    /// Executes a command now, as [`execute`](Self::execute) does. The command itself names the aggregate.
    ///
    /// # Errors
    /// As [`execute`](Self::execute).
    pub fn dispatch<C: Command>(&self, command: C) -> Execute<'_, <C as Command>::Aggregate, C> {
        Execute::new(self, command.target(), command)
    }

    /// Sends a command by a commit of its own. [`Context::send`] does so together with events.
    ///
    /// # Errors
    /// Those of [`Context::send`], and of a commit.
    ///
    /// # Example
    /// ```standalone_crate
    /// # use evercore::{Aggregate, Apply, Decide, Decision, EventMeta, EventStore, event};
    /// # use evercore_memory as _;
    /// # #[derive(Aggregate, Default)]
    /// # struct Account { balance: i64 }
    /// # #[event(aggregate = Account)]
    /// # struct MoneyDeposited { amount: i64 }
    /// # impl Apply<MoneyDeposited> for Account {
    /// #     fn apply(&mut self, event: &MoneyDeposited, _: &EventMeta) { self.balance += event.amount }
    /// # }
    /// use std::time::Duration;
    ///
    /// use evercore::command;
    /// use evercore::command::Outcome;
    /// use evercore::task::Handlers;
    ///
    /// #[command(aggregate = Account, target = key_or_new(iban))]
    /// struct Deposit { iban: String, amount: i64 }
    /// # impl Decide<Deposit> for Account {
    /// #     type Error = String;
    /// #     fn decide(account: &mut Decision<'_, Self>, command: &Deposit) -> Result<(), String> {
    /// #         account.emit(MoneyDeposited { amount: command.amount });
    /// #         Ok(())
    /// #     }
    /// # }
    ///
    /// # #[tokio::main(flavor = "current_thread")]
    /// # async fn main() -> evercore::Result<()> {
    /// let store = EventStore::connect("memory:").await?;
    /// let worker = store.queue("commands").spawn(Handlers::new().commands())?;
    ///
    /// let iban = "NL91ABNA0417164300".to_owned();
    /// let id = store.send(Deposit { iban, amount: 30 }).await?;
    /// let outcome = store.wait_for_outcome(id, Duration::from_secs(60)).await?;
    /// assert!(matches!(outcome, Outcome::Landed { .. }));
    /// worker.shutdown().await
    /// # }
    /// ```
    pub async fn send<C: Command>(&self, command: impl Into<Task<C>>) -> Result<CommandId> {
        let task = command.into();
        self.with_context_once(async |ctx| ctx.send(task)).await
    }
}

impl Context {
    /// Sends a command, which a [worker](crate::task::Handlers::commands) of this process or another one does after the
    /// commit. It is sent if and only if the commit lands, also if the context does nothing else.
    ///
    /// The command is a [`Task`] with its options: it can be scheduled, and it can be cancelled by its key. It carries
    /// the metadata of the context on to its events.
    ///
    /// Returns the command's id, by which the store tells its [outcome](EventStore::outcome). With
    /// [`IfKeyExists::Keep`](crate::task::IfKeyExists::Keep), no command has that id if the commit finds another one with
    /// the key.
    ///
    /// # Errors
    /// - That of [`Command::target`], such as [`Error::InvalidKey`].
    /// - Those of [`enqueue`](Self::enqueue).
    /// - [`Error::Unsupported`] if the engine has no command log.
    pub fn send<C: Command>(&mut self, command: impl Into<Task<C>>) -> Result<CommandId> {
        let task = command.into();
        self.requires(Capability::CommandLog)?;
        task.body.target()?;
        let id = self.enqueue(task)?;
        Ok(CommandId::from_uuid(*id.as_uuid()))
    }
}
