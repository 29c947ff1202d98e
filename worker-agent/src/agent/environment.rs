//! The environment of a task: nothing inherited, a sane beginning, then what was asked for.

use std::collections::BTreeMap;
use std::path::Path;

use protocol::agent::Order;
use protocol::result::OUT;
use protocol::secret::{SECRETS, SecretAs};

use crate::facts::interpreters::PATH;

/// `KEY=VALUE` words, each key once. What Bramble says of the task itself cannot be overridden. `secrets`: the folder of
/// those that are files.
pub fn of(order: &Order, home: &Path, secrets: Option<&Path>) -> Result<Vec<String>, String> {
    let attempt = order.attempt;
    let home = home.display().to_string();
    let beginning = [("PATH", PATH), ("HOME", &home), ("LANG", "C.UTF-8"), ("PYTHONUNBUFFERED", "1")];
    let mut all: BTreeMap<&str, &str> = beginning.into_iter().collect();
    all.extend(order.env.iter().map(|(key, value)| (key.as_str(), value.as_str())));
    for one in order.secrets.iter() {
        if let SecretAs::Env(name) = &one.given {
            let text = one.value.text();
            all.insert(name, text.ok_or_else(|| format!("its secret {name} is no text, or has zero bytes"))?);
        }
    }
    all.retain(|key, value| !key.starts_with("BRAMBLE_") && !key.is_empty() && !value.contains('\0'));

    let mut words: Vec<String> = all.iter().map(|(key, value)| format!("{key}={value}")).collect();
    words.push(format!("BRAMBLE_JOB={}", attempt.task.job));
    words.push(format!("BRAMBLE_TASK={}", attempt.task));
    words.push(format!("BRAMBLE_ATTEMPT={attempt}"));
    words.push(format!("BRAMBLE_INDEX={}", attempt.task.index));
    words.push(format!("BRAMBLE_OUT={home}/{OUT}"));
    words.extend(secrets.map(|folder| format!("{SECRETS}={}", folder.display())));
    Ok(words)
}

#[cfg(test)]
mod tests {
    use protocol::secret::{Hidden, SecretGiven};

    use super::*;

    fn secret(variable: &str, value: &[u8]) -> SecretGiven {
        SecretGiven { given: SecretAs::Env(variable.into()), value: Hidden::of(value.to_vec()) }
    }

    #[test]
    fn what_no_variable_can_be_is_not_left_out_in_silence() {
        for value in [&b"a\0b"[..], b"\xff"] {
            let order = Order {
                run: None,
                attempt: "17.3#2".parse().unwrap(),
                uid: 1000,
                cpus: 1,
                command: ["true".to_owned()].into(),
                env: Default::default(),
                files: Default::default(),
                secrets: [secret("TOKEN", value)].into(),
            };
            let why = of(&order, Path::new("/"), None).unwrap_err();
            assert_eq!(why, "its secret TOKEN is no text, or has zero bytes");
        }
    }

    #[test]
    fn a_task_sees_what_it_is_and_what_was_asked_for() {
        let asked = [("LANG", "de_DE.UTF-8"), ("A", "b=c"), ("BRAMBLE_JOB", "99"), ("EMPTY", "")];
        let asked: BTreeMap<String, String> = asked.iter().map(|(k, v)| ((*k).into(), (*v).into())).collect();
        let order = Order {
            run: None,
            attempt: "17.3#2".parse().unwrap(),
            uid: 1000,
            cpus: 1,
            command: ["true".to_owned()].into(),
            env: asked.into(),
            files: Default::default(),
            secrets: [secret("TOKEN", b"swordfish\n"), secret("A", b"instead"), secret("BRAMBLE_TASK", b"1.0")].into(),
        };
        let words = of(&order, Path::new("/state/work/17.3#2"), Some(Path::new("/run/secrets/17.3#2"))).unwrap();
        for word in [
            "HOME=/state/work/17.3#2",
            "LANG=de_DE.UTF-8",
            "A=instead",
            "TOKEN=swordfish\n",
            "BRAMBLE_SECRETS=/run/secrets/17.3#2",
            "EMPTY=",
            "BRAMBLE_JOB=17",
            "BRAMBLE_TASK=17.3",
            "BRAMBLE_ATTEMPT=17.3#2",
            "BRAMBLE_INDEX=3",
            "BRAMBLE_OUT=/state/work/17.3#2/out",
            "PYTHONUNBUFFERED=1",
        ] {
            assert!(words.iter().any(|w| w == word), "{word} in {words:?}");
        }
        let keys: Vec<&str> = words.iter().filter_map(|w| w.split('=').next()).collect();
        let once: std::collections::BTreeSet<&str> = keys.iter().copied().collect();
        assert_eq!(keys.len(), once.len(), "{words:?}");
    }
}
