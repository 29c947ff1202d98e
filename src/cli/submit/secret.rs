//! `secrets`: which of the person's secrets the tasks are given, and as what.

use protocol::job::JobSpec;
use protocol::name::SecretName;
use protocol::secret::{JobSecret, SecretAs};
use serde_json::{Value, json};
use toml::Spanned;
use toml::de::{DeTable, DeValue};

use super::draft::ANY;
use super::shape::{At, CALLED, FILE, Variable, Wrong, named};
use super::value::{text, wrong};
use crate::document::{did_you_mean, rows};

const SECRET: &str = "secret";
const KEYS: [&str; 3] = [SECRET, CALLED, FILE];

/// Of this the manager knows whether it is there.
pub fn read(key: &str, value: &Spanned<DeValue<'_>>) -> Result<Vec<At<JobSecret>>, Wrong> {
    let Some(array) = value.get_ref().as_array() else {
        let sentence = format!("{key} is a list of secrets that you have set; write {key} = [\"token\", \"db\"]");
        return Err(wrong(value, sentence));
    };
    array.iter().map(|one| secret(key, one)).collect()
}

fn secret(key: &str, value: &Spanned<DeValue<'_>>) -> Result<At<JobSecret>, Wrong> {
    let shape = format!(
        "each of {key} is a name, or as {{ secret = \"db\", as = \"DB_PASSWORD\" }}, or {{ secret = \"key\", file = \"id.pem\" }}"
    );
    let secret = match value.get_ref() {
        DeValue::String(_) => JobSecret::variable(name(text(key, value)?)?),
        DeValue::Table(table) => of_table(value, table, &shape)?,
        _ => return Err(wrong(value, shape)),
    };
    Ok(At::new(secret, value.span()))
}

fn of_table(value: &Spanned<DeValue<'_>>, table: &DeTable<'_>, shape: &str) -> Result<JobSecret, Wrong> {
    let (mut secret, mut variable, mut file) = (None, None, None);
    for (key, value) in rows(table) {
        let place = match named(key) {
            SECRET => &mut secret,
            CALLED => &mut variable,
            FILE => &mut file,
            other => {
                let near = did_you_mean(other, KEYS);
                return Err(At::new((), key.span()).wrong(format!("a secret has no key {other:?}; {shape}.{near}")));
            }
        };
        *place = Some(text(named(key), value)?);
    }
    let secret = secret.ok_or_else(|| wrong(value, format!("a secret is missing its name; {shape}")))?;
    let secret = name(secret)?;
    Ok(match (variable, file) {
        (None, None) => JobSecret::variable(secret),
        (Some(variable), None) => JobSecret { secret, given: SecretAs::Env(variable.value) },
        (None, Some(file)) => {
            let called = file.value.parse();
            let called =
                called.map_err(|bad| file.wrong(format!("{bad}; write a name without a folder after file")))?;
            JobSecret { secret, given: SecretAs::File(called) }
        }
        (Some(_), Some(file)) => {
            return Err(file.wrong(format!(
                "a secret is a variable, called as says, or a file, and not both at once; name {secret} twice to give it as both"
            )));
        }
    })
}

fn name(text: At<String>) -> Result<SecretName, Wrong> {
    text.value.parse().map_err(|bad| text.wrong(format!("{bad}; `bramble secret` lists those you have")))
}

/// The first of them that cannot be given beside those before it, and this environment.
pub fn check(secrets: &[At<JobSecret>], env: &[Variable]) -> Result<(), Wrong> {
    let mut spec = JobSpec::of([ANY]);
    spec.env = env.iter().map(|(name, value)| (name.value.clone(), value.value.clone())).collect();
    for secret in secrets {
        spec.secrets.push(secret.value.clone());
        spec.check().map_err(|bad| secret.wrong(bad.to_string()))?;
    }
    Ok(())
}

pub fn schema() -> Value {
    let text = || json!({ "type": "string" });
    let one = |keys: Value| json!({ "type": "object", "properties": keys, "required": [SECRET], "additionalProperties": false });
    let variable = one(json!({ SECRET: text(), CALLED: text() }));
    let file = one(json!({ SECRET: text(), FILE: text() }));
    json!({ "type": "array", "items": { "anyOf": [text(), variable, file] } })
}
