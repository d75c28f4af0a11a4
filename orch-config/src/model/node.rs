//! What stands in the list of a workflow: steps, and groups of steps.

use std::borrow::Cow;

use schemars::{JsonSchema, Schema, SchemaGenerator, json_schema};
use serde::{Deserialize, Deserializer, Serialize, de, de::IntoDeserializer};
use serde_json::{Map, Value};

use super::{
    layer::replaced,
    strict::Strict,
    workflow::{Group, Step},
};
use crate::expression::Expression;

/// A step, or a group of steps.
#[derive(Debug, Clone, PartialEq, Serialize, JsonSchema)]
#[serde(untagged)]
pub(crate) enum Node {
    /// A step.
    Step(Box<Step>),
    /// Steps that are repeated together.
    Group(Box<Group>),
}

impl Node {
    /// The step itself, or the steps of the group.
    pub(crate) fn steps_mut(&mut self) -> &mut [Step] {
        match self {
            Self::Step(step) => std::slice::from_mut(&mut **step),
            Self::Group(group) => &mut group.steps,
        }
    }
}

impl<'de> Deserialize<'de> for Node {
    /// A group is known by its `steps` or its `repeat`. Texts are moved, not copied.
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let Strict(Value::Object(object)) = Strict::deserialize(deserializer)? else {
            return Err(de::Error::custom("a step or a group is an object"));
        };
        let is_group = object.contains_key("steps") || object.contains_key("repeat");
        let object = object.into_deserializer();
        let node = if is_group {
            Group::deserialize(object).map(|group| Self::Group(Box::new(group)))
        } else {
            Step::deserialize(object).map(|step| Self::Step(Box::new(step)))
        };
        node.map_err(de::Error::custom)
    }
}

/// The text of a condition, not yet checked.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(transparent)]
pub(crate) struct Condition(pub(crate) String);

impl JsonSchema for Condition {
    fn inline_schema() -> bool {
        true
    }

    fn schema_name() -> Cow<'static, str> {
        "Condition".into()
    }

    fn json_schema(_: &mut SchemaGenerator) -> Schema {
        json_schema!({ "type": "string", "maxLength": Expression::MAX_BYTES })
    }
}

/// A JSON Schema, not yet checked.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(transparent)]
pub(crate) struct JsonSchemaObject(pub(crate) Map<String, Value>);

impl JsonSchema for JsonSchemaObject {
    fn inline_schema() -> bool {
        true
    }

    fn schema_name() -> Cow<'static, str> {
        "JsonSchema".into()
    }

    fn json_schema(_: &mut SchemaGenerator) -> Schema {
        json_schema!({ "type": "object", "additionalProperties": true })
    }
}

replaced!(Condition, JsonSchemaObject);
