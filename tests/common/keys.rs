//! What a terminal sends for the keys a person presses, written as keymaps write them.

/// `"dd<enter>"`: characters are themselves, special keys stand in angle brackets, `<lt>` is `<`. `<c-…>`, `<a-…>`
/// and `<s-…>` are Ctrl, Alt and Shift.
pub fn sent(keys: &str) -> Vec<u8> {
    let mut bytes = vec![];
    let mut rest = keys;
    while let Some(c) = rest.chars().next() {
        let named = rest.strip_prefix('<').and_then(|after| after.split_once('>'));
        rest = match named {
            Some((name, after)) => {
                let key = key(name).unwrap_or_else(|| panic!("no terminal has a key <{name}>"));
                bytes.extend(key);
                after
            }
            None => {
                bytes.extend(c.to_string().into_bytes());
                &rest[c.len_utf8()..]
            }
        };
    }
    bytes
}

fn key(name: &str) -> Option<Vec<u8>> {
    let simple: &[u8] = match name {
        "enter" => b"\r",
        "esc" => b"\x1b",
        "tab" => b"\t",
        "s-tab" => b"\x1b[Z",
        "backspace" => b"\x7f",
        "space" => b" ",
        "lt" => b"<",
        _ => b"",
    };
    if !simple.is_empty() {
        return Some(simple.into());
    }
    match name.split_once('-') {
        Some(("a", key)) if !key.is_empty() => Some([b"\x1b".as_slice(), &one_or_named(key)?].concat()),
        Some(("c", key)) if key.len() == 1 => Some(vec![key.to_ascii_uppercase().as_bytes()[0] & 0x1f]),
        Some(("c", key)) => moved(key, Some(5)),
        Some(("s", key)) => moved(key, Some(2)),
        _ => moved(name, None),
    }
}

fn one_or_named(name: &str) -> Option<Vec<u8>> {
    if name.chars().count() == 1 { Some(name.into()) } else { key(name) }
}

/// Keys that are sent as a sequence, with xterm's number for what is held down beside them.
fn moved(name: &str, held: Option<u8>) -> Option<Vec<u8>> {
    let letter = match name {
        "up" => 'A',
        "down" => 'B',
        "right" => 'C',
        "left" => 'D',
        "end" => 'F',
        "home" => 'H',
        "f1" | "f2" | "f3" | "f4" => char::from(name.as_bytes()[1] - b'1' + b'P'),
        _ => return numbered(name, held),
    };
    Some(match held {
        Some(held) => format!("\x1b[1;{held}{letter}").into_bytes(),
        None if ('P'..='S').contains(&letter) => format!("\x1bO{letter}").into_bytes(),
        None => format!("\x1b[{letter}").into_bytes(),
    })
}

fn numbered(name: &str, held: Option<u8>) -> Option<Vec<u8>> {
    let number = match name {
        "insert" => 2,
        "delete" => 3,
        "page-up" => 5,
        "page-down" => 6,
        "f5" => 15,
        "f6" => 17,
        "f7" => 18,
        "f8" => 19,
        "f9" => 20,
        "f10" => 21,
        "f11" => 23,
        "f12" => 24,
        _ => return None,
    };
    Some(match held {
        Some(held) => format!("\x1b[{number};{held}~").into_bytes(),
        None => format!("\x1b[{number}~").into_bytes(),
    })
}
