//! `submit --check`: what would run, told without asking any manager.

use protocol::job::{Array, Axis, JobFile, JobSpec};
use protocol::unit::Bytes;
use serde_json::{Value, json};

use super::bring::Upload;
use super::plan::Plan;
use super::start::Start;
use crate::cli::context::Context;
use crate::cli::exit::Failure;
use crate::text::{clean, count, shell_line};

pub fn tell(plan: &Plan, context: &Context) -> Result<(), Failure> {
    if context.json { context.print_json(&as_json(plan)) } else { context.print(as_text(plan)) }
}

fn as_json(plan: &Plan) -> Value {
    let kept_first: Vec<Value> = plan.uploads.iter().map(upload_json).collect();
    json!({ "job": plan.spec, "tasks": tasks(plan), "kept_first": kept_first })
}

fn upload_json(upload: &Upload) -> Value {
    json!({
        "name": upload.name,
        "path": upload.written,
        "kind": upload.source.kind().word(),
        "size": upload.source.size(),
        "executable": upload.source.executable(),
    })
}

fn as_text(plan: &Plan) -> String {
    let spec = &plan.spec;
    let mut lines: Vec<(&str, String)> = vec![];
    for run in &plan.runs {
        lines.push((&run.what, shell_line(&run.words)));
        lines.push(("started", started(&run.start)));
    }
    lines.extend(plan.split.iter().map(|(file, sizes)| ("split", split(file, sizes))));
    lines.extend(spec.sweep.iter().map(|axis| ("sweep", swept(axis))));
    lines.extend(spec.name.iter().map(|name| ("name", name.to_string())));
    let whole = plan.uploads.iter().filter(|upload| upload.part.is_none());
    lines.extend(whole.map(|upload| ("file", brought(upload))));
    lines.extend(spec.files[plan.uploads.len()..].iter().map(|file| ("file", kept(file))));
    let words = spec.env.iter().map(|(name, value)| shell_line(&[format!("{name}={value}")]));
    lines.extend(words.map(|word| ("env", word)));
    lines.extend(spec.secrets.iter().map(|secret| ("secret", secret.to_string())));
    lines.push(("node", node(spec)));
    lines.extend(spec.notify.iter().map(|place| ("notify", place.to_string())));
    lines.push(("cpus", spec.cpus.to_string()));
    lines.push(("tasks", told_tasks(plan)));
    // Every line is somebody's words, and none may command the terminal or begin another line.
    lines.iter().map(|(what, said)| format!("{what:<8} {}\n", clean(said))).collect()
}

fn node(spec: &JobSpec) -> String {
    let needs = spec.interpreters.iter().map(String::as_str).collect::<Vec<_>>().join(" and ");
    match &spec.node {
        None if needs.is_empty() => "any that fits".to_owned(),
        None => format!("any that fits and has {needs}"),
        Some(node) if needs.is_empty() => node.to_string(),
        Some(node) => format!("{node}, when it has {needs}"),
    }
}

fn started(start: &Start) -> String {
    match start {
        Start::ByTheNode => "as a program that the node finds in its PATH, since no such file is here".to_owned(),
        Start::Itself => "as the program it is, brought along".to_owned(),
        Start::FirstLine(line) => format!("by its first line, {line}"),
        Start::Interpreter(interpreter) => format!("by {interpreter}, because of its extension"),
    }
}

fn split(file: &str, sizes: &[u64]) -> String {
    let (least, most) = (sizes.iter().min().copied().unwrap_or(0), sizes.iter().max().copied().unwrap_or(0));
    let each =
        if least == most { format!("of {}", Bytes(most)) } else { format!("of {} to {}", Bytes(least), Bytes(most)) };
    format!("{file} into {} {each}", count(sizes.len() as u64, "part"))
}

/// So many values are shown.
const SOME: usize = 8;

fn swept(axis: &Axis) -> String {
    let Axis { name, values } = axis;
    let shown = shell_line(&values[..values.len().min(SOME)]);
    let rest =
        if values.len() > SOME { format!(" … {}", shell_line(&values[values.len() - 1..])) } else { String::new() };
    format!("{name}: {shown}{rest} ({})", values.len())
}

fn brought(upload: &Upload) -> String {
    let size = upload.source.size().map_or_else(|| "of unknown size".to_owned(), |size| Bytes(size).to_string());
    let kind = upload.source.kind();
    let from =
        if upload.written == upload.name.as_str() { String::new() } else { format!(", from {}", upload.written) };
    format!("{}, {kind} of {size}{from}", upload.name)
}

fn kept(file: &JobFile) -> String {
    let called = file.called.as_ref().map_or_else(String::new, |called| format!("{called}, "));
    let writable = if file.writable { ", writable" } else { "" };
    format!("{called}kept already as {}{writable}", file.file)
}

fn tasks(plan: &Plan) -> u32 {
    let indices = plan.spec.indices();
    indices.end().saturating_sub(*indices.start()).saturating_add(1)
}

fn told_tasks(plan: &Plan) -> String {
    let (n, spec) = (tasks(plan), &plan.spec);
    if spec.reduce.is_some() {
        return format!("{n}, the last of which reduces what the others left");
    }
    match spec.array {
        Some(Array { first, last }) => format!("{n}, BRAMBLE_INDEX {first} to {last}"),
        None if !spec.sweep.is_empty() => format!("{n}, one for each combination"),
        None => n.to_string(),
    }
}
