//! Numbers with a range, so that types and schema cannot disagree about it.

use std::{borrow::Cow, fmt};

use schemars::{JsonSchema, Schema, SchemaGenerator, json_schema};
use serde::{Deserialize, Deserializer, Serialize, de};

use super::layer::Merge;

/// A whole number from `MIN` to `MAX`. `3.0` is a whole number, as in JSON Schema.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(transparent)]
pub(crate) struct Whole<const MIN: u64, const MAX: u64>(u64);

/// At least one.
pub(crate) type Count = Whole<1, { u32::MAX as u64 }>;
/// Any number, none included.
pub(crate) type Number = Whole<0, { u32::MAX as u64 }>;
/// How often a group may be repeated.
pub(crate) type Passes = Whole<1, 100>;
/// Tokens: at least one; at most what every JSON reader represents exactly.
pub(crate) type Tokens = Whole<1, 9_007_199_254_740_991>;
/// A TCP port.
pub(crate) type Port = Whole<1, { u16::MAX as u64 }>;
/// Milliseconds, at least one; at most what every JSON reader represents exactly.
pub(crate) type Millis = Whole<1, 9_007_199_254_740_991>;

impl<const MIN: u64, const MAX: u64> Whole<MIN, MAX> {
    /// The number, brought into the range.
    pub(crate) fn clamped(value: u64) -> Self {
        Self(value.clamp(MIN, MAX))
    }

    pub(crate) fn get(self) -> u64 {
        self.0
    }

    /// The number as a smaller type that its range fits.
    pub(crate) fn small<T: TryFrom<u64> + num_bounds::Max>(self) -> T {
        T::try_from(self.0).unwrap_or(T::MAX)
    }
}

/// The largest value of the types that a [`Whole`] becomes.
pub(crate) mod num_bounds {
    pub(crate) trait Max {
        const MAX: Self;
    }

    impl Max for u16 {
        const MAX: Self = u16::MAX;
    }

    impl Max for u32 {
        const MAX: Self = u32::MAX;
    }
}

impl<'de, const MIN: u64, const MAX: u64> Deserialize<'de> for Whole<MIN, MAX> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Visitor<const MIN: u64, const MAX: u64>;

        impl<const MIN: u64, const MAX: u64> de::Visitor<'_> for Visitor<MIN, MAX> {
            type Value = Whole<MIN, MAX>;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                write!(f, "a whole number from {MIN} to {MAX}")
            }

            fn visit_u64<E: de::Error>(self, value: u64) -> Result<Self::Value, E> {
                if (MIN..=MAX).contains(&value) {
                    return Ok(Whole(value));
                }
                Err(E::invalid_value(de::Unexpected::Unsigned(value), &self))
            }

            fn visit_f64<E: de::Error>(self, value: f64) -> Result<Self::Value, E> {
                match whole(value) {
                    Some(value) => self.visit_u64(value),
                    None => Err(E::invalid_value(de::Unexpected::Float(value), &self)),
                }
            }
        }

        deserializer.deserialize_u64(Visitor)
    }
}

/// The float as a whole number, if it is one that a float holds exactly.
pub(crate) fn whole(value: f64) -> Option<u64> {
    let exact = value.fract() == 0.0 && (0.0..=9_007_199_254_740_992.0).contains(&value);
    #[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "the range was checked")]
    exact.then_some(value as u64)
}

impl<const MIN: u64, const MAX: u64> JsonSchema for Whole<MIN, MAX> {
    fn inline_schema() -> bool {
        true
    }

    fn schema_name() -> Cow<'static, str> {
        format!("Whole_{MIN}_{MAX}").into()
    }

    fn json_schema(_: &mut SchemaGenerator) -> Schema {
        json_schema!({ "type": "integer", "minimum": MIN, "maximum": MAX })
    }
}

impl<const MIN: u64, const MAX: u64> Merge for Whole<MIN, MAX> {
    fn merge(&mut self, later: Self) {
        *self = later;
    }
}

/// A number from `MIN` to `MAX`, fractions included.
#[derive(Debug, Clone, Copy, PartialEq, Serialize)]
#[serde(transparent)]
pub(crate) struct Real<const MIN: u32, const MAX: u32>(f64);

impl<const MIN: u32, const MAX: u32> Real<MIN, MAX> {
    /// The number, brought into the range.
    pub(crate) fn clamped(value: f64) -> Self {
        Self(value.clamp(f64::from(MIN), f64::from(MAX)))
    }

    pub(crate) fn get(self) -> f64 {
        self.0
    }
}

impl<'de, const MIN: u32, const MAX: u32> Deserialize<'de> for Real<MIN, MAX> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let value = f64::deserialize(deserializer)?;
        if (f64::from(MIN)..=f64::from(MAX)).contains(&value) {
            return Ok(Self(value));
        }
        let expected = format!("a number from {MIN} to {MAX}");
        Err(de::Error::invalid_value(de::Unexpected::Float(value), &expected.as_str()))
    }
}

impl<const MIN: u32, const MAX: u32> JsonSchema for Real<MIN, MAX> {
    fn inline_schema() -> bool {
        true
    }

    fn schema_name() -> Cow<'static, str> {
        format!("Real_{MIN}_{MAX}").into()
    }

    fn json_schema(_: &mut SchemaGenerator) -> Schema {
        json_schema!({ "type": "number", "minimum": MIN, "maximum": MAX })
    }
}

impl<const MIN: u32, const MAX: u32> Merge for Real<MIN, MAX> {
    fn merge(&mut self, later: Self) {
        *self = later;
    }
}

/// US dollars: something, fractions included.
#[derive(Debug, Clone, Copy, PartialEq, Serialize)]
#[serde(transparent)]
pub(crate) struct Dollars(f64);

impl Dollars {
    const MAX: f64 = 1_000_000.0;

    /// The amount, brought into the range.
    pub(crate) fn clamped(value: f64) -> Self {
        Self(value.clamp(f64::MIN_POSITIVE, Self::MAX))
    }

    pub(crate) fn get(self) -> f64 {
        self.0
    }
}

impl<'de> Deserialize<'de> for Dollars {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let value = f64::deserialize(deserializer)?;
        if value > 0.0 && value <= Self::MAX {
            return Ok(Self(value));
        }
        Err(de::Error::invalid_value(de::Unexpected::Float(value), &"an amount above 0"))
    }
}

impl JsonSchema for Dollars {
    fn inline_schema() -> bool {
        true
    }

    fn schema_name() -> Cow<'static, str> {
        "Dollars".into()
    }

    fn json_schema(_: &mut SchemaGenerator) -> Schema {
        json_schema!({ "type": "number", "exclusiveMinimum": 0, "maximum": Self::MAX })
    }
}

impl Merge for Dollars {
    fn merge(&mut self, later: Self) {
        *self = later;
    }
}
