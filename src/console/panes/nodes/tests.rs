use crate::console::sample::{picture, press, screen, state};

#[test]
fn look() {
    for (w, h, n) in [
        (120, 40, 16),
        (160, 50, 9),
        (80, 24, 16),
        (80, 24, 5),
        (40, 12, 16),
        (120, 40, 100),
        (120, 40, 500),
        (120, 40, 3000),
    ] {
        let state = state((w, h), picture(n, 9));
        println!("{w}x{h} {n}\n{}", screen(&state));
    }
    let mut state = state((120, 40), picture(5, 9));
    press(&mut state, "l j");
    println!("{}", screen(&state));
}
