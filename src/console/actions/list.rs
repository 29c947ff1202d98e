//! What holds in every list: moving, opening, marking, sorting.

use super::{Acted, Action, Layer, Takes};
use crate::console::event::{Effect, Left};
use crate::console::state::layout::Layout;
use crate::console::state::node::Section;
use crate::console::state::nodes::NodeColumn;
use crate::console::state::page::Page;
use crate::console::state::prompt::{Kind, Prompt};
use crate::console::state::work::{Row, WorkColumn, only_task};
use crate::console::state::{Move, Overlay, Pane, State, Way};

const HERE: &[Layer] = &[Layer::List];

pub const ACTIONS: &[Action] = &[
    Action::new("down", HERE, "Next row", |state, _| step(state, Move::Down)),
    Action::new("up", HERE, "Row before", |state, _| step(state, Move::Up)),
    Action::new("left", HERE, "Card to the left; fold a job", left),
    Action::new("right", HERE, "Card to the right; unfold a job", right),
    Action::new("first", HERE, "First row", |state, _| step(state, Move::First)),
    Action::new("last", HERE, "Last row", |state, _| step(state, Move::Last)),
    Action::new("page-down", HERE, "One screen down", |state, _| step(state, Move::PageDown)),
    Action::new("page-up", HERE, "One screen up", |state, _| step(state, Move::PageUp)),
    Action::new("half-down", HERE, "Half a screen down", |state, _| step(state, Move::HalfDown)),
    Action::new("half-up", HERE, "Half a screen up", |state, _| step(state, Move::HalfUp)),
    Action::new("open", HERE, "Open what is under the cursor", open)
        .hint(|state| if matches!(state.pages.current(), Page::Task(_)) { "" } else { "open" }),
    Action::new("mark", HERE, "Mark this one, to act on several at once", mark).applies(markable),
    Action::new("mark-all", HERE, "Mark all that are shown", mark_all).applies(markable),
    Action::new("unmark-all", HERE, "Mark none", unmark_all).applies(markable),
    Action::new("sort", HERE, "Sort by the next column, or by the one named", sort)
        .hint(|_| "sort")
        .takes(Takes::Column)
        .applies(markable),
    Action::new("sort-reverse", HERE, "Turn the order round", sort_reverse).applies(markable),
];

/// What only moves the cursor.
pub fn moves(name: &str) -> bool {
    let moves = ["down", "up", "left", "right", "first", "last", "page-down", "page-up", "half-down", "half-up"];
    moves.contains(&name)
}

fn step(state: &mut State, by: Move) -> Acted {
    state.step(by);
    Ok(vec![])
}

fn in_work(state: &State) -> bool {
    !state.welcomes() && state.pages.current().is_home() && state.focus == Pane::Work
}

fn markable(state: &State) -> bool {
    !state.welcomes() && state.pages.current().is_home() && state.focus != Pane::Events
}

fn left(state: &mut State, _: &[String]) -> Acted {
    if !in_work(state) {
        return step(state, Move::Left);
    }
    let jobs = &state.picture.jobs;
    if let Some(job) = state.work.current(jobs).and_then(|row| row.job()) {
        state.work.fold(job, jobs);
    }
    Ok(vec![])
}

fn right(state: &mut State, _: &[String]) -> Acted {
    if !in_work(state) {
        return step(state, Move::Right);
    }
    let (jobs, no) = (&state.picture.jobs, state.pages.number());
    match state.work.current(jobs) {
        Some(Row::Job { job, unfolded: false }) => state.work.unfold(job.id, no, jobs),
        Some(Row::Job { .. }) => state.work.step(Move::Down, jobs, 1),
        _ => {}
    }
    Ok(vec![])
}

fn open(state: &mut State, _: &[String]) -> Acted {
    if state.welcomes() {
        return match Way::ALL[state.way] {
            Way::Demo => Ok(vec![Effect::Leave(Left::Demo)]),
            Way::Install if state.read_only => {
                Err("this console only looks (--read-only): nothing is installed".into())
            }
            Way::Install => Ok(vec![Effect::Leave(Left::Install)]),
            Way::Connect => {
                state.overlay = Some(Overlay::Prompt(Prompt::new(Kind::Connect, "unix://")));
                Ok(vec![])
            }
        };
    }
    match state.pages.current() {
        Page::Task(_) => return Ok(vec![]),
        Page::Node(page) => {
            let task = match page.sections(Layout::of(state).body).chosen {
                Section::Tasks => page.tasks.get(page.scroll.cursor).map(|task| task.id),
                Section::Events => page.event(&state.events).and_then(|event| event.what.task()),
                Section::Facts | Section::Graphs => None,
            };
            return Ok(task.map_or_else(Vec::new, |task| state.open_task(task)));
        }
        Page::Home => {}
    }
    match state.focus {
        Pane::Nodes => {
            let Some(name) = state.nodes.current(&state.picture.nodes).map(|node| node.name.clone()) else {
                return Ok(vec![]);
            };
            Ok(state.open_node(name))
        }
        Pane::Work => {
            let (jobs, no) = (&state.picture.jobs, state.pages.number());
            match state.work.current(jobs) {
                Some(Row::Job { job, .. }) if let Some(task) = only_task(job) => return Ok(state.open_task(task)),
                Some(Row::Job { job, unfolded: true }) => state.work.fold(job.id, jobs),
                Some(Row::Job { job, .. }) => state.work.unfold(job.id, no, jobs),
                Some(Row::Task { id: Some(id), .. }) => return Ok(state.open_task(id)),
                _ => {}
            }
            Ok(vec![])
        }
        Pane::Events => {
            let Some(what) = state.events.current().map(|event| event.what.clone()) else { return Ok(vec![]) };
            if let Some(task) = what.task() {
                return Ok(state.open_task(task));
            }
            if let Some(name) = what.node()
                && state.picture.nodes.iter().any(|node| node.name == *name)
            {
                return Ok(state.open_node(name.clone()));
            }
            if let Some(job) = what.job()
                && state.picture.jobs.iter().any(|known| known.id == job)
            {
                state.focus = Pane::Work;
                state.work.show(job);
                return Ok(vec![]);
            }
            Err("this event has no page of its own".into())
        }
    }
}

fn mark(state: &mut State, _: &[String]) -> Acted {
    match state.focus {
        Pane::Nodes => {
            if let Some(name) = state.nodes.current(&state.picture.nodes).map(|node| node.name.clone())
                && !state.nodes.marks.remove(&name)
            {
                state.nodes.marks.insert(name);
            }
            // On to the next one, in reading order.
            state.nodes.go_to(state.nodes.scroll.cursor + 1, &state.picture.nodes);
        }
        Pane::Work => {
            if let Some(target) = state.work.current(&state.picture.jobs).and_then(|row| row.target())
                && !state.work.marks.remove(&target)
            {
                state.work.marks.insert(target);
            }
            state.step(Move::Down);
        }
        Pane::Events => {}
    }
    Ok(vec![])
}

fn mark_all(state: &mut State, _: &[String]) -> Acted {
    match state.focus {
        Pane::Nodes => {
            let all = (0..state.nodes.len()).filter_map(|item| state.nodes.get(&state.picture.nodes, item));
            state.nodes.marks = all.map(|node| node.name.clone()).collect();
        }
        Pane::Work => state.work.marks = state.work.shown_jobs(&state.picture.jobs).collect(),
        Pane::Events => {}
    }
    Ok(vec![])
}

fn unmark_all(state: &mut State, _: &[String]) -> Acted {
    state.nodes.marks.clear();
    state.work.marks.clear();
    Ok(vec![])
}

fn sort(state: &mut State, words: &[String]) -> Acted {
    let unknown = |word: &str, known: &[&str]| format!("{word} is no column; columns are {}", known.join(", "));
    match state.focus {
        Pane::Nodes => {
            let all = NodeColumn::ALL;
            state.nodes.sort = match words.first() {
                Some(word) => *all
                    .iter()
                    .find(|column| column.word() == word)
                    .ok_or_else(|| unknown(word, &all.map(NodeColumn::word)))?,
                None => all[(state.nodes.sort as usize + 1) % all.len()],
            };
            state.settings.nodes_sort = state.nodes.sort;
        }
        Pane::Work => {
            let all = WorkColumn::ALL;
            state.work.sort = match words.first() {
                Some(word) => *all
                    .iter()
                    .find(|column| column.word() == word)
                    .ok_or_else(|| unknown(word, &all.map(WorkColumn::word)))?,
                None => all[(state.work.sort as usize + 1) % all.len()],
            };
            state.settings.work_sort = state.work.sort;
        }
        Pane::Events => return Err("events are in the order in which they happened".into()),
    }
    Ok(state.keep())
}

fn sort_reverse(state: &mut State, _: &[String]) -> Acted {
    match state.focus {
        Pane::Nodes => {
            state.nodes.reverse = !state.nodes.reverse;
            state.settings.nodes_reverse = state.nodes.reverse;
        }
        Pane::Work => {
            state.work.reverse = !state.work.reverse;
            state.settings.work_reverse = state.work.reverse;
        }
        Pane::Events => return Err("events are in the order in which they happened".into()),
    }
    Ok(state.keep())
}
