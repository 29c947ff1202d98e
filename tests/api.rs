//! docs/api.md is true: its examples are run, in order, against a real manager.
#![allow(clippy::unwrap_used)]

mod common;

use std::io::{Read, Write};
use std::os::unix::net::UnixStream;

use common::{Demo, PATIENCE, folder};
use serde_json::Value;

/// Fenced blocks of the page that are calls or answers, in order.
fn examples(page: &str) -> Vec<(String, Value)> {
    let mut found = vec![];
    let mut lines = page.lines();
    while let Some(line) = lines.next() {
        let Some(kind @ ("call" | "answer")) = line.strip_prefix("```") else { continue };
        let text: String = lines.by_ref().take_while(|line| *line != "```").collect();
        let json = serde_json::from_str(&text).unwrap_or_else(|e| panic!("an example is no JSON: {e}: {text}"));
        found.push((kind.to_owned(), json));
    }
    found
}

/// Whether an answer is as the page says: `…` stands for anything.
fn matches(page: &Value, real: &Value) -> bool {
    match (page, real) {
        (Value::String(any), _) if any == "…" => true,
        (Value::Object(page), Value::Object(real)) => {
            let open = page.contains_key("…");
            page.iter()
                .filter(|(key, _)| *key != "…")
                .all(|(key, value)| real.get(key).is_some_and(|r| matches(value, r)))
                && (open || real.keys().all(|key| page.contains_key(key)))
        }
        (Value::Array(page), Value::Array(real)) => {
            page.len() == real.len() && page.iter().zip(real).all(|(page, real)| matches(page, real))
        }
        (page, real) => page == real,
    }
}

fn send(stream: &mut UnixStream, call: &Value) {
    let json = serde_json::to_vec(call).unwrap();
    stream.write_all(&u32::try_from(json.len()).unwrap().to_be_bytes()).unwrap();
    stream.write_all(&json).unwrap();
}

fn receive(stream: &mut UnixStream) -> Value {
    let mut length = [0; 4];
    stream.read_exact(&mut length).unwrap();
    let mut json = vec![0; u32::from_be_bytes(length) as usize];
    stream.read_exact(&mut json).unwrap();
    serde_json::from_slice(&json).unwrap()
}

#[test]
fn every_example_of_the_page_is_answered_as_it_says() {
    let page = include_str!("../docs/api.md");
    let here = folder();
    let demo = Demo::start(here.path(), &["--nodes", "1"]);
    let connect = || {
        let stream = UnixStream::connect(demo.socket()).unwrap();
        stream.set_read_timeout(Some(PATIENCE)).unwrap();
        stream
    };
    let mut stream = connect();
    let examples = examples(page);
    assert!(examples.len() > 40, "the page has lost its examples");
    for (kind, json) in &examples {
        if kind == "call" {
            // Streams without an end are asked on a connection of their own.
            stream = connect();
            send(&mut stream, json);
        } else {
            let real = receive(&mut stream);
            assert!(matches(json, &real), "the page says\n{json}\nthe manager\n{real}");
        }
    }
    demo.quit();
}

#[test]
fn the_comparison_can_fail() {
    let page = serde_json::json!({"a": "…", "b": [1, "…"]});
    assert!(matches(&page, &serde_json::json!({"a": {"x": 1}, "b": [1, 2]})));
    assert!(!matches(&page, &serde_json::json!({"a": 1, "b": [2, 2]})));
    assert!(!matches(&page, &serde_json::json!({"a": 1, "b": [1, 2], "c": 3})));
    assert!(matches(&serde_json::json!({"…": "…"}), &serde_json::json!({"c": 3})));
}
