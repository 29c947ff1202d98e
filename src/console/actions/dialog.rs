//! What holds in a dialog.

use super::{Acted, Action, Layer};
use crate::console::event::Effect;
use crate::console::state::dialog::Press;
use crate::console::state::{Overlay, State};

const HERE: &[Layer] = &[Layer::Dialog];

pub const ACTIONS: &[Action] = &[
    Action::new("press", HERE, "Press the button that is lit", press).hint(|_| "press"),
    Action::new("cancel", HERE, "Close the dialog; nothing is done", cancel).hint(|_| "cancel"),
    Action::new("next-button", HERE, "Go to the next button", |state, _| step(state, true)).hint(|_| "next button"),
    Action::new("previous-button", HERE, "Go to the button before", |state, _| step(state, false)),
];

fn step(state: &mut State, forward: bool) -> Acted {
    if let Some(Overlay::Dialog(dialog)) = &mut state.overlay {
        dialog.step(forward);
    }
    Ok(vec![])
}

fn cancel(state: &mut State, _: &[String]) -> Acted {
    state.overlay = None;
    Ok(vec![])
}

fn press(state: &mut State, _: &[String]) -> Acted {
    let Some(Overlay::Dialog(mut dialog)) = state.overlay.take() else { return Ok(vec![]) };
    if dialog.focus >= dialog.buttons.len() {
        return Ok(vec![]);
    }
    match dialog.buttons.swap_remove(dialog.focus).press {
        Press::Nothing => Ok(vec![]),
        Press::Do(deed) => {
            let effects = state.do_deed(*deed)?;
            state.nodes.marks.clear();
            state.work.marks.clear();
            Ok(effects)
        }
        Press::Copy(text) => {
            state.say("copied");
            Ok(vec![Effect::Copy(text)])
        }
    }
}
