//! Encodes serde's data model as CBOR.

use std::fmt;

use cbor4ii::core::enc::{Encode, Write};
use cbor4ii::core::marker;
use cbor4ii::core::types::{Array, Bytes, Map, Null};
use serde::ser::{
    Serialize, SerializeMap, SerializeSeq, SerializeStruct, SerializeStructVariant, SerializeTuple,
    SerializeTupleStruct, SerializeTupleVariant,
};

use super::{MOST_NESTED, SOME};

/// Appends to a vector.
pub(super) struct Serializer<'a> {
    out: Out<'a>,
    depth: u16,
}

/// Output to memory, which never fails.
struct Out<'a>(&'a mut Vec<u8>);

impl Write for Out<'_> {
    type Error = std::convert::Infallible;

    fn push(&mut self, input: &[u8]) -> Result<(), Self::Error> {
        self.0.extend_from_slice(input);
        Ok(())
    }
}

/// The reason why a value cannot be encoded.
#[derive(Debug, thiserror::Error)]
pub(super) enum EncodeError {
    #[error("{0}")]
    Custom(String),
    #[error("its values are nested deeper than {MOST_NESTED} levels, which cannot be read")]
    TooDeep,
    #[error("its `Serialize` announces {announced} elements, but writes {written}")]
    Length { announced: usize, written: usize },
}

impl serde::ser::Error for EncodeError {
    fn custom<T: fmt::Display>(message: T) -> Self {
        Self::Custom(message.to_string())
    }
}

impl<'a> Serializer<'a> {
    pub(super) const fn new(out: &'a mut Vec<u8>) -> Self {
        Self { out: Out(out), depth: 0 }
    }

    fn write(&mut self, value: &impl Encode) -> Result<(), EncodeError> {
        value.encode(&mut self.out).map_err(serde::ser::Error::custom)
    }

    fn step_in(&mut self) -> Result<(), EncodeError> {
        if self.depth == MOST_NESTED {
            return Err(EncodeError::TooDeep);
        }
        self.depth += 1;
        Ok(())
    }

    /// Begins a variant with content: a map of one entry.
    fn begin_variant(&mut self, variant: &str) -> Result<(), EncodeError> {
        self.step_in()?;
        Map::bounded(1, &mut self.out).map_err(custom)?;
        self.write(&variant)
    }

    /// Begins an array that is wrapped in `around` further levels.
    fn begin_array(
        &mut self,
        length: Option<usize>,
        around: u16,
    ) -> Result<Compound<'_, 'a>, EncodeError> {
        self.step_in()?;
        match length {
            Some(length) => Array::bounded(length, &mut self.out),
            None => Array::unbounded(&mut self.out),
        }
        .map_err(custom)?;
        Ok(Compound { serializer: self, announced: length, written: 0, levels: around + 1 })
    }

    /// Begins a map that is wrapped in `around` further levels.
    fn begin_map(
        &mut self,
        length: Option<usize>,
        around: u16,
    ) -> Result<Compound<'_, 'a>, EncodeError> {
        self.step_in()?;
        match length {
            Some(length) => Map::bounded(length, &mut self.out),
            None => Map::unbounded(&mut self.out),
        }
        .map_err(custom)?;
        Ok(Compound { serializer: self, announced: length, written: 0, levels: around + 1 })
    }
}

fn custom(error: impl fmt::Display) -> EncodeError {
    EncodeError::Custom(error.to_string())
}

macro_rules! plain {
    ($($method:ident: $type:ty;)*) => {
        $(fn $method(self, value: $type) -> Result<(), EncodeError> {
            self.write(&value)
        })*
    };
}

impl<'s, 'a> serde::Serializer for &'s mut Serializer<'a> {
    type Ok = ();
    type Error = EncodeError;
    type SerializeSeq = Compound<'s, 'a>;
    type SerializeTuple = Compound<'s, 'a>;
    type SerializeTupleStruct = Compound<'s, 'a>;
    type SerializeTupleVariant = Compound<'s, 'a>;
    type SerializeMap = Compound<'s, 'a>;
    type SerializeStruct = Compound<'s, 'a>;
    type SerializeStructVariant = Compound<'s, 'a>;

    plain! {
        serialize_bool: bool;
        serialize_i8: i8;
        serialize_i16: i16;
        serialize_i32: i32;
        serialize_i64: i64;
        serialize_i128: i128;
        serialize_u8: u8;
        serialize_u16: u16;
        serialize_u32: u32;
        serialize_u64: u64;
        serialize_u128: u128;
        serialize_f32: f32;
        serialize_f64: f64;
        serialize_str: &str;
    }

    fn serialize_char(self, value: char) -> Result<(), EncodeError> {
        self.serialize_str(value.encode_utf8(&mut [0; 4]))
    }

    fn serialize_bytes(self, value: &[u8]) -> Result<(), EncodeError> {
        self.write(&Bytes(value))
    }

    fn serialize_none(self) -> Result<(), EncodeError> {
        self.write(&Null)
    }

    fn serialize_some<T: Serialize + ?Sized>(self, value: &T) -> Result<(), EncodeError> {
        let at = self.out.0.len();
        self.step_in()?;
        value.serialize(&mut *self)?;
        self.depth -= 1;
        let written = &self.out.0[at..];
        if written == [marker::NULL] || written.starts_with(&SOME) {
            self.out.0.splice(at..at, SOME);
        }
        Ok(())
    }

    fn serialize_unit(self) -> Result<(), EncodeError> {
        self.write(&Null)
    }

    fn serialize_unit_struct(self, _: &'static str) -> Result<(), EncodeError> {
        self.serialize_unit()
    }

    fn serialize_unit_variant(
        self,
        _: &'static str,
        _: u32,
        variant: &'static str,
    ) -> Result<(), EncodeError> {
        self.serialize_str(variant)
    }

    fn serialize_newtype_struct<T: Serialize + ?Sized>(
        self,
        _: &'static str,
        value: &T,
    ) -> Result<(), EncodeError> {
        value.serialize(self)
    }

    fn serialize_newtype_variant<T: Serialize + ?Sized>(
        self,
        _: &'static str,
        _: u32,
        variant: &'static str,
        value: &T,
    ) -> Result<(), EncodeError> {
        self.begin_variant(variant)?;
        value.serialize(&mut *self)?;
        self.depth -= 1;
        Ok(())
    }

    fn serialize_seq(self, length: Option<usize>) -> Result<Compound<'s, 'a>, EncodeError> {
        self.begin_array(length, 0)
    }

    fn serialize_tuple(self, length: usize) -> Result<Compound<'s, 'a>, EncodeError> {
        self.begin_array(Some(length), 0)
    }

    fn serialize_tuple_struct(
        self,
        _: &'static str,
        length: usize,
    ) -> Result<Compound<'s, 'a>, EncodeError> {
        self.begin_array(Some(length), 0)
    }

    fn serialize_tuple_variant(
        self,
        _: &'static str,
        _: u32,
        variant: &'static str,
        length: usize,
    ) -> Result<Compound<'s, 'a>, EncodeError> {
        self.begin_variant(variant)?;
        self.begin_array(Some(length), 1)
    }

    fn serialize_map(self, length: Option<usize>) -> Result<Compound<'s, 'a>, EncodeError> {
        self.begin_map(length, 0)
    }

    fn serialize_struct(
        self,
        _: &'static str,
        length: usize,
    ) -> Result<Compound<'s, 'a>, EncodeError> {
        self.begin_map(Some(length), 0)
    }

    fn serialize_struct_variant(
        self,
        _: &'static str,
        _: u32,
        variant: &'static str,
        length: usize,
    ) -> Result<Compound<'s, 'a>, EncodeError> {
        self.begin_variant(variant)?;
        self.begin_map(Some(length), 1)
    }

    fn is_human_readable(&self) -> bool {
        false
    }
}

/// An array or a map in progress.
pub(super) struct Compound<'s, 'a> {
    serializer: &'s mut Serializer<'a>,
    announced: Option<usize>,
    written: usize,
    /// The number of nesting levels that end with it.
    levels: u16,
}

impl Compound<'_, '_> {
    fn element<T: Serialize + ?Sized>(&mut self, value: &T) -> Result<(), EncodeError> {
        self.written += 1;
        value.serialize(&mut *self.serializer)
    }

    fn field<T: Serialize + ?Sized>(&mut self, name: &str, value: &T) -> Result<(), EncodeError> {
        self.serializer.write(&name)?;
        self.element(value)
    }

    fn finish(self) -> Result<(), EncodeError> {
        let Self { serializer, announced, written, levels } = self;
        match announced {
            Some(announced) if announced != written => {
                return Err(EncodeError::Length { announced, written });
            }
            Some(_) => {}
            None => serializer.out.0.push(marker::BREAK),
        }
        serializer.depth -= levels;
        Ok(())
    }
}

macro_rules! compounds {
    ($($trait:ident, $method:ident, $inner:ident ($($name:ident: $type:ty)?);)*) => {
        $(impl $trait for Compound<'_, '_> {
            type Ok = ();
            type Error = EncodeError;

            fn $method<T: Serialize + ?Sized>(
                &mut self,
                $($name: $type,)?
                value: &T,
            ) -> Result<(), EncodeError> {
                self.$inner($($name,)? value)
            }

            fn end(self) -> Result<(), EncodeError> {
                self.finish()
            }
        })*
    };
}

compounds! {
    SerializeSeq, serialize_element, element();
    SerializeTuple, serialize_element, element();
    SerializeTupleStruct, serialize_field, element();
    SerializeTupleVariant, serialize_field, element();
    SerializeStruct, serialize_field, field(name: &'static str);
    SerializeStructVariant, serialize_field, field(name: &'static str);
}

impl SerializeMap for Compound<'_, '_> {
    type Ok = ();
    type Error = EncodeError;

    fn serialize_key<T: Serialize + ?Sized>(&mut self, key: &T) -> Result<(), EncodeError> {
        key.serialize(&mut *self.serializer)
    }

    fn serialize_value<T: Serialize + ?Sized>(&mut self, value: &T) -> Result<(), EncodeError> {
        self.element(value)
    }

    fn end(self) -> Result<(), EncodeError> {
        self.finish()
    }
}
