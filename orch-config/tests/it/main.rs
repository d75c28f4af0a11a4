//! What the configuration promises, file by file.

mod schema;
