//! A theme's file becomes styles.

use std::collections::BTreeMap;

use ratatui::style::{Color, Modifier, Style};
use toml::Spanned;
use toml::de::{DeTable, DeValue};

use super::styles::HEAT_STEPS;
use super::{Styles, ThemeError, color};
use crate::document::{Document, did_you_mean, rows};

/// The names a theme may use for its colours, those it inherits included.
pub type Palette = BTreeMap<String, Color>;

const FLAGS: [(&str, Modifier); 6] = [
    ("bold", Modifier::BOLD),
    ("dim", Modifier::DIM),
    ("italic", Modifier::ITALIC),
    ("underline", Modifier::UNDERLINED),
    ("reversed", Modifier::REVERSED),
    ("crossed", Modifier::CROSSED_OUT),
];

/// Lays what this file says over what it inherits.
pub fn lay(
    document: &Document,
    table: &DeTable<'_>,
    palette: &mut Palette,
    styles: &mut Styles,
) -> Result<(), ThemeError> {
    for (key, value) in rows(table) {
        match key.get_ref().as_ref() {
            "inherits" => {}
            "palette" => {
                for (name, value) in rows(document.inner("palette", value)?) {
                    let color = read_color(document, value, palette)?;
                    palette.insert(name.get_ref().to_string(), color);
                }
            }
            // Read below: a palette may be written after the styles that use it.
            "styles" => drop(document.inner("styles", value)?),
            other => {
                let said = format!("{other} is no part of a theme; a theme has inherits, [palette] and [styles].");
                return Err(document.mistake(&key.span(), said));
            }
        }
    }
    let Some(table) = table.get("styles") else { return Ok(()) };
    for (key, value) in rows(document.inner("styles", table)?) {
        let name = key.get_ref().as_ref();
        if name == "heat" {
            styles.heat = read_heat(document, value, palette)?;
            continue;
        }
        let Some(style) = styles.get_mut(name) else {
            let near = did_you_mean(name, Styles::NAMES.iter().copied().chain(["heat"]));
            let near = if near.is_empty() { format!(" There are {}.", all_names()) } else { near };
            return Err(document.mistake(&key.span(), format!("There is no style {name}.{near}")));
        };
        *style = read_style(document, value, palette)?;
    }
    Ok(())
}

fn all_names() -> String {
    format!("{} and heat", Styles::NAMES.join(", "))
}

fn read_heat(
    document: &Document,
    value: &Spanned<DeValue<'_>>,
    palette: &Palette,
) -> Result<[Style; HEAT_STEPS], ThemeError> {
    let wrong = || document.mistake(&value.span(), format!("heat is a list of {HEAT_STEPS} styles, from cold to hot."));
    let steps = value.get_ref().as_array().ok_or_else(wrong)?;
    let steps: Vec<Style> = steps.iter().map(|step| read_style(document, step, palette)).collect::<Result<_, _>>()?;
    steps.try_into().map_err(|_| wrong())
}

fn read_style(document: &Document, value: &Spanned<DeValue<'_>>, palette: &Palette) -> Result<Style, ThemeError> {
    let Some(table) = value.get_ref().as_table() else {
        return Ok(Style::new().fg(read_color(document, value, palette)?));
    };
    let mut style = Style::new();
    for (key, value) in rows(table) {
        let name = key.get_ref().as_ref();
        match name {
            "fg" => style = style.fg(read_color(document, value, palette)?),
            "bg" => style = style.bg(read_color(document, value, palette)?),
            _ => {
                let Some((_, modifier)) = FLAGS.iter().find(|(flag, _)| *flag == name) else {
                    let said = format!(
                        "{name} is no part of a style; there are fg, bg, bold, dim, italic, underline, reversed and crossed."
                    );
                    return Err(document.mistake(&key.span(), said));
                };
                style = match value.get_ref().as_bool() {
                    Some(true) => style.add_modifier(*modifier),
                    Some(false) => style.remove_modifier(*modifier),
                    None => return Err(document.mistake(&value.span(), format!("{name} is true or false."))),
                };
            }
        }
    }
    Ok(style)
}

fn read_color(document: &Document, value: &Spanned<DeValue<'_>>, palette: &Palette) -> Result<Color, ThemeError> {
    let said = match value.get_ref() {
        DeValue::Integer(number) => number.as_str(),
        DeValue::String(text) => text.as_ref(),
        _ => return Err(document.mistake(&value.span(), format!("This is no colour; {}.", color::ALLOWED))),
    };
    if let Some(color) = palette.get(said).copied().or_else(|| color::parse(said)) {
        return Ok(color);
    }
    let near = did_you_mean(said, palette.keys().map(String::as_str).chain(color::names()));
    Err(document.mistake(&value.span(), format!("There is no colour {said}; {}.{near}", color::ALLOWED)))
}
