//! Copying through the terminal, which reaches the clipboard of the person even over SSH: OSC 52.

use base64::Engine;
use base64::engine::general_purpose::STANDARD;

/// Terminals drop longer ones, most without a word.
const LIMIT: usize = 100_000;

#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("Terminals take at most about {} kB through the clipboard, and this is {} kB; copy less.", LIMIT / 1000, .bytes.div_ceil(1000))]
pub struct TooLong {
    pub bytes: usize,
}

pub fn check(text: &str) -> Result<(), TooLong> {
    if encoded_length(text) > LIMIT { Err(TooLong { bytes: text.len() }) } else { Ok(()) }
}

pub fn sequence(text: &str) -> Vec<u8> {
    format!("\x1b]52;c;{}\x1b\\", STANDARD.encode(text)).into_bytes()
}

fn encoded_length(text: &str) -> usize {
    text.len().div_ceil(3) * 4
}
