mod delivery;
mod reactor;
mod support;
mod view;
