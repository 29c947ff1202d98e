use ratatui::layout::Rect;
use ratatui::style::{Color, Style, Stylize};
use ratatui::text::Line;

use super::*;
use crate::palette::{DARK, LIGHT};

fn buffer(lines: &[Line<'static>]) -> Buffer {
    Buffer::with_lines(lines.iter().cloned())
}

/// The picture without its window: each test looks at what it is about.
fn inside(buffer: &Buffer) -> String {
    let all = svg(buffer, "", &DARK);
    let lines: Vec<&str> = all.lines().skip(7).filter(|line| *line != "</svg>").collect();
    lines.join("\n")
}

#[test]
fn a_small_screen_is_this_text() {
    let screen = buffer(&[Line::from("┌ a <b> ┐"), Line::from(vec!["ok".green().bold(), "  3 °C".into()])]);
    assert_eq!(svg(&screen, "pi-1 & pi-2", &LIGHT), include_str!("small.svg"));
}

#[test]
fn the_same_screen_is_the_same_bytes() {
    let screen = crate::card::buffer();
    let (one, two) = (svg(&screen, "card", &DARK), svg(&screen, "card", &DARK));
    assert_eq!(one, two);
    assert_eq!(crate::png::png(&one, 1.0).unwrap(), crate::png::png(&two, 1.0).unwrap());
    assert_ne!(one, svg(&screen, "card", &LIGHT));
}

#[test]
fn a_wide_character_takes_two_cells_and_what_follows_stands_where_it_should() {
    let text = inside(&buffer(&[Line::from("a\u{65e5}b")]));
    assert_eq!(
        text,
        "<g fill=\"#d5d9e2\">\n<text x=\"12\" y=\"48\">a</text>\n<text x=\"20\" y=\"48\">\u{65e5}</text>\n\
         <text x=\"36\" y=\"48\">b</text>\n</g>"
    );
    let reversed = inside(&buffer(&[Line::from("\u{65e5}".reversed())]));
    assert!(reversed.contains("M12 34h16v18h-16z"), "{reversed}");
}

#[test]
fn reversed_cells_are_ink_on_paper_swapped_and_their_paper_is_one_shape() {
    let text = inside(&buffer(&[Line::from(" pi-2 ".reversed()), Line::from("x".red().reversed())]));
    assert!(text.contains(r##"<path fill="#d5d9e2" d="M12 34h48v18h-48z"/>"##), "{text}");
    assert!(text.contains(r##"<path fill="#ee6d75" d="M12 52h8v18h-8z"/>"##), "{text}");
    assert!(text.contains(r##"<g fill="#14171c">"##), "{text}");
}

#[test]
fn dim_is_closer_to_the_paper_it_is_on() {
    let text = inside(&buffer(&[Line::from(vec!["a".fg(Color::Rgb(255, 255, 255)).bg(Color::Rgb(0, 0, 0)).dim()])]));
    assert!(text.contains(r##"<g fill="#8c8c8c">"##), "{text}");
}

#[test]
fn words_are_one_run_and_columns_are_several() {
    let text = inside(&buffer(&[Line::from("one two   three")]));
    assert!(text.contains(r#"<text x="12" y="48" textLength="56">one two</text>"#), "{text}");
    assert!(text.contains(r#"<text x="92" y="48" textLength="40">three</text>"#), "{text}");
}

#[test]
fn lines_are_drawn_through_and_under() {
    let text = inside(&buffer(&[Line::from("ab".underlined()), Line::from("ab".crossed_out())]));
    assert!(text.contains("M12 49.5h16v1h-16z"), "{text}");
    assert!(text.contains("M12 62h16v1h-16z"), "{text}");
}

#[test]
fn what_is_hidden_is_not_written() {
    assert_eq!(inside(&buffer(&[Line::from("secret".hidden())])), "");
}

#[test]
fn nothing_in_a_cell_can_break_the_file() {
    let mut screen = Buffer::empty(Rect::new(3, 2, 4, 1));
    screen.set_style(screen.area, Style::new().on_blue());
    for (x, symbol) in ["<", "&", "\u{1b}", "e\u{301}"].into_iter().enumerate() {
        screen[(3 + x as u16, 2)].set_symbol(symbol);
    }
    let text = svg(&screen, "<&>", &DARK);
    assert!(crate::png::png(&text, 1.0).is_ok(), "{text}");
    assert!(!text.contains('\u{1b}'), "{text}");
    assert!(svg(&Buffer::empty(Rect::ZERO), "", &DARK).ends_with("</svg>\n"));
}
