//! Training curves, and scores against lead.

use std::collections::BTreeMap;

use maud::{Markup, html};
use plotters::coord::ranged1d::ValueFormatter;
use plotters::prelude::*;

use super::chart::{self, Drawn, Look, SIZE, curve, figure, forecast_look, mesh, padded, split_look, tick};
use super::{LossPoint, ReportError};
use crate::evaluate::ScoreRow;
use crate::evaluate::table::{groups, number};

/// Raw points drawn per curve, at most.
const RAW: usize = 800;
/// Charts of scores against lead, at most.
const CHARTS: usize = 12;
/// Scores drawn against lead, in this order.
const DRAWN: [&str; 6] = ["csi", "fss", "rmse", "frequency_bias", "bias", "correlation"];

/// Curves of one phase and one loss, by split.
type Curves<'a> = BTreeMap<&'a str, Vec<(f64, f64)>>;

/// One chart per phase and loss, in the order in which they first appear.
pub fn losses(points: &[LossPoint]) -> Result<Markup, ReportError> {
    let mut charts: Vec<((&str, &str), Curves<'_>, usize)> = Vec::new();
    for point in points {
        let key = (point.phase.as_str(), point.name.as_str());
        let at = charts.iter().position(|chart| chart.0 == key).unwrap_or_else(|| {
            charts.push((key, Curves::new(), 0));
            charts.len() - 1
        });
        let curve = charts[at].1.entry(&point.split).or_default();
        if chart::drawable(point.value) {
            curve.push((point.step as f64, point.value));
        } else {
            charts[at].2 += 1;
        }
    }
    let figures = charts
        .iter()
        .map(|(key, curves, lost)| loss_chart(*key, curves, *lost))
        .collect::<Result<Vec<_>, _>>()?;
    Ok(html! { div.charts { @for figure in figures { (figure) } } })
}

fn loss_chart((phase, name): (&str, &str), curves: &Curves<'_>, lost: usize) -> Result<Markup, ReportError> {
    let heading = format!("{phase}: {name}");
    let all = || curves.values().flatten();
    let keys: Vec<(String, Look)> =
        curves.keys().map(|name| ((*name).to_owned(), split_look(name))).collect();
    let log = all().next().is_some() && all().all(|(_, value)| *value > 0.0);
    let (left, right) = padded(all().map(|(step, _)| *step));
    let (low, high) = padded(all().map(|(_, value)| if log { value.log10() } else { *value }));
    let text = chart::svg(SIZE, |root| {
        let mut builder = ChartBuilder::on(root);
        builder.margin(6).x_label_area_size(38).y_label_area_size(58);
        let x = left.max(0.0)..right;
        if log {
            // At least a factor of five, so that the axis has labels.
            let middle = (low + high) / 2.0;
            let (low, high) = (low.min(middle - 0.35), high.max(middle + 0.35));
            let y = (10f64.powf(low)..10f64.powf(high)).log_scale().with_key_points(log_labels(low, high));
            draw_losses(&mut builder.build_cartesian_2d(x, y)?, name, curves, true)
        } else {
            draw_losses(&mut builder.build_cartesian_2d(x, low..high)?, name, curves, false)
        }
    })?;
    let mut notes = String::new();
    if all().next().is_none() {
        notes += " No value that could be drawn was recorded.";
    } else if !log {
        notes += " Linear scale: some values are not above zero.";
    }
    if lost > 0 {
        notes += &format!(" Not drawn because not finite, or beyond 1e30: {lost} values.");
    }
    let alternative = format!("{heading}. {}{notes}", describe(curves));
    Ok(
        html! { div { (figure(&heading, &keys, &alternative, &text)) @if !notes.is_empty() { p.note { (notes.trim()) } } } },
    )
}

fn draw_losses<Y>(
    chart: &mut ChartContext<'_, SVGBackend<'_>, Cartesian2d<plotters::coord::types::RangedCoordf64, Y>>,
    name: &str,
    curves: &Curves<'_>,
    log: bool,
) -> Drawn
where
    Y: Ranged<ValueType = f64> + ValueFormatter<f64>,
{
    mesh(chart, ("optimiser step", name), &tick, &tick)?;
    for (split, points) in curves {
        let look = split_look(split);
        let stride = points.len().div_ceil(RAW).max(1);
        if points.len() > 12 {
            let dots = points.iter().step_by(stride);
            chart.draw_series(dots.map(|at| Circle::new(*at, 2, look.color.mix(0.35).filled())))?;
        }
        let smooth: Vec<(f64, f64)> = smoothed(points, log).into_iter().step_by(stride).collect();
        curve(chart, &smooth, look, points.len() <= 12)?;
    }
    Ok(())
}

/// The curve without its noise: at each point the value of the straight line fitted to about a tenth of the curve
/// around it, through the logarithms if `log`. Unlike a running mean it does not flatten the steep start.
fn smoothed(points: &[(f64, f64)], log: bool) -> Vec<(f64, f64)> {
    let reach = points.len() / 20;
    let height = |value: f64| if log { value.ln() } else { value };
    (0..points.len())
        .map(|index| {
            let window = &points[index.saturating_sub(reach)..(index + reach + 1).min(points.len())];
            let mean = |values: &mut dyn Iterator<Item = f64>| values.sum::<f64>() / window.len() as f64;
            let (step, value) = points[index];
            if window.len() < 3 {
                return (step, value);
            }
            let middle = mean(&mut window.iter().map(|point| point.0));
            let level = mean(&mut window.iter().map(|point| height(point.1)));
            let spread = mean(&mut window.iter().map(|point| (point.0 - middle).powi(2)));
            let slope = mean(&mut window.iter().map(|point| (point.0 - middle) * (height(point.1) - level)));
            let fitted = level + if spread > 0.0 { slope / spread * (step - middle) } else { 0.0 };
            (step, if log { fitted.exp() } else { fitted })
        })
        .collect()
}

/// Labels of a logarithmic axis between two powers of ten: 1, 2, 5, 10, ... on a short axis, else every so many
/// powers of ten.
fn log_labels(low: f64, high: f64) -> Vec<f64> {
    let (first, last) = (low.floor() as i32, high.ceil() as i32);
    let factors: &[f64] = if high - low < 2.2 { &[1.0, 2.0, 5.0] } else { &[1.0] };
    let stride = ((last - first) as usize).div_ceil(7).max(1);
    let powers = (first..=last).step_by(stride);
    let labels = powers.flat_map(|power| factors.iter().map(move |factor| factor * 10f64.powi(power)));
    labels.filter(|value| (low..=high).contains(&value.log10())).collect()
}

fn describe(curves: &Curves<'_>) -> String {
    let each = curves.iter().filter_map(|(split, points)| {
        let (first, last) = (points.first()?, points.last()?);
        Some(format!(
            "{split} from {} at step {} to {} at step {}.",
            tick(&first.1),
            first.0,
            tick(&last.1),
            last.0
        ))
    });
    each.collect::<Vec<_>>().join(" ")
}

/// One chart per score, threshold and scale: each forecast against lead.
pub fn scores(rows: &[ScoreRow]) -> Result<Markup, ReportError> {
    let groups = groups(rows);
    let mut lines = Vec::new();
    for (title, group) in &groups {
        for line in group {
            let score = line.by_lead.values().next().map_or("", |row| row.score.as_str());
            if let Some(place) = DRAWN.iter().position(|drawn| *drawn == score) {
                lines.push((place, format!("{}, {title}", line.name), line));
            }
        }
    }
    lines.sort_by_key(|line| line.0);
    let left_out = lines.len().saturating_sub(CHARTS);
    let figures = (lines.iter().take(CHARTS))
        .map(|(_, heading, line)| {
            let curves = line.forecasts().into_iter().map(|name| {
                let points = line.by_lead.iter().filter_map(|(lead, row)| {
                    Some((lead.0, row.value(name).filter(|value| chart::drawable(*value))?))
                });
                (name, points.collect::<Vec<_>>())
            });
            score_chart(heading, &line.name, &curves.collect())
        })
        .collect::<Result<Vec<_>, _>>()?;
    Ok(html! {
        div.charts { @for figure in figures { (figure) } }
        @if left_out > 0 { p.note { (left_out) " more curves are not drawn; their numbers are in the tables below." } }
    })
}

fn score_chart(heading: &str, name: &str, curves: &Curves<'_>) -> Result<Markup, ReportError> {
    let all = || curves.values().flatten();
    if all().next().is_none() {
        return Ok(html! {
            figure.chart { figcaption { strong { (heading) } } p.empty { "Undefined at every lead (no events)." } }
        });
    }
    let keys: Vec<(String, Look)> =
        curves.keys().map(|name| ((*name).to_owned(), forecast_look(name))).collect();
    let (left, right) = padded(all().map(|(lead, _)| *lead));
    let (mut low, mut high) = padded(all().map(|(_, value)| *value));
    // An axis that shows zero does not exaggerate; scores of events lie between 0 and 1.
    if all().all(|(_, value)| *value >= 0.0) {
        low = 0.0;
    }
    if name.starts_with("CSI") || name.starts_with("FSS") {
        high = if high > 0.5 { 1.0 } else { high };
    }
    let text = chart::svg(SIZE, |root| {
        let mut chart = ChartBuilder::on(root)
            .margin(6)
            .x_label_area_size(38)
            .y_label_area_size(58)
            .build_cartesian_2d(left.max(0.0)..right, low..high.max(low + 1e-9))?;
        mesh(&mut chart, ("lead [h]", name), &tick, &tick)?;
        for (name, points) in curves {
            curve(&mut chart, points, forecast_look(name), true)?;
        }
        Ok(())
    })?;
    let words = curves.iter().map(|(name, points)| {
        let values = points.iter().map(|(lead, value)| format!("{} at +{} h", tick(value), number(*lead)));
        format!("{name}: {}.", values.collect::<Vec<_>>().join(", "))
    });
    let alternative = format!("{heading}. {}", words.collect::<Vec<_>>().join(" "));
    Ok(figure(heading, &keys, &alternative, &text))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn smoothing_keeps_lines_and_ends() {
        let line: Vec<(f64, f64)> = (0..200).map(|step| (f64::from(step), 3.0 + f64::from(step))).collect();
        for (raw, smooth) in line.iter().zip(smoothed(&line, false)) {
            assert!((raw.1 - smooth.1).abs() < 1e-9);
        }
        assert_eq!(log_labels(-0.1, 1.05), [1.0, 2.0, 5.0, 10.0]);
        assert_eq!(log_labels(-3.2, 0.2), [1e-3, 1e-2, 1e-1, 1.0]);
        assert_eq!(smoothed(&[(0.0, 2.0)], false), [(0.0, 2.0)]);
        assert!(smoothed(&[], true).is_empty());
    }
}
