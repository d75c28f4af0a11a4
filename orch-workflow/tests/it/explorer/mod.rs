//! The crash explorer, on generated families of workflows and on what is broken on purpose; and every order of races.

mod defects;
mod engine;
mod families;
mod laws;
mod races;
mod seed;
