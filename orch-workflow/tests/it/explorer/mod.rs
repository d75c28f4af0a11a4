//! The crash explorer: generated families of workflows, and proof that it can fail.

mod defects;
mod families;
mod seed;
