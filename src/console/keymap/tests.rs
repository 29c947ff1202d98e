use std::collections::BTreeSet;
use std::fs;

use crossterm::event::{KeyCode, KeyEvent, KeyModifiers};
use tempfile::TempDir;

use super::*;
use crate::console::actions::{self, Layer};

const LAYERS: [Layer; 10] = Layer::ALL;

fn actions(layer: Layer) -> Vec<&'static str> {
    actions::table().filter(|action| action.layers.contains(&layer)).map(|action| action.name).collect()
}

/// No key runs them by default: they need an argument that only the palette asks for.
const WITHOUT_KEYS: [&str; 2] = ["keymap", "connect"];

/// The layers of a screen, most inner first.
const STACKS: [&[&str]; 9] = [
    &["nodes", "list", "global"],
    &["work", "list", "global"],
    &["events", "list", "global"],
    &["node", "list", "global"],
    &["task", "list", "global"],
    &["prompt"],
    &["dialog"],
    &["help"],
    &["global"],
];

fn load_from(source: &Source, name: &str) -> Result<Keymap, KeymapError> {
    actions::vocabulary(|words| source.load(name, words))
}

fn load(name: &str) -> Keymap {
    load_from(&Source::default(), name).unwrap_or_else(|error| panic!("{error}"))
}

fn keys(said: &str) -> Vec<Chord> {
    said.split(' ').map(|key| Chord::parse(key).unwrap()).collect()
}

fn run_by(keymap: &Keymap, layers: &[&str], said: &str) -> String {
    match keymap.find(layers, &keys(said)) {
        Found::Bound(binding) => [vec![binding.action.clone()], binding.args.clone()].concat().join(" "),
        Found::Prefix => "more".to_owned(),
        Found::Nothing => "nothing".to_owned(),
    }
}

#[test]
fn every_keymap_reaches_every_action() {
    for name in Source::default().names() {
        let keymap = load(&name);
        for (layer, held) in LAYERS.map(|layer| (layer.word(), actions(layer))) {
            for action in held.into_iter().filter(|action| !WITHOUT_KEYS.contains(action)) {
                let stacks = STACKS.iter().filter(|stack| stack.contains(&layer));
                let of_layer: Vec<&Binding> =
                    keymap.of(layer).iter().filter(|binding| binding.action == action).collect();
                let reached =
                    stacks.into_iter().any(|stack| of_layer.iter().any(|binding| keymap.reaches(stack, binding)));
                assert!(reached, "{name}: nothing in {layer} runs {action}");
            }
        }
    }
}

#[test]
fn whatever_is_shown_as_the_keys_of_an_action_runs_it() {
    for name in Source::default().names() {
        let keymap = load(&name);
        for stack in STACKS {
            for binding in stack.iter().flat_map(|layer| keymap.of(layer)) {
                let Some(shown) = keymap.keys_of(stack, &binding.action) else { continue };
                let runs = stack.iter().flat_map(|layer| keymap.of(layer)).any(|bound| {
                    shown::keys(&bound.on) == shown && run_by_chords(&keymap, stack, &bound.on) == binding.action
                });
                assert!(runs, "{name}: {shown} does not run {} in {stack:?}", binding.action);
            }
        }
    }
}

fn run_by_chords(keymap: &Keymap, layers: &[&str], keys: &[Chord]) -> String {
    match keymap.find(layers, keys) {
        Found::Bound(binding) => binding.action.clone(),
        _ => String::new(),
    }
}

#[test]
fn escape_cancels_and_no_default_key_needs_alt() {
    let keymap = load("default");
    for stack in STACKS {
        assert_eq!(run_by(&keymap, stack, "<Esc>"), "cancel", "{stack:?}");
    }
    for binding in LAYERS.iter().flat_map(|layer| keymap.of(layer.word())) {
        assert!(!binding.on.iter().any(|chord| chord.modifiers().contains(KeyModifiers::ALT)), "{binding:?}");
    }
}

#[test]
fn a_sequence_waits_for_its_end_and_inner_layers_go_first() {
    let keymap = load("default");
    let nodes = ["nodes", "list", "global"];
    assert_eq!(run_by(&keymap, &nodes, "g"), "more");
    assert_eq!(run_by(&keymap, &nodes, "g g"), "first");
    assert_eq!(run_by(&keymap, &nodes, "g x"), "nothing");
    assert_eq!(run_by(&keymap, &nodes, "d"), "drain");
    assert_eq!(run_by(&keymap, &["events", "list", "global"], "d"), "nothing");
    assert_eq!(run_by(&keymap, &["dialog", "global"], "q"), "cancel");
    assert_eq!(run_by(&keymap, &["global"], "q"), "close");
}

#[test]
fn keys_are_shown_as_a_person_would_say_them() {
    let keymap = load("default");
    let nodes = ["nodes", "list", "global"];
    let shown = |action| keymap.keys_of(&nodes, action);
    assert_eq!(shown("first").unwrap(), "g g");
    assert_eq!(shown("half-down").unwrap(), "Ctrl-D");
    assert_eq!(shown("previous-pane").unwrap(), "Shift-Tab");
    assert_eq!(shown("open").unwrap(), "Enter");
    assert_eq!(shown("mark").unwrap(), "Space");
    assert_eq!(shown("page-up").unwrap(), "PgUp");
    assert_eq!(shown("shrink").unwrap(), "<");
    assert_eq!(shown("keymap"), None);
    assert_eq!(keymap.keys_of(&["task", "list", "global"], "next-match").unwrap(), "n");
}

#[test]
fn a_key_hidden_by_an_inner_layer_is_not_shown() {
    let (_dir, source) =
        own("[nodes]\nprepend_keymap = [{ on = \"q\", run = \"drain\" }, { on = \"?\", run = \"noop\" }]");
    let keymap = load_from(&source, "keymap").unwrap();
    let nodes = ["nodes", "list", "global"];
    assert_eq!(keymap.keys_of(&nodes, "close"), None);
    assert_eq!(keymap.keys_of(&nodes, "help").unwrap(), "F1");
    assert_eq!(keymap.keys_of(&["global"], "close").unwrap(), "q");
    assert_eq!(run_by(&keymap, &nodes, "?"), "nothing");
}

#[test]
fn a_key_means_the_same_written_and_sent() {
    let none = KeyModifiers::NONE;
    for (written, code, modifiers) in [
        ("j", KeyCode::Char('j'), none),
        ("G", KeyCode::Char('G'), KeyModifiers::SHIFT),
        ("G", KeyCode::Char('g'), KeyModifiers::SHIFT),
        (">", KeyCode::Char('>'), KeyModifiers::SHIFT),
        ("<S-Tab>", KeyCode::BackTab, KeyModifiers::SHIFT),
        ("<S-Tab>", KeyCode::BackTab, none),
        ("<C-d>", KeyCode::Char('d'), KeyModifiers::CONTROL),
        ("<C-D>", KeyCode::Char('d'), KeyModifiers::CONTROL),
        ("<Backspace>", KeyCode::Char('h'), KeyModifiers::CONTROL),
        ("<C-h>", KeyCode::Backspace, none),
        ("<C-m>", KeyCode::Enter, none),
        ("<C-_>", KeyCode::Char('7'), KeyModifiers::CONTROL),
        ("<C-\\>", KeyCode::Char('4'), KeyModifiers::CONTROL),
        ("<C-Space>", KeyCode::Char(' '), KeyModifiers::CONTROL),
        ("<A-x>", KeyCode::Char('x'), KeyModifiers::ALT),
        ("<F1>", KeyCode::F(1), none),
        ("<Lt>", KeyCode::Char('<'), none),
        ("<", KeyCode::Char('<'), KeyModifiers::SHIFT),
        ("<Space>", KeyCode::Char(' '), none),
        ("<C-->", KeyCode::Char('-'), KeyModifiers::CONTROL),
    ] {
        let sent = Chord::from(KeyEvent::new(code, modifiers));
        let chord = Chord::parse(written).unwrap();
        assert_eq!(chord, sent, "{written}");
        assert_eq!(Chord::parse(&chord.to_string()).unwrap(), chord, "{written} is written {chord}");
    }
}

fn own(text: &str) -> (TempDir, Source) {
    let dir = TempDir::new().unwrap();
    fs::write(dir.path().join("keymap.toml"), text).unwrap();
    let source = Source { dir: Some(dir.path().to_owned()) };
    (dir, source)
}

#[test]
fn a_persons_keys_are_laid_over_the_keymap_they_inherit() {
    let text = "inherits = \"emacs\"\n\
        [global]\nprepend_keymap = [{ on = \"t\", run = [\"theme\", \"dark\"] }, { on = \"T\", run = \"theme light\" }]\n\
        append_keymap = [{ on = \"q\", run = \"quit\" }, { on = \"e\", run = \"events\", desc = \"What happened\" }]\n\
        [list]\nprepend_keymap = [{ on = \"g\", run = \"first\" }]";
    let (_dir, source) = own(text);
    assert_eq!((source.usual(), Source::default().usual()), ("keymap", "default"));
    let keymap = load_from(&source, "keymap").unwrap();
    let all = ["list", "global"];
    assert_eq!(run_by(&keymap, &all, "t"), "theme dark");
    assert_eq!(run_by(&keymap, &all, "T"), "theme light");
    assert_eq!(run_by(&keymap, &all, "q"), "close", "what is appended changes nothing that is bound");
    assert_eq!(run_by(&keymap, &all, "e"), "events");
    assert_eq!(run_by(&keymap, &all, "<C-n>"), "down", "from emacs");
    assert_eq!(run_by(&keymap, &all, "g"), "first", "and no longer the beginning of g g");
    assert_eq!(keymap.of("global").last().unwrap().desc.as_deref(), Some("What happened"));
}

#[test]
fn a_layer_written_whole_keeps_nothing_of_what_it_inherits() {
    let (_dir, source) = own("[work]\nkeymap = [{ on = \"s\", run = \"stop\" }]");
    let keymap = load_from(&source, "keymap").unwrap();
    assert_eq!(keymap.of("work").len(), 1);
    assert_eq!(run_by(&keymap, &["work", "list", "global"], "x"), "nothing");
    assert_eq!(run_by(&keymap, &["nodes", "list", "global"], "d"), "drain");
}

#[test]
fn all_that_is_shown_differs() {
    let keymap = load("default");
    for layer in LAYERS.map(Layer::word) {
        let shown: Vec<String> = keymap.of(layer).iter().map(|binding| shown::keys(&binding.on)).collect();
        assert_eq!(shown.iter().collect::<BTreeSet<_>>().len(), shown.len(), "{layer}: {shown:?}");
    }
}

fn said(text: &str) -> String {
    let (dir, source) = own(text);
    let error = load_from(&source, "keymap").unwrap_err().to_string();
    error.replace(&format!("{}/", dir.path().display()), "")
}

#[test]
fn what_is_wrong_in_a_keymap_is_said_with_its_line() {
    let in_work = |rows: &str| said(&format!("[work]\nkeymap = [\n{rows}\n]"));
    assert_eq!(said("[wrok]\nkeymap = []"), "keymap.toml:1: There is no layer wrok. Did you mean work?");
    assert_eq!(
        in_work("{ on = \"x\", run = \"stopp\" }"),
        "keymap.toml:3: There is no action stopp in work. Did you mean stop?"
    );
    assert_eq!(in_work("{ on = \"x\", run = \"active now\" }"), "keymap.toml:3: active takes no arguments.");
    assert_eq!(
        in_work("{ on = \"x\", run = \"stop\" },\n{ on = \"r\", run = \"retry\" },\n{ on = [\"x\"], run = \"why\" }"),
        "keymap.toml:5: x is bound twice in work; line 3 binds it already."
    );
    assert_eq!(
        in_work("{ on = \"<C-m>\", run = \"stop\" },\n{ on = \"<Enter>\", run = \"why\" }"),
        "keymap.toml:4: <Enter> is bound twice in work; line 3 binds it already."
    );
    assert_eq!(
        in_work("{ on = \"x\", run = \"stop\" },\n{ on = [\"x\", \"y\"], run = \"why\" }"),
        "keymap.toml:4: x y begins with x, bound in work on line 3; only one of them can be."
    );
    assert_eq!(
        in_work("{ on = [\"x\", \"y\"], run = \"why\" },\n{ on = \"x\", run = \"noop\" }"),
        "keymap.toml:4: x is how x y begins, bound in work on line 3; only one of them can be."
    );
    assert_eq!(
        in_work("{ on = \"gg\", run = \"stop\" }"),
        "keymap.toml:3: \"gg\" is no key; keys are j, G, <Enter>, <C-d>, <S-Tab>, <F1>, and a sequence is a list of them."
    );
    assert_eq!(
        in_work("{ on = [\"g\", \"<Retrun>\"], run = \"stop\" }"),
        "keymap.toml:3: \"<Retrun>\" is no key; keys are j, G, <Enter>, <C-d>, <S-Tab>, <F1>, and a sequence is a list \
         of them."
    );
    assert_eq!(
        in_work("{ on = \" \", run = \"stop\" }"),
        "keymap.toml:3: A space is written <Space>, and other invisible keys by their names."
    );
    assert_eq!(in_work("{ on = [], run = \"stop\" }"), "keymap.toml:3: on needs at least one key.");
    assert_eq!(in_work("{ on = \"x\" }"), "keymap.toml:3: A binding needs both on, the keys, and run, the action.");
    assert_eq!(in_work("{ on = \"x\", run = \"\" }"), "keymap.toml:3: run needs the name of an action, or noop.");
    assert_eq!(
        in_work("{ on = \"x\", do = \"stop\" }"),
        "keymap.toml:3: do is no part of a binding; a binding has on, run and desc."
    );
    assert_eq!(
        said("[work]\nkeys = []"),
        "keymap.toml:2: keys is no part of a layer; a layer has keymap, or prepend_keymap and append_keymap."
    );
    assert_eq!(
        said("[work]\nkeymap = \"x\""),
        "keymap.toml:2: A keymap is a list of { on = \"KEY\", run = \"ACTION\" }."
    );
    assert_eq!(
        said("inherits = \"vi\""),
        "keymap.toml:1: There is no keymap vi. There are default, emacs, k9s, keymap."
    );
    assert_eq!(said("inherits = \"emcas\""), "keymap.toml:1: There is no keymap emcas. Did you mean emacs?");
}
