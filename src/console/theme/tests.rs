use std::collections::{BTreeSet, HashSet};
use std::fs;

use ratatui::buffer::{Cell, CellWidth};
use ratatui::style::{Color, Modifier, Style};
use tempfile::TempDir;

use super::contrast::{contrast, distance_without_green};
use super::*;

const DEPTHS: [Depth; 4] = [Depth::Mono, Depth::Sixteen, Depth::Indexed, Depth::True];
const NODE_STATES: [&str; 5] = ["up", "reachable", "down", "draining", "joining"];
const TASK_STATES: [&str; 7] = ["queued", "starting", "running", "succeeded", "failed", "stopped", "lost"];

fn embedded() -> Vec<String> {
    Source::default().names()
}

fn load(name: &str, depth: Depth) -> Theme {
    Source::default().load(name, depth, false).unwrap_or_else(|error| panic!("{error}"))
}

fn all(styles: &Styles) -> Vec<(String, Style)> {
    let named = Styles::NAMES.iter().map(|name| ((*name).to_owned(), styles.get(name).unwrap()));
    named.chain(styles.heat.iter().enumerate().map(|(step, style)| (format!("heat {step}"), *style))).collect()
}

#[test]
fn every_theme_shows_no_more_than_the_terminal_can() {
    for name in embedded() {
        for depth in DEPTHS {
            for (style_name, style) in all(&load(&name, depth).styles) {
                for color in [style.fg, style.bg].into_iter().flatten() {
                    let needs = match color {
                        Color::Reset => Depth::Mono,
                        Color::Rgb(..) => Depth::True,
                        Color::Indexed(_) => Depth::Indexed,
                        _ => Depth::Sixteen,
                    };
                    assert!(needs <= depth, "{name}, {style_name}: {color} on a terminal of {depth:?}");
                }
            }
        }
    }
}

#[test]
fn without_colours_every_state_is_still_told_from_the_others() {
    for name in embedded() {
        let theme = load(&name, Depth::Mono);
        for states in [&NODE_STATES[..], &TASK_STATES[..]] {
            let looks: HashSet<_> = states.iter().map(|state| theme.styles.get(state).unwrap().add_modifier).collect();
            assert_eq!(looks.len(), states.len(), "{name}: {looks:?}");
        }
        assert!(theme.styles.selection.add_modifier.contains(Modifier::REVERSED), "{name}");
    }
}

#[test]
fn the_default_theme_leaves_the_background_to_the_terminal() {
    let theme = load("default", Depth::True);
    for (name, style) in all(&theme.styles) {
        assert!(matches!(style.bg, None | Some(Color::Reset)), "{name}: {style:?}");
        assert!(!matches!(style.fg, Some(Color::Rgb(..) | Color::Indexed(_))), "{name}: {style:?}");
    }
    assert_eq!(theme.styles.selection, Style::new().add_modifier(Modifier::REVERSED));
}

#[test]
fn letters_stand_out_from_what_is_behind_them() {
    // Drawn, not written: three to one is enough for what is not read.
    let drawn = |name: &str| {
        let prefixes = ["border", "bar", "graph", "spark", "heat"];
        prefixes.iter().any(|prefix| name.starts_with(prefix))
    };
    let mut wrong = vec![];
    for (theme, least) in [("dark", 4.5), ("light", 4.5), ("high-contrast", 7.0), ("colour-blind", 4.5)] {
        let styles = load(theme, Depth::True).styles;
        for (name, style) in all(&styles) {
            let seen = styles.text.patch(style);
            let got = contrast(seen.fg.unwrap(), seen.bg.unwrap()).unwrap_or_else(|| panic!("{theme}: {name}"));
            if got < if drawn(&name) { 3.0 } else { least } {
                wrong.push(format!("{theme}: {name} has {got:.1}"));
            }
        }
    }
    assert!(wrong.is_empty(), "{wrong:#?}");
}

#[test]
fn states_are_read_on_the_selected_row_too() {
    let mut wrong = vec![];
    for theme in ["dark", "light", "high-contrast", "colour-blind"] {
        let styles = load(theme, Depth::True).styles;
        for selection in [styles.selection, styles.selection_idle] {
            for state in NODE_STATES.iter().chain(&TASK_STATES) {
                // A row is drawn in its own colours, and the selection is laid over it.
                let seen = styles.text.patch(styles.get(state).unwrap()).patch(selection);
                let got = contrast(seen.fg.unwrap(), seen.bg.unwrap()).unwrap();
                if got < 4.5 {
                    wrong.push(format!("{theme}: {state} has {got:.1}"));
                }
            }
        }
    }
    assert!(wrong.is_empty(), "{wrong:#?}");
}

#[test]
fn states_differ_for_eyes_that_do_not_tell_red_from_green() {
    let styles = load("colour-blind", Depth::True).styles;
    let mut wrong = vec![];
    for states in [&NODE_STATES[..], &TASK_STATES[..]] {
        for (index, one) in states.iter().enumerate() {
            for other in &states[..index] {
                let (a, b) = (styles.get(one).unwrap(), styles.get(other).unwrap());
                let far = distance_without_green(a.fg.unwrap(), b.fg.unwrap()).unwrap();
                if far < 12.0 {
                    wrong.push(format!("{one} and {other} are {far:.1} apart"));
                }
            }
        }
    }
    let steps: Vec<Color> = styles.heat.iter().map(|style| style.fg.unwrap()).collect();
    for pair in steps.windows(2) {
        let far = distance_without_green(pair[0], pair[1]).unwrap();
        if far < 6.0 {
            wrong.push(format!("heat {pair:?} are {far:.1} apart"));
        }
    }
    assert!(wrong.is_empty(), "{wrong:#?}");
}

#[test]
fn a_theme_without_inherits_names_every_style() {
    for file in ["default", "mono"] {
        let text = fs::read_to_string(format!("{}/themes/{file}.toml", env!("CARGO_MANIFEST_DIR"))).unwrap();
        let table: toml::Table = text.parse().unwrap();
        let named: BTreeSet<&str> = table["styles"].as_table().unwrap().keys().map(String::as_str).collect();
        let wanted: BTreeSet<&str> = Styles::NAMES.iter().copied().chain(["heat"]).collect();
        assert_eq!(named, wanted, "{file}");
    }
}

#[test]
fn every_glyph_is_one_cell_wide() {
    for (glyphs, ascii) in [(Glyphs::UNICODE, false), (Glyphs::ASCII, true)] {
        for glyph in glyphs.all() {
            let mut cell = Cell::EMPTY;
            cell.set_symbol(glyph);
            assert_eq!(cell.cell_width(), 1, "{glyph}");
            assert!(!ascii || glyph.is_ascii(), "{glyph}");
        }
    }
}

#[test]
fn states_have_glyphs_of_their_own() {
    for glyphs in [Glyphs::UNICODE, Glyphs::ASCII] {
        let nodes = [glyphs.up, glyphs.reachable, glyphs.down, glyphs.draining, glyphs.joining];
        let tasks = [
            glyphs.queued,
            glyphs.starting,
            glyphs.running,
            glyphs.succeeded,
            glyphs.failed,
            glyphs.stopped,
            glyphs.lost,
        ];
        assert_eq!(nodes.iter().collect::<BTreeSet<_>>().len(), nodes.len());
        assert_eq!(tasks.iter().collect::<BTreeSet<_>>().len(), tasks.len());
    }
}

fn detect(choice: ColorChoice, env: &[(&str, &str)]) -> Depth {
    let found = |name: &str| env.iter().find(|(key, _)| *key == name).map(|(_, value)| (*value).to_owned());
    Depth::detect(choice, &found)
}

#[test]
fn the_flag_goes_before_no_color_before_the_configuration_before_the_terminal() {
    let rich = [("COLORTERM", "truecolor"), ("TERM", "xterm-256color")];
    let plain = [("NO_COLOR", "1"), ("COLORTERM", "truecolor"), ("TERM", "xterm-256color")];
    assert_eq!(detect(ColorChoice::Auto, &rich), Depth::True);
    assert_eq!(detect(ColorChoice::Never, &rich), Depth::Mono);
    assert_eq!(detect(ColorChoice::Auto, &plain), Depth::Mono);
    assert_eq!(detect(ColorChoice::Always, &plain), Depth::True);
    assert_eq!(detect(ColorChoice::Configured(Depth::Sixteen), &rich), Depth::Sixteen);
    assert_eq!(detect(ColorChoice::Configured(Depth::True), &plain), Depth::Mono);
    assert_eq!(detect(ColorChoice::Always, &[]), Depth::Sixteen);
    assert_eq!(detect(ColorChoice::Auto, &[("NO_COLOR", ""), ("TERM", "xterm")]), Depth::Sixteen);
}

#[test]
fn term_alone_tells_what_the_terminal_shows() {
    let of = |term: &str| detect(ColorChoice::Auto, &[("TERM", term)]);
    for (term, depth) in [
        ("xterm-256color", Depth::Indexed),
        ("screen-256color", Depth::Indexed),
        ("tmux-256color", Depth::Indexed),
        ("xterm-kitty", Depth::True),
        ("alacritty", Depth::True),
        ("foot", Depth::True),
        ("xterm-ghostty", Depth::True),
        ("xterm-direct", Depth::True),
        ("linux", Depth::Sixteen),
        ("xterm", Depth::Sixteen),
        ("dumb", Depth::Mono),
    ] {
        assert_eq!(of(term), depth, "{term}");
    }
    assert_eq!(detect(ColorChoice::Auto, &[]), Depth::Mono);
    assert_eq!(detect(ColorChoice::Auto, &[("CI", "true"), ("TERM", "xterm-256color")]), Depth::Indexed);
}

#[test]
fn the_locale_tells_whether_signs_beyond_ascii_are_shown() {
    let utf8 = |env: &[(&str, &str)]| {
        locale_is_utf8(&|name: &str| env.iter().find(|(key, _)| *key == name).map(|(_, value)| (*value).to_owned()))
    };
    assert!(utf8(&[("LANG", "de_DE.UTF-8")]));
    assert!(utf8(&[("LANG", "C"), ("LC_CTYPE", "C.utf8")]));
    assert!(utf8(&[("LC_ALL", ""), ("LANG", "en_GB.UTF-8")]));
    assert!(!utf8(&[("LC_ALL", "C"), ("LANG", "en_GB.UTF-8")]));
    assert!(!utf8(&[("LANG", "POSIX")]));
    assert!(!utf8(&[]));
}

fn own(files: &[(&str, &str)]) -> (TempDir, Source) {
    let dir = TempDir::new().unwrap();
    for (name, text) in files {
        fs::write(dir.path().join(format!("{name}.toml")), text).unwrap();
    }
    let source = Source { dir: Some(dir.path().to_owned()) };
    (dir, source)
}

#[test]
fn a_person_changes_a_built_in_theme_under_its_own_name() {
    let (_dir, source) =
        own(&[("dark", "inherits = \"dark\"\n[palette]\nleaf = \"#00ff00\"\n[styles]\nup = \"leaf\"")]);
    let (theirs, ours) = (source.load("dark", Depth::True, false).unwrap(), load("dark", Depth::True));
    assert_eq!(theirs.styles.up.fg, Some(Color::Rgb(0, 255, 0)));
    assert_eq!(theirs.styles.down, ours.styles.down);
    assert_eq!(source.names(), embedded());
}

#[test]
fn a_persons_theme_needs_only_what_it_changes() {
    let (_dir, source) = own(&[("mine", "[styles]\nup = { fg = 42, bold = true }")]);
    let theme = source.load("mine", Depth::Indexed, true).unwrap();
    assert_eq!(theme.styles.up, Style::new().fg(Color::Indexed(42)).add_modifier(Modifier::BOLD));
    assert_eq!(theme.styles.down, load("default", Depth::Indexed).styles.down);
    assert_eq!(source.names().last().unwrap(), "mine");
    assert_eq!(theme.glyphs.up, Glyphs::ASCII.up);
}

/// What loading this as the theme `mine` says, without the folder.
fn said(text: &str) -> String {
    let (dir, source) = own(&[("mine", text), ("other", "inherits = \"mine\"")]);
    let error = source.load("mine", Depth::True, false).unwrap_err().to_string();
    error.replace(&format!("{}/", dir.path().display()), "").replace(&dir.path().display().to_string(), "DIR")
}

#[test]
fn what_is_wrong_in_a_theme_is_said_with_its_line() {
    assert_eq!(
        said("[styles]\nup = \"green\"\nbar-warm = \"red\""),
        "mine.toml:3: There is no style bar-warm. Did you mean bar-warn?"
    );
    assert_eq!(
        said("\n[styles]\nup = \"gren\""),
        "mine.toml:3: There is no colour gren; a colour is a name of the palette, one of the terminal's (red, \
         bright-red, default, ...), a number up to 255, or #rrggbb. Did you mean green?"
    );
    assert_eq!(
        said("[palette]\nleaf = \"#12345\""),
        "mine.toml:2: There is no colour #12345; a colour is a name of the palette, one of the terminal's (red, \
         bright-red, default, ...), a number up to 255, or #rrggbb."
    );
    assert_eq!(
        said("[styles]\nup = { fg = 300 }"),
        "mine.toml:2: There is no colour 300; a colour is a name of the palette, one of the terminal's (red, \
         bright-red, default, ...), a number up to 255, or #rrggbb."
    );
    assert_eq!(
        said("[styles]\nup = { color = \"red\" }"),
        "mine.toml:2: color is no part of a style; there are fg, bg, bold, dim, italic, underline, reversed and crossed."
    );
    assert_eq!(said("[styles]\nup = { bold = 1 }"), "mine.toml:2: bold is true or false.");
    assert_eq!(said("[styles]\nheat = [\"red\"]"), "mine.toml:2: heat is a list of 7 styles, from cold to hot.");
    assert_eq!(
        said("[colors]"),
        "mine.toml:1: colors is no part of a theme; a theme has inherits, [palette] and [styles]."
    );
    assert_eq!(said("[styles"), "mine.toml:1: This is not TOML: unclosed table, expected `]`.");
    assert_eq!(
        said("# Mine\ninherits = \"other\""),
        "other.toml:1: A theme may not inherit in a circle: mine inherits other inherits mine."
    );
    assert_eq!(said("inherits = \"drak\""), "mine.toml:1: There is no theme drak. Did you mean dark?");
    assert_eq!(said("inherits = 1"), "mine.toml:1: inherits is a text in quotes.");
}

#[test]
fn an_unknown_theme_is_told_with_those_there_are() {
    let error = Source::default().load("zzz", Depth::True, false).unwrap_err().to_string();
    let there_are = "There are default, dark, light, high-contrast, colour-blind, mono.";
    assert_eq!(error, format!("themes: There is no theme zzz. {there_are}"));
}
