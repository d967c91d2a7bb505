//! How the events of a type become bytes, and bytes become events.

use std::fmt;

use serde::Serialize;
use serde::de::DeserializeOwned;

#[cfg(feature = "protobuf")]
use crate::RoundTripMismatch;
use crate::format::codec;
use crate::format::round_trip::{self, RoundTrips};
#[cfg(feature = "protobuf")]
use crate::report::with_causes;
use crate::{BoxError, Codec, DecodeError};

/// How the events of a type become bytes, and bytes become events. `#[event]` and `#[state_event]` choose it; a
/// hand-written [`Event`](crate::Event) names one.
///
/// # Example
/// ```standalone_crate
/// use evercore::{Aggregate, Codec, Encoding, Event};
/// use serde::{Deserialize, Serialize};
///
/// # #[derive(Aggregate, Default)]
/// # struct Account;
/// #[derive(Serialize, Deserialize)]
/// struct Opened {
///     owner: String,
/// }
///
/// impl Event for Opened {
///     type Aggregate = Account;
///     const NAME: &'static str = "opened";
///     const ENCODING: Encoding<Self> = Encoding::serde().codec(Codec::Json);
/// }
/// ```
pub struct Encoding<E> {
    codec: Option<Codec>,
    serde: Option<ViaSerde<E>>,
    protobuf: Option<ViaProtobuf<E>>,
}

/// What serde does for a type.
struct ViaSerde<E> {
    encode: fn(&E, Codec, RoundTrips) -> Result<Vec<u8>, BoxError>,
    decode: fn(Codec, &[u8]) -> Result<E, DecodeError>,
}

/// What prost does for a type.
struct ViaProtobuf<E> {
    encode: fn(&E, RoundTrips) -> Result<Vec<u8>, BoxError>,
    decode: fn(&[u8]) -> Result<E, DecodeError>,
}

impl<E: Serialize + DeserializeOwned> Encoding<E> {
    /// By serde, in the store's codec.
    #[must_use]
    pub const fn serde() -> Self {
        let serde = ViaSerde { encode: round_trip::encode::<E>, decode: codec::decode::<E> };
        Self { codec: None, serde: Some(serde), protobuf: None }
    }
}

#[cfg(feature = "protobuf")]
impl<E: prost::Message + Default> Encoding<E> {
    const MESSAGE: ViaProtobuf<E> = ViaProtobuf {
        encode: encode_message::<E>,
        decode: |bytes| E::decode(bytes).map_err(DecodeError::whole),
    };

    /// In Protocol Buffers, whatever the store's codec, for a message made with prost.
    #[must_use]
    pub const fn protobuf() -> Self {
        Self { codec: Some(Codec::Protobuf), serde: None, protobuf: Some(Self::MESSAGE) }
    }

    /// Adds Protocol Buffers to what serde can do, for a message made with prost that serde knows as well: it can be
    /// read from rows of all codecs, and shown as JSON.
    #[must_use]
    pub const fn and_protobuf(self) -> Self {
        Self { protobuf: Some(Self::MESSAGE), ..self }
    }
}

/// Writes a message. What Protocol Buffers may lose is a message whose messages stand in each other too deep to be read.
#[cfg(feature = "protobuf")]
fn encode_message<E: prost::Message + Default>(
    message: &E,
    round_trips: RoundTrips,
) -> Result<Vec<u8>, BoxError> {
    let bytes = message.encode_to_vec();
    if round_trips.check_message(&bytes)
        && let Err(error) = E::decode(&*bytes)
    {
        return Err(RoundTripMismatch {
            codec: Codec::Protobuf,
            field: ".".to_owned(),
            given: "a message".to_owned(),
            read: format!("an error ({})", with_causes(&error)),
        }
        .into());
    }
    Ok(bytes)
}

impl<E> Encoding<E> {
    /// Sets the codec that events of this type are written in, whatever the store's.
    ///
    /// # Panics
    /// At compile time, if the codec is not built in, or not what the type can be written in.
    #[must_use]
    pub const fn codec(self, codec: Codec) -> Self {
        match codec {
            Codec::Json => {}
            Codec::Cbor => assert!(
                codec.is_built(),
                "this build lacks CBOR; switch on the feature `cbor` of the crate `evercore`"
            ),
            Codec::MessagePack => assert!(
                codec.is_built(),
                "this build lacks MessagePack; switch on the feature `messagepack` of the crate `evercore`"
            ),
            Codec::Protobuf => assert!(
                codec.is_built(),
                "this build lacks Protocol Buffers; switch on the feature `protobuf` of the crate `evercore`"
            ),
        }
        match codec {
            Codec::Json | Codec::Cbor | Codec::MessagePack => {
                assert!(self.serde.is_some(), "this codec needs serde: use `Encoding::serde`");
            }
            Codec::Protobuf => assert!(
                self.protobuf.is_some(),
                "Protocol Buffers need a message: use `Encoding::protobuf`, or `and_protobuf`"
            ),
        }
        Self { codec: Some(codec), ..self }
    }

    /// The type's own codec.
    pub(crate) const fn own_codec(&self) -> Option<Codec> {
        self.codec
    }

    /// Whether events of this type can be written in a codec.
    pub(crate) const fn writes(&self, codec: Codec) -> bool {
        let speaks = match codec {
            Codec::Protobuf => self.protobuf.is_some(),
            Codec::Json | Codec::Cbor | Codec::MessagePack => self.serde.is_some(),
        };
        speaks && codec.is_built()
    }

    /// Writes an event, after the checks that are asked for.
    #[inline]
    pub(crate) fn encode(
        &self,
        event: &E,
        codec: Codec,
        round_trips: RoundTrips,
    ) -> Result<Vec<u8>, BoxError> {
        match (codec, &self.protobuf, &self.serde) {
            (Codec::Protobuf, Some(protobuf), _) => (protobuf.encode)(event, round_trips),
            (_, _, Some(serde)) => (serde.encode)(event, codec, round_trips),
            (_, _, None) => Err(WITHOUT_SERDE.into()),
        }
    }

    /// Reads an event.
    #[inline]
    pub(crate) fn decode(&self, codec: Codec, bytes: &[u8]) -> Result<E, DecodeError> {
        match (codec, &self.protobuf, &self.serde) {
            (Codec::Protobuf, Some(protobuf), _) => (protobuf.decode)(bytes),
            (_, _, Some(serde)) => (serde.decode)(codec, bytes),
            (_, _, None) => Err(DecodeError::whole(WITHOUT_SERDE)),
        }
    }
}

const WITHOUT_SERDE: &str = "the type is a message that serde does not know: it has no form but Protocol Buffers; derive `Serialize` and `Deserialize` for it";

impl<E> Clone for Encoding<E> {
    fn clone(&self) -> Self {
        *self
    }
}

impl<E> Copy for Encoding<E> {}

impl<E> Clone for ViaSerde<E> {
    fn clone(&self) -> Self {
        *self
    }
}

impl<E> Copy for ViaSerde<E> {}

impl<E> Clone for ViaProtobuf<E> {
    fn clone(&self) -> Self {
        *self
    }
}

impl<E> Copy for ViaProtobuf<E> {}

impl<E> fmt::Debug for Encoding<E> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Encoding")
            .field("codec", &self.codec)
            .field("serde", &self.serde.is_some())
            .field("protobuf", &self.protobuf.is_some())
            .finish()
    }
}
