//! What comes from an agent is brought into bounds here before anything is decided or kept: a lying or broken node
//! can be wrong about itself, but it cannot fill the disk or break an arithmetic.

use protocol::agent::{Finished, Hello, INLINE_OUTPUT, Output};
use protocol::job::{MOST_CPUS, Outcome};
use protocol::node::{Facts, Metrics};
use protocol::result::Left;
use protocol::time::UnixMillis;
use protocol::unit::Bytes;

/// The longest sentence taken from a node.
const LONGEST_SENTENCE: usize = 2048;
/// The longest single fact.
const LONGEST_FACT: usize = 256;
/// The most addresses, interpreters and the like.
const MOST_FACTS: usize = 64;
/// SQLite and JavaScript agree on numbers up to here.
const MOST_MS: u64 = (1 << 53) - 1;

pub fn sentence(text: &mut String) {
    shorten(text, LONGEST_SENTENCE);
}

/// One line, as a person's reason is shown in lists.
pub fn line(text: &str) -> String {
    let mut line: String = text.trim().chars().map(|c| if c.is_control() { ' ' } else { c }).collect();
    shorten(&mut line, LONGEST_FACT);
    line
}

pub fn hello(hello: &mut Hello) {
    hello.slots = hello.slots.min(MOST_CPUS);
    hello.cpus = hello.cpus.clamp(1, MOST_CPUS);
    clean(&mut hello.version);
    shorten(&mut hello.boot_id, LONGEST_FACT);
    facts(&mut hello.facts);
}

/// More than any machine has; what says so is shown as what is not known.
const MOST_BYTES: Bytes = Bytes(1 << 60);

pub fn metrics(metrics: &mut Metrics) {
    let sizes = [&mut metrics.memory_used, &mut metrics.disk_used, &mut metrics.net_in, &mut metrics.net_out];
    sizes.into_iter().for_each(|size| *size = size.filter(|size| *size <= MOST_BYTES));
    // A century.
    metrics.uptime_minutes = metrics.uptime_minutes.filter(|minutes| *minutes <= 100 * 366 * 24 * 60);
    metrics.load_hundredths = metrics.load_hundredths.filter(|load| *load <= 100 * 100_000);
}

pub fn facts(facts: &mut Facts) {
    facts.cpus = facts.cpus.filter(|cpus| (1..=MOST_CPUS).contains(cpus));
    facts.memory = facts.memory.filter(|size| *size <= MOST_BYTES);
    facts.disk = facts.disk.filter(|size| *size <= MOST_BYTES);
    let texts = [
        &mut facts.hostname,
        &mut facts.model,
        &mut facts.os,
        &mut facts.kernel,
        &mut facts.arch,
        &mut facts.cpu_model,
        &mut facts.boot_id,
    ];
    texts.into_iter().flatten().for_each(clean);
    facts.addresses.truncate(MOST_FACTS);
    facts.gpus.truncate(MOST_FACTS);
    facts.interpreters.truncate(MOST_FACTS);
    facts.addresses.iter_mut().chain(&mut facts.gpus).for_each(clean);
    for one in &mut facts.interpreters {
        clean(&mut one.name);
        clean(&mut one.path);
        one.version.iter_mut().for_each(clean);
    }
}

/// Times of a node whose clock may be anywhere: recorded inside what the manager itself has seen.
pub fn time(told: UnixMillis, earliest: UnixMillis, latest: UnixMillis) -> UnixMillis {
    told.min(latest).max(earliest)
}

pub fn finished(report: &mut Finished) {
    match &mut report.outcome {
        Outcome::NotStarted { message: text, .. }
        | Outcome::Stopped { reason: text }
        | Outcome::Lost { reason: text, .. } => sentence(text),
        Outcome::Exited(_) | Outcome::Signaled(_) | Outcome::OutOfMemory | Outcome::TimedOut { .. } => {}
    }
    // 128 + n must fit; there is no such signal anyway.
    if let Outcome::Signaled(signal) = &mut report.outcome {
        *signal = (*signal).clamp(0, 127);
    }
    // It could not have died of anything else.
    if report.out_of_memory && matches!(report.outcome, Outcome::Signaled(9) | Outcome::Exited(137)) {
        report.outcome = Outcome::OutOfMemory;
    }
    report.result_lost.iter_mut().for_each(sentence);
    report.ran_ms = report.ran_ms.map(|ms| ms.min(MOST_MS));
    output(&mut report.stdout);
    output(&mut report.stderr);
}

pub fn left(left: &mut Left) {
    let numbers = [&mut left.size, &mut left.entries, &mut left.left_out];
    numbers.into_iter().for_each(|number| *number = (*number).min(MOST_MS));
}

fn output(output: &mut Output) {
    output.length = output.length.min(MOST_MS);
    output.dropped = output.dropped.min(output.length);
    if let Some(bytes) = &mut output.bytes {
        // The end is what a person looks for; more than this belongs into a bulk stream.
        let surplus = bytes.0.len().saturating_sub(INLINE_OUTPUT);
        bytes.0.drain(..surplus);
        let kept = bytes.0.len() as u64;
        output.length = output.length.max(kept);
        output.dropped = output.length - kept;
    }
}

/// One line without commands to a terminal.
fn clean(text: &mut String) {
    shorten(text, LONGEST_FACT);
    if text.contains(char::is_control) {
        *text = line(text);
    }
}

fn shorten(text: &mut String, longest: usize) {
    if text.len() > longest {
        let end = (0..=longest).rev().find(|&at| text.is_char_boundary(at)).unwrap_or(0);
        text.truncate(end);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use protocol::bytes::Blob;

    #[test]
    fn output_that_contradicts_itself_is_made_to_agree() {
        let told = |length, dropped, bytes: usize| {
            let mut output = super::Output { length, dropped, bytes: Some(Blob(vec![b'x'; bytes])) };
            super::output(&mut output);
            (output.length, output.dropped, output.bytes.unwrap().0.len())
        };
        assert_eq!(told(5, 0, 5), (5, 0, 5));
        assert_eq!(told(0, 0, 5), (5, 0, 5));
        assert_eq!(told(10, 99, 5), (10, 5, 5));
        let most = INLINE_OUTPUT;
        assert_eq!(told(0, 0, 1 << 20), (most as u64, 0, most));
    }

    #[test]
    fn long_texts_are_cut_between_letters() {
        let mut text = "ü".repeat(2000);
        sentence(&mut text);
        assert_eq!(text.len(), LONGEST_SENTENCE);
        assert_eq!(line("two\nlines\u{1b}[2J "), "two lines [2J");
    }

    #[test]
    fn a_clock_that_is_years_off_changes_no_record() {
        let (earliest, latest) = (UnixMillis(1000), UnixMillis(2000));
        assert_eq!(time(UnixMillis(0), earliest, latest), earliest);
        assert_eq!(time(UnixMillis(u64::MAX), earliest, latest), latest);
        assert_eq!(time(UnixMillis(5), UnixMillis(3000), latest), UnixMillis(3000));
    }
}
