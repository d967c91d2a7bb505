//! Documents, some of them large.

use evercore::{Aggregate, Apply, EventMeta, event};
use serde::{Deserialize, Serialize};

#[derive(Aggregate, Clone, Debug, Default, Serialize, Deserialize)]
#[aggregate(name = "document", snapshot_every = 20)]
pub(crate) struct Document {
    last: String,
    changes: u64,
}

#[event(aggregate = Document, name = "written")]
#[derive(Clone, Debug)]
pub(crate) struct Written {
    pub(crate) text: String,
}

impl Apply<Written> for Document {
    fn apply(&mut self, written: &Written, _: &EventMeta) {
        self.last.clone_from(&written.text);
        self.changes += 1;
    }
}
