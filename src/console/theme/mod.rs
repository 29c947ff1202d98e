//! What the screen looks like: styles by name, glyphs, and how much colour the terminal shows.
//!
//! This is the only room of the console that names colours. Everyone else asks for the style of a thing.

mod color;
mod depth;
mod glyphs;
mod read;
mod source;
mod styles;

pub use depth::{ColorChoice, Depth, locale_is_utf8};
pub use glyphs::Glyphs;
pub use source::Source;
pub use styles::Styles;

/// `FILE:LINE: what is wrong and what is allowed.`
pub type ThemeError = crate::document::Mistake;

#[derive(Clone, Debug)]
pub struct Theme {
    pub name: String,
    pub styles: Styles,
    pub glyphs: &'static Glyphs,
    pub depth: Depth,
}

#[cfg(test)]
mod contrast;
#[cfg(test)]
mod tests;
