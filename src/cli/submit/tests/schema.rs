//! The JSON Schema says what the reader does, of every example there is.

use std::path::Path;

use serde_json::Value;

use super::draft;
use crate::cli::submit::keys::KEYS;
use crate::cli::submit::schema::schema;

/// Whether a value is as the schema says; of its words only those we use, and no other.
fn fits(schema: &Value, value: &Value) -> bool {
    schema.as_object().unwrap().iter().all(|(word, says)| match word.as_str() {
        "$schema" | "title" | "description" => true,
        "type" => match says.as_str().unwrap() {
            "object" => value.is_object(),
            "array" => value.is_array(),
            "string" => value.is_string(),
            "boolean" => value.is_boolean(),
            "integer" => value.is_i64(),
            "number" => value.is_number(),
            other => panic!("a type that is new here: {other}"),
        },
        "properties" => value.as_object().is_none_or(|table| {
            table.iter().all(|(name, value)| says.get(name).is_none_or(|schema| fits(schema, value)))
        }),
        "required" => says.as_array().unwrap().iter().all(|name| value.get(name.as_str().unwrap()).is_some()),
        "additionalProperties" => value.as_object().is_none_or(|table| {
            let known = |name: &str| schema.get("properties").is_some_and(|known| known.get(name).is_some());
            table.iter().filter(|(name, _)| !known(name)).all(|(_, value)| says.is_object() && fits(says, value))
        }),
        "items" => value.as_array().is_none_or(|all| all.iter().all(|one| fits(says, one))),
        "anyOf" => says.as_array().unwrap().iter().any(|schema| fits(schema, value)),
        "oneOf" => says.as_array().unwrap().iter().filter(|schema| fits(schema, value)).count() == 1,
        "enum" => says.as_array().unwrap().contains(value),
        "minItems" => value.as_array().is_none_or(|all| all.len() as u64 >= says.as_u64().unwrap()),
        "minProperties" => value.as_object().is_none_or(|all| all.len() as u64 >= says.as_u64().unwrap()),
        "minimum" => value.as_i64().is_none_or(|n| n >= says.as_i64().unwrap()),
        "maximum" => value.as_i64().is_none_or(|n| n <= says.as_i64().unwrap()),
        "pattern" => value.as_str().is_none_or(|text| {
            assert_eq!(says, "^[0-9]+-[0-9]+$");
            let digits = |part: &str| !part.is_empty() && part.bytes().all(|byte| byte.is_ascii_digit());
            text.split_once('-').is_some_and(|(first, last)| digits(first) && digits(last))
        }),
        other => panic!("a word that is new here: {other}"),
    })
}

fn json(text: &str) -> Value {
    serde_json::to_value(text.parse::<toml::Table>().unwrap()).unwrap()
}

#[test]
fn every_example_is_as_the_schema_and_the_reader_say() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    let page = include_str!("../../../../docs/submit.md");
    let in_page = page.split("```toml\n").skip(1).map(|rest| rest.split("```").next().unwrap().to_owned());
    let primes = std::fs::read_to_string(root.join("examples/primes/primes.toml")).unwrap();
    let examples: Vec<String> = in_page.chain([primes]).collect();
    assert!(examples.len() >= 3, "examples of docs/submit.md are not found");
    for example in examples {
        assert!(fits(&schema(), &json(&example)), "{example}");
        assert!(draft(&example).is_ok(), "{example}: {:?}", draft(&example));
    }
}

/// Where the reader refuses a shape, so does the schema, and the other way round.
#[test]
fn reader_and_schema_take_the_same_shapes() {
    let values = [
        "\"5-9\"",
        "\"5\"",
        "\"\"",
        "1",
        "0",
        "4097",
        "-1",
        "1.5",
        "true",
        "[]",
        "[\"a\"]",
        "[1]",
        "[[]]",
        "{}",
        "{ A = \"1\" }",
        "{ A = 1 }",
        "[{ file = \"a\" }]",
        "[{ as = \"a\" }]",
        "[{ file = \"a\", as = \"b\", writable = true }]",
        "[{ file = \"a\", writable = 1 }]",
        "[{ file = \"a\", more = 1 }]",
        "[{ executable = \"a\" }]",
        "[{ executable = \"a\", args = [\"b\"], name = \"c\" }]",
        "[{ executable = \"a\", cpus = 1 }]",
        "[{ name = \"c\" }]",
        "{ a = [1, 0.5, \"x\"], b = { from = 1, to = 2.5 } }",
        "{ a = [] }",
        "{ a = [true] }",
        "{ a = { from = 1 } }",
        "{ a = { from = 1, to = 2, by = 1 } }",
        "{ file = \"a\", by = \"lines\", chunks = 2, map = [\"b\"] }",
        "{ file = \"a\", by = \"bytes\", chunks = 900, map = [\"b\"], reduce = [\"c\"] }",
        "{ file = \"a\", by = { separator = \"x\" }, chunks = 2, map = [\"b\"] }",
        "{ file = \"a\", by = \"words\", chunks = 2, map = [\"b\"] }",
        "{ file = \"a\", by = \"lines\", chunks = 901, map = [\"b\"] }",
        "{ file = \"a\", by = \"lines\", chunks = 2 }",
        "{ file = \"a\", by = \"lines\", chunks = 2, map = [\"b\"], parts = 1 }",
    ];
    for key in KEYS {
        for value in values {
            let runs = ["executable", "step", "split"].contains(&key.name);
            let rest = if runs { "" } else { "executable = \"x\"\n" };
            let text = format!("{rest}{} = {value}", key.name);
            // What is a text is also a good one only for the reader.
            let only_read = value.starts_with('"') && key.name != "array";
            let read = draft(&text);
            if !only_read {
                assert_eq!(fits(&schema(), &json(&text)), read.is_ok(), "{text}: {read:?}");
            }
        }
    }
}

#[test]
fn every_key_says_what_it_means() {
    let schema = schema();
    for key in KEYS {
        let said = schema["properties"][key.name]["description"].as_str().unwrap();
        assert!(said.len() > 10 && !said.ends_with('.'), "{}: {said}", key.name);
    }
}
