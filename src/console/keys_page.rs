//! `docs/keys.md`: the table of actions and the keymaps that come with Bramble, as a page to read.

use std::fmt::Write;

use protocol::api::Right;

use super::actions::{self, Action, Layer, Takes};
use super::keymap::{Binding, Keymap, Source};

const BEGINNING: &str = include_str!("keys_page.md");

/// The whole page. It follows from the table and the keymaps; `cargo xtask docs` writes it.
pub fn keys_page() -> Result<String, super::keymap::KeymapError> {
    let source = Source::default();
    let names = source.names();
    let keymaps: Vec<Keymap> =
        names.iter().map(|name| actions::vocabulary(|words| source.load(name, words))).collect::<Result<_, _>>()?;
    let mut page = BEGINNING.to_owned();
    for layer in Layer::ALL {
        let rows: Vec<&Action> = actions::table().filter(|action| action.layers.contains(&layer)).collect();
        if !rows.is_empty() {
            page += &part(layer, &rows, &keymaps);
        }
    }
    Ok(page)
}

fn part(layer: Layer, rows: &[&Action], keymaps: &[Keymap]) -> String {
    let mut part = format!("\n## {}\n\nIn keymap files: `[{}]`.\n\n", layer.title(), layer.word());
    let names: Vec<&str> = keymaps.iter().map(|keymap| keymap.name.as_str()).collect();
    let _ = writeln!(part, "| action | what it does | {} |", names.join(" | "));
    let _ = writeln!(part, "|---|---|{}", "---|".repeat(names.len()));
    for action in rows {
        let keys: Vec<String> = keymaps.iter().map(|keymap| keys(keymap, layer, action)).collect();
        let _ = writeln!(part, "| {} | {} | {} |", name(action), about(action), keys.join(" | "));
    }
    part
}

fn name(action: &Action) -> String {
    match following(action.takes) {
        "" => format!("`{}`", action.name),
        following => format!("`{}` *{following}*", action.name),
    }
}

/// What may stand after the name.
fn following(takes: Takes) -> &'static str {
    match takes {
        Takes::Nothing => "",
        Takes::Theme => "theme",
        Takes::Keymap => "keymap",
        Takes::Nodes => "nodes",
        Takes::Targets => "jobs or tasks",
        Takes::Column => "column",
        Takes::Filter => "words",
        Takes::Command => "command",
        Takes::Address => "unix://PATH",
    }
}

fn about(action: &Action) -> String {
    let mut about = action.sentence.replace('|', "\\|");
    if action.dangerous {
        about += "; asks first";
    }
    about += match action.needs {
        Right::Viewer => "",
        Right::Operator => " (operators)",
        Right::Admin => " (admins)",
    };
    about
}

fn keys(keymap: &Keymap, layer: Layer, action: &Action) -> String {
    let bound = keymap.of(layer.word()).iter().filter(|binding| binding.action == action.name);
    bound.map(key).collect::<Vec<_>>().join(", ")
}

fn key(binding: &Binding) -> String {
    let code = format!("`{}`", binding.shown().replace('|', "\\|"));
    match binding.args.as_slice() {
        [] => code,
        args => format!("{code} ({})", args.join(" ")),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const FILE: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/docs/keys.md");

    /// With this, as `cargo xtask docs` does it, the page is written instead of compared.
    const WRITE: &str = "BRAMBLE_WRITE_DOCS";

    #[test]
    fn the_page_of_keys_is_up_to_date() {
        let page = keys_page().unwrap();
        if std::env::var_os(WRITE).is_some() {
            std::fs::write(FILE, &page).unwrap();
        }
        let written = std::fs::read_to_string(FILE).unwrap_or_default();
        assert!(written == page, "docs/keys.md is not what the actions and keymaps say; run: cargo xtask docs");
    }

    #[test]
    fn every_key_that_is_bound_is_on_the_page() {
        let page = keys_page().unwrap();
        let source = Source::default();
        for name in source.names() {
            let keymap = actions::vocabulary(|words| source.load(&name, words)).unwrap();
            for binding in Layer::ALL.iter().flat_map(|layer| keymap.of(layer.word())) {
                assert!(page.contains(&key(binding)), "{name}: {binding:?}");
            }
        }
    }

    #[test]
    fn the_example_of_the_page_is_a_keymap() {
        let examples: Vec<&str> =
            BEGINNING.split("```toml\n").skip(1).filter_map(|rest| rest.split("```").next()).collect();
        let [keymap, theme] = examples[..] else { panic!("{examples:?}") };
        let folder = tempfile::tempdir().unwrap();
        std::fs::write(folder.path().join("mine.toml"), keymap).unwrap();
        let source = Source { dir: Some(folder.path().to_owned()) };
        let keymap = actions::vocabulary(|words| source.load("mine", words)).unwrap();
        assert_eq!(keymap.keys_of(&["work", "list", "global"], "stop").as_deref(), Some("Del"));
        std::fs::write(folder.path().join("mine.toml"), theme).unwrap();
        let themes = crate::console::theme::Source { dir: Some(folder.path().to_owned()) };
        themes.load("mine", crate::console::theme::Depth::True, false).unwrap();
    }
}
