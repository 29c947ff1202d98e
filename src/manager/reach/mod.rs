//! Nodes without a link: whether they answer at all ([`looking`]), and how one is met and added ([`meeting`]).

mod looking;
mod meeting;
mod names;

pub use looking::{Errand, Looker};
pub use meeting::{add, probe};
pub use names::addresses;
