//! Lists whose elements have ids: those of a later file change and extend those of an earlier one.

use std::{borrow::Cow, collections::HashMap};

use schemars::{JsonSchema, Schema, SchemaGenerator};
use serde::{Deserialize, Serialize};

use super::{layer::Merge, table::ProfileEntry, workflow::Definition};

/// A list that merges by id. A person's own profiles survive a project that adds one.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(transparent)]
pub(crate) struct ById<T>(pub(crate) Vec<T>);

impl<T> Default for ById<T> {
    fn default() -> Self {
        Self(Vec::new())
    }
}

impl<T: JsonSchema> JsonSchema for ById<T> {
    fn inline_schema() -> bool {
        true
    }

    fn schema_name() -> Cow<'static, str> {
        Vec::<T>::schema_name()
    }

    fn json_schema(generator: &mut SchemaGenerator) -> Schema {
        Vec::<T>::json_schema(generator)
    }
}

/// Something with an id.
pub(crate) trait Identified {
    fn id(&self) -> &str;
}

impl Identified for ProfileEntry {
    fn id(&self) -> &str {
        match self {
            Self::Name(id) => id.as_str(),
            Self::Patch(patch) => patch.id.as_str(),
        }
    }
}

impl Identified for Definition {
    fn id(&self) -> &str {
        self.id.as_str()
    }
}

impl<T: Identified + Merge> Merge for ById<T> {
    fn merge(&mut self, later: Self) {
        let mut places: HashMap<String, usize> = HashMap::with_capacity(self.0.len() + later.0.len());
        for (place, element) in self.0.iter().enumerate() {
            places.entry(element.id().to_owned()).or_insert(place);
        }
        for element in later.0 {
            match places.get(element.id()).and_then(|place| self.0.get_mut(*place)) {
                Some(earlier) => earlier.merge(element),
                None => {
                    places.insert(element.id().to_owned(), self.0.len());
                    self.0.push(element);
                }
            }
        }
    }
}

impl Merge for ProfileEntry {
    fn merge(&mut self, later: Self) {
        match (self, later) {
            (Self::Patch(earlier), Self::Patch(later)) => {
                // `kind` and `backend` are two spellings of one setting: the later file's spelling counts alone.
                if later.kind.is_some() || later.backend.is_some() {
                    earlier.kind.take();
                    earlier.backend.take();
                }
                earlier.merge(*later);
            }
            (earlier, later @ Self::Patch(_)) => *earlier = later,
            (_, Self::Name(_)) => {}
        }
    }
}
