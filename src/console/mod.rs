//! The console: a full-screen client of one manager. It keeps nothing that matters; leaving it changes nothing.
//!
//! `app.rs` is the loop: it brings events (`event.rs`) to the state, carries out the effects that come back, and has
//! the panes drawn when something may look different. Between the two everything is pure: `state/` knows,
//! `actions/` is the one table of what a person can do, `panes/` draws. `feed.rs` speaks with the manager.

pub mod actions;
mod app;
pub mod event;
mod feed;
mod keep;
pub mod keymap;
mod keys_page;
mod library;
mod live;
pub mod panes;
pub mod sample;
pub mod state;
pub mod terminal;
pub mod theme;

pub use app::{ConsoleError, Options, run};
pub use keys_page::keys_page;
