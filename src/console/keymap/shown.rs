//! Keys as hints and help show them: `g g`, `Ctrl-D`, `Shift-Tab`.

use crossterm::event::{KeyCode, KeyModifiers};

use super::{Chord, chord};

pub fn keys(keys: &[Chord]) -> String {
    keys.iter().map(Chord::shown).collect::<Vec<_>>().join(" ")
}

const HELD: [(KeyModifiers, &str); 4] = [
    (KeyModifiers::CONTROL, "Ctrl-"),
    (KeyModifiers::ALT, "Alt-"),
    (KeyModifiers::SHIFT, "Shift-"),
    (KeyModifiers::SUPER, "Super-"),
];

impl Chord {
    pub fn shown(&self) -> String {
        let held = HELD.iter().filter(|(modifier, _)| self.modifiers().contains(*modifier)).map(|(_, word)| *word);
        let key = match self.code() {
            KeyCode::Char('<') => "<".to_owned(),
            KeyCode::Char(letter) if !self.modifiers().is_empty() && letter != ' ' => {
                letter.to_ascii_uppercase().to_string()
            }
            KeyCode::PageUp => "PgUp".to_owned(),
            KeyCode::PageDown => "PgDn".to_owned(),
            KeyCode::Delete => "Del".to_owned(),
            KeyCode::Insert => "Ins".to_owned(),
            other => chord::name(other),
        };
        held.collect::<String>() + &key
    }
}
