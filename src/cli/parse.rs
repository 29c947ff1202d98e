//! Words of the command line that are not ids or names.

use std::time::{Duration, SystemTime};

use jiff::civil::{Date, DateTime, Time};
use jiff::tz::TimeZone;
use jiff::{Timestamp, ToSpan, Zoned};
use protocol::file::FileRef;
use protocol::id::{BadId, JobId, Target};
use protocol::job::{Array, JobFile, TaskState};
use protocol::name::{FileName, SecretName};
use protocol::secret::{JobSecret, SecretAs};
use protocol::time::UnixMillis;

use super::text::shell_line;

/// Plain digits, and what is wrong with them in plain words.
pub fn number<N: std::str::FromStr>(text: &str) -> Result<N, String> {
    match digits(text) {
        true => text.parse().map_err(|_| format!("{text} is larger than any number here")),
        false => Err(format!("{text:?} is not a whole number")),
    }
}

pub fn at_least_one(text: &str) -> Result<u32, String> {
    match number(text)? {
        0 => Err("write a number from 1 on".into()),
        n => Ok(n),
    }
}

fn digits(text: &str) -> bool {
    !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_digit())
}

/// A job, task, attempt or range; what is wrong with it is said where that can be told.
pub fn target(text: &str) -> Result<Target, String> {
    text.parse().map_err(|bad: BadId| bad_id(text, &bad))
}

pub fn job(text: &str) -> Result<JobId, String> {
    match text.parse::<Target>() {
        Ok(Target::Job(job)) => Ok(job),
        Ok(Target::Task(task)) => Err(format!("{task} is a task: bramble task {task}")),
        Ok(Target::Attempt(attempt)) => Err(format!("{attempt} is an attempt: bramble task {attempt}")),
        Ok(range @ Target::Range { .. }) => Err(format!("{range} are tasks: bramble task {range}")),
        Err(bad) => Err(bad_id(text, &bad)),
    }
}

fn bad_id(text: &str, bad: &BadId) -> String {
    let mut numbers = text.split(['.', '-', '#']).filter(|part| digits(part));
    if let Some(huge) = numbers.find(|part| part.parse::<u32>().is_err()) {
        return format!("{huge} is larger than any number here");
    }
    let range = text.split_once('.').and_then(|(job, range)| Some((job, range.split_once('-')?)));
    if let Some((job, (first, last))) = range
        && [job, first, last].into_iter().all(digits)
    {
        return format!("the range {text} runs backwards; write it as {job}.{last}-{first}");
    }
    bad.to_string()
}

/// `A-B`, both ends included, or one index alone.
pub fn array(text: &str) -> Result<Array, String> {
    let bad = || format!("{text:?} is not a range of indices; write --array 0-99");
    let index = |part: &str| if digits(part) { number(part) } else { Err(bad()) };
    let (first, last) = text.split_once('-').unwrap_or((text, text));
    Ok(Array { first: index(first)?, last: index(last)? })
}

pub fn variable(text: &str) -> Result<(String, String), String> {
    match text.split_once('=') {
        Some((key, value)) if !key.is_empty() => Ok((key.to_owned(), value.to_owned())),
        _ => Err(format!("{text:?} is not a variable; write --env KEY=VALUE")),
    }
}

/// `NAME`, or `NAME=AS`: the last `=` counts, so that a name with one in it can be given another.
pub fn job_file(text: &str) -> Result<JobFile, String> {
    let (file, called) = text.rsplit_once('=').map_or((text, None), |(file, called)| (file, Some(called)));
    let called = called.map(|name| name.parse::<FileName>().map_err(|bad| format!("{name:?}: {bad}"))).transpose()?;
    let file = file.parse::<FileRef>().map_err(|bad| match file.trim_end_matches('/').rsplit_once('/') {
        Some((_, last)) if !last.is_empty() => format!(
            "{file:?} is a path, and a job is given what is kept on the manager; keep it with: bramble file put {}, then write: --file {}",
            shell_line(&[file.to_owned()]),
            shell_line(&[last.to_owned()])
        ),
        _ => bad.to_string(),
    })?;
    Ok(JobFile { called, ..JobFile::of(file) })
}

/// `NAME`, which is then a variable of its own name in capitals, or `NAME=VARIABLE`.
pub fn secret(text: &str) -> Result<JobSecret, String> {
    let (secret, variable) = secret_as(text)?;
    Ok(match variable {
        None => JobSecret::variable(secret),
        Some(variable) => JobSecret { secret, given: SecretAs::Env(variable.to_owned()) },
    })
}

/// `NAME`, or `NAME=AS`.
pub fn secret_file(text: &str) -> Result<JobSecret, String> {
    let (secret, called) = secret_as(text)?;
    let name = called.unwrap_or(secret.as_str());
    let name = name.parse::<FileName>().map_err(|bad| format!("{name:?}: {bad}"))?;
    Ok(JobSecret { secret, given: SecretAs::File(name) })
}

fn secret_as(text: &str) -> Result<(SecretName, Option<&str>), String> {
    let (name, rest) = text.split_once('=').map_or((text, None), |(name, rest)| (name, Some(rest)));
    let name = name.parse().map_err(|bad| format!("{bad}; see which secrets you have with: bramble secret"))?;
    Ok((name, rest))
}

pub fn state(text: &str) -> Result<TaskState, String> {
    let words = TaskState::ALL.map(TaskState::word).join(", ");
    TaskState::ALL
        .into_iter()
        .find(|state| state.word() == text)
        .ok_or_else(|| format!("a task is in one of these states: {words}"))
}

pub fn duration(text: &str) -> Result<Duration, String> {
    let bad = |_| format!("{text:?} is not a length of time; write 90s, 10m, 1h or 2d");
    humantime::parse_duration(text).map_err(bad)
}

/// How long ago, or when.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Since(pub UnixMillis);

impl std::str::FromStr for Since {
    type Err = String;
    fn from_str(text: &str) -> Result<Self, String> {
        since(text, &Timestamp::try_from(SystemTime::now()).unwrap_or_default().to_zoned(TimeZone::system()))
    }
}

fn since(text: &str, now: &Zoned) -> Result<Since, String> {
    let bad = || format!("{text:?} is no time; write 10m or 2h (ago), 14:30, 2025-06-01 or 2025-06-01T14:30");
    let at = if let Ok(ago) = humantime::parse_duration(text) {
        now.checked_sub(ago).map_err(|_| bad())?.timestamp()
    } else if let Ok(at) = text.parse::<Timestamp>() {
        at
    } else {
        let zone = now.time_zone();
        // A time alone comes last: a date with a time would be taken for one, too.
        let local: Option<DateTime> = match (text.parse(), text.parse::<Date>(), text.parse::<Time>()) {
            (Ok(local), ..) => Some(local),
            (_, Ok(date), _) => Some(date.to_datetime(Time::midnight())),
            (.., Ok(time)) => {
                // Still to come today, so it was meant of yesterday.
                let today = now.date().to_datetime(time);
                if today > now.datetime() { today.checked_sub(1.day()).ok() } else { Some(today) }
            }
            _ => None,
        };
        local.and_then(|local| local.to_zoned(zone.clone()).ok()).ok_or_else(bad)?.timestamp()
    };
    u64::try_from(at.as_millisecond()).map(|ms| Since(UnixMillis(ms))).map_err(|_| bad())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_array_is_two_plain_numbers_or_one() {
        assert_eq!(array("5-9"), Ok(Array { first: 5, last: 9 }));
        assert_eq!(array("7"), Ok(Array { first: 7, last: 7 }));
        for bad in ["", "-", "5-", "-9", "+1-2", "a-b", "1-2-3", "1..2"] {
            assert!(array(bad).unwrap_err().contains("--array 0-99"), "{bad}");
        }
        assert_eq!(array("0-99999999999"), Err("99999999999 is larger than any number here".into()));
    }

    #[test]
    fn a_number_that_is_none_is_told_in_plain_words() {
        assert_eq!(at_least_one("7"), Ok(7));
        assert_eq!(at_least_one("0"), Err("write a number from 1 on".into()));
        assert_eq!(number::<u32>("x"), Err("\"x\" is not a whole number".into()));
        assert_eq!(number::<u32>("+1"), Err("\"+1\" is not a whole number".into()));
    }

    #[test]
    fn what_is_wrong_with_an_id_is_said() {
        let wrong = |text| target(text).unwrap_err();
        assert_eq!(wrong("4.9-1"), "the range 4.9-1 runs backwards; write it as 4.1-9");
        assert_eq!(wrong("99999999999"), "99999999999 is larger than any number here");
        assert_eq!(wrong("4.0-99999999999"), "99999999999 is larger than any number here");
        assert!(wrong("4.x").contains("a range as 17.0-99"));
        assert_eq!(job("4.0").unwrap_err(), "4.0 is a task: bramble task 4.0");
        assert_eq!(job("4.0-9").unwrap_err(), "4.0-9 are tasks: bramble task 4.0-9");
        assert_eq!(job("4"), Ok(JobId(4)));
    }

    #[test]
    fn a_variable_needs_a_name_and_may_hold_anything() {
        assert_eq!(variable("A=b=c"), Ok(("A".into(), "b=c".into())));
        assert_eq!(variable("A="), Ok(("A".into(), String::new())));
        assert!(variable("=b").is_err() && variable("A").is_err());
    }

    #[test]
    fn a_secret_is_a_variable_of_its_name_in_capitals_unless_it_is_told_another() {
        let of = |text: &str| secret(text).map(|one| one.to_string());
        assert_eq!(of("token").unwrap(), "token as TOKEN");
        assert_eq!(of("hub.api-key_2").unwrap(), "hub.api-key_2 as HUB_API_KEY_2");
        assert_eq!(of("db=PGPASSWORD").unwrap(), "db as PGPASSWORD");
        assert!(of("two words").unwrap_err().contains("bramble secret"));
        let of = |text: &str| secret_file(text).map(|one| one.to_string());
        assert_eq!(of("key").unwrap(), "key as the file \"key\"");
        assert_eq!(of("key=id=1").unwrap(), "key as the file \"id=1\"");
        assert!(of("key=a/b").unwrap_err().contains('/') && of("key=").is_err());
    }

    #[test]
    fn a_time_is_told_by_its_distance_its_date_or_its_hour() {
        let now = "2025-06-01T12:00:00Z".parse::<Timestamp>().unwrap().to_zoned(TimeZone::UTC);
        let at = |text: &str| {
            since(text, &now).map(|since| Timestamp::from_millisecond(since.0.0 as i64).unwrap().to_string())
        };
        assert_eq!(at("10m").unwrap(), "2025-06-01T11:50:00Z");
        assert_eq!(at("1d 2h").unwrap(), "2025-05-31T10:00:00Z");
        assert_eq!(at("2025-05-30").unwrap(), "2025-05-30T00:00:00Z");
        assert_eq!(at("2025-05-30 14:30").unwrap(), "2025-05-30T14:30:00Z");
        assert_eq!(at("2025-05-30T14:30:00+02:00").unwrap(), "2025-05-30T12:30:00Z");
        assert_eq!(at("11:30").unwrap(), "2025-06-01T11:30:00Z");
        assert_eq!(at("12:30").unwrap(), "2025-05-31T12:30:00Z");
        for bad in ["", "yesterday", "25:00", "1969-01-01", "9999999999999y"] {
            assert!(at(bad).unwrap_err().contains("10m"), "{bad}");
        }
    }
}
