//! The figure of docs/performance.md: bars that compare, lines that grow. Drawn as SVG by hand, because that is all it is;
//! it brings its own background, so that it can be read on a light page and on a dark one.

use std::fmt::Write;

pub enum Panel {
    Bars(Bars),
    Line(Line),
}

/// The same thing of several, shorter or longer.
pub struct Bars {
    pub title: &'static str,
    /// What is good.
    pub hint: &'static str,
    pub bars: Vec<Bar>,
    /// From the smallest to the largest it takes more than a few steps of ten.
    pub log: bool,
    pub must: Option<f64>,
}

pub struct Bar {
    pub name: String,
    pub value: f64,
    pub kind: Kind,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Kind {
    Ours,
    Theirs,
    /// Nothing around it.
    Bare,
}

/// One thing as another grows by steps of the same ratio.
pub struct Line {
    pub title: &'static str,
    pub hint: &'static str,
    pub points: Vec<(u32, f64)>,
    pub must: Option<f64>,
}

const WIDTH: f64 = 940.0;
const COLUMN: f64 = 440.0;
const MARGIN: f64 = 20.0;
const BAR: f64 = 24.0;
const LINE_HEIGHT: f64 = 170.0;
const HEAD: f64 = 46.0;

const STYLE: &str = "
  .page{fill:#ffffff;stroke:#d1d9e0}
  text{font:13px system-ui,-apple-system,'Segoe UI',Roboto,'DejaVu Sans',sans-serif;fill:#1f2328}
  .title{font-weight:600;font-size:14px}
  .hint,.tick{fill:#59636e;font-size:12px}
  .value{font-variant-numeric:tabular-nums}
  .bold{font-weight:600}
  .ours{fill:#b5135b} .theirs{fill:#9aa4af} .bare{fill:#d3d9df}
  .axis{stroke:#d1d9e0} .must{stroke:#1a7f37;stroke-dasharray:4 3;fill:none} .mustword{fill:#1a7f37;font-size:12px}
  .curve{stroke:#b5135b;stroke-width:2.5;fill:none;stroke-linejoin:round;stroke-linecap:round}
  .under{fill:#b5135b;opacity:.08}
  @media (prefers-color-scheme:dark){
    .page{fill:#0d1117;stroke:#3d444d}
    text{fill:#f0f6fc} .hint,.tick{fill:#9198a1}
    .ours{fill:#ff6aa2} .theirs{fill:#6e7781} .bare{fill:#3d444d}
    .axis{stroke:#3d444d} .must{stroke:#3fb950} .mustword{fill:#3fb950}
    .curve{stroke:#ff6aa2} .under{fill:#ff6aa2;opacity:.12}
  }
";

/// Two beside each other, in the order given.
pub fn draw(panels: &[Panel]) -> String {
    let mut body = String::new();
    let mut y = MARGIN;
    for pair in panels.chunks(2) {
        for (panel, x) in pair.iter().zip([MARGIN, WIDTH - MARGIN - COLUMN]) {
            let _ = write!(body, r#"<g transform="translate({x} {y})">"#);
            match panel {
                Panel::Bars(bars) => draw_bars(bars, &mut body),
                Panel::Line(line) => draw_line(line, &mut body),
            }
            body += "</g>\n";
        }
        y += pair.iter().map(height).fold(0.0, f64::max) + MARGIN;
    }
    format!(
        r#"<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {WIDTH} {y}" width="{WIDTH}" height="{y}" role="img" aria-label="Measured performance">
<style>{STYLE}</style>
<rect class="page" x=".5" y=".5" width="{}" height="{}" rx="8"/>
{body}</svg>
"#,
        WIDTH - 1.0,
        y - 1.0
    )
}

fn height(panel: &Panel) -> f64 {
    match panel {
        Panel::Bars(bars) => HEAD + BAR * bars.bars.len() as f64,
        Panel::Line(_) => HEAD + LINE_HEIGHT,
    }
}

fn head(title: &str, hint: &str, out: &mut String) {
    let _ = write!(
        out,
        r#"<text class="title" y="16">{}</text><text class="hint" x="{COLUMN}" y="16" text-anchor="end">{}</text>"#,
        escaped(title),
        escaped(hint)
    );
}

fn draw_bars(panel: &Bars, out: &mut String) {
    const NAMES: f64 = 138.0;
    const VALUES: f64 = 62.0;
    head(panel.title, panel.hint, out);
    let room = COLUMN - NAMES - VALUES;
    let values = || panel.bars.iter().map(|bar| bar.value).chain(panel.must);
    let largest = values().fold(f64::MIN_POSITIVE, f64::max);
    let smallest = values().filter(|value| *value > 0.0).fold(largest, f64::min);
    // A logarithm has no zero: the shortest bar is a tenth of a step long.
    let floor = smallest / 2.0;
    let length = |value: f64| match panel.log {
        true => room * ((value.max(floor) / floor).ln() / (largest / floor).ln()).clamp(0.0, 1.0),
        false => room * (value / largest).clamp(0.0, 1.0),
    };
    for (at, bar) in panel.bars.iter().enumerate() {
        let top = HEAD - 16.0 + BAR * at as f64;
        let (class, weight) = match bar.kind {
            Kind::Ours => ("ours", " bold"),
            Kind::Theirs => ("theirs", ""),
            Kind::Bare => ("bare", ""),
        };
        let (long, middle) = (length(bar.value).max(2.0), top + 13.0);
        let _ = write!(
            out,
            r#"<text class="name{weight}" x="{:.1}" y="{middle}" text-anchor="end">{}</text><rect class="{class}" x="{NAMES}" y="{top}" width="{long:.1}" height="17" rx="3"/><text class="value{weight}" x="{:.1}" y="{middle}">{}</text>"#,
            NAMES - 10.0,
            escaped(&bar.name),
            NAMES + long + 7.0,
            number(bar.value)
        );
    }
    if let Some(must) = panel.must {
        let (x, bottom) = (NAMES + length(must), HEAD - 16.0 + BAR * panel.bars.len() as f64);
        let _ = write!(
            out,
            r#"<path class="must" d="M{x:.1} {} V{bottom}"/><text class="mustword" x="{x:.1}" y="{}" text-anchor="middle">must {}</text>"#,
            HEAD - 22.0,
            bottom + 11.0,
            number(must)
        );
    }
}

fn draw_line(panel: &Line, out: &mut String) {
    head(panel.title, panel.hint, out);
    let Some(((first, _), (last, _))) = panel.points.first().zip(panel.points.last()) else { return };
    let (left, right, top, bottom) = (26.0, COLUMN - 34.0, HEAD - 6.0, HEAD + LINE_HEIGHT - 30.0);
    let span = (f64::from((*last).max(1)) / f64::from((*first).max(1))).ln().max(f64::MIN_POSITIVE);
    let largest = panel.points.iter().map(|(_, value)| *value).chain(panel.must).fold(f64::MIN_POSITIVE, f64::max);
    let x = |step: u32| left + (right - left) * (f64::from(step.max(1)) / f64::from((*first).max(1))).ln() / span;
    let y = |value: f64| bottom - (bottom - top) * value / (largest * 1.12);
    let way: Vec<String> =
        panel.points.iter().map(|(step, value)| format!("{:.1} {:.1}", x(*step), y(*value))).collect();
    let way = way.join(" L");
    let _ = write!(out, r#"<path class="axis" d="M0 {bottom} H{COLUMN}"/>"#);
    if let Some(must) = panel.must {
        let at = y(must);
        let _ = write!(
            out,
            r#"<path class="must" d="M0 {at:.1} H{COLUMN}"/><text class="mustword" x="0" y="{:.1}">must {}</text>"#,
            at - 5.0,
            number(must)
        );
    }
    let _ = write!(
        out,
        r#"<path class="under" d="M{way} L{:.1} {bottom} L{:.1} {bottom} Z"/><path class="curve" d="M{way}"/>"#,
        x(*last),
        x(*first)
    );
    for (step, value) in &panel.points {
        let (x, y) = (x(*step), y(*value));
        let _ = write!(
            out,
            r#"<circle class="ours" cx="{x:.1}" cy="{y:.1}" r="4"/><text class="value bold" x="{x:.1}" y="{:.1}" text-anchor="middle">{}</text><text class="tick" x="{x:.1}" y="{:.1}" text-anchor="middle">{}</text>"#,
            y - 11.0,
            number(*value),
            bottom + 18.0,
            number(f64::from(*step)).trim_end_matches(".00").trim_end_matches(".0")
        );
    }
}

/// As in the table, but short enough for the end of a bar.
fn number(value: f64) -> String {
    crate::table::number(value)
}

fn escaped(text: &str) -> String {
    text.replace('&', "&amp;").replace('<', "&lt;").replace('>', "&gt;")
}

#[cfg(test)]
mod tests {
    use super::*;

    fn bars(log: bool) -> String {
        let bar = |name: &str, value, kind| Bar { name: name.into(), value, kind };
        let bars =
            vec![bar("we & us", 100.0, Kind::Ours), bar("they", 50.0, Kind::Theirs), bar("none", 0.0, Kind::Bare)];
        draw(&[Panel::Bars(Bars { title: "Speed", hint: "more < better", bars, log, must: Some(80.0) })])
    }

    #[test]
    fn a_bar_is_as_long_as_its_value_and_nothing_is_torn_by_zero() {
        let drawn = bars(false);
        assert!(drawn.contains(r#"width="240.0""#) && drawn.contains(r#"width="120.0""#), "{drawn}");
        assert!(drawn.contains("we &amp; us") && drawn.contains("more &lt; better"));
        for drawn in [drawn, bars(true)] {
            assert!(!drawn.contains("NaN") && !drawn.contains("inf"), "{drawn}");
        }
    }

    #[test]
    fn a_line_goes_through_all_points_even_if_there_is_one_or_none() {
        for count in 0..4_u32 {
            let points: Vec<(u32, f64)> = (0..count).map(|n| (4_u32.pow(n), f64::from(n))).collect();
            let drawn = draw(&[Panel::Line(Line { title: "Growth", hint: "", points, must: None })]);
            assert_eq!(drawn.matches("<circle").count(), count as usize);
            assert!(!drawn.contains("NaN") && !drawn.contains("inf"), "{drawn}");
        }
    }
}
