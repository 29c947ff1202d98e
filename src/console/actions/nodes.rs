//! What is done to nodes: in the grid, and on a node's page.

use protocol::api::{Request, Right};
use protocol::name::NodeName;
use protocol::node::Role;

use super::targets::{self, listed, spaced};
use super::{Acted, Action, Layer, Takes};
use crate::console::event::{Effect, Purpose};
use crate::console::state::deed::Deed;
use crate::console::state::dialog::Dialog;
use crate::console::state::layout::Layout;
use crate::console::state::{Overlay, Pane, State};

const HERE: &[Layer] = &[Layer::Nodes, Layer::Node];

pub const ACTIONS: &[Action] = &[
    Action::new("drain", HERE, "Give these nodes no new tasks; what runs there runs on", drain)
        .hint(|state| if drains(state) == Some(false) { "drain" } else { "" })
        .takes(Takes::Nodes)
        .needs(Right::Admin),
    Action::new("undrain", HERE, "Let drained nodes take tasks again", undrain)
        .hint(|state| if drains(state) == Some(true) { "undrain" } else { "" })
        .takes(Takes::Nodes)
        .needs(Right::Admin),
    Action::new("reboot", HERE, "Reboot these nodes", reboot).takes(Takes::Nodes).needs(Right::Admin).dangerous(),
    Action::new("remove", HERE, "Forget these nodes and their keys", remove)
        .takes(Takes::Nodes)
        .needs(Right::Admin)
        .dangerous(),
    Action::new("revoke", HERE, "Turn these nodes' keys away; the nodes stay known", revoke)
        .takes(Takes::Nodes)
        .needs(Right::Admin)
        .dangerous(),
    Action::new("add-node", &[Layer::Nodes], "Show the line that makes a machine a worker", add).needs(Right::Admin),
    Action::new("view", &[Layer::Nodes], "Show nodes as cards, as lines, or as a map of heat", view).hint(|_| "view"),
];

/// Whether the nodes that are meant all drain already; `None` where they cannot be drained.
fn drains(state: &State) -> Option<bool> {
    let names = targets::nodes(state, &[]).ok()?;
    let known = |name: &NodeName| state.picture.nodes.iter().find(|node| node.name == *name);
    Some(names.iter().all(|name| known(name).is_some_and(|node| node.draining)))
}

fn drain(state: &mut State, words: &[String]) -> Acted {
    let names = targets::nodes(state, words)?;
    let undo = drained(&names, false);
    state.do_deed(Deed { undo: Some(Box::new(undo)), ..drained(&names, true) })
}

fn undrain(state: &mut State, words: &[String]) -> Acted {
    let names = targets::nodes(state, words)?;
    let undo = drained(&names, true);
    state.do_deed(Deed { undo: Some(Box::new(undo)), ..drained(&names, false) })
}

fn drained(names: &[NodeName], on: bool) -> Deed {
    let verb = if on { "drain" } else { "undrain" };
    let takes = if names.len() == 1 { "takes" } else { "take" };
    let done = if on { "no new tasks" } else { "tasks again" };
    Deed {
        requests: names.iter().map(|node| Request::Drain { node: node.clone(), on }).collect(),
        command: format!("bramble node {verb} {}", spaced(names)),
        done: format!("{} {takes} {done}", listed(names)),
        undo: None,
    }
}

fn reboot(state: &mut State, words: &[String]) -> Acted {
    let names = targets::nodes(state, words)?;
    let deed = Deed {
        requests: names.iter().map(|node| Request::Reboot { node: node.clone() }).collect(),
        command: format!("bramble node reboot --yes {}", spaced(&names)),
        done: format!("reboot of {} asked", listed(&names)),
        undo: None,
    };
    let what = running(state, &names, "Its attempt is lost and the task is queued again.");
    ask(state, format!("Reboot {}?", listed(&names)), what, "Reboot", deed)
}

fn remove(state: &mut State, words: &[String]) -> Acted {
    let names = targets::nodes(state, words)?;
    let deed = Deed {
        requests: names.iter().map(|node| Request::RemoveNode { node: node.clone() }).collect(),
        command: format!("bramble node rm --yes {}", spaced(&names)),
        done: format!("{} forgotten", listed(&names)),
        undo: None,
    };
    let mut text = running(state, &names, "It is queued again, on another node.");
    text.push("To come back, a node needs a new join token.".into());
    ask(state, format!("Remove {}?", listed(&names)), text, "Remove", deed)
}

fn revoke(state: &mut State, words: &[String]) -> Acted {
    let names = targets::nodes(state, words)?;
    let deed = Deed {
        requests: names.iter().map(|node| Request::RevokeNode { node: node.clone() }).collect(),
        command: format!("bramble node revoke --yes {}", spaced(&names)),
        done: format!("the key of {} is turned away", listed(&names)),
        undo: None,
    };
    let mut text = running(state, &names, "It is queued again, on another node.");
    text.push("The nodes stay in the list; only a new join token lets them in again.".into());
    ask(state, format!("Revoke the key of {}?", listed(&names)), text, "Revoke", deed)
}

/// What an act would hit, so that it is not found out afterwards.
fn running(state: &State, names: &[NodeName], then: &str) -> Vec<String> {
    let nodes = state.picture.nodes.iter().filter(|node| names.contains(&node.name));
    let tasks = nodes.map(|node| node.running).fold(0, u32::saturating_add);
    match tasks {
        0 => vec!["No task is running there.".into()],
        1 => vec![format!("1 task is running there. {then}")],
        many => vec![format!("{many} tasks are running there. {then}")],
    }
}

fn ask(state: &mut State, title: String, text: Vec<String>, label: &str, deed: Deed) -> Acted {
    state.overlay = Some(Overlay::Dialog(Dialog::ask(title, text, label, deed)));
    Ok(vec![])
}

fn add(state: &mut State, _: &[String]) -> Acted {
    if !state.link.live() {
        return Err("the manager is away: no token can be made now".into());
    }
    state.last_command = Some("bramble join-token".into());
    Ok(vec![Effect::Ask(Purpose::JoinToken, Request::JoinToken { role: Role::Worker, ttl_seconds: None })])
}

fn view(state: &mut State, _: &[String]) -> Acted {
    let now = state.nodes.grid(Layout::of(state).inner(Pane::Nodes)).view;
    state.nodes.view = Some(now.next());
    state.settings.nodes_view = state.nodes.view;
    Ok(state.keep())
}
