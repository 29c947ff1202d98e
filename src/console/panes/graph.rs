//! Graphs of samples: as a line of small bars, and as an area of several rows.

use ratatui::buffer::Buffer;
use ratatui::layout::Rect;
use ratatui::style::Style;

use super::paint;
use crate::console::theme::Glyphs;

/// What a cell says of several samples.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Of {
    Mean,
    Highest,
}

/// Samples at an even step, the oldest first.
#[derive(Debug, Clone, Copy)]
pub struct Samples<'a, T> {
    pub known: &'a [Option<T>],
    /// As many as there are room for; older ones that are missing are a gap.
    pub most: usize,
    /// The number of the newest one, counted from the beginning of time.
    pub last: u64,
}

/// One value a cell, the newest at the right. Which samples share a cell depends on when they were taken, not on
/// when they are drawn: a graph moves to the left and does not shimmer.
pub fn cells<T: Copy>(samples: &Samples<'_, T>, value: impl Fn(T) -> f32, of: Of, width: u16) -> Vec<Option<f32>> {
    let (most, width) = (samples.most.max(1), usize::from(width));
    let drawn = width.min(most);
    let cell = |no: u64| u128::from(no) * drawn as u128 / most as u128;
    let newest = cell(samples.last);
    let mut sums = vec![(0.0f32, 0u32); width];
    for (ago, sample) in samples.known.iter().rev().enumerate() {
        let Some(no) = samples.last.checked_sub(ago as u64) else { break };
        let Some(at) = usize::try_from(newest - cell(no)).ok().and_then(|back| width.checked_sub(back + 1)) else {
            break;
        };
        if let Some(sample) = sample {
            let (sum, count) = &mut sums[at];
            *sum = if of == Of::Highest && *count > 0 { sum.max(value(*sample)) } else { *sum + value(*sample) };
            *count = if of == Of::Highest { 1 } else { *count + 1 };
        }
    }
    sums.into_iter().map(|(sum, count)| (count > 0).then(|| sum / count as f32)).collect()
}

/// Shares of 0 to 1 as an area as high as there are rows; what is not known stays empty.
pub fn area(buffer: &mut Buffer, area: Rect, shares: &[Option<f32>], style: impl Fn(usize) -> Style, glyphs: &Glyphs) {
    // The highest leaves an eighth free, so that it does not grow together with what stands above.
    let steps = u32::from(area.height) * 8 - u32::from(area.height > 0);
    let first = area.right().saturating_sub(u16::try_from(shares.len()).unwrap_or(u16::MAX)).max(area.x);
    for (at, share) in shares.iter().enumerate().skip(shares.len().saturating_sub(area.width.into())) {
        let skipped = shares.len().saturating_sub(area.width.into());
        let x = first + u16::try_from(at - skipped).unwrap_or(u16::MAX);
        let Some(share) = share else { continue };
        // What is known and next to nothing is a low bar still, so that it is no gap.
        let filled = ((share.clamp(0.0, 1.0) * steps as f32).round() as u32).max(1);
        for row in 0..area.height {
            let part = filled.saturating_sub(u32::from(row) * 8).min(8);
            if part > 0 {
                paint::text(buffer, x, area.bottom() - 1 - row, 1, glyphs.spark[part as usize], style(at));
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn drawn(samples: &[Option<u8>], most: usize, last: u64, width: u16) -> Vec<Option<f32>> {
        cells(&Samples { known: samples, most, last }, f32::from, Of::Mean, width)
    }

    #[test]
    fn a_cell_is_the_mean_of_what_is_known_of_it() {
        assert_eq!(drawn(&[Some(1), Some(3), None, Some(8), None, None], 6, 5, 3), [Some(2.0), Some(8.0), None]);
        let known = [Some(1u8), Some(3)];
        assert_eq!(cells(&Samples { known: &known, most: 2, last: 1 }, f32::from, Of::Highest, 1), [Some(3.0)]);
    }

    #[test]
    fn what_the_manager_does_not_know_yet_is_a_gap_at_the_left() {
        assert_eq!(drawn(&[Some(1)], 4, 3, 4), [None, None, None, Some(1.0)]);
        assert_eq!(drawn(&[], 4, 3, 2), [None, None]);
        assert_eq!(drawn(&[Some(1), Some(2)], 2, 1, 4), [None, None, Some(1.0), Some(2.0)]);
    }

    #[test]
    fn a_new_sample_moves_the_graph_or_changes_its_last_cell_alone() {
        let all: Vec<Option<u8>> = (0..200u8).map(|n| Some(n.wrapping_mul(37))).collect();
        for last in 60..150usize {
            let at = |last: usize| drawn(&all[last - 59..=last], 60, last as u64, 13);
            let (before, after) = (at(last), at(last + 1));
            let moved = before[2..] == after[1..12];
            let stood = before[1..12] == after[1..12];
            assert!(moved || stood, "{last}: {before:?} {after:?}");
        }
    }
}
