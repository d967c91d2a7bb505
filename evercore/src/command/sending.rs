//! Dispatches commands that name their aggregate, and sends them to be done later.

use super::execute::Execute;
use super::named::Command;
use crate::Task;
use crate::engine::Capability;
use crate::task::QueueName;
use crate::{CommandId, Context, Error, EventStore, Result};

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

impl<C: Command> Task<C> {
    /// Has the command come back to a queue if it is rejected: a worker that records the rejection enqueues the command
    /// there in the same commit, where a handler is given it with its [`rejection`](crate::task::Claimed::rejection). So
    /// its sender learns of each rejection, and of each once.
    ///
    /// A command that fails for good is dead, which is no rejection: see [`return_failed_to`](Self::return_failed_to).
    ///
    /// # Example
    /// ```standalone_crate
    /// # use evercore::{Aggregate, Apply, Decide, Decision, EventMeta, command, event};
    /// # #[derive(Aggregate, Default)]
    /// # struct Account { balance: i64 }
    /// # #[command(aggregate = Account, target = iban)]
    /// # struct Withdraw { iban: String, amount: i64 }
    /// # impl Decide<Withdraw> for Account {
    /// #     type Error = String;
    /// #     fn decide(_: &mut Decision<'_, Self>, _: &Withdraw) -> Result<(), String> { Ok(()) }
    /// # }
    /// use evercore::task::{Claimed, Handlers, Task, TaskError};
    ///
    /// let withdraw = Withdraw { iban: "NL91ABNA0417164300".to_owned(), amount: 30 };
    /// let task = Task::new(withdraw).return_rejected_to("refused");
    ///
    /// // For a worker of the queue `refused`.
    /// let handlers = Handlers::new().on(async |refused: Claimed<Withdraw>| -> Result<(), TaskError> {
    ///     println!("{} not paid: {}", refused.amount, refused.rejection().unwrap_or_default());
    ///     Ok(())
    /// });
    /// ```
    pub fn return_rejected_to(
        mut self,
        queue: impl TryInto<QueueName, Error: Into<Error>>,
    ) -> Self {
        self.options.rejected_to = queue.try_into().map(Some).map_err(Into::into);
        self
    }

    /// Has the command come back to a queue if it will not be done: if it is dead after its last attempt, also if no
    /// worker can read it, and if an operator discards it before it was done. It is enqueued there in the transaction by
    /// which it dies or is discarded, and a handler is given it with its [`failure`](crate::task::Claimed::failure).
    ///
    /// An operator may retry a dead command, although it has come back. It is done then as any other is: if it dies
    /// again, it comes back again. One that is discarded when it is dead has come back already. One that is cancelled or
    /// replaced by its key does not come back.
    ///
    /// # Example
    /// ```standalone_crate
    /// # use evercore::{Aggregate, Decide, Decision, command};
    /// # #[derive(Aggregate, Default)]
    /// # struct Account { balance: i64 }
    /// # #[command(aggregate = Account, target = iban)]
    /// # struct Withdraw { iban: String, amount: i64 }
    /// # impl Decide<Withdraw> for Account {
    /// #     type Error = String;
    /// #     fn decide(_: &mut Decision<'_, Self>, _: &Withdraw) -> Result<(), String> { Ok(()) }
    /// # }
    /// use evercore::task::Task;
    ///
    /// let withdraw = Withdraw { iban: "NL91ABNA0417164300".to_owned(), amount: 30 };
    /// let task = Task::new(withdraw).return_rejected_to("not paid").return_failed_to("not paid");
    /// ```
    pub fn return_failed_to(mut self, queue: impl TryInto<QueueName, Error: Into<Error>>) -> Self {
        self.options.failed_to = queue.try_into().map(Some).map_err(Into::into);
        self
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
