//! Captures what a value passes to serde, so that the original can be compared with the value decoded from its bytes.
//!
//! Encoded bytes cannot be compared for this: a `HashSet` is written in another order each time, and a codec may encode
//! two different values alike. A [`Captured`] keeps all distinctions of serde's data model, and two of the same type
//! are compared by [`first_difference`].

mod difference;
mod serializer;
#[cfg(test)]
mod tests;

use std::fmt;

use serde::Serialize;

pub(crate) use difference::{Difference, Sets, first_difference, is_same_in_any_order};
use serializer::Capturing;
pub(crate) use serializer::Refusal;

/// The largest number of characters of a value that a message shows.
const SHOWN_CHARS: usize = 80;

/// A value in the form of serde's data model.
///
/// It includes the names of types: they reveal an untagged enum that was decoded as another of its variants.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Captured {
    Bool(bool),
    /// The type's width, and the value; a [`u128`] is stored bit by bit.
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
    /// The enum, the variant, and the variant's content: [`Unit`](Self::Unit) if it has none.
    Variant(&'static str, &'static str, Box<Captured>),
    List(Vec<Captured>),
    /// The name of the type, which is empty for a plain tuple, and the elements.
    Tuple(&'static str, Vec<Captured>),
    Map(Vec<(Captured, Captured)>),
    /// The name of the type, and the fields.
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

/// A floating-point number by its bits, so that 0 differs from -0. All NaNs are equal.
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
    /// Captures a value for a codec: some types serialize differently in human-readable formats. Fails where the
    /// value's own `Serialize` does.
    pub(crate) fn of<T: Serialize + ?Sized>(
        value: &T,
        is_human_readable: bool,
    ) -> Result<Self, Refusal> {
        value.serialize(Capturing { is_human_readable, with_texts: true })
    }

    /// Captures a value without the contents of its strings and bytes, which is faster and enough to inspect its form.
    pub(crate) fn form_of<T: Serialize + ?Sized>(
        value: &T,
        is_human_readable: bool,
    ) -> Result<Self, Refusal> {
        value.serialize(Capturing { is_human_readable, with_texts: false })
    }

    /// Returns whether it contains a value that a codec may write as an ambiguous null: an option whose content is
    /// written as null, or, if `finite` says that the codec has only finite numbers, a number that is not finite.
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

    /// Returns the value at a path, in the form of [`first_difference`] and of serde's errors.
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

    /// Formats the value as a map key in a path.
    fn as_key(&self) -> String {
        match self {
            Self::Text(text) => text.clone(),
            Self::Newtype(_, value) => value.as_key(),
            Self::Variant(_, variant, value) if **value == Self::Unit => (*variant).to_owned(),
            other => other.to_string(),
        }
    }

    /// Formats the value for a message, with the type of a number if the other value looks the same.
    pub(crate) fn shown_beside(&self, other: &Self) -> String {
        let shown = self.shown();
        match self {
            Self::Integer(width, _) | Self::Float(width, _) if shown == other.shown() => {
                format!("{shown} ({})", format!("{width:?}").to_lowercase())
            }
            _ => shown,
        }
    }

    /// Formats the value for a message, truncated if it is long.
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

/// Formats a value's `Debug` like its `Display`.
struct AsShown<'a>(&'a Captured);

impl fmt::Debug for AsShown<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}
