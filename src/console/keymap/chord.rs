//! One key with what is held down while it is pressed.

use std::fmt;

use crossterm::event::{KeyCode, KeyEvent, KeyModifiers};

/// Always in its normal form, so that what a file says and what a terminal sends are equal when they mean the same.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
pub struct Chord {
    code: KeyCode,
    modifiers: KeyModifiers,
}

const NAMED: [(&str, KeyCode); 16] = [
    ("Enter", KeyCode::Enter),
    ("Esc", KeyCode::Esc),
    ("Tab", KeyCode::Tab),
    ("Space", KeyCode::Char(' ')),
    ("Backspace", KeyCode::Backspace),
    ("Delete", KeyCode::Delete),
    ("Insert", KeyCode::Insert),
    ("Up", KeyCode::Up),
    ("Down", KeyCode::Down),
    ("Left", KeyCode::Left),
    ("Right", KeyCode::Right),
    ("Home", KeyCode::Home),
    ("End", KeyCode::End),
    ("PageUp", KeyCode::PageUp),
    ("PageDown", KeyCode::PageDown),
    ("Lt", KeyCode::Char('<')),
];

impl Chord {
    pub fn new(code: KeyCode, modifiers: KeyModifiers) -> Self {
        let held = modifiers & (KeyModifiers::CONTROL | KeyModifiers::ALT | KeyModifiers::SHIFT | KeyModifiers::SUPER);
        let (control, shift) = (held.contains(KeyModifiers::CONTROL), held.contains(KeyModifiers::SHIFT));
        let plain = held - KeyModifiers::CONTROL;
        let (code, modifiers) = match code {
            // A terminal sends the same byte for these pairs.
            KeyCode::Char(key) if control => match key.to_ascii_lowercase() {
                'h' => (KeyCode::Backspace, plain),
                'i' => (KeyCode::Tab, plain),
                'm' => (KeyCode::Enter, plain),
                '[' | '3' => (KeyCode::Esc, plain),
                '4' => (KeyCode::Char('\\'), held),
                '5' => (KeyCode::Char(']'), held),
                '6' => (KeyCode::Char('^'), held),
                '7' | '/' => (KeyCode::Char('_'), held),
                '2' | '@' => (KeyCode::Char(' '), held),
                letter => (KeyCode::Char(letter), held),
            },
            KeyCode::Char(letter) if shift => (KeyCode::Char(upper(letter)), held),
            KeyCode::BackTab => (KeyCode::Tab, held | KeyModifiers::SHIFT),
            other => (other, held),
        };
        // The letter says already that it is shifted.
        let modifiers = if let KeyCode::Char(_) = code { modifiers - KeyModifiers::SHIFT } else { modifiers };
        Self { code, modifiers }
    }

    pub fn code(&self) -> KeyCode {
        self.code
    }

    pub fn modifiers(&self) -> KeyModifiers {
        self.modifiers
    }

    /// As files write it: `j`, `G`, `<C-d>`, `<S-Tab>`, `<F1>`. What is wrong is said in one sentence.
    pub fn parse(said: &str) -> Result<Self, String> {
        let mut letters = said.chars();
        if let (Some(letter), None) = (letters.next(), letters.next()) {
            if letter.is_control() || letter == ' ' {
                return Err("A space is written <Space>, and other invisible keys by their names.".to_owned());
            }
            return Ok(Self::new(KeyCode::Char(letter), KeyModifiers::NONE));
        }
        let wrong = || {
            format!(
                "{said:?} is no key; keys are j, G, <Enter>, <C-d>, <S-Tab>, <F1>, and a sequence is a list of them."
            )
        };
        let mut rest = said.strip_prefix('<').and_then(|said| said.strip_suffix('>')).ok_or_else(wrong)?;
        let mut modifiers = KeyModifiers::NONE;
        while let Some((held, after)) = rest.split_once('-').filter(|(_, after)| !after.is_empty()) {
            modifiers |= match held {
                "C" => KeyModifiers::CONTROL,
                "A" => KeyModifiers::ALT,
                "S" => KeyModifiers::SHIFT,
                _ => return Err(wrong()),
            };
            rest = after;
        }
        let code = named(rest).or_else(|| alone(rest).filter(|_| !modifiers.is_empty())).ok_or_else(wrong)?;
        Ok(Self::new(code, modifiers))
    }
}

impl From<KeyEvent> for Chord {
    fn from(event: KeyEvent) -> Self {
        Self::new(event.code, event.modifiers)
    }
}

impl fmt::Display for Chord {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let name = name(self.code);
        if self.modifiers.is_empty() && name.chars().count() == 1 {
            return f.write_str(&name);
        }
        f.write_str("<")?;
        for (modifier, letter) in HELD {
            if self.modifiers.contains(modifier) {
                write!(f, "{letter}-")?;
            }
        }
        write!(f, "{name}>")
    }
}

const HELD: [(KeyModifiers, char); 4] =
    [(KeyModifiers::CONTROL, 'C'), (KeyModifiers::ALT, 'A'), (KeyModifiers::SHIFT, 'S'), (KeyModifiers::SUPER, 'D')];

/// Without `<` and `>`: `Enter`, `F1`, `x`.
pub fn name(code: KeyCode) -> String {
    if let Some((name, _)) = NAMED.iter().find(|(_, named)| *named == code) {
        return (*name).to_owned();
    }
    match code {
        KeyCode::Char(letter) => letter.to_string(),
        KeyCode::F(number) => format!("F{number}"),
        other => format!("{other:?}"),
    }
}

fn named(said: &str) -> Option<KeyCode> {
    let named = NAMED.iter().find(|(name, _)| name.eq_ignore_ascii_case(said)).map(|(_, code)| *code);
    let function = || said.strip_prefix(['F', 'f'])?.parse().ok().filter(|number| (1..=24).contains(number));
    named.or_else(|| function().map(KeyCode::F))
}

fn alone(said: &str) -> Option<KeyCode> {
    let mut letters = said.chars();
    letters.next().filter(|_| letters.next().is_none()).map(KeyCode::Char)
}

fn upper(letter: char) -> char {
    let mut upper = letter.to_uppercase();
    upper.next().filter(|_| upper.next().is_none()).unwrap_or(letter)
}
