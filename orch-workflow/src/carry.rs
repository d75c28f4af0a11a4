//! The bounded hand-off text of earlier steps.
