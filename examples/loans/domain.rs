//! Defines a loan application, its offers, and the work done on it.

use std::collections::BTreeMap;
use std::fmt;

use evercore::{Aggregate, Apply, EventMeta, event};
use serde::de::IntoDeserializer;
use serde::de::value::{Error as UnknownName, StrDeserializer};
use serde::{Deserialize, Serialize};

#[derive(Aggregate, Debug, Default, Serialize, Deserialize)]
#[aggregate(name = "loan-application", snapshot_every = 100)]
pub(crate) struct LoanApplication {
    pub(crate) amount_requested: i64,
    pub(crate) step: Option<ApplicationStep>,
    /// The number of offers that have reached each step.
    pub(crate) offers: BTreeMap<OfferStep, u32>,
    /// The lifecycle of each work item.
    pub(crate) work: BTreeMap<WorkItem, Lifecycle>,
    /// The line of the log that the last event came from.
    pub(crate) last_line: u64,
}

#[event(aggregate = LoanApplication, name = "application-submitted")]
pub(crate) struct ApplicationSubmitted {
    pub(crate) amount_requested: i64,
}

#[event(aggregate = LoanApplication, name = "application-moved")]
pub(crate) struct ApplicationMoved {
    pub(crate) to: ApplicationStep,
}

#[event(aggregate = LoanApplication, name = "offer-moved")]
pub(crate) struct OfferMoved {
    pub(crate) to: OfferStep,
}

#[event(aggregate = LoanApplication, name = "work-item-moved")]
pub(crate) struct WorkItemMoved {
    pub(crate) item: WorkItem,
    pub(crate) to: Lifecycle,
}

/// Defines an enum whose variants have the same names in the log and in payloads.
macro_rules! names {
    ($(#[$meta:meta])* $type:ident { $($variant:ident = $name:literal,)+ }) => {
        $(#[$meta])*
        #[derive(
            Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize,
        )]
        pub(crate) enum $type {
            $(#[serde(rename = $name)] $variant,)+
        }

        impl $type {
            pub(crate) fn parse(name: &str) -> Result<Self, UnknownName> {
                let name: StrDeserializer<'_, UnknownName> = name.into_deserializer();
                Self::deserialize(name)
            }
        }

        impl fmt::Display for $type {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                self.serialize(f)
            }
        }
    };
}

names! {
    /// The steps of an application.
    ApplicationStep {
        Submitted = "A_SUBMITTED",
        PartlySubmitted = "A_PARTLYSUBMITTED",
        PreAccepted = "A_PREACCEPTED",
        Accepted = "A_ACCEPTED",
        Finalized = "A_FINALIZED",
        Approved = "A_APPROVED",
        Registered = "A_REGISTERED",
        Activated = "A_ACTIVATED",
        Cancelled = "A_CANCELLED",
        Declined = "A_DECLINED",
    }
}

names! {
    /// The steps of an offer.
    OfferStep {
        Selected = "O_SELECTED",
        Created = "O_CREATED",
        Sent = "O_SENT",
        SentBack = "O_SENT_BACK",
        Accepted = "O_ACCEPTED",
        Cancelled = "O_CANCELLED",
        Declined = "O_DECLINED",
    }
}

names! {
    /// Work that people do on an application. The bank is Dutch, and so are the names.
    WorkItem {
        FollowUpLeads = "W_Afhandelen leads",
        CompleteApplication = "W_Completeren aanvraag",
        CallAfterOffers = "W_Nabellen offertes",
        AssessApplication = "W_Valideren aanvraag",
        CallForMissingDocuments = "W_Nabellen incomplete dossiers",
        AssessFraud = "W_Beoordelen fraude",
        ChangeContract = "W_Wijzigen contractgegevens",
    }
}

names! {
    /// The lifecycle of a work item.
    Lifecycle {
        Scheduled = "SCHEDULE",
        Started = "START",
        Completed = "COMPLETE",
    }
}

impl Apply<ApplicationSubmitted> for LoanApplication {
    fn apply(&mut self, event: &ApplicationSubmitted, meta: &EventMeta) {
        self.amount_requested = event.amount_requested;
        self.step = Some(ApplicationStep::Submitted);
        self.came_from(meta);
    }
}

impl Apply<ApplicationMoved> for LoanApplication {
    fn apply(&mut self, event: &ApplicationMoved, meta: &EventMeta) {
        self.step = Some(event.to);
        self.came_from(meta);
    }
}

impl Apply<OfferMoved> for LoanApplication {
    fn apply(&mut self, event: &OfferMoved, meta: &EventMeta) {
        *self.offers.entry(event.to).or_default() += 1;
        self.came_from(meta);
    }
}

impl Apply<WorkItemMoved> for LoanApplication {
    fn apply(&mut self, event: &WorkItemMoved, meta: &EventMeta) {
        self.work.insert(event.item, event.to);
        self.came_from(meta);
    }
}

impl LoanApplication {
    fn came_from(&mut self, meta: &EventMeta) {
        if let Some(line) = meta.reference().and_then(|reference| reference.parse().ok()) {
            self.last_line = line;
        }
    }
}
