//! Terminal screens as pictures: [`Buffer`](ratatui::buffer::Buffer) → SVG → PNG.
//!
//! The same screen gives the same bytes on every machine: fonts are in this crate, nothing is asked of the system,
//! and what decides the look of a console (lines, bars, dots) is drawn as shapes on the grid of cells.

mod canvas;
pub mod capture;
pub mod card;
pub mod palette;
pub mod picture;
pub mod png;
pub mod scene;
pub mod scenes;
mod shape;
