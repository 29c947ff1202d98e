//! How well eyes tell colours apart, for the tests of the built-in themes.

use ratatui::style::Color;

/// As WCAG 2 counts it: 1 for the same colour, 21 for black on white. `None`: the terminal chooses one of them.
pub fn contrast(one: Color, other: Color) -> Option<f64> {
    let (one, other) = (luminance(linear(one)?), luminance(linear(other)?));
    Some((one.max(other) + 0.05) / (one.min(other) + 0.05))
}

/// The distance of both colours for somebody without green cones, in CIE Lab: about 2 is just seen.
pub fn distance_without_green(one: Color, other: Color) -> Option<f64> {
    let lab = |color| Some(lab(without_green(linear(color)?)));
    let (one, other): ([f64; 3], [f64; 3]) = (lab(one)?, lab(other)?);
    Some(one.iter().zip(other).map(|(one, other)| (one - other).powi(2)).sum::<f64>().sqrt())
}

fn linear(color: Color) -> Option<[f64; 3]> {
    let Color::Rgb(red, green, blue) = color else { return None };
    Some([red, green, blue].map(|part| {
        let part = f64::from(part) / 255.0;
        if part <= 0.04045 { part / 12.92 } else { ((part + 0.055) / 1.055).powf(2.4) }
    }))
}

fn luminance([red, green, blue]: [f64; 3]) -> f64 {
    0.2126 * red + 0.7152 * green + 0.0722 * blue
}

/// Machado, Oliveira and Fernandes 2009: deuteranopia.
fn without_green(color: [f64; 3]) -> [f64; 3] {
    const SEEN: [[f64; 3]; 3] =
        [[0.367322, 0.860646, -0.227968], [0.280085, 0.672501, 0.047413], [-0.011820, 0.042940, 0.968881]];
    times(SEEN, color).map(|part| part.clamp(0.0, 1.0))
}

fn lab(color: [f64; 3]) -> [f64; 3] {
    const TO_XYZ: [[f64; 3]; 3] =
        [[0.412456, 0.357576, 0.180438], [0.212673, 0.715152, 0.072175], [0.019334, 0.119192, 0.950304]];
    const WHITE: [f64; 3] = [0.95047, 1.0, 1.08883];
    let xyz = times(TO_XYZ, color);
    let [x, y, z] = [0, 1, 2].map(|part| {
        let part = xyz[part] / WHITE[part];
        if part > 0.008856 { part.cbrt() } else { 7.787 * part + 16.0 / 116.0 }
    });
    [116.0 * y - 16.0, 500.0 * (x - y), 200.0 * (y - z)]
}

fn times(matrix: [[f64; 3]; 3], vector: [f64; 3]) -> [f64; 3] {
    matrix.map(|row| row.iter().zip(vector).map(|(one, other)| one * other).sum())
}
