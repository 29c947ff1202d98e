//! The JSON Schema of a submission file, made of the tables the reader goes by. Of an old draft, because the editors' TOML
//! plugins know that one best.

use protocol::job::MOST_TASKS;
use serde_json::{Map, Value, json};

use super::keys::{EXECUTABLE, KEYS, SPLIT, STEP};
use super::shape::{CALLED, FILE, Key, Shape, WRITABLE};
use super::{secret, split, step, sweep};

pub fn schema() -> Value {
    let mut schema = table(KEYS, &[]);
    schema["$schema"] = json!("http://json-schema.org/draft-07/schema#");
    schema["title"] = json!("A submission of Bramble");
    schema["oneOf"] = [EXECUTABLE, STEP, SPLIT].iter().map(|name| json!({ "required": [name] })).collect();
    schema
}

fn table<D>(keys: &[Key<D>], required: &[&str]) -> Value {
    let keys: Map<String, Value> = keys
        .iter()
        .map(|key| {
            let mut shape = of(&key.shape);
            shape["description"] = json!(key.means);
            (key.name.to_owned(), shape)
        })
        .collect();
    json!({ "type": "object", "properties": keys, "required": required, "additionalProperties": false })
}

fn of<D>(shape: &Shape<D>) -> Value {
    let text = || json!({ "type": "string" });
    let texts = || json!({ "type": "array", "items": text() });
    match shape {
        Shape::Text(_) => text(),
        Shape::Texts(_) => texts(),
        Shape::OneOrMore(_) => json!({ "anyOf": [text(), texts()] }),
        Shape::Number(most, _) => number(*most),
        Shape::Indices(_) => {
            json!({ "anyOf": [number(MOST_TASKS), { "type": "string", "pattern": "^[0-9]+-[0-9]+$" }] })
        }
        Shape::Variables(_) => json!({ "type": "object", "additionalProperties": text() }),
        Shape::Files(_) => {
            let file = json!({
                "type": "object",
                "properties": { FILE: text(), CALLED: text(), WRITABLE: { "type": "boolean" } },
                "required": [FILE],
                "additionalProperties": false,
            });
            json!({ "type": "array", "items": { "anyOf": [text(), file] } })
        }
        Shape::Secrets(_) => secret::schema(),
        Shape::Steps(_) => json!({ "type": "array", "minItems": 1, "items": table(step::KEYS, &[EXECUTABLE]) }),
        Shape::Sweep(_) => {
            let value = json!({ "anyOf": [text(), { "type": "number" }] });
            let number = || json!({ "type": "number" });
            let range = json!({
                "type": "object",
                "properties": { sweep::FROM: number(), sweep::TO: number(), sweep::STEP: number() },
                "required": [sweep::FROM, sweep::TO],
                "additionalProperties": false,
            });
            let values = json!({ "anyOf": [{ "type": "array", "minItems": 1, "items": value }, range] });
            json!({ "type": "object", "minProperties": 1, "additionalProperties": values })
        }
        Shape::Split(_) => table(split::KEYS, &["file", "by", "chunks", "map"]),
        Shape::By(_) => {
            let separator = json!({
                "type": "object",
                "properties": { split::SEPARATOR: text() },
                "required": [split::SEPARATOR],
                "additionalProperties": false,
            });
            json!({ "anyOf": [{ "enum": [split::LINES, split::BYTES] }, separator] })
        }
    }
}

fn number(most: u32) -> Value {
    json!({ "type": "integer", "minimum": 1, "maximum": most })
}
