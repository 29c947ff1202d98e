//! What a frame costs, measured inside of one process: a key, what follows from it, and the screen anew.

use std::time::Duration;

use anyhow::Context;
use bramble::console::sample;
use bramble::console::terminal::{Canvas, Frame};
use rustix::time::{ClockId, clock_gettime};

use super::{load, ms};
use crate::statistics::median;

/// CPU of a key and the frame that shows what it did, in milliseconds.
pub fn frame_ms(nodes: u32, frames: u32) -> anyhow::Result<f64> {
    let mut state = sample::state((120, 40), load::picture(nodes));
    let mut canvas = Canvas::new(std::io::sink());
    let mut taken = vec![];
    for key in ["j", "j", "k", "k"].into_iter().cycle().take(frames as usize) {
        let before = cpu();
        sample::press(&mut state, key);
        let frame = Frame { buffer: sample::drawn(&state), cursor: None, clear: false };
        let bytes = canvas.paint(frame).context("nothing is written")?;
        taken.push(ms(cpu().saturating_sub(before)));
        anyhow::ensure!(bytes > 0, "the key {key} changed nothing");
    }
    Ok(median(&taken))
}

/// Of this thread.
fn cpu() -> Duration {
    let now = clock_gettime(ClockId::ThreadCPUTime);
    Duration::new(now.tv_sec.unsigned_abs(), u32::try_from(now.tv_nsec).unwrap_or(0))
}

#[cfg(test)]
mod tests {
    #[test]
    fn a_frame_takes_time() {
        assert!(super::frame_ms(16, 4).unwrap() > 0.0);
    }
}
