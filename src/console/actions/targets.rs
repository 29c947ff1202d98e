//! Whom an action is about: those named, else those marked, else the one under the cursor or on the page.

use protocol::api::NodeView;
use protocol::id::Target;
use protocol::name::NodeName;
use protocol::node::Role;

use crate::console::state::page::Page;
use crate::console::state::{Pane, State};

pub fn nodes(state: &State, words: &[String]) -> Result<Vec<NodeName>, String> {
    let known = |name: &NodeName| state.picture.nodes.iter().find(|node| node.name == *name);
    let names: Vec<NodeName> = if !words.is_empty() {
        words.iter().map(|word| word.parse().map_err(|error| format!("{error}"))).collect::<Result<_, String>>()?
    } else if let Page::Node(page) = state.pages.current() {
        vec![page.name.clone()]
    } else if !state.nodes.marks.is_empty() {
        state.nodes.marks.iter().cloned().collect()
    } else {
        state.nodes.current(&state.picture.nodes).map(|node| node.name.clone()).into_iter().collect()
    };
    if names.is_empty() {
        return Err("there is no node here; name one, as in: drain pi-2".into());
    }
    for name in &names {
        match known(name) {
            None => return Err(format!("there is no node {name}")),
            Some(NodeView { role: Role::Manager, .. }) => {
                return Err(format!("{name} is the manager itself: it runs no tasks and is not managed from here"));
            }
            Some(_) => {}
        }
    }
    Ok(names)
}

pub fn targets(state: &State, words: &[String]) -> Result<Vec<Target>, String> {
    let targets: Vec<Target> = if !words.is_empty() {
        words.iter().map(|word| word.parse().map_err(|error| format!("{error}"))).collect::<Result<_, String>>()?
    } else {
        match state.pages.current() {
            Page::Task(page) => vec![Target::Task(page.id)],
            Page::Node(page) => {
                page.tasks.get(page.scroll.cursor).map(|task| Target::Task(task.id)).into_iter().collect()
            }
            Page::Home if state.focus == Pane::Work && !state.work.marks.is_empty() => {
                state.work.marks.iter().copied().collect()
            }
            Page::Home => state.work.current(&state.picture.jobs).and_then(|row| row.target()).into_iter().collect(),
        }
    };
    if targets.is_empty() { Err("there is no job or task here; name one, as in: stop 17".into()) } else { Ok(targets) }
}

/// `a`, `a and b`, `a, b and 3 more`.
pub fn listed(names: &[impl ToString]) -> String {
    let shown: Vec<String> = names.iter().take(3).map(ToString::to_string).collect();
    match (names.len(), shown.as_slice()) {
        (_, []) => String::new(),
        (1, [one]) => one.clone(),
        (2, [one, other]) => format!("{one} and {other}"),
        (3, [one, other, third]) => format!("{one}, {other} and {third}"),
        (count, _) => format!("{} and {} more", shown.join(", "), count - shown.len()),
    }
}

pub fn spaced(names: &[impl ToString]) -> String {
    names.iter().map(ToString::to_string).collect::<Vec<_>>().join(" ")
}
