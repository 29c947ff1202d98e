//! The pictures this project keeps: every pane and every theme of the console, from the recorded cluster.

use std::time::Duration;

use bramble::console::event::{Event, Told};
use bramble::console::sample;
use bramble::console::state::State;
use bramble::console::theme::Depth;

use crate::palette::{DARK, LIGHT, Palette};
use crate::scene::Scene;

const USUAL: (u16, u16) = (132, 38);
const THEMES: [(&str, Depth, Palette); 6] = [
    ("default", Depth::Sixteen, DARK),
    ("dark", Depth::True, DARK),
    ("light", Depth::True, LIGHT),
    ("high-contrast", Depth::True, DARK),
    ("colour-blind", Depth::True, DARK),
    ("mono", Depth::Mono, DARK),
];

/// Every picture that `cargo xtask screenshots` makes.
pub fn scenes() -> Vec<Scene> {
    let mut scenes = vec![
        scene("home", &pressed(USUAL, 6, "2j<Right>jj")),
        scene("nodes", &pressed(USUAL, 12, "1zjjl")),
        scene("nodes-lines", &pressed(USUAL, 60, "1zjjjjjjsss")),
        scene("nodes-heat", &pressed(USUAL, 900, "1zjjjjjlllllllll")),
        scene("node", &on_node()),
        scene("work", &pressed(USUAL, 6, "2zj<Right>jjj")),
        scene("task", &pressed(USUAL, 6, "2jjjj<Enter>")),
        scene("events", &pressed(USUAL, 6, "3zjj")),
        scene("palette", &pressed(USUAL, 6, ":dra")),
        scene("help", &pressed(USUAL, 6, "?")),
        scene("dialog", &pressed(USUAL, 6, "2x")),
        scene("lost", &lost()),
        scene("first", &first()),
        scene("small", &pressed((80, 24), 6, "2jjj")),
        scene("ascii", &ascii()),
    ];
    scenes.extend(THEMES.map(|(theme, depth, palette)| Scene {
        palette,
        ..scene(&format!("theme-{theme}"), &prepared(sample::fresh(USUAL, theme, depth, false), 6, "2j<Right>jjj"))
    }));
    scenes
}

fn scene(file: &str, state: &State) -> Scene {
    Scene { file: file.to_owned(), title: "bramble", buffer: sample::drawn(state), palette: DARK }
}

fn pressed(size: (u16, u16), workers: u32, keys: &str) -> State {
    prepared(sample::fresh(size, "default", Depth::Sixteen, false), workers, keys)
}

fn prepared(mut state: State, workers: u32, keys: &str) -> State {
    sample::meet(&mut state, sample::picture(workers, 9));
    let effects = sample::press(&mut state, keys);
    sample::answer(&mut state, effects);
    state
}

fn on_node() -> State {
    let mut state = pressed(USUAL, 6, "");
    sample::open_node(&mut state, "pi-2");
    state
}

fn lost() -> State {
    let mut state = pressed(USUAL, 6, "");
    let why = "the manager at unix:///run/bramble/manager.sock went away".to_owned();
    state.update(Event::Told(Told::Lost { why, pause: Duration::from_secs(4) }), sample::now());
    state.settle(sample::now());
    state
}

fn first() -> State {
    let mut state = sample::fresh((100, 28), "default", Depth::Sixteen, false);
    let why = "no manager runs here; start one with `bramble manager`, try `bramble demo`, or name one with --manager";
    state.update(Event::Told(Told::Lost { why: why.into(), pause: Duration::from_secs(1) }), sample::now());
    state.settle(sample::now());
    state
}

fn ascii() -> State {
    prepared(sample::fresh((100, 32), "mono", Depth::Mono, true), 6, "2j")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn no_two_pictures_have_one_name() {
        let mut names: Vec<_> = scenes().into_iter().map(|scene| scene.file).collect();
        let count = names.len();
        names.sort_unstable();
        names.dedup();
        assert_eq!(names.len(), count);
    }
}
