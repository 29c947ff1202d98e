//! What holds for every row of the table, whoever adds one.

use std::collections::BTreeSet;

use protocol::api::{Hello, Right};

use super::*;
use crate::console::event::{Event, Purpose, Told};
use crate::console::keymap::{Keymap, Source};
use crate::console::sample;
use crate::console::state::dialog::{Dialog, Press};
use crate::console::state::prompt::{Kind, Prompt};
use crate::console::state::{Overlay, Pane};

fn keymaps() -> Vec<Keymap> {
    let source = Source::default();
    let load = |name: String| vocabulary(|words| source.load(&name, words)).unwrap();
    source.names().into_iter().map(load).collect()
}

/// A console where the keys of this layer are the innermost, with something under the cursor.
fn in_layer(layer: Layer) -> State {
    let mut state = sample::state((120, 40), sample::picture(16, 9));
    match layer {
        Layer::Nodes | Layer::Global | Layer::List => drop(sample::press(&mut state, "1j")),
        Layer::Work => drop(sample::press(&mut state, "2")),
        Layer::Events => drop(sample::press(&mut state, "3")),
        Layer::Node => drop(state.open_node("pi-02".parse().unwrap())),
        Layer::Task => drop(state.open_task("9.4".parse().unwrap())),
        Layer::Prompt => state.overlay = Some(Overlay::Prompt(Prompt::new(Kind::Palette, ""))),
        Layer::Help => state.overlay = Some(Overlay::Help(Default::default())),
        Layer::Dialog => state.overlay = Some(Overlay::Dialog(Dialog::tell("", vec![], Some("17".into())))),
    }
    state
}

/// What an action needs to be told to do anything.
fn words(action: &Action) -> Vec<String> {
    if action.takes == Takes::Command { vec!["hostname".into()] } else { vec![] }
}

fn rows() -> impl Iterator<Item = (Layer, &'static Action)> {
    Layer::ALL.into_iter().flat_map(|layer| {
        table().filter(move |action| action.layers.contains(&layer)).map(move |action| (layer, action))
    })
}

/// Whether the manager is told to do something.
fn asked(effects: &[Effect]) -> bool {
    effects.iter().any(|effect| matches!(effect, Effect::Ask(Purpose::Deed(_), _)))
}

#[test]
fn a_layer_is_where_the_test_says_it_is() {
    for layer in Layer::ALL {
        assert!(in_layer(layer).layers().contains(&layer), "{layer:?}");
    }
}

#[test]
fn every_action_has_a_key_or_can_be_typed() {
    for (layer, action) in rows() {
        for keymap in keymaps() {
            let keys = keymap.keys_of(&[layer.word()], action.name);
            assert!(keys.is_some() || action.commands(), "{} has no key in {layer:?} of {}", action.name, keymap.name);
        }
        if action.commands() {
            let state = in_layer(layer);
            let named = state.action_named(action.name).is_some_and(|found| std::ptr::eq(found, action));
            assert!(named || !(action.applies)(&state), "{} typed in {layer:?} is another action", action.name);
        }
    }
}

#[test]
fn no_key_is_bound_to_what_does_not_exist_and_no_name_is_there_twice_in_a_layer() {
    let mut seen = BTreeSet::new();
    for (layer, action) in rows() {
        assert!(seen.insert((layer, action.name)), "{} is twice in {layer:?}", action.name);
    }
}

#[test]
fn names_are_kebab_case_and_sentences_fit_a_line() {
    let state = in_layer(Layer::Nodes);
    for action in table() {
        let kebab = |part: &str| !part.is_empty() && part.chars().all(|c| c.is_ascii_lowercase() || c.is_ascii_digit());
        assert!(action.name.split('-').all(kebab), "{}", action.name);
        let sentence = action.sentence;
        assert!(sentence.chars().next().is_some_and(char::is_uppercase), "{sentence:?}");
        assert!(!sentence.ends_with('.') && sentence.chars().count() <= 80, "{sentence:?}");
        let hint = (action.hint)(&state);
        assert!(hint.chars().count() <= 12, "{hint:?} is too long for the footer");
    }
}

#[test]
fn what_is_dangerous_asks_first_and_cancel_has_the_focus() {
    for (layer, action) in rows().filter(|(_, action)| action.dangerous) {
        let mut state = in_layer(layer);
        let effects = state.act(action, &words(action));
        assert!(!asked(&effects), "{} in {layer:?} sends before it asks", action.name);
        let Some(Overlay::Dialog(dialog)) = &state.overlay else {
            panic!("{} in {layer:?} opens no dialog", action.name)
        };
        assert!(dialog.danger && dialog.focus == 0, "{}", action.name);
        assert_eq!(dialog.buttons[0].label, "Cancel");
        assert!(matches!(dialog.buttons[0].press, Press::Nothing));
        assert!(!asked(&sample::press(&mut state, "<Enter>")), "{} does it on Enter alone", action.name);
        assert!(state.overlay.is_none());
        state.act(action, &words(action));
        assert!(asked(&sample::press(&mut state, "<Tab><Enter>")), "{} does nothing when it is agreed to", action.name);
    }
}

#[test]
fn what_asks_first_is_called_dangerous_in_the_table() {
    for (layer, action) in rows().filter(|(_, action)| !action.dangerous) {
        let mut state = in_layer(layer);
        state.act(action, &words(action));
        let asks = matches!(&state.overlay, Some(Overlay::Dialog(dialog)) if dialog.danger);
        assert!(!asks, "{} in {layer:?}", action.name);
    }
}

#[test]
fn what_only_looks_sends_no_request_that_changes_anything() {
    use protocol::api::Request::*;
    for (layer, action) in rows().filter(|(_, action)| action.looks()) {
        let mut state = in_layer(layer);
        let mut effects = state.act(action, &words(action));
        effects.extend(state.settle(state.now));
        for effect in effects {
            if let Effect::Ask(_, request) = effect {
                assert!(
                    matches!(
                        request,
                        Jobs(_) | Tasks(_) | Task { .. } | Nodes | Node { .. } | History { .. } | Trends | Why { .. }
                    ),
                    "{} in {layer:?} sends {request:?}",
                    action.name
                );
            }
        }
    }
}

/// Neither seen nor done, by whichever way.
fn is_not_to_be_had(mut state: State, layer: Layer, action: &'static Action) {
    let what = format!("{} in {layer:?}", action.name);
    assert!(!state.can(action) && state.here().all(|row| !std::ptr::eq(row, action)), "{what} is offered");
    assert!(state.action_named(action.name).is_none(), "{what} can be typed");
    assert!(state.offers("").iter().all(|offer| offer.line != action.name), "{what} is in the palette");
    let mut effects = state.act(action, &words(action));
    let keys: Vec<_> = state.keymap.of(layer.word()).iter().filter(|row| row.action == action.name).cloned().collect();
    for binding in keys {
        for chord in &binding.on {
            let key = crossterm::event::KeyEvent::new(chord.code(), chord.modifiers());
            effects.extend(state.update(Event::Key(key), state.now));
        }
    }
    assert!(effects.is_empty() && state.overlay.is_none(), "{what} does something: {effects:?}");
}

#[test]
fn a_console_that_only_looks_offers_and_does_nothing_else() {
    for (layer, action) in rows().filter(|(_, action)| !action.looks()) {
        let mut state = in_layer(layer);
        state.read_only = true;
        assert!(state.help_entries("").iter().all(|entry| entry.action.looks()), "the help shows {}", action.name);
        is_not_to_be_had(state, layer, action);
    }
}

#[test]
fn a_person_is_offered_what_they_may_do() {
    for role in [Right::Viewer, Right::Operator] {
        for (layer, action) in rows().filter(|(_, action)| action.needs > role) {
            let mut state = in_layer(layer);
            let hello = Hello { role, ..sample::hello() };
            state.update(Event::Told(Told::Hello(hello)), state.now);
            is_not_to_be_had(state, layer, action);
        }
    }
}

#[test]
fn the_focus_is_where_the_keys_go() {
    assert_eq!(in_layer(Layer::Work).focus, Pane::Work);
    assert_eq!(in_layer(Layer::Events).focus, Pane::Events);
}

/// What has to be so before an action can do anything.
fn before(layer: Layer, action: &str) -> &'static str {
    match action {
        "page-up" if layer == Layer::Help => "<PageDown>",
        "undo" | "repeat" | "show-command" => "1jd",
        "forward" => "1j<Enter>[",
        "back" => "1j<Enter>",
        "up" | "left" | "first" | "page-up" | "half-up" => "jjjl",
        "unmark-all" => " ",
        "next-match" | "previous-match" => "/step<Enter>",
        "nodes" => "2",
        "work" | "events" => "1",
        "cancel" => "y",
        "fold-all" => "+",
        "complete" | "next" => "d",
        "previous" => "d<C-n>",
        "follow" => "gg",
        _ => "",
    }
}

/// Every key of the default keymap, pressed as a person would: something is seen, or something is asked for.
#[test]
fn every_key_does_something() {
    let keymap = &keymaps()[0];
    assert_eq!(keymap.name, "default");
    let mut idle = vec![];
    for layer in Layer::ALL {
        for binding in keymap.of(layer.word()) {
            let mut state = in_layer(layer);
            let effects = state.settle(state.now);
            sample::answer(&mut state, effects);
            let effects = sample::press(&mut state, before(layer, &binding.action));
            sample::answer(&mut state, effects);
            if binding.action == "undo" {
                let done = Event::Answered(Purpose::Deed(1), Ok(protocol::api::Reply::Done { tasks: 1 }));
                state.update(done, sample::now());
            }
            let shown = sample::drawn(&state);
            let keys: String = binding.on.iter().map(ToString::to_string).collect();
            let effects = sample::press(&mut state, &keys);
            if effects.is_empty() && sample::drawn(&state) == shown {
                idle.push(format!("{keys} ({}) in {}", binding.action, layer.word()));
            }
        }
    }
    assert!(idle.is_empty(), "these do nothing: {idle:#?}");
}
