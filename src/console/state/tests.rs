//! Keys go in, screens and effects come out.

use crate::console::sample::{picture, press, screen, state};

#[test]
fn a_screen_of_every_size_can_be_drawn() {
    for (width, height) in [(160, 50), (120, 40), (80, 24), (40, 12), (20, 5), (0, 0), (300, 100)] {
        let mut state = state((width, height), picture(16, 9));
        press(&mut state, "2<Right>j<Enter>");
        screen(&state);
    }
}
