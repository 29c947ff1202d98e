//! Words and numbers as a person reads them, and nothing that could command their terminal.

use std::borrow::Cow;
use std::time::{Duration, SystemTime};

use jiff::Timestamp;
use jiff::tz::TimeZone;
use protocol::job::{Counts, TaskState};
use protocol::result::{Left, ResultView};
use protocol::time::UnixMillis;
use protocol::unit::Bytes;

/// Longer commands are cut in tables; `--json` has the whole.
const LONGEST_COMMAND: usize = 300;

/// Control characters and what turns text around become visible: names and commands are other people's words, and
/// an escape sequence in them would be obeyed by the terminal.
pub fn clean(text: &str) -> Cow<'_, str> {
    if !text.contains(unsafe_to_show) {
        return Cow::Borrowed(text);
    }
    let escaped = text.chars().flat_map(|c| {
        let (plain, escape) = if unsafe_to_show(c) { (None, Some(c.escape_default())) } else { (Some(c), None) };
        plain.into_iter().chain(escape.into_iter().flatten())
    });
    Cow::Owned(escaped.collect())
}

/// The same for JSON, which itself escapes only what is below a blank. All of it stands in strings, where `\uXXXX`
/// means the same.
pub fn clean_json(json: &str) -> Cow<'_, str> {
    if !json.contains(unsafe_to_show) {
        return Cow::Borrowed(json);
    }
    let mut escaped = String::with_capacity(json.len() + 16);
    for c in json.chars() {
        if unsafe_to_show(c) {
            escaped.push_str(&format!("\\u{:04x}", u32::from(c)));
        } else {
            escaped.push(c);
        }
    }
    Cow::Owned(escaped)
}

/// What would command a terminal, or turn the text around it.
pub fn unsafe_to_show(c: char) -> bool {
    c.is_control()
        || matches!(c, '\u{61c}' | '\u{200e}' | '\u{200f}' | '\u{2028}'..='\u{202e}' | '\u{2066}'..='\u{2069}')
}

/// A command as it could be typed into a shell, on one line.
pub fn command(words: &[String]) -> String {
    let mut line = String::new();
    for word in words {
        if !line.is_empty() {
            line.push(' ');
        }
        if line.len() > LONGEST_COMMAND {
            break;
        }
        let start: String = word.chars().take(LONGEST_COMMAND + 1).collect();
        line.push_str(&clean(&quoted(&start)));
    }
    shortened(line, LONGEST_COMMAND)
}

/// The whole of it, to be given to a shell.
pub fn shell_line(words: &[String]) -> String {
    words.iter().map(|word| quoted(word)).collect::<Vec<_>>().join(" ")
}

/// What was typed as a shell takes it apart: at blanks, but not within quotes or after a backslash. `None` where a
/// quote is not closed, or nothing follows the backslash.
pub fn shell_words(line: &str) -> Option<Vec<String>> {
    let mut words = vec![];
    let mut word: Option<String> = None;
    let mut quote = None;
    let mut chars = line.chars();
    while let Some(c) = chars.next() {
        match (quote, c) {
            (None, c) if c.is_whitespace() => words.extend(word.take()),
            (None, '\'' | '"') => {
                quote = Some(c);
                word.get_or_insert_default();
            }
            (Some(open), c) if c == open => quote = None,
            (None, '\\') => word.get_or_insert_default().push(chars.next()?),
            (Some('"'), '\\') => {
                let next = chars.next()?;
                // Within double quotes a backslash is itself before all but these.
                let escaped = matches!(next, '"' | '\\' | '$' | '`');
                word.get_or_insert_default().extend((!escaped).then_some('\\').into_iter().chain([next]));
            }
            (_, c) => word.get_or_insert_default().push(c),
        }
    }
    words.extend(word);
    quote.is_none().then_some(words)
}

fn quoted(word: &str) -> Cow<'_, str> {
    let plain = |c: char| c.is_alphanumeric() || "_-+=./:,@%^".contains(c);
    if !word.is_empty() && word.chars().all(plain) {
        return Cow::Borrowed(word);
    }
    Cow::Owned(format!("'{}'", word.replace('\'', r"'\''")))
}

/// Cut after so many letters, with a sign that it was.
pub fn shortened(mut line: String, longest: usize) -> String {
    if let Some((cut, _)) = line.char_indices().nth(longest) {
        line.truncate(cut);
        line.push('…');
    }
    line
}

/// A manager's sentence with signals by their names too: `killed by signal 9 (SIGKILL)`.
pub fn reason(sentence: &str) -> String {
    let by = "killed by signal ";
    let Some(at) = sentence.find(by).map(|at| at + by.len()) else { return sentence.to_owned() };
    let (before, rest) = sentence.split_at(at);
    let (number, after) = rest.split_at(rest.find(|c: char| !c.is_ascii_digit()).unwrap_or(rest.len()));
    match number.parse().ok().and_then(signal) {
        Some(name) => format!("{before}{number} ({name}){after}"),
        None => sentence.to_owned(),
    }
}

/// From 1 up; Linux has the same on every machine that Bramble runs on.
const SIGNALS: &str = "HUP INT QUIT ILL TRAP ABRT BUS FPE KILL USR1 SEGV USR2 PIPE ALRM TERM STKFLT CHLD CONT STOP \
    TSTP TTIN TTOU URG XCPU XFSZ VTALRM PROF WINCH IO PWR SYS";

/// Real-time signals count from the first, as `kill -l` shows them; 32 and 33 are the C library's own.
fn signal(number: u32) -> Option<String> {
    match number {
        1..=31 => SIGNALS.split(' ').nth(number as usize - 1).map(|name| format!("SIG{name}")),
        34 => Some("SIGRTMIN".into()),
        35..64 => Some(format!("SIGRTMIN+{}", number - 34)),
        64 => Some("SIGRTMAX".into()),
        _ => None,
    }
}

pub fn now() -> UnixMillis {
    UnixMillis::of(SystemTime::now())
}

/// How long ago, in one unit: `12s`, `3m`, `5h`, `4d`.
pub fn age(now: UnixMillis, then: UnixMillis) -> String {
    let seconds = now.since(then) / 1000;
    match seconds {
        0..60 => format!("{seconds}s"),
        60..3600 => format!("{}m", seconds / 60),
        3600..86_400 => format!("{}h", seconds / 3600),
        _ => format!("{}d", seconds / 86_400),
    }
}

/// How long something took, in two units at most: `250ms`, `12.3s`, `3m 12s`, `5h 3m`, `4d 2h`.
pub fn took(ms: u64) -> String {
    let seconds = ms / 1000;
    match seconds {
        0 => format!("{ms}ms"),
        1..60 => format!("{}.{}s", seconds, ms % 1000 / 100),
        60..3600 => format!("{}m {}s", seconds / 60, seconds % 60),
        3600..86_400 => format!("{}h {}m", seconds / 3600, seconds % 3600 / 60),
        _ => format!("{}d {}h", seconds / 86_400, seconds % 86_400 / 3600),
    }
}

/// A duration given on the command line, said back: `1h`, `90m` as `1h 30m`.
pub fn rounded(ms: u64) -> String {
    let seconds = (ms + 500) / 1000;
    humantime::format_duration(Duration::from_secs(seconds)).to_string()
}

/// Wall time here: `2025-06-01 14:03:22`.
pub fn local(at: UnixMillis) -> String {
    local_in(at, &TimeZone::system())
}

/// Wall time in a zone, to the minute: `14:03`.
pub fn clock(at: UnixMillis, zone: &TimeZone) -> String {
    shown_in(at, zone, "%H:%M")
}

/// Wall time in a zone: `2025-06-01 14:03:22`.
pub fn local_in(at: UnixMillis, zone: &TimeZone) -> String {
    shown_in(at, zone, "%Y-%m-%d %H:%M:%S")
}

fn shown_in(at: UnixMillis, zone: &TimeZone, format: &str) -> String {
    timestamp(at).map_or_else(|| "-".into(), |time| time.to_zoned(zone.clone()).strftime(format).to_string())
}

/// How long something took, in one unit: `12s`, `3m`, `5h`, `4d`.
pub fn took_roughly(ms: u64) -> String {
    age(UnixMillis(ms), UnixMillis(0))
}

/// Wall time for machines, to the millisecond, in UTC.
pub fn stamp(at: UnixMillis) -> String {
    timestamp(at).map_or_else(|| "-".into(), |time| format!("{time:.3}"))
}

fn timestamp(at: UnixMillis) -> Option<Timestamp> {
    Timestamp::from_millisecond(i64::try_from(at.0).ok()?).ok()
}

/// `1 task`, `2 tasks`.
pub fn count(n: impl Into<u64>, what: &str) -> String {
    let n = n.into();
    if n == 1 { format!("1 {what}") } else { format!("{n} {what}s") }
}

/// How many are in which state, without the states that none is in.
pub fn tally(counts: &Counts) -> String {
    let mut counts = *counts;
    let parts: Vec<String> = TaskState::ALL
        .into_iter()
        .map(|state| (state, *counts.of(state)))
        .filter(|(_, n)| *n > 0)
        .map(|(state, n)| format!("{n} {state}"))
        .collect();
    parts.join(", ")
}

/// `3 files, 1.2 MiB`.
pub fn left(left: &Left) -> String {
    format!("{}, {}", count(left.entries, "file"), Bytes(left.size))
}

/// `3 files, 1.2 MiB, kept for 29 d yet`.
pub fn kept(view: &ResultView) -> String {
    let kept = match (view.collected_at, view.hours_left) {
        (Some(_), _) => ", collected".into(),
        (None, Some(left)) => format!(", kept for {} yet", hours(left)),
        (None, None) => String::new(),
    };
    format!("{}{kept}", left(&view.left))
}

/// Fewer hours are told one by one.
pub const FEW_HOURS: u64 = 48;

/// `29 d`, `36 h`.
pub fn hours(hours: u64) -> String {
    if hours >= FEW_HOURS { format!("{} d", hours / 24) } else { format!("{hours} h") }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_hostile_name_cannot_command_the_terminal() {
        assert_eq!(clean("night run, ünïcode"), "night run, ünïcode");
        assert_eq!(clean("a\x1b[2Jb\nc\t"), r"a\u{1b}[2Jb\nc\t");
        assert_eq!(clean("\u{9b}31m\u{202e}cod"), r"\u{9b}31m\u{202e}cod");
    }

    #[test]
    fn json_means_the_same_afterwards() {
        let text = "night \u{9b}31m\u{202e}, ünïcode\n";
        let json = serde_json::to_string(text).unwrap();
        assert_eq!(clean_json(&json), r#""night \u009b31m\u202e, ünïcode\n""#);
        assert_eq!(serde_json::from_str::<String>(&clean_json(&json)).unwrap(), text);
    }

    #[test]
    fn a_command_reads_as_it_would_be_typed() {
        let words = |words: &[&str]| command(&words.iter().map(|w| (*w).to_owned()).collect::<Vec<_>>());
        assert_eq!(words(&["echo", "hello world", "", "it's"]), r"echo 'hello world' '' 'it'\''s'");
        assert_eq!(words(&["printf", "\x1b[2J"]), r"printf '\u{1b}[2J'");
        let long = words(&["echo", &"x".repeat(1 << 20), "y"]);
        assert_eq!(long.chars().count(), LONGEST_COMMAND + 1);
        assert!(long.ends_with('…'));
    }

    #[test]
    fn a_typed_command_is_taken_apart_as_a_shell_would() {
        let taken = |line: &str| shell_words(line).map(|words| words.join("|"));
        assert_eq!(taken("sh -c 'sleep 3; echo hi'").as_deref(), Some("sh|-c|sleep 3; echo hi"));
        assert_eq!(taken(r#" a\ b "c \"d\" \n" e'f'"g" '' "#).as_deref(), Some(r#"a b|c "d" \n|efg|"#));
        assert_eq!(taken(r"'a\'").as_deref(), Some(r"a\"));
        for open in ["echo 'hi", "echo \"hi", "echo \\", "\"a\\"] {
            assert_eq!(shell_words(open), None, "{open}");
        }
        let words = ["it's", "", "$HOME", "a b", "x\ny", &"long ".repeat(200)].map(str::to_owned);
        assert_eq!(shell_words(&shell_line(&words)).as_deref(), Some(&words[..]));
    }

    #[test]
    fn signals_are_told_by_their_names_too() {
        assert_eq!(reason("killed by signal 9"), "killed by signal 9 (SIGKILL)");
        assert_eq!(
            reason("task 1.0 failed: killed by signal 11; oh"),
            "task 1.0 failed: killed by signal 11 (SIGSEGV); oh"
        );
        for (number, name) in [(1, "HUP"), (16, "STKFLT"), (31, "SYS"), (34, "RTMIN"), (37, "RTMIN+3"), (64, "RTMAX")] {
            let sentence = format!("killed by signal {number}");
            assert_eq!(reason(&sentence), format!("{sentence} (SIG{name})"));
        }
        for same in ["exit code 3", "killed by signal 0", "killed by signal 65", "killed by signal x", ""] {
            assert_eq!(reason(same), same);
        }
    }

    #[test]
    fn times_are_said_in_the_units_that_matter() {
        let at = UnixMillis;
        assert_eq!(age(at(5_000), at(9_000)), "0s");
        assert_eq!(age(at(200_000), at(0)), "3m");
        assert_eq!(age(at(90_000_000), at(0)), "1d");
        let said: Vec<String> = [250, 12_345, 192_000, 18_180_000, 352_800_000].map(took).into();
        assert_eq!(said, ["250ms", "12.3s", "3m 12s", "5h 3m", "4d 2h"]);
        assert_eq!(rounded(5_400_000), "1h 30m");
        assert_eq!(stamp(at(1_700_000_000_123)), "2023-11-14T22:13:20.123Z");
        assert_eq!(stamp(at(u64::MAX)), "-");
    }
}
