//! The JSON Schema of a submission file, made of the table the reader goes by. Of an old draft, because the editors' TOML
//! plugins know that one best.

use protocol::job::MOST_TASKS;
use serde_json::{Map, Value, json};

use super::keys::{EXECUTABLE, KEYS};
use super::shape::{CALLED, FILE, Shape, WRITABLE};

pub fn schema() -> Value {
    let keys: Map<String, Value> = KEYS
        .iter()
        .map(|key| {
            let mut shape = of(key.shape);
            shape["description"] = json!(key.means);
            (key.name.to_owned(), shape)
        })
        .collect();
    json!({
        "$schema": "http://json-schema.org/draft-07/schema#",
        "title": "A submission of Bramble",
        "type": "object",
        "properties": keys,
        "required": [EXECUTABLE],
        "additionalProperties": false,
    })
}

fn of(shape: Shape) -> Value {
    let text = || json!({ "type": "string" });
    let texts = || json!({ "type": "array", "items": text() });
    match shape {
        Shape::Text(_) => text(),
        Shape::Texts(_) => texts(),
        Shape::OneOrMore(_) => json!({ "anyOf": [text(), texts()] }),
        Shape::Number(most, _) => number(most),
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
    }
}

fn number(most: u32) -> Value {
    json!({ "type": "integer", "minimum": 1, "maximum": most })
}
