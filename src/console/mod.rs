//! The full-screen console.

mod document;
pub mod keymap;
mod library;
pub mod live;
pub mod terminal;
pub mod theme;
