//! The full-screen console.

mod document;
pub mod theme;
