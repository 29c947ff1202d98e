//! What is done to nodes, from the grid and from a node's own page. The events have no keys but those of every list.

use bramble::console::actions::Layer::{self, Node, Nodes};

use super::Walk;
use crate::common::screen::Terminal;
use crate::common::{Demo, folder, until};
use crate::desk::console;

pub const LAYERS: &[Layer] = &[Nodes, Node];

#[test]
fn every_key_of_nodes_and_of_a_nodes_page() {
    let (here, home) = (folder(), folder());
    let demo = Demo::start(here.path(), &["--nodes", "3"]);
    let terminal = Terminal::sized(console(home.path(), &demo.socket(), &[]), 130, 40);
    terminal.until_shows("● 3 up");
    let mut walk = Walk::through(LAYERS, terminal);

    walk.shows(Nodes, "view", "name↓");
    walk.shows(Nodes, "add-node", "worker-agent run --manager");
    walk.terminal.keys("<enter>");
    walk.terminal.until_gone("worker-agent run --manager");
    for (layer, name) in [(Nodes, "pi-1"), (Node, "pi-2")] {
        let draining = || demo.json(&["node", name, "--json"])["draining"] == true;
        walk.terminal.keys(&format!("1/{name}<enter>"));
        walk.terminal.until_shows(&format!("nodes 1 /{name}"));
        if layer == Node {
            walk.terminal.keys("<enter>");
            walk.terminal.until_shows("last hour");
            walk.hides(Node, "span", "last hour");
            walk.shows(Node, "span", "last hour");
            sections(&mut walk);
        }
        walk.shows(layer, "drain", "takes no new tasks");
        assert!(draining());
        walk.shows(layer, "undrain", "takes tasks again");
        assert!(!draining());
        walk.shows(layer, "reboot", &format!("Reboot {name}?"));
        walk.terminal.keys("<tab><enter>");
        walk.terminal.until_shows(&format!("{name} refused reboot"));
        walk.shows(layer, "revoke", &format!("Revoke the key of {name}?"));
        walk.terminal.keys("<tab><enter>");
        walk.terminal.until_shows(&format!("the key of {name} is turned away"));
        until("the manager has done so", || (demo.json(&["node", name, "--json"])["state"] != "up").then_some(()));
        walk.shows(layer, "remove", &format!("Remove {name}?"));
        walk.terminal.keys("<tab><enter>");
        walk.terminal.until_shows(&format!("{name} forgotten"));
        assert!(!demo.verb(&["node", name, "--json"]).status.success());
        walk.terminal.keys("1<esc>");
        walk.terminal.until_gone(&format!("{name} forgotten"));
        walk.terminal.keys("/<c-u><enter>");
        walk.terminal.until_gone(&format!("/{name}"));
    }
    walk.ends_with("Q");
}

/// Each part of the page is lit in its turn: the frame of the one with the keys is drawn otherwise.
fn sections(walk: &mut Walk) {
    let framed = |screen: &vt100::Screen| {
        let rows: Vec<String> = screen.rows(0, 130).collect();
        let lit = |title: &str| {
            let (y, x) = rows.iter().enumerate().find_map(|(y, row)| {
                let at = row.find(title)?;
                Some((y, row[..at].chars().count()))
            })?;
            let cell = screen.cell(y as u16, x as u16)?;
            Some((cell.bold(), cell.fgcolor()))
        };
        ["last hour", "╭ tasks", "╭ events"].map(lit)
    };
    let before = walk.terminal.with(framed);
    walk.press(Node, "section");
    walk.terminal.until("another part lit", |screen| framed(screen) != before);
    walk.press(Node, "previous-section");
    walk.terminal.until("the same part lit again", |screen| framed(screen) == before);
}
