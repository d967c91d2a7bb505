//! Defines tickets and agents: their events, and the rules over both.

use evercore::{Aggregate, AggregateId, Apply, Context, ErrorKind, EventMeta, event, state_event};

use crate::mails::SendMail;

/// The most tickets that an agent works on at a time.
pub(crate) const MOST_TICKETS: u32 = 3;

#[derive(Aggregate, Debug, Default)]
#[aggregate(name = "ticket")]
pub(crate) struct Ticket {
    pub(crate) customer: String,
    pub(crate) subject: String,
    pub(crate) agent: Option<String>,
    pub(crate) is_closed: bool,
}

#[state_event(aggregate = Ticket, name = "ticket-opened")]
pub(crate) struct TicketOpened {
    pub(crate) customer: String,
    pub(crate) subject: String,
}

#[event(aggregate = Ticket, name = "ticket-assigned")]
pub(crate) struct TicketAssigned {
    pub(crate) agent: String,
}

#[event(aggregate = Ticket, name = "ticket-closed")]
pub(crate) struct TicketClosed;

impl Apply<TicketAssigned> for Ticket {
    fn apply(&mut self, event: &TicketAssigned, _meta: &EventMeta) {
        self.agent = Some(event.agent.clone());
    }
}

impl Apply<TicketClosed> for Ticket {
    fn apply(&mut self, _event: &TicketClosed, _meta: &EventMeta) {
        self.is_closed = true;
    }
}

/// An agent, whose natural key is their name.
#[derive(Aggregate, Debug, Default)]
#[aggregate(name = "agent")]
pub(crate) struct Agent {
    pub(crate) tickets: u32,
}

#[event(aggregate = Agent, name = "ticket-taken")]
pub(crate) struct TicketTaken;

#[event(aggregate = Agent, name = "ticket-done")]
pub(crate) struct TicketDone;

impl Apply<TicketTaken> for Agent {
    fn apply(&mut self, _event: &TicketTaken, _meta: &EventMeta) {
        self.tickets += 1;
    }
}

impl Apply<TicketDone> for Agent {
    fn apply(&mut self, _event: &TicketDone, _meta: &EventMeta) {
        self.tickets -= 1;
    }
}

/// The reason why a request is refused.
#[derive(Debug, thiserror::Error)]
pub(crate) enum DeskError {
    #[error("a ticket needs a customer and a subject")]
    Incomplete,
    #[error("{agent} works on the ticket already")]
    Assigned { agent: String },
    #[error("{agent} works on {MOST_TICKETS} tickets already")]
    Busy { agent: String },
    #[error("no agent works on the ticket")]
    Unassigned,
    #[error("the ticket is closed")]
    Closed,
    #[error("the list does not show that position yet; try again")]
    Late,
    #[error("cannot read the table of tickets")]
    Table(#[from] sqlx::Error),
    #[error(transparent)]
    Store(#[from] evercore::Error),
}

impl DeskError {
    pub(crate) fn kind(&self) -> ErrorKind {
        match self {
            Self::Incomplete => ErrorKind::InvalidInput,
            Self::Late => ErrorKind::Unavailable,
            Self::Table(_) => ErrorKind::Storage,
            Self::Store(error) => error.kind(),
            _ => ErrorKind::Rejected,
        }
    }

    /// Returns the text for the client. The texts of the store and of the database are for programmers.
    pub(crate) fn public_message(&self) -> String {
        match self {
            Self::Table(_) | Self::Store(_) => self.kind().public_message().to_owned(),
            refusal => refusal.to_string(),
        }
    }
}

pub(crate) async fn open(
    ctx: &mut Context,
    customer: &str,
    subject: &str,
) -> Result<AggregateId, DeskError> {
    if customer.is_empty() || subject.is_empty() {
        return Err(DeskError::Incomplete);
    }
    let mut ticket = ctx.create::<Ticket>().await?;
    let (customer, subject) = (customer.to_owned(), subject.to_owned());
    ctx.apply(&mut ticket, TicketOpened { customer, subject })?;
    Ok(ticket.id())
}

/// Gives a ticket to an agent. The rule is over two aggregates, and both change in one commit.
pub(crate) async fn assign(
    ctx: &mut Context,
    ticket: AggregateId,
    agent: &str,
) -> Result<(), DeskError> {
    let mut ticket = ctx.load::<Ticket>(ticket).await?;
    if ticket.state().is_closed {
        return Err(DeskError::Closed);
    }
    if let Some(agent) = ticket.state().agent.clone() {
        return Err(DeskError::Assigned { agent });
    }
    let name = agent.to_owned();
    let mut agent = ctx.load_or_create::<Agent>(agent).await?;
    if agent.state().tickets >= MOST_TICKETS {
        return Err(DeskError::Busy { agent: name });
    }
    ctx.apply(&mut ticket, TicketAssigned { agent: name })?;
    ctx.apply(&mut agent, TicketTaken)?;
    Ok(())
}

/// Closes a ticket. The mail to the customer is enqueued by the same commit.
pub(crate) async fn close(ctx: &mut Context, ticket: AggregateId) -> Result<(), DeskError> {
    let mut ticket = ctx.load::<Ticket>(ticket).await?;
    let Ticket { customer, subject, agent, is_closed } = ticket.state();
    if *is_closed {
        return Err(DeskError::Closed);
    }
    let agent = agent.clone().ok_or(DeskError::Unassigned)?;
    let text = format!("Your ticket \"{subject}\" is closed.");
    ctx.enqueue(SendMail { to: customer.clone(), text })?;
    ctx.apply(&mut ticket, TicketClosed)?;
    let mut agent = ctx.load_by_key::<Agent>(agent).await?;
    ctx.apply(&mut agent, TicketDone)?;
    Ok(())
}
