//! Writes values as bytes and reads them again: codecs, compression, and the check that nothing is lost on the way.
//!
//! - [`Encoding`] writes and reads the events of a type, in the [`Codec`](crate::Codec) of the type or of the store.
//! - [`Payload`] is an encoded event, and [`Compression`] how a store makes it smaller.
//! - [`DecodeError`] says at which field bytes do not fit a type, and [`RoundTripMismatch`] which field of a value
//!   would not be read as it was written.

pub(crate) mod capture;
pub(crate) mod codec;
pub(crate) mod compression;
pub(crate) mod encoding;
pub(crate) mod error;
pub(crate) mod link;
pub(crate) mod payload;
pub(crate) mod round_trip;
pub(crate) mod to_json;

pub use compression::Compression;
pub use encoding::Encoding;
pub use error::DecodeError;
pub use payload::Payload;
pub use round_trip::RoundTripMismatch;
