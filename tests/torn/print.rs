//! What the tasks of this test do: all of it follows from an attempt's number, so that every checker knows it.

use protocol::agent::INLINE_OUTPUT;
use protocol::id::AttemptId;
use protocol::job::{Outcome, Stream};

use test_support::Dice;

fn dice(attempt: AttemptId, purpose: u64) -> Dice {
    let AttemptId { task, number } = attempt;
    Dice::of(u64::from(task.job.0) << 32 | u64::from(task.index), (u64::from(number) << 8 | purpose).to_le_bytes())
}

/// How it ends where nobody stops it.
pub fn outcome(attempt: AttemptId) -> Outcome {
    let mut dice = dice(attempt, 1);
    match dice.below(10) {
        0..=5 => Outcome::Exited(0),
        6..=8 => Outcome::Exited(dice.within(1, 255) as i32),
        _ => Outcome::Signaled(9),
    }
}

/// A few run long enough to be stopped.
pub fn runs_ms(attempt: AttemptId) -> u64 {
    let mut dice = dice(attempt, 2);
    if dice.chance(10) { dice.within(300, 900) as u64 } else { dice.within(1, 40) as u64 }
}

pub fn is_large(attempt: AttemptId) -> bool {
    length(attempt, Stream::Stdout) > INLINE_OUTPUT / 2
}

fn length(attempt: AttemptId, stream: Stream) -> usize {
    let mut dice = dice(attempt, 3);
    let kind = dice.below(40);
    match (stream, kind) {
        (_, 0..=9) => 0,
        (Stream::Stdout, 39) => dice.within(INLINE_OUTPUT, 3 * INLINE_OUTPUT),
        (Stream::Stdout, 35..=38) => dice.within(2000, 12_000),
        (Stream::Stdout, _) => dice.within(1, 300),
        (Stream::Stderr, _) => dice.below(60),
    }
}

pub fn output(attempt: AttemptId, stream: Stream) -> Vec<u8> {
    let line = format!("{attempt} {stream:?} ");
    let length = length(attempt, stream);
    let mut text = line.repeat(length.div_ceil(line.len())).into_bytes();
    text.truncate(length);
    text
}
