//! Writes values as bytes and reads them again: codecs, compression, and the check that nothing is lost on the way.

pub(crate) mod capture;
pub(crate) mod codec;
pub(crate) mod compression;
pub(crate) mod encoding;
pub(crate) mod error;
pub(crate) mod link;
pub(crate) mod payload;
pub(crate) mod round_trip;
pub(crate) mod to_json;
