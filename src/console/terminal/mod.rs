//! The terminal itself: its modes, what is written to it, and what comes back from it.
//!
//! A thread paints and owns the output, another reads keys, a third waits for the terminal to hang up. The console
//! speaks with them by messages, so that no slow or dead terminal ever holds it up.

mod canvas;
mod clipboard;
mod input;
mod modes;
mod painter;
mod pen;
mod signals;

pub use canvas::{Canvas, Frame};
pub use clipboard::TooLong;
pub use input::{Input, Listener, listen};
pub use modes::{Terminal, TerminalError, size};
pub use painter::{Command, CommandError, Painter, Report, Screen};
pub use signals::{Signal, signals};

#[cfg(test)]
mod pty_tests;
#[cfg(test)]
mod tests;
