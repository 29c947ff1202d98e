//! Reads the paths that a Rust source names: `a::b::{c, d::e}` is `a::b::c` and `a::b::d::e`. Comments and texts
//! are skipped. No parser of Rust: it need not understand, only find every path.

/// A path, and how many modules inside its file it stands in: `mod tests { … }` is one.
#[derive(Debug, PartialEq)]
pub struct Named {
    pub path: Vec<String>,
    pub depth: usize,
}

/// Every path in a source, single names included.
pub fn paths_in(source: &str) -> Vec<Named> {
    let tokens = tokens(source);
    let mut named = vec![];
    // Of every open brace, whether it is that of a module.
    let mut braces: Vec<bool> = vec![];
    let mut at = 0;
    while at < tokens.len() {
        match &tokens[at] {
            Token::Name(_) => {
                let mut paths = vec![];
                at = path(&tokens, at, &[], &mut paths);
                let depth = braces.iter().filter(|is_module| **is_module).count();
                named.extend(paths.into_iter().map(|path| Named { path, depth }));
                continue;
            }
            Token::Open => {
                braces.push(matches!(&tokens[..at], [.., Token::Name(word), Token::Name(_)] if word == "mod"))
            }
            Token::Close => drop(braces.pop()),
            _ => {}
        }
        at += 1;
    }
    named
}

#[derive(Debug, Clone, PartialEq)]
enum Token {
    Name(String),
    /// `::`
    In,
    Open,
    Close,
    Other(char),
}

/// Reads one path that starts here, with all its branches; returns where it ends.
fn path(tokens: &[Token], mut at: usize, before: &[String], paths: &mut Vec<Vec<String>>) -> usize {
    let mut whole = before.to_vec();
    while let Some(Token::Name(name)) = tokens.get(at) {
        whole.push(name.clone());
        at += 1;
        match (tokens.get(at), tokens.get(at + 1)) {
            (Some(Token::In), Some(Token::Name(_))) => at += 1,
            (Some(Token::In), Some(Token::Open)) => return branches(tokens, at + 2, &whole, paths),
            _ => break,
        }
    }
    paths.push(whole);
    at
}

fn branches(tokens: &[Token], mut at: usize, before: &[String], paths: &mut Vec<Vec<String>>) -> usize {
    while let Some(token) = tokens.get(at) {
        match token {
            Token::Close => return at + 1,
            // `as NAME`: how it is called here, not a path.
            Token::Name(word) if word == "as" => at += 2,
            Token::Name(_) => at = path(tokens, at, before, paths),
            _ => at += 1,
        }
    }
    at
}

fn tokens(source: &str) -> Vec<Token> {
    let mut tokens = vec![];
    let mut rest = source;
    while let Some(c) = rest.chars().next() {
        if c.is_alphabetic() || c == '_' {
            let end = rest.find(|c: char| !c.is_alphanumeric() && c != '_').unwrap_or(rest.len());
            let (name, after) = rest.split_at(end);
            // r"…", br#"…"#: the letters belong to the text.
            let hashes = after.len() - after.trim_start_matches('#').len();
            if matches!(name, "r" | "br" | "cr") && after[hashes..].starts_with('"') {
                let end = format!("\"{}", "#".repeat(hashes));
                let text = &after[hashes + 1..];
                rest = text.find(&end).map_or("", |found| &text[found + end.len()..]);
                continue;
            }
            tokens.push(Token::Name(name.to_owned()));
            rest = after;
            continue;
        }
        rest = match c {
            '/' if rest.starts_with("//") => rest.find('\n').map_or("", |end| &rest[end..]),
            '/' if rest.starts_with("/*") => after_comment(rest),
            '"' => after_text(&rest[1..]),
            '\'' => after_quote(&rest[1..]),
            ':' if rest.starts_with("::") => {
                tokens.push(Token::In);
                &rest[2..]
            }
            _ => {
                match c {
                    '{' => tokens.push(Token::Open),
                    '}' => tokens.push(Token::Close),
                    c if c.is_whitespace() => {}
                    c => tokens.push(Token::Other(c)),
                }
                &rest[c.len_utf8()..]
            }
        };
    }
    tokens
}

fn after_comment(mut rest: &str) -> &str {
    let mut depth = 0;
    loop {
        match (rest.starts_with("/*"), rest.starts_with("*/")) {
            (true, _) => depth += 1,
            (_, true) => depth -= 1,
            _ => {
                let Some(c) = rest.chars().next() else { return "" };
                rest = &rest[c.len_utf8()..];
                continue;
            }
        }
        rest = &rest[2..];
        if depth == 0 {
            return rest;
        }
    }
}

fn after_text(text: &str) -> &str {
    let mut escaped = false;
    for (at, c) in text.char_indices() {
        match c {
            _ if escaped => escaped = false,
            '\\' => escaped = true,
            '"' => return &text[at + 1..],
            _ => {}
        }
    }
    ""
}

/// After a `'`: past a character such as `'{'`, or on at the name of a lifetime.
fn after_quote(rest: &str) -> &str {
    let mut chars = rest.char_indices();
    match chars.next() {
        Some((_, '\\')) => {
            // The escaped character may itself be a quote.
            chars.next();
            let after = chars.as_str();
            after.find('\'').map_or("", |end| &after[end + 1..])
        }
        Some(_) => match chars.next() {
            Some((at, '\'')) => &rest[at + 1..],
            _ => rest,
        },
        None => rest,
    }
}

#[test]
fn every_branch_of_a_use_is_a_path() {
    let joined = |source| paths_in(source).iter().map(|named| named.path.join("::")).collect::<Vec<_>>();
    assert_eq!(joined("use a::{b, c::{d, e as f}, g};"), ["use", "a::b", "a::c::d", "a::c::e", "a::g"]);
    assert_eq!(joined("let x = a::b::<C>::d(e);"), ["let", "x", "a::b", "C", "d", "e"]);
}

#[test]
fn texts_comments_and_quotes_hide_nothing_and_reveal_nothing() {
    let source = r##"
        // one::two
        /* three /* four */ five */
        let a = "six \" seven"; let b = r#"eight " nine"#; let c = '"'; let d = '\''; let e = '{';
        fn ten<'eleven>(x: &'eleven str) {}
    "##;
    let names: Vec<String> = paths_in(source).into_iter().flat_map(|named| named.path).collect();
    for hidden in ["one", "three", "five", "six", "seven", "eight", "nine"] {
        assert!(!names.iter().any(|name| name == hidden), "{hidden}: {names:?}");
    }
    assert!(names.iter().any(|name| name == "ten") && names.iter().any(|name| name == "str"));
}

#[test]
fn a_module_inside_a_file_is_counted_and_a_function_is_not() {
    let depths: Vec<usize> = paths_in("a; mod b { fn c() { if d { e } } mod f { g } } h")
        .into_iter()
        .filter(|named| matches!(named.path[0].as_str(), "a" | "d" | "e" | "g" | "h"))
        .map(|named| named.depth)
        .collect();
    assert_eq!(depths, [0, 1, 1, 2, 0]);
}
