//! How long the orders of a job may become: one that fits into no frame could never be given to a node.

use protocol::agent::Given;
use protocol::api::Refusal;
use protocol::frame::LONGEST;
use protocol::job::JobSpec;
use protocol::result::INPUTS;
use protocol::secret::{MOST_SECRET_BYTES, SecretAs};

/// What an order has beside command, environment and files, and a file beside its name; with ease.
const REST: usize = 1024;
const FILE: usize = 256;
/// A secret beside its name: it may become as long as any, and is written in base64.
const SECRET: usize = MOST_SECRET_BYTES / 3 * 4 + 128;

/// Refuses a job of which some task might not fit. Nobody comes near by accident: a command has less than half of that,
/// unless nearly all of it is what JSON writes in six letters.
pub fn fits(spec: &JobSpec, given: &[Given]) -> Result<(), Refusal> {
    let length = longest(spec, given);
    if length <= LONGEST {
        return Ok(());
    }
    Err(Refusal::usage(format!(
        "a task of this job takes up to {length} bytes where it is told to a node, and at most {LONGEST} fit; put what is long into a file"
    )))
}

fn longest(spec: &JobSpec, given: &[Given]) -> usize {
    let command: usize = spec.command.iter().map(|word| filled(spec, word)).sum();
    let env: usize = spec.env.iter().map(|(key, value)| written(key) + filled(spec, value)).sum();
    let files: usize = given.iter().map(|given| written(given.name.as_str()) + FILE).sum();
    let secrets = spec.secrets.iter().map(|secret| match &secret.given {
        SecretAs::Env(name) => written(name) + SECRET,
        SecretAs::File(name) => written(name.as_str()) + SECRET,
    });
    let secrets: usize = secrets.sum();
    let reduce = spec.reduce.as_ref().map_or(0, |reduce| {
        let (first, last) = spec.maps().into_inner();
        let parts = (last.saturating_sub(first) as usize).saturating_add(1);
        let part = written(reduce.part.as_str()) + REST / 32;
        let words =
            reduce.command.iter().map(|word| if word == INPUTS { parts.saturating_mul(part) } else { written(word) });
        let own: usize = words.fold(0, usize::saturating_add);
        own.saturating_add(parts.saturating_mul(FILE))
    });
    (command.max(reduce)).saturating_add(env).saturating_add(files).saturating_add(secrets).saturating_add(REST)
}

/// With the longest values there are.
fn filled(spec: &JobSpec, text: &str) -> usize {
    let values = spec.sweep.iter().map(|axis| {
        let longest = axis.values.iter().map(|value| written(value)).max().unwrap_or(0);
        text.matches(&format!("{{{}}}", axis.name)).count().saturating_mul(longest)
    });
    values.fold(written(text), usize::saturating_add)
}

/// As JSON, with a comma.
pub fn written(text: &str) -> usize {
    let letter = |byte: u8| match byte {
        b'"' | b'\\' | b'\n' | b'\r' | b'\t' | 8 | 12 => 2,
        0..0x20 => 6,
        _ => 1,
    };
    text.bytes().map(letter).sum::<usize>() + 3
}

#[cfg(test)]
mod tests {
    use super::*;
    use protocol::agent::{Order, ToAgent};
    use protocol::file::{ContentHash, FileKind};
    use protocol::id::TaskId;
    use protocol::job::Axis;
    use protocol::result::Reduce;
    use protocol::secret::{Hidden, JobSecret, MOST_JOB_SECRETS, SecretGiven};

    fn given(names: usize) -> Vec<Given> {
        let one = |n: usize| Given {
            name: format!("{}{n}", "\u{1}".repeat(200)).parse().unwrap(),
            kind: FileKind::Folder,
            size: u64::MAX,
            hash: ContentHash([255; 32]),
            executable: true,
            writable: true,
        };
        (0..names).map(one).collect()
    }

    /// As it is told of the task with this index.
    fn told(spec: &JobSpec, given: &[Given], index: u32) -> usize {
        let order = Order {
            run: None,
            attempt: TaskId::new(u32::MAX, index).attempt(u32::MAX),
            uid: u32::MAX,
            cpus: u32::MAX,
            command: spec.command_of(index).into(),
            env: spec.env_of(index).into(),
            files: given.into(),
            secrets: spec.secrets.iter().map(longest_of).collect(),
        };
        serde_json::to_vec(&ToAgent::Start(order)).unwrap().len()
    }

    fn longest_of(secret: &JobSecret) -> SecretGiven {
        SecretGiven { given: secret.given.clone(), value: Hidden::of(vec![255; MOST_SECRET_BYTES]) }
    }

    fn secret(given: SecretAs) -> JobSecret {
        JobSecret { secret: "token".parse().unwrap(), given }
    }

    #[test]
    fn no_order_is_longer_than_was_thought() {
        let mut spec = JobSpec::of(["echo", "\u{1}\u{7f}\"\\\n{n} and {n}{x}{n}", "ünïcode"]);
        spec.env.insert("KEY".into(), "{x}\u{2}".into());
        let axis = |name: &str, values: [&str; 2]| Axis { name: name.into(), values: values.map(String::from).into() };
        spec.sweep = vec![axis("n", ["1", "\u{3}\u{3}\u{3}"]), axis("x", ["{n}{n}", ""])];
        spec.reduce = Some(Reduce {
            command: vec!["cat".into(), INPUTS.into(), "\u{1}".into()],
            part: "\u{1}part".parse().unwrap(),
        });
        spec.secrets = vec![
            secret(SecretAs::Env("\u{1}\"".repeat(50))),
            secret(SecretAs::File("\u{1}".repeat(200).parse().unwrap())),
        ];
        let given = given(3);
        for index in 0..=4 {
            assert!(told(&spec, &given, index) <= longest(&spec, &given), "{index}");
        }
    }

    #[test]
    fn as_many_secrets_as_a_job_may_have_fit_however_long_they_become() {
        let mut spec = JobSpec::of(["x".repeat((1 << 20) - 1)]);
        let file = |n: usize| SecretAs::File(format!("{n:0>255}").parse().unwrap());
        spec.secrets = (0..MOST_JOB_SECRETS).map(|n| secret(file(n))).collect();
        assert_eq!((spec.check(), fits(&spec, &[])), (Ok(()), Ok(())));
    }

    #[test]
    fn what_fits_into_no_frame_is_refused_with_what_to_do() {
        let plain = JobSpec::of(["x".repeat(1 << 20)]);
        assert_eq!(fits(&plain, &given(1000)), Ok(()));
        let control = JobSpec::of(["\u{1}".repeat(1 << 20)]);
        assert!(told(&control, &[], 0) > LONGEST);
        let why = fits(&control, &[]).unwrap_err().message;
        assert!(why.contains("6292") && why.ends_with("put what is long into a file"), "{why}");
    }
}
