//! Charts as SVG, drawn here: no script, nothing that the content security policy would have to allow. Colours come from the stylesheet
//! by class, words stand beside the picture, and the picture says in one sentence what it shows.

use std::fmt::Write as _;

use chrono::{DateTime, Utc};

/// Width and height in the picture's own units; the stylesheet says how large they are.
const SIZE: (i64, i64) = (240, 48);
/// Space above and below, for the width of the line.
const EDGE: i64 = 3;

/// A line through values over time.
#[derive(Debug, Clone, Default)]
pub(super) struct Line {
    /// Values with their times, oldest first.
    pub points: Vec<(DateTime<Utc>, i64)>,
}

impl Line {
    /// The picture, and `says` for those who do not see it. Empty with fewer than two values: a point is no trend.
    pub fn svg(&self, says: &str) -> String {
        let (Some((begin, _)), Some((end, _))) = (self.points.first(), self.points.last()) else { return String::new() };
        let span = (*end - *begin).num_seconds();
        if self.points.len() < 2 || span <= 0 {
            return String::new();
        }
        let values = || self.points.iter().map(|(_, value)| *value);
        // From zero, so that a small change does not look like a large one.
        let (low, high) = (values().min().unwrap_or(0).min(0), values().max().unwrap_or(0).max(1));
        let (width, height) = SIZE;
        let mut path = String::new();
        for (at, value) in &self.points {
            let x = scale((*at - *begin).num_seconds(), span, width);
            let y = height - EDGE - scale(value.saturating_sub(low), high.saturating_sub(low), height - 2 * EDGE);
            let _ = write!(path, "{}{x} {y}", if path.is_empty() { "M" } else { "L" });
        }
        let area = format!("{path}L{width} {height}L0 {height}Z");
        format!(
            "<svg class=\"chart\" viewBox=\"0 0 {width} {height}\" preserveAspectRatio=\"none\" role=\"img\" aria-label=\"{}\">\
             <path class=\"area\" d=\"{area}\"/><path class=\"line\" d=\"{path}\"/></svg>",
            escaped(says)
        )
    }
}

/// One bar of [`bars`].
#[derive(Debug, Clone)]
pub(super) struct Bar {
    pub label: String,
    pub value: i64,
}

/// Bars side by side, each with what it stands for as its title. Empty without bars.
pub(super) fn bars(all: &[Bar], says: &str) -> String {
    let Some(count) = i64::try_from(all.len()).ok().filter(|count| *count > 0) else { return String::new() };
    let (width, height) = SIZE;
    let high = all.iter().map(|bar| bar.value).max().unwrap_or(0).max(1);
    let step = (width / count).max(2);
    let mut inside = String::new();
    let mut x = 0;
    for Bar { label, value } in all {
        let tall = scale((*value).max(0), high, height - EDGE);
        let _ = write!(
            inside,
            "<rect class=\"bar\" x=\"{x}\" y=\"{}\" width=\"{}\" height=\"{tall}\"><title>{}: {value}</title></rect>",
            height - tall,
            (step - 2).max(1),
            escaped(label)
        );
        x += step;
    }
    format!(
        "<svg class=\"chart\" viewBox=\"0 0 {} {height}\" preserveAspectRatio=\"none\" role=\"img\" aria-label=\"{}\">{inside}</svg>",
        step * count,
        escaped(says)
    )
}

/// `value` of `of`, in parts of `into`, to the nearest.
fn scale(value: i64, of: i64, into: i64) -> i64 {
    let (value, of, into) = (i128::from(value), i128::from(of.max(1)), i128::from(into));
    i64::try_from((value * into + of / 2) / of).unwrap_or_default().clamp(0, i64::try_from(into).unwrap_or_default())
}

/// For text and attributes of the picture.
fn escaped(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    for letter in text.chars() {
        match letter {
            '&' => out.push_str("&amp;"),
            '<' => out.push_str("&lt;"),
            '>' => out.push_str("&gt;"),
            '"' => out.push_str("&quot;"),
            letter => out.push(letter),
        }
    }
    out
}

#[cfg(test)]
mod tests {
    use chrono::TimeDelta;

    use super::*;

    fn line(values: &[i64]) -> Line {
        let begin = DateTime::from_timestamp(1_700_000_000, 0).unwrap();
        let points = values.iter().zip(0..).map(|(value, hour)| (begin + TimeDelta::hours(hour), *value)).collect();
        Line { points }
    }

    #[test]
    fn the_line_goes_from_edge_to_edge_and_stands_on_zero() {
        let svg = line(&[0, 5, 10]).svg("three");
        assert!(svg.contains("d=\"M0 45L120 24L240 3\""), "{svg}");
        assert!(svg.contains("aria-label=\"three\""));
        assert!(line(&[10, 10]).svg("flat").contains("M0 3L240 3"));
    }

    #[test]
    fn what_is_no_trend_is_no_picture() {
        assert_eq!(line(&[]).svg("") + line(&[7]).svg("").as_str(), "");
        assert_eq!(bars(&[], ""), "");
    }

    #[test]
    fn words_in_it_are_words_and_numbers_never_run_over() {
        let svg = bars(&[Bar { label: "<b>\"&".to_owned(), value: i64::MAX }, Bar { label: "x".to_owned(), value: -4 }], "a\"b");
        assert!(svg.contains("&lt;b&gt;&quot;&amp;: 9223372036854775807") && svg.contains("aria-label=\"a&quot;b\""), "{svg}");
        assert!(svg.contains("height=\"0\""), "{svg}");
        assert!(line(&[i64::MIN, i64::MAX]).svg("").contains("<path"));
    }

    #[test]
    fn nothing_of_it_needs_a_style_or_a_script() {
        let svg = line(&[1, 2]).svg("two") + bars(&[Bar { label: "a".to_owned(), value: 1 }], "one").as_str();
        assert!(!svg.contains("style") && !svg.contains("script"), "{svg}");
    }
}
