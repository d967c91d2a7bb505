//! Decodes CBOR into serde's data model.

use std::borrow::Cow;
use std::fmt;

use cbor4ii::core::dec::{Decode, Read};
use cbor4ii::core::types::{Array, Bytes, Map, Tag};
use cbor4ii::core::utils::SliceReader;
use cbor4ii::core::{major, marker};
use serde::de::value::BorrowedStrDeserializer;
use serde::de::{
    DeserializeSeed, EnumAccess, Error as _, IntoDeserializer, MapAccess, SeqAccess, Unexpected,
    VariantAccess, Visitor,
};
use serde::forward_to_deserialize_any;

use super::SOME_TAG;

/// Reads from the front of a slice. The reader refuses nesting deeper than [`MOST_NESTED`](super::MOST_NESTED).
pub(super) struct Deserializer<'de> {
    reader: SliceReader<'de>,
}

/// The reason why bytes cannot be decoded.
#[derive(Debug, thiserror::Error)]
#[error("{0}")]
pub(super) struct Misread(String);

impl serde::de::Error for Misread {
    fn custom<T: fmt::Display>(message: T) -> Self {
        Self(message.to_string())
    }
}

impl<'de> Deserializer<'de> {
    pub(super) const fn new(reader: SliceReader<'de>) -> Self {
        Self { reader }
    }

    pub(super) fn into_inner(self) -> SliceReader<'de> {
        self.reader
    }

    /// Returns the first byte of the next item without consuming it.
    fn peek(&mut self) -> Result<u8, Misread> {
        let Ok(bytes) = self.reader.fill(1);
        bytes.as_ref().first().copied().ok_or_else(|| Misread::custom("the input ends too early"))
    }

    fn major(&mut self) -> Result<u8, Misread> {
        Ok(self.peek()? >> 5)
    }

    fn read<T: Decode<'de>>(&mut self) -> Result<T, Misread> {
        T::decode(&mut self.reader).map_err(Misread::custom)
    }

    /// Runs `work` one nesting level deeper.
    fn deeper<T>(
        &mut self,
        work: impl FnOnce(&mut Self) -> Result<T, Misread>,
    ) -> Result<T, Misread> {
        if !self.reader.step_in() {
            return Err(Misread::custom("its values are nested too deeply"));
        }
        let read = work(self)?;
        self.reader.step_out();
        Ok(read)
    }

    /// Consumes the tag of `Some`, if it comes next.
    fn take_some(&mut self) -> Result<bool, Misread> {
        let Ok(bytes) = self.reader.fill(2);
        let is_some = bytes.as_ref() == super::SOME;
        if is_some {
            self.reader.advance(2);
        }
        Ok(is_some)
    }

    fn array<V: Visitor<'de>>(&mut self, visitor: V) -> Result<V::Value, Misread> {
        self.deeper(|inner| {
            let left = Array::len(&mut inner.reader).map_err(Misread::custom)?;
            let mut items = Items { deserializer: inner, left };
            let value = visitor.visit_seq(&mut items)?;
            items.finish().map(|()| value)
        })
    }

    fn map<V: Visitor<'de>>(&mut self, visitor: V) -> Result<V::Value, Misread> {
        self.deeper(|inner| {
            let left = Map::len(&mut inner.reader).map_err(Misread::custom)?;
            let mut entries = Items { deserializer: inner, left };
            let value = visitor.visit_map(&mut entries)?;
            entries.finish().map(|()| value)
        })
    }

    fn tagged<V: Visitor<'de>>(&mut self, visitor: V) -> Result<V::Value, Misread> {
        match self.peek()? {
            // The tags of positive and negative integers of more than 64 bits.
            0xC2 => visitor.visit_u128(self.read()?),
            0xC3 => visitor.visit_i128(self.read()?),
            _ => match Tag::tag(&mut self.reader).map_err(Misread::custom)? {
                tag if tag == u64::from(SOME_TAG) => self.deeper(|inner| visitor.visit_some(inner)),
                tag => Err(Misread(format!("tag {tag} is not valid here"))),
            },
        }
    }

    fn simple<V: Visitor<'de>>(&mut self, visitor: V) -> Result<V::Value, Misread> {
        match self.peek()? {
            marker::FALSE | marker::TRUE => visitor.visit_bool(self.read()?),
            marker::NULL | marker::UNDEFINED => {
                self.reader.advance(1);
                visitor.visit_unit()
            }
            marker::F32 => visitor.visit_f32(self.read()?),
            marker::F64 => visitor.visit_f64(self.read()?),
            byte => Err(Misread(format!("the byte {byte:#04x} does not begin a known value"))),
        }
    }
}

impl<'de> serde::Deserializer<'de> for &mut Deserializer<'de> {
    type Error = Misread;

    fn deserialize_any<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Misread> {
        match self.major()? {
            major::UNSIGNED => visitor.visit_u64(self.read()?),
            major::NEGATIVE => {
                let value: i128 = self.read()?;
                match i64::try_from(value) {
                    Ok(value) => visitor.visit_i64(value),
                    Err(_) => visitor.visit_i128(value),
                }
            }
            major::BYTES => match self.read::<Bytes<Cow<'de, [u8]>>>()?.0 {
                Cow::Borrowed(bytes) => visitor.visit_borrowed_bytes(bytes),
                Cow::Owned(bytes) => visitor.visit_byte_buf(bytes),
            },
            major::STRING => match self.read::<Cow<'de, str>>()? {
                Cow::Borrowed(text) => visitor.visit_borrowed_str(text),
                Cow::Owned(text) => visitor.visit_string(text),
            },
            major::ARRAY => self.array(visitor),
            major::MAP => self.map(visitor),
            major::TAG => self.tagged(visitor),
            _ => self.simple(visitor),
        }
    }

    fn deserialize_option<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Misread> {
        match self.peek()? {
            marker::NULL | marker::UNDEFINED => {
                self.reader.advance(1);
                visitor.visit_none()
            }
            _ => {
                self.take_some()?;
                self.deeper(|inner| visitor.visit_some(inner))
            }
        }
    }

    fn deserialize_newtype_struct<V: Visitor<'de>>(
        self,
        _: &'static str,
        visitor: V,
    ) -> Result<V::Value, Misread> {
        visitor.visit_newtype_struct(self)
    }

    /// Reads a variant's name, or a map of one entry from the name to the variant's content.
    fn deserialize_enum<V: Visitor<'de>>(
        self,
        _: &'static str,
        _: &'static [&'static str],
        visitor: V,
    ) -> Result<V::Value, Misread> {
        match self.major()? {
            major::STRING => match self.read::<Cow<'de, str>>()? {
                Cow::Borrowed(name) => visitor.visit_enum(BorrowedStrDeserializer::new(name)),
                Cow::Owned(name) => visitor.visit_enum(name.into_deserializer()),
            },
            major::MAP => self.deeper(|inner| {
                let left = Map::len(&mut inner.reader).map_err(Misread::custom)?;
                let mut entry = Items { deserializer: inner, left };
                if !entry.take()? {
                    return Err(Misread::invalid_length(0, &"a map of one variant"));
                }
                let value = visitor.visit_enum(Variant(entry.deserializer))?;
                entry.finish().map(|()| value)
            }),
            _ => Err(Misread::invalid_type(
                Unexpected::Other("neither a text nor a map"),
                &"a variant",
            )),
        }
    }

    /// Reads a name of a field or variant, which is a string. Serde also calls this for map keys of other types under
    /// `#[serde(flatten)]`. Its derived code takes an unsigned number for the index of a field, so numbers are passed
    /// as signed ones where possible.
    fn deserialize_identifier<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Misread> {
        match self.major()? {
            major::UNSIGNED => {
                let value: u64 = self.read()?;
                match i64::try_from(value) {
                    Ok(value) => visitor.visit_i64(value),
                    Err(_) => visitor.visit_u64(value),
                }
            }
            _ => self.deserialize_any(visitor),
        }
    }

    fn is_human_readable(&self) -> bool {
        false
    }

    forward_to_deserialize_any! {
        bool i8 i16 i32 i64 i128 u8 u16 u32 u64 u128 f32 f64 char str string bytes byte_buf unit unit_struct seq tuple
        tuple_struct map struct ignored_any
    }
}

/// The remaining elements of an array or a map.
struct Items<'a, 'de> {
    deserializer: &'a mut Deserializer<'de>,
    /// The number of elements left; `None` if they end with a break.
    left: Option<usize>,
}

impl Items<'_, '_> {
    /// Returns whether there is another element, which the caller then has to read.
    fn take(&mut self) -> Result<bool, Misread> {
        match &mut self.left {
            Some(0) => Ok(false),
            Some(left) => {
                *left -= 1;
                Ok(true)
            }
            None if self.deserializer.peek()? == marker::BREAK => {
                self.deserializer.reader.advance(1);
                self.left = Some(0);
                Ok(false)
            }
            None => Ok(true),
        }
    }

    /// Fails if elements are left unread.
    fn finish(mut self) -> Result<(), Misread> {
        if self.take()? {
            Err(Misread::custom("it has more elements than expected"))
        } else {
            Ok(())
        }
    }
}

impl<'de> SeqAccess<'de> for &mut Items<'_, 'de> {
    type Error = Misread;

    fn next_element_seed<T: DeserializeSeed<'de>>(
        &mut self,
        seed: T,
    ) -> Result<Option<T::Value>, Misread> {
        if self.take()? { seed.deserialize(&mut *self.deserializer).map(Some) } else { Ok(None) }
    }

    fn size_hint(&self) -> Option<usize> {
        self.left
    }
}

impl<'de> MapAccess<'de> for &mut Items<'_, 'de> {
    type Error = Misread;

    fn next_key_seed<K: DeserializeSeed<'de>>(
        &mut self,
        seed: K,
    ) -> Result<Option<K::Value>, Misread> {
        if self.take()? { seed.deserialize(&mut *self.deserializer).map(Some) } else { Ok(None) }
    }

    fn next_value_seed<V: DeserializeSeed<'de>>(&mut self, seed: V) -> Result<V::Value, Misread> {
        seed.deserialize(&mut *self.deserializer)
    }

    fn size_hint(&self) -> Option<usize> {
        self.left
    }
}

/// A variant with content.
struct Variant<'a, 'de>(&'a mut Deserializer<'de>);

impl<'de> EnumAccess<'de> for Variant<'_, 'de> {
    type Error = Misread;
    type Variant = Self;

    fn variant_seed<V: DeserializeSeed<'de>>(self, seed: V) -> Result<(V::Value, Self), Misread> {
        let name = seed.deserialize(&mut *self.0)?;
        Ok((name, self))
    }
}

impl<'de> VariantAccess<'de> for Variant<'_, 'de> {
    type Error = Misread;

    fn unit_variant(self) -> Result<(), Misread> {
        serde::Deserialize::deserialize(self.0)
    }

    fn newtype_variant_seed<T: DeserializeSeed<'de>>(self, seed: T) -> Result<T::Value, Misread> {
        seed.deserialize(self.0)
    }

    fn tuple_variant<V: Visitor<'de>>(self, _: usize, visitor: V) -> Result<V::Value, Misread> {
        self.0.array(visitor)
    }

    fn struct_variant<V: Visitor<'de>>(
        self,
        _: &'static [&'static str],
        visitor: V,
    ) -> Result<V::Value, Misread> {
        self.0.map(visitor)
    }
}
