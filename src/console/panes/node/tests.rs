use crate::console::sample::{open_node, picture, press, screen, state};

#[test]
fn look() {
    for (w, h) in [(120, 40), (160, 50), (80, 24), (40, 12)] {
        let mut state = state((w, h), picture(3, 9));
        open_node(&mut state, "pi-2");
        println!("{w}x{h}\n{}", screen(&state));
        press(&mut state, "<Tab>");
        if w < 100 {
            println!("{w}x{h}\n{}", screen(&state));
        }
    }
}
