//! SVG as PNG, with the fonts of this crate and no others.

use std::collections::BTreeMap;
use std::sync::{Arc, LazyLock};

use anyhow::Context;
use png::{BitDepth, ColorType, Compression, Encoder, Filter};
use resvg::tiny_skia::{ColorU8, Pixmap, Transform};
use resvg::usvg::{Options, Tree, fontdb};

static FONTS: LazyLock<Arc<fontdb::Database>> = LazyLock::new(|| {
    let mut fonts = fontdb::Database::new();
    fonts.load_font_data(include_bytes!("../fonts/JetBrainsMono-Regular.ttf").into());
    fonts.load_font_data(include_bytes!("../fonts/JetBrainsMono-Bold.ttf").into());
    fonts.load_font_data(include_bytes!("../fonts/JetBrainsMono-Italic.ttf").into());
    // Marks that the first has not.
    fonts.load_font_data(include_bytes!("../fonts/DejaVuSansMono.ttf").into());
    fonts.set_monospace_family("JetBrains Mono");
    fonts.set_serif_family("JetBrains Mono");
    Arc::new(fonts)
});

/// Letters are sharp with it on the displays of today.
pub const SCALE: f32 = 2.0;

/// `scale` pixels for each unit of the picture.
pub fn png(svg: &str, scale: f32) -> anyhow::Result<Vec<u8>> {
    let options = Options { fontdb: FONTS.clone(), ..Options::default() };
    let tree = Tree::from_str(svg, &options).context("the SVG cannot be read")?;
    let size = tree.size().to_int_size().scale_by(scale).context("the picture is too large or too small")?;
    let mut pixels = Pixmap::new(size.width(), size.height()).context("the picture is too large")?;
    resvg::render(&tree, Transform::from_scale(scale, scale), &mut pixels.as_mut());
    let colors: Vec<Color> = pixels.pixels().iter().map(|pixel| pixel.demultiply()).map(rgba).collect();
    encoded(&colors, size.width(), size.height()).context("the picture cannot be written as PNG")
}

/// Red, green, blue, and how opaque.
type Color = [u8; 4];

fn rgba(color: ColorU8) -> Color {
    [color.red(), color.green(), color.blue(), color.alpha()]
}

/// One byte a pixel instead of four: half the file.
fn encoded(pixels: &[Color], width: u32, height: u32) -> Result<Vec<u8>, png::EncodingError> {
    let (table, indices) = indexed(pixels);
    let mut out = vec![];
    let mut encoder = Encoder::new(&mut out, width, height);
    encoder.set_color(ColorType::Indexed);
    encoder.set_depth(BitDepth::Eight);
    encoder.set_palette(table.iter().flat_map(|[r, g, b, _]| [*r, *g, *b]).collect::<Vec<_>>());
    encoder.set_trns(table.iter().map(|[.., alpha]| *alpha).collect::<Vec<_>>());
    encoder.set_compression(Compression::High);
    encoder.set_filter(Filter::NoFilter);
    let mut writer = encoder.write_header()?;
    writer.write_image_data(&indices)?;
    writer.finish()?;
    Ok(out)
}

/// The 256 commonest colours, and for each pixel which of them it has or nearly has. A screen has few colours: what
/// is not among them lies on the edge of a letter.
fn indexed(pixels: &[Color]) -> (Vec<Color>, Vec<u8>) {
    let mut counts = BTreeMap::<Color, usize>::new();
    for pixel in pixels {
        *counts.entry(*pixel).or_default() += 1;
    }
    let mut table: Vec<Color> = counts.keys().copied().collect();
    // Stable: colours that are equally common stay in the order of their numbers.
    table.sort_by_key(|color| std::cmp::Reverse(counts[color]));
    table.truncate(256);
    let nearest = |color: &Color| table.iter().enumerate().min_by_key(|(_, other)| distance(color, other));
    let index: BTreeMap<Color, u8> =
        counts.keys().map(|color| (*color, nearest(color).map_or(0, |(at, _)| at as u8))).collect();
    let indices = pixels.iter().map(|pixel| index[pixel]).collect();
    (table, indices)
}

fn distance(a: &Color, b: &Color) -> u32 {
    a.iter().zip(b).map(|(a, b)| u32::from(a.abs_diff(*b)).pow(2)).sum()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn common_colours_stay_and_rare_ones_become_their_neighbours() {
        let rare = (0..=255).map(|n| [n, n, n, 255]);
        let red = [200, 0, 0, 255];
        let pixels: Vec<Color> = std::iter::repeat_n(red, 3).chain(rare).collect();
        let (table, indices) = indexed(&pixels);
        let shown = |at: usize| table[usize::from(indices[at])];
        assert_eq!((table.len(), table[0]), (256, red));
        assert_eq!((shown(0), shown(3)), (red, [0, 0, 0, 255]));
        assert_eq!(shown(3 + 255), [254, 254, 254, 255], "the 257th colour");
    }

    #[test]
    fn letters_come_from_the_fonts_of_this_crate() {
        let picture = |c: char| {
            let text = format!(
                r#"<svg xmlns="http://www.w3.org/2000/svg" width="8" height="18"><text y="14" font-size="13.333" font-family="nobody has this">{c}</text></svg>"#
            );
            png(&text, 1.0).unwrap()
        };
        let empty = picture('\u{a0}');
        for c in ['a', 'Ł', '°', '…', '✓', '✗', '▶', '→', '⏎', '★'] {
            assert_ne!(picture(c), empty, "{c}");
        }
    }

    #[test]
    fn what_is_no_svg_is_refused() {
        assert!(png("<html>", 1.0).is_err());
    }
}
