//! The past of a run, and runs that begin in it.

mod forks;
mod moments;
