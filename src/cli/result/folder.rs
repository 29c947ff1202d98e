//! One task's folder: `stdout`, `stderr`, `task.json`, and `out` where it left something. It is made beside its place and
//! moved there when it is whole, so that there is all of it or nothing.

use std::fs::{self, File};
use std::io::{self, Read};
use std::path::{Path, PathBuf};

use protocol::api::Request;
use protocol::result::{OUT, ResultView};
use serde_json::{Value, json};

use super::meant::Meant;
use super::printed;
use crate::cli::comeback;
use crate::cli::context::Context;
use crate::cli::exit::{Failure, Kind};
use crate::cli::transfer::fetch::{Fetch, Wanted};
use crate::cli::transfer::progress::Progress;
use crate::cli::transfer::rename::{exchange, rename, unwritable};
use crate::cli::transfer::unpack::unpack;
use crate::client::Client;
use crate::text::clean_json;

/// What we write about a task, by which its folder is known again.
const TASK: &str = "task.json";
/// Longer than any that we write.
const LONGEST_TASK: u64 = 16 << 20;

/// Where folders are put.
#[derive(Debug)]
pub struct Place {
    pub within: PathBuf,
    /// In place of one that holds something else of a task.
    pub force: bool,
    /// The most that may be in one result.
    pub most: u64,
}

/// What has the name of a task's folder already.
#[derive(Debug, PartialEq, Eq)]
enum There {
    Nothing,
    /// What would be put there.
    Same,
    /// Of a task, and other than it is now.
    Older,
    Foreign,
}

/// Whether it was there already.
pub async fn bring(meant: &Meant, place: &Place, client: &Client, context: &Context) -> Result<bool, Failure> {
    let name = meant.name();
    let target = place.within.join(&name);
    let there = there(&target, meant);
    match there {
        There::Nothing => {}
        There::Older if place.force => {}
        There::Same => {
            if let Some(view) = meant.result.as_ref().filter(|view| view.collected_at.is_none()) {
                say_collected(view, client, context).await;
            }
            return Ok(true);
        }
        There::Older => return Err(taken(&target, "is not what is kept now; name another place with -o, or --force")),
        There::Foreign => return Err(taken(&target, "is no folder of a task; name another place with -o")),
    }
    fs::create_dir_all(&place.within).map_err(|error| unwritable(&place.within, &error))?;
    let beside = tempfile::Builder::new().prefix(".bramble-").suffix(".part").tempdir_in(&place.within);
    let beside = beside.map_err(|error| unwritable(&place.within, &error))?;
    let folder = beside.path().join(&name);
    fs::create_dir(&folder).map_err(|error| unwritable(&folder, &error))?;
    let notes = printed::write(meant.printed(), &folder, client, context).await?;
    for note in &notes {
        context.note(format_args!("{name}: {note}"));
    }
    write_task(&folder, meant, &notes)?;
    // What was written before it is on the disk when it is.
    let beside = match &meant.result {
        None => beside,
        Some(view) => {
            let into = folder.join(OUT);
            fs::create_dir(&into).map_err(|error| unwritable(&into, &error))?;
            let mut progress = Progress::new(&name, Some(view.left.size), context);
            let fetch = Fetch { wanted: Wanted::Result(view), context };
            unpack(&fetch, into, beside, place.most, &mut progress).await?
        }
    };
    match there {
        There::Older => exchange(&folder, &target, &beside.path().join("older"))?,
        _ => rename(&folder, &target, false)?,
    }
    if let Some(view) = &meant.result {
        say_collected(view, client, context).await;
    }
    Ok(false)
}

fn taken(target: &Path, why: &str) -> Failure {
    Failure::new(Kind::Refused, format_args!("{} is there already and {why}", target.display()))
}

fn there(target: &Path, meant: &Meant) -> There {
    let Ok(meta) = target.symlink_metadata() else { return There::Nothing };
    let Some(task) = Some(target).filter(|_| meta.is_dir()).and_then(|target| read_task(target).ok()) else {
        return There::Foreign;
    };
    let hash = meant.result.as_ref().map(|view| view.hash.to_string());
    let of = |key: &str| task.get(key).cloned().unwrap_or_default();
    if of("id").as_str().is_none() || of("attempt").as_u64().is_none() || task.get("result").is_none() {
        return There::Foreign;
    }
    let same = of("id") == json!(meant.task.id)
        && of("attempt") == json!(meant.task.attempt)
        && of("state") == json!(meant.task.state)
        // Another manager counts from 1 too.
        && of("started_at") == json!(meant.task.started_at)
        && of("ended_at") == json!(meant.task.ended_at)
        && task["result"].get("hash").and_then(Value::as_str) == hash.as_deref();
    if same { There::Same } else { There::Older }
}

fn read_task(folder: &Path) -> io::Result<Value> {
    let mut text = vec![];
    File::open(folder.join(TASK))?.take(LONGEST_TASK).read_to_end(&mut text)?;
    Ok(serde_json::from_slice(&text)?)
}

fn write_task(folder: &Path, meant: &Meant, notes: &[String]) -> Result<(), Failure> {
    let mut task = serde_json::to_value(&meant.task).unwrap_or_default();
    if let Some(fields) = task.as_object_mut() {
        fields.insert("result".into(), json!(meant.result.as_ref().map(result_json)));
        if !notes.is_empty() {
            fields.insert("notes".into(), json!(notes));
        }
    }
    let path = folder.join(TASK);
    let text = format!("{task:#}\n");
    fs::write(&path, clean_lines(&text)).map_err(|error| unwritable(&path, &error))
}

/// Whoever prints it has no terminal commanded; its own line ends stay.
fn clean_lines(json: &str) -> String {
    json.split_inclusive('\n').map(|line| clean_json(line.trim_end_matches('\n')).into_owned() + "\n").collect()
}

pub fn result_json(view: &ResultView) -> Value {
    let left = &view.left;
    json!({ "size": left.size, "entries": left.entries, "left_out": left.left_out, "hash": view.hash })
}

/// It is at home whether or not that can be told.
async fn say_collected(view: &ResultView, client: &Client, context: &Context) {
    let attempt = view.attempt;
    if let Err(error) = comeback::call(client, Request::ResultCollected { attempt }, context).await {
        context
            .note(format_args!("{attempt} came home, but that could not be told, and it is kept as before: {error}"));
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_written_of_a_task_commands_no_terminal_and_means_the_same() {
        let task = json!({ "name": "a\u{9b}31m\u{202e}", "command": ["x\ny"] });
        let text = clean_lines(&format!("{task:#}\n"));
        assert!(!text.contains(['\u{9b}', '\u{202e}']) && text.ends_with("}\n"), "{text}");
        assert_eq!(serde_json::from_str::<Value>(&text).unwrap(), task);
    }
}
