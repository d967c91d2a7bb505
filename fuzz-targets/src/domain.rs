//! Events with all features of serde and prost, and an aggregate with snapshots.

use std::collections::BTreeMap;

use evercore::{Aggregate, Apply, EventMeta, event, state_event};
use serde::{Deserialize, Serialize};

#[derive(Aggregate, Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[aggregate(name = "account", snapshot_every = 2)]
pub(crate) struct Account {
    owner: String,
    limit: Option<i64>,
    #[serde(default)]
    moves: u64,
}

/// `None` is absent, `Some(None)` is null.
#[state_event(aggregate = Account, name = "opened")]
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Opened {
    pub(crate) owner: String,
    pub(crate) limit: Option<Option<i64>>,
}

/// One field for each kind of value in serde.
#[event(aggregate = Account, name = "noted")]
#[derive(Clone, Debug, Default, PartialEq)]
pub(crate) struct Noted {
    pub(crate) small: i8,
    pub(crate) large: u128,
    pub(crate) ratio: Option<f64>,
    pub(crate) letter: char,
    pub(crate) unit: (),
    pub(crate) pair: (u16, String),
    pub(crate) bytes: Vec<u8>,
    pub(crate) named: BTreeMap<String, i64>,
    pub(crate) tree: Tree,
}

/// A tree whose depth depends on the input.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub(crate) enum Tree {
    #[default]
    Leaf,
    Newtype(Box<Self>),
    Many(Vec<Self>),
    Named {
        left: Box<Self>,
        right: Option<Box<Self>>,
    },
}

/// An event in Protocol Buffers.
#[event(aggregate = Account, name = "moved", codec = protobuf)]
#[derive(Clone, PartialEq, prost::Message, Serialize, Deserialize)]
pub(crate) struct Moved {
    #[prost(int64, tag = "1")]
    pub(crate) amount: i64,
    #[prost(string, repeated, tag = "2")]
    pub(crate) parties: Vec<String>,
    /// A tree whose depth depends on the input.
    #[prost(message, optional, boxed, tag = "3")]
    pub(crate) because_of: Option<Box<Self>>,
}

impl Apply<Noted> for Account {
    fn apply(&mut self, _: &Noted, _: &EventMeta) {
        self.moves = self.moves.wrapping_add(1);
    }
}

impl Apply<Moved> for Account {
    fn apply(&mut self, moved: &Moved, _: &EventMeta) {
        self.moves = self.moves.wrapping_add(moved.amount.unsigned_abs());
    }
}

impl Noted {
    /// An event with a value in each field.
    pub(crate) fn filled() -> Self {
        let leaf = || Box::new(Tree::Leaf);
        let branch = Tree::Named { left: leaf(), right: Some(leaf()) };
        Self {
            small: -7,
            large: u128::MAX,
            ratio: Some(0.1),
            letter: 'é',
            unit: (),
            pair: (65_535, "two".to_owned()),
            bytes: vec![0, 255, 128],
            named: BTreeMap::from([("a".to_owned(), i64::MIN), ("b".to_owned(), 0)]),
            tree: Tree::Many(vec![Tree::Newtype(Box::new(branch)), Tree::Leaf]),
        }
    }
}

impl Moved {
    /// An event with a value in each field.
    pub(crate) fn filled() -> Self {
        let before = Self { amount: -1, parties: vec!["Ada".to_owned()], because_of: None };
        let parties = vec!["Ada".to_owned(), String::new()];
        Self { amount: 17, parties, because_of: Some(Box::new(before)) }
    }
}
