//! `orch serve`: the real binary, a client that speaks plain HTTP, and those who should not get in.

mod attacks;
pub(crate) mod client;
mod events;
mod fuzz;
mod hosts;
mod life;
mod load;
mod runs;
mod shapes;
mod tasks;
mod views;
