//! Serializes a value into a [`Captured`].

use std::fmt;

use serde::ser::{
    Serialize, SerializeMap, SerializeSeq, SerializeStruct, SerializeStructVariant, SerializeTuple,
    SerializeTupleStruct, SerializeTupleVariant, Serializer,
};

use super::{Captured, Real, Width};

/// A serializer whose output is a [`Captured`].
#[derive(Clone, Copy)]
pub(super) struct Capturing {
    pub(super) is_human_readable: bool,
    /// Whether the contents of strings and bytes are kept. Without them, most fields need no allocation.
    pub(super) with_texts: bool,
}

/// The error of a value's own `Serialize`.
#[derive(Debug, thiserror::Error)]
#[error("{0}")]
pub(crate) struct Refusal(String);

impl serde::ser::Error for Refusal {
    fn custom<T: fmt::Display>(message: T) -> Self {
        Self(message.to_string())
    }
}

/// A list, a tuple or a tuple variant in progress.
pub(super) struct Values {
    capturing: Capturing,
    values: Vec<Captured>,
    into: Into,
}

/// The form that the collected values take.
enum Into {
    List,
    Tuple(&'static str),
    Variant(&'static str, &'static str),
}

/// A map in progress.
pub(super) struct Entries {
    capturing: Capturing,
    entries: Vec<(Captured, Captured)>,
    key: Option<Captured>,
}

/// A struct or a struct variant in progress.
pub(super) struct Fields {
    capturing: Capturing,
    fields: Vec<(&'static str, Captured)>,
    name: &'static str,
    variant: Option<&'static str>,
}

macro_rules! integers {
    ($($method:ident: $type:ty = $width:ident;)*) => {
        $(fn $method(self, value: $type) -> Result<Captured, Refusal> {
            Ok(Captured::Integer(Width::$width, i128::from(value)))
        })*
    };
}

impl Serializer for Capturing {
    type Ok = Captured;
    type Error = Refusal;
    type SerializeSeq = Values;
    type SerializeTuple = Values;
    type SerializeTupleStruct = Values;
    type SerializeTupleVariant = Values;
    type SerializeMap = Entries;
    type SerializeStruct = Fields;
    type SerializeStructVariant = Fields;

    integers! {
        serialize_i8: i8 = I8;
        serialize_i16: i16 = I16;
        serialize_i32: i32 = I32;
        serialize_i64: i64 = I64;
        serialize_i128: i128 = I128;
        serialize_u8: u8 = U8;
        serialize_u16: u16 = U16;
        serialize_u32: u32 = U32;
        serialize_u64: u64 = U64;
    }

    fn serialize_u128(self, value: u128) -> Result<Captured, Refusal> {
        Ok(Captured::Integer(Width::U128, value.cast_signed()))
    }

    fn serialize_f32(self, value: f32) -> Result<Captured, Refusal> {
        Ok(Captured::Float(Width::F32, Real::new(value.into())))
    }

    fn serialize_f64(self, value: f64) -> Result<Captured, Refusal> {
        Ok(Captured::Float(Width::F64, Real::new(value)))
    }

    fn serialize_bool(self, value: bool) -> Result<Captured, Refusal> {
        Ok(Captured::Bool(value))
    }

    fn serialize_char(self, value: char) -> Result<Captured, Refusal> {
        Ok(Captured::Char(value))
    }

    fn serialize_str(self, value: &str) -> Result<Captured, Refusal> {
        Ok(Captured::Text(if self.with_texts { value.to_owned() } else { String::new() }))
    }

    fn serialize_bytes(self, value: &[u8]) -> Result<Captured, Refusal> {
        Ok(Captured::Bytes(if self.with_texts { value.to_vec() } else { Vec::new() }))
    }

    fn serialize_none(self) -> Result<Captured, Refusal> {
        Ok(Captured::None)
    }

    fn serialize_some<T: Serialize + ?Sized>(self, value: &T) -> Result<Captured, Refusal> {
        Ok(Captured::Some(Box::new(value.serialize(self)?)))
    }

    fn serialize_unit(self) -> Result<Captured, Refusal> {
        Ok(Captured::Unit)
    }

    fn serialize_unit_struct(self, name: &'static str) -> Result<Captured, Refusal> {
        Ok(Captured::UnitStruct(name))
    }

    fn serialize_unit_variant(
        self,
        name: &'static str,
        _: u32,
        variant: &'static str,
    ) -> Result<Captured, Refusal> {
        Ok(Captured::Variant(name, variant, Box::new(Captured::Unit)))
    }

    fn serialize_newtype_struct<T: Serialize + ?Sized>(
        self,
        name: &'static str,
        value: &T,
    ) -> Result<Captured, Refusal> {
        Ok(Captured::Newtype(name, Box::new(value.serialize(self)?)))
    }

    fn serialize_newtype_variant<T: Serialize + ?Sized>(
        self,
        name: &'static str,
        _: u32,
        variant: &'static str,
        value: &T,
    ) -> Result<Captured, Refusal> {
        // Wrapped in a newtype, so that a variant that contains a unit differs from one without content.
        let held = Captured::Newtype("", Box::new(value.serialize(self)?));
        Ok(Captured::Variant(name, variant, Box::new(held)))
    }

    fn serialize_seq(self, length: Option<usize>) -> Result<Values, Refusal> {
        Ok(Values::new(self, length, Into::List))
    }

    fn serialize_tuple(self, length: usize) -> Result<Values, Refusal> {
        Ok(Values::new(self, Some(length), Into::Tuple("")))
    }

    fn serialize_tuple_struct(self, name: &'static str, length: usize) -> Result<Values, Refusal> {
        Ok(Values::new(self, Some(length), Into::Tuple(name)))
    }

    fn serialize_tuple_variant(
        self,
        name: &'static str,
        _: u32,
        variant: &'static str,
        length: usize,
    ) -> Result<Values, Refusal> {
        Ok(Values::new(self, Some(length), Into::Variant(name, variant)))
    }

    fn serialize_map(self, length: Option<usize>) -> Result<Entries, Refusal> {
        let entries = Vec::with_capacity(room(length));
        Ok(Entries { capturing: self, entries, key: None })
    }

    fn serialize_struct(self, name: &'static str, length: usize) -> Result<Fields, Refusal> {
        let fields = Vec::with_capacity(room(Some(length)));
        Ok(Fields { capturing: self, fields, name, variant: None })
    }

    fn serialize_struct_variant(
        self,
        name: &'static str,
        _: u32,
        variant: &'static str,
        length: usize,
    ) -> Result<Fields, Refusal> {
        let fields = Vec::with_capacity(room(Some(length)));
        Ok(Fields { capturing: self, fields, name, variant: Some(variant) })
    }

    fn is_human_readable(&self) -> bool {
        self.is_human_readable
    }
}

/// Bounds the capacity that a `Serialize` asks for, since its claimed length may be wrong.
fn room(length: Option<usize>) -> usize {
    length.unwrap_or(0).min(1_024)
}

impl Values {
    fn new(capturing: Capturing, length: Option<usize>, into: Into) -> Self {
        Self { capturing, values: Vec::with_capacity(room(length)), into }
    }

    fn push<T: Serialize + ?Sized>(&mut self, value: &T) -> Result<(), Refusal> {
        self.values.push(value.serialize(self.capturing)?);
        Ok(())
    }

    fn finish(self) -> Captured {
        match self.into {
            Into::List => Captured::List(self.values),
            Into::Tuple(name) => Captured::Tuple(name, self.values),
            Into::Variant(name, variant) => {
                Captured::Variant(name, variant, Box::new(Captured::Tuple("", self.values)))
            }
        }
    }
}

macro_rules! values {
    ($($trait:ident, $method:ident;)*) => {
        $(impl $trait for Values {
            type Ok = Captured;
            type Error = Refusal;

            fn $method<T: Serialize + ?Sized>(&mut self, value: &T) -> Result<(), Refusal> {
                self.push(value)
            }

            fn end(self) -> Result<Captured, Refusal> {
                Ok(self.finish())
            }
        })*
    };
}

values! {
    SerializeSeq, serialize_element;
    SerializeTuple, serialize_element;
    SerializeTupleStruct, serialize_field;
    SerializeTupleVariant, serialize_field;
}

impl SerializeMap for Entries {
    type Ok = Captured;
    type Error = Refusal;

    fn serialize_key<T: Serialize + ?Sized>(&mut self, key: &T) -> Result<(), Refusal> {
        self.key = Some(key.serialize(self.capturing)?);
        Ok(())
    }

    fn serialize_value<T: Serialize + ?Sized>(&mut self, value: &T) -> Result<(), Refusal> {
        let key = self.key.take().ok_or_else(|| Refusal("a value without a key".to_owned()))?;
        self.entries.push((key, value.serialize(self.capturing)?));
        Ok(())
    }

    fn end(self) -> Result<Captured, Refusal> {
        Ok(Captured::Map(self.entries))
    }
}

impl Fields {
    fn push<T: Serialize + ?Sized>(
        &mut self,
        name: &'static str,
        value: &T,
    ) -> Result<(), Refusal> {
        self.fields.push((name, value.serialize(self.capturing)?));
        Ok(())
    }

    fn finish(self) -> Captured {
        match self.variant {
            None => Captured::Struct(self.name, self.fields),
            Some(variant) => {
                let held = Captured::Struct("", self.fields);
                Captured::Variant(self.name, variant, Box::new(held))
            }
        }
    }
}

macro_rules! fields {
    ($($trait:ident;)*) => {
        $(impl $trait for Fields {
            type Ok = Captured;
            type Error = Refusal;

            fn serialize_field<T: Serialize + ?Sized>(
                &mut self,
                name: &'static str,
                value: &T,
            ) -> Result<(), Refusal> {
                self.push(name, value)
            }

            fn end(self) -> Result<Captured, Refusal> {
                Ok(self.finish())
            }
        })*
    };
}

fields! {
    SerializeStruct;
    SerializeStructVariant;
}
