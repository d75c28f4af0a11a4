//! Starting and ending servers: impostors for what goes wrong, the real one for what must hold.

mod impostor;
mod live;
