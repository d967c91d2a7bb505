//! Captures what a value tells serde, so that it can be compared with what its bytes are read as.
//!
//! Encoded bytes cannot be compared for this: a `HashSet` is written in another order each time, and a codec may write
//! two values alike. A [`Captured`] keeps what serde's data model tells apart, and two of one type are compared by
//! [`first_difference`].

mod difference;
mod serializer;
#[cfg(test)]
mod tests;

use std::fmt;

use serde::Serialize;

pub(crate) use difference::{Difference, Sets, first_difference, is_same_in_any_order};
use serializer::Capturing;
pub(crate) use serializer::Refusal;

/// The most characters of a value that a message shows.
const SHOWN_CHARS: usize = 80;

/// A value in the form of serde's data model.
///
/// Names of types are part of it: where an untagged enum is read as another of its variants, they tell.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Captured {
    Bool(bool),
    /// The type's width, and the value; an [`u128`] bit by bit.
    Integer(Width, i128),
    Float(Width, Real),
    Char(char),
    Text(String),
    Bytes(Vec<u8>),
    None,
    Some(Box<Captured>),
    Unit,
    UnitStruct(&'static str),
    Newtype(&'static str, Box<Captured>),
    /// The enum, the variant, and what the variant holds: [`Unit`](Self::Unit) if it is nothing.
    Variant(&'static str, &'static str, Box<Captured>),
    List(Vec<Captured>),
    /// With the name of the type, which is empty for one without.
    Tuple(&'static str, Vec<Captured>),
    Map(Vec<(Captured, Captured)>),
    /// With the name of the type.
    Struct(&'static str, Vec<(&'static str, Captured)>),
}

/// The type of a number.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Width {
    I8,
    I16,
    I32,
    I64,
    I128,
    U8,
    U16,
    U32,
    U64,
    U128,
    F32,
    F64,
}

/// A floating-point number by its bits, so that 0 is not -0. All that are no numbers are the same.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct Real(u64);

impl Real {
    fn new(value: f64) -> Self {
        Self(if value.is_nan() { f64::NAN } else { value }.to_bits())
    }

    fn get(self) -> f64 {
        f64::from_bits(self.0)
    }
}

impl Captured {
    /// Captures a value as a codec sees it: some types write themselves differently in formats that people read.
    /// Fails where the value's own `Serialize` does.
    pub(crate) fn of<T: Serialize + ?Sized>(
        value: &T,
        is_human_readable: bool,
    ) -> Result<Self, Refusal> {
        value.serialize(Capturing { is_human_readable, with_texts: true })
    }

    /// Captures a value without its texts and bytes, which is faster: for a look at its form.
    pub(crate) fn form_of<T: Serialize + ?Sized>(
        value: &T,
        is_human_readable: bool,
    ) -> Result<Self, Refusal> {
        value.serialize(Capturing { is_human_readable, with_texts: false })
    }

    /// Whether it holds something that codecs without a form for it write as null: an option that holds nothing, or,
    /// where `finite` says that the codec has only finite numbers, one that is not.
    pub(crate) fn holds_written_as_null(&self, finite: bool) -> bool {
        let within = |value: &Self| value.holds_written_as_null(finite);
        match self {
            Self::Float(_, real) => finite && !real.get().is_finite(),
            Self::Some(value) => value.is_written_as_null() || within(value),
            Self::Newtype(_, value) | Self::Variant(_, _, value) => within(value),
            Self::List(values) | Self::Tuple(_, values) => values.iter().any(within),
            Self::Map(entries) => entries.iter().any(|(key, value)| within(key) || within(value)),
            Self::Struct(_, fields) => fields.iter().any(|(_, value)| within(value)),
            _ => false,
        }
    }

    fn is_written_as_null(&self) -> bool {
        match self {
            Self::None | Self::Unit | Self::UnitStruct(_) => true,
            Self::Some(value) | Self::Newtype(_, value) => value.is_written_as_null(),
            _ => false,
        }
    }

    /// Returns the value at a path, as [`first_difference`] and serde's errors give one.
    pub(crate) fn at(&self, path: &str) -> Option<&Self> {
        let path = path.trim_start_matches('.');
        match self {
            _ if path.is_empty() => Some(self),
            Self::Some(value) | Self::Newtype(_, value) => value.at(path),
            Self::Variant(_, variant, value) => value.at(path.strip_prefix(variant)?),
            Self::List(values) | Self::Tuple(_, values) => {
                let (index, rest) = path.strip_prefix('[')?.split_once(']')?;
                values.get(index.parse::<usize>().ok()?)?.at(rest)
            }
            Self::Map(entries) => entries.iter().find_map(|(key, value)| {
                let rest = path.strip_prefix(key.as_key().as_str())?;
                value.at(rest)
            }),
            Self::Struct(_, fields) => fields.iter().find_map(|(name, value)| {
                let rest = path.strip_prefix(name)?;
                (rest.is_empty() || rest.starts_with(['.', '['])).then(|| value.at(rest))?
            }),
            _ => None,
        }
    }

    /// Writes the value as the key of a map in a path.
    fn as_key(&self) -> String {
        match self {
            Self::Text(text) => text.clone(),
            Self::Newtype(_, value) => value.as_key(),
            Self::Variant(_, variant, value) if **value == Self::Unit => (*variant).to_owned(),
            other => other.to_string(),
        }
    }

    /// Shows the value in a message, with the type of a number if the other one looks the same.
    pub(crate) fn shown_beside(&self, other: &Self) -> String {
        let shown = self.shown();
        match self {
            Self::Integer(width, _) | Self::Float(width, _) if shown == other.shown() => {
                format!("{shown} ({})", format!("{width:?}").to_lowercase())
            }
            _ => shown,
        }
    }

    /// Shows the value in a message, cut off where it is long.
    pub(crate) fn shown(&self) -> String {
        let whole = self.to_string();
        match whole.char_indices().nth(SHOWN_CHARS) {
            Some((end, _)) => format!("{}…", &whole[..end]),
            None => whole,
        }
    }
}

impl fmt::Display for Captured {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Bool(value) => write!(f, "{value}"),
            Self::Integer(Width::U128, bits) => write!(f, "{}", bits.cast_unsigned()),
            Self::Integer(_, value) => write!(f, "{value}"),
            Self::Float(_, real) => write!(f, "{:?}", real.get()),
            Self::Char(value) => write!(f, "{value:?}"),
            Self::Text(text) => write!(f, "{text:?}"),
            Self::Bytes(bytes) => write!(f, "{bytes:?}"),
            Self::None => f.write_str("None"),
            Self::Some(value) => write!(f, "Some({value})"),
            Self::Unit => f.write_str("()"),
            Self::UnitStruct(name) => f.write_str(name),
            Self::Newtype(name, value) => write!(f, "{name}({value})"),
            Self::Variant(_, variant, value) => match &**value {
                Self::Unit => f.write_str(variant),
                held @ (Self::Struct(..) | Self::Tuple(..)) => write!(f, "{variant}{held}"),
                held => write!(f, "{variant}({held})"),
            },
            Self::List(values) => f.debug_list().entries(values.iter().map(AsShown)).finish(),
            Self::Tuple(name, values) => {
                let mut tuple = f.debug_tuple(name);
                values.iter().map(AsShown).for_each(|value| {
                    tuple.field(&value);
                });
                tuple.finish()
            }
            Self::Map(entries) => {
                let entries = entries.iter().map(|(key, value)| (AsShown(key), AsShown(value)));
                f.debug_map().entries(entries).finish()
            }
            Self::Struct(name, fields) => {
                let mut shown = f.debug_struct(name);
                for (name, value) in fields {
                    shown.field(name, &AsShown(value));
                }
                shown.finish()
            }
        }
    }
}

/// A value that is debugged as it is displayed.
struct AsShown<'a>(&'a Captured);

impl fmt::Debug for AsShown<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}
