//! Keys go in, screens and effects come out.

mod astray;
mod away;
mod everywhere;
mod fuzz;
mod hostile;
mod screens;

use crate::console::sample::{picture, state};
use crate::console::state::State;

/// A small cluster on a usual screen.
fn home() -> State {
    state((120, 40), picture(6, 9))
}
