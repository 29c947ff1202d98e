//! What holds everywhere but in a prompt, the help or a dialog.

use super::{Acted, Action, Layer, Takes};
use crate::console::event::{Effect, Left};
use crate::console::state::help::Help;
use crate::console::state::page::Page;
use crate::console::state::prompt::{Kind, Prompt};
use crate::console::state::{Overlay, Pane, State};
use crate::text;

const HERE: &[Layer] = &[Layer::Global];

pub const ACTIONS: &[Action] = &[
    Action::new("help", HERE, "Show every key, search it, and run what it shows", help).hint(|_| "help"),
    Action::new("palette", HERE, "Type an action by name, with what it is to act on", palette).hint(|_| "commands"),
    Action::new("filter", HERE, "Show only what has these words: text, !not, state:failed, node:pi-2", filter)
        .hint(|state| match state.pages.current() {
            Page::Home => "filter",
            Page::Task(_) => "find",
            Page::Node(_) => "",
        })
        .takes(Takes::Filter),
    Action::new("close", HERE, "Close this page, or the zoom; at home, leave the console", close)
        .hint(|state| if state.pages.current().is_home() && !state.zoomed { "quit" } else { "close" }),
    Action::new("cancel", HERE, "Put away messages, marks, filter, zoom, page: one at a time, never more", cancel),
    Action::new("quit", HERE, "Leave the console; everything goes on without it", quit),
    Action::new("back", HERE, "Go back to the page before this one", back),
    Action::new("forward", HERE, "Go forward to the page one came back from", forward),
    Action::new("nodes", HERE, "Go to the nodes", |state, _| pane(state, Pane::Nodes)),
    Action::new("work", HERE, "Go to the work: jobs and their tasks", |state, _| pane(state, Pane::Work)),
    Action::new("events", HERE, "Go to the events", |state, _| pane(state, Pane::Events)),
    Action::new("next-pane", HERE, "Go to the next pane", |state, _| next_pane(state, 1))
        .hint(|state| if at_home(state) { "pane" } else { "" }),
    Action::new("previous-pane", HERE, "Go to the pane before", |state, _| next_pane(state, 2)),
    Action::new("zoom", HERE, "Give this pane the whole screen, or take it back", zoom)
        .hint(|_| "zoom")
        .applies(at_home),
    Action::new("grow", HERE, "Make this pane larger", |state, _| resize(state, 4)).applies(at_home),
    Action::new("shrink", HERE, "Make this pane smaller", |state, _| resize(state, -4)).applies(at_home),
    Action::new("repeat", HERE, "Do the last action again", repeat).applies(|state| state.repeat.is_some()),
    Action::new("undo", HERE, "Undo the last act, where it can be undone", undo).applies(|state| state.undo.is_some()),
    Action::new("show-command", HERE, "Show the headless command equal to the last action", show_command),
    Action::new("copy", HERE, "Copy what is under the cursor; of a log, the found line or all that is seen", copy),
    Action::new("theme", HERE, "Change the colours: to the theme named, or to the next", theme).takes(Takes::Theme),
    Action::new("keymap", HERE, "Change the keys: to the keymap named, or to the next", keymap).takes(Takes::Keymap),
    Action::new("mouse", HERE, "Give the mouse to the console, or back to the terminal for selecting text", mouse),
    Action::new("connect", HERE, "Go to another manager: unix://PATH", connect).takes(Takes::Address),
    Action::new("redraw", HERE, "Draw the whole screen again", |_, _| Ok(vec![Effect::Repaint])),
    Action::new("suspend", HERE, "Go to the shell; `fg` comes back", |_, _| Ok(vec![Effect::Suspend])),
];

fn at_home(state: &State) -> bool {
    !state.welcomes() && state.pages.current().is_home()
}

fn help(state: &mut State, _: &[String]) -> Acted {
    state.overlay = Some(Overlay::Help(Help::default()));
    Ok(vec![])
}

fn palette(state: &mut State, words: &[String]) -> Acted {
    state.overlay = Some(Overlay::Prompt(Prompt::new(Kind::Palette, &words.join(" "))));
    Ok(state.prompt_changed())
}

fn filter(state: &mut State, words: &[String]) -> Acted {
    if let Page::Task(page) = state.pages.current_mut() {
        let before = page.log.searched().to_owned();
        state.overlay = Some(Overlay::Prompt(Prompt::new(Kind::Search { before: before.clone() }, &before)));
        return Ok(vec![]);
    }
    if let Page::Node(_) = state.pages.current() {
        return Err("this page has no filter; [ goes back to where there is one".into());
    }
    if !words.is_empty() {
        state.set_filter(&words.join(" "));
        return Ok(vec![]);
    }
    let before = match state.focus {
        Pane::Nodes => &state.nodes.filter,
        Pane::Work => &state.work.filter,
        Pane::Events => &state.events.filter,
    };
    let prompt = Prompt::new(Kind::Filter { before: before.clone() }, before.text());
    state.overlay = Some(Overlay::Prompt(prompt));
    Ok(vec![])
}

fn close(state: &mut State, _: &[String]) -> Acted {
    if !state.pages.current().is_home() {
        let effects = state.leave();
        state.pages.back();
        return Ok(effects);
    }
    if std::mem::take(&mut state.zoomed) {
        return Ok(vec![]);
    }
    Ok(vec![Effect::Leave(Left::Nothing)])
}

fn cancel(state: &mut State, _: &[String]) -> Acted {
    if state.toasts.clear() {
        return Ok(vec![]);
    }
    if !state.pages.current().is_home() {
        if let Page::Task(page) = state.pages.current_mut()
            && !page.log.searched().is_empty()
        {
            page.log.search("");
            return Ok(vec![]);
        }
        if let Page::Task(page) = state.pages.current_mut()
            && page.put_why_away()
        {
            return Ok(vec![]);
        }
        return close(state, &[]);
    }
    let marked = match state.focus {
        Pane::Nodes => !std::mem::take(&mut state.nodes.marks).is_empty(),
        Pane::Work => !std::mem::take(&mut state.work.marks).is_empty(),
        Pane::Events => false,
    };
    if marked {
        return Ok(vec![]);
    }
    let filtered = match state.focus {
        Pane::Nodes => !state.nodes.filter.is_empty(),
        Pane::Work => !state.work.filter.is_empty(),
        Pane::Events => !state.events.filter.is_empty(),
    };
    if filtered {
        state.set_filter("");
    } else {
        state.zoomed = false;
    }
    Ok(vec![])
}

fn quit(_: &mut State, _: &[String]) -> Acted {
    Ok(vec![Effect::Leave(Left::Nothing)])
}

fn back(state: &mut State, _: &[String]) -> Acted {
    let effects = state.leave();
    if state.pages.back() { Ok(effects) } else { Err("there is no page before this one".into()) }
}

fn forward(state: &mut State, _: &[String]) -> Acted {
    let effects = state.leave();
    if state.pages.forward() { Ok(effects) } else { Err("there is no page after this one".into()) }
}

fn pane(state: &mut State, pane: Pane) -> Acted {
    let effects = state.leave();
    state.pages.home();
    state.focus = pane;
    Ok(effects)
}

fn next_pane(state: &mut State, by: usize) -> Acted {
    if at_home(state) {
        state.focus = Pane::ALL[(state.focus as usize + by) % Pane::ALL.len()];
    }
    Ok(vec![])
}

fn zoom(state: &mut State, _: &[String]) -> Acted {
    state.zoomed = !state.zoomed;
    Ok(vec![])
}

fn resize(state: &mut State, by: i16) -> Acted {
    let settings = &mut state.settings;
    let (share, by) = match state.focus {
        Pane::Nodes => (&mut settings.nodes_width, by),
        Pane::Work => (&mut settings.work_height, by),
        Pane::Events => (&mut settings.work_height, -by),
    };
    *share = share.saturating_add_signed(by);
    *settings = settings.clone().sane();
    Ok(state.keep())
}

fn repeat(state: &mut State, _: &[String]) -> Acted {
    let Some(done) = state.repeat.clone() else { return Err("nothing was done yet".into()) };
    match super::find_in(&state.layers(), done.name) {
        Some(action) => Ok(state.act(action, &done.args)),
        None => Err(format!("{} cannot be done here", done.name)),
    }
}

fn undo(state: &mut State, _: &[String]) -> Acted {
    match state.undo.take() {
        Some(deed) => state.do_deed(deed),
        None => Err("there is nothing to undo".into()),
    }
}

fn show_command(state: &mut State, _: &[String]) -> Acted {
    match state.last_command.clone() {
        Some(command) => {
            let command = match (&state.named, command.strip_prefix("bramble ")) {
                (Some(address), Some(verb)) => {
                    let words = ["bramble".to_owned(), "--manager".to_owned(), address.to_string()];
                    format!("{} {verb}", text::shell_line(&words))
                }
                _ => command,
            };
            state.say(format!("{command}   (copied)"));
            Ok(vec![Effect::Copy(command)])
        }
        None => Err("no action yet that a headless command could do".into()),
    }
}

fn copy(state: &mut State, _: &[String]) -> Acted {
    let text = match state.pages.current() {
        Page::Node(page) => Some(page.name.to_string()),
        Page::Task(page) => {
            let (text, what) = page.copied();
            state.say(format!("copied {what}"));
            return Ok(vec![Effect::Copy(text)]);
        }
        Page::Home => match state.focus {
            Pane::Nodes => state.nodes.current(&state.picture.nodes).map(|node| node.name.to_string()),
            Pane::Work => {
                state.work.current(&state.picture.jobs).and_then(|row| row.target()).map(|target| target.to_string())
            }
            Pane::Events => state.events.current().map(|event| event.what.sentence()),
        },
    };
    let Some(text) = text else { return Err("there is nothing under the cursor to copy".into()) };
    let text = text::clean(&text).into_owned();
    state.say(format!("copied: {text}"));
    Ok(vec![Effect::Copy(text)])
}

fn theme(state: &mut State, words: &[String]) -> Acted {
    let next = words.first().cloned().unwrap_or_else(|| after(&state.themes, &state.theme.name));
    Ok(vec![Effect::LoadTheme(next)])
}

fn keymap(state: &mut State, words: &[String]) -> Acted {
    let next = words.first().cloned().unwrap_or_else(|| after(&state.keymaps, &state.keymap.name));
    Ok(vec![Effect::LoadKeymap(next)])
}

/// What was seen belongs to the manager it was seen of.
fn connect(state: &mut State, words: &[String]) -> Acted {
    let Some(address) = words.first() else {
        state.overlay = Some(Overlay::Prompt(Prompt::new(Kind::Connect, "unix://")));
        return Ok(vec![]);
    };
    let address = address.parse().map_err(|error| format!("{error}"))?;
    state.forget_manager();
    Ok(vec![Effect::Unfollow, Effect::Connect(address)])
}

fn after(names: &[String], name: &str) -> String {
    let at = names.iter().position(|known| known == name).map_or(0, |at| at + 1);
    names.get(at).or(names.first()).cloned().unwrap_or_else(|| name.to_owned())
}

fn mouse(state: &mut State, _: &[String]) -> Acted {
    state.settings.mouse = !state.settings.mouse;
    state.say(if state.settings.mouse { "the mouse is the console's" } else { "the mouse is the terminal's" });
    let mut effects = state.keep();
    effects.push(Effect::Mouse(state.settings.mouse));
    Ok(effects)
}
