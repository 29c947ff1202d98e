//! The library: scripts that come with the program and people's own, their versions, and who may run which as root.
//!
//! [`shelf`] are the tables, [`keep`] how they change, [`show`] what people see, [`params`] what a run is given.

mod keep;
mod params;
mod shelf;
mod show;

pub use params::params;
pub use shelf::{Found, Scripts, Text};
