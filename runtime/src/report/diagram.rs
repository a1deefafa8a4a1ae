//! The performance diagram (Roebber 2009, *Wea. Forecasting* 24): success ratio, POD, CSI and bias in one picture.

use std::collections::BTreeMap;

use maud::{Markup, html};
use plotters::prelude::*;

use super::ReportError;
use super::chart::{self, Drawn, GRID, INK, Look, MUTED, curve, figure, font, forecast_look, mesh, tick};
use crate::evaluate::ScoreRow;
use crate::evaluate::table::{Lead, group_title, number};

const SIZE: (u32, u32) = (480, 440);

/// (success ratio, POD) by lead.
type Points = BTreeMap<Lead, (f64, f64)>;

/// One diagram per variable, level and threshold; nothing where no point is defined.
pub fn performance(rows: &[ScoreRow]) -> Result<Markup, ReportError> {
    let mut diagrams: Vec<(String, BTreeMap<&str, Points>)> = Vec::new();
    for pod in rows.iter().filter(|row| row.score == "pod") {
        let title = group_title(pod);
        let Some(success) = rows.iter().find(|row| {
            row.score == "success_ratio" && row.lead_hours == pod.lead_hours && group_title(row) == title
        }) else {
            continue;
        };
        for name in pod.forecasts.keys() {
            let (Some(x), Some(y)) = (success.value(name), pod.value(name)) else { continue };
            let at = diagrams.iter().position(|diagram| diagram.0 == title).unwrap_or_else(|| {
                diagrams.push((title.clone(), BTreeMap::new()));
                diagrams.len() - 1
            });
            diagrams[at].1.entry(name.as_str()).or_default().insert(Lead(pod.lead_hours), (x, y));
        }
    }
    if diagrams.is_empty() {
        return Ok(html! {
            p.empty { "No performance diagram: POD and success ratio are not both defined at any lead." }
        });
    }
    let figures =
        diagrams.iter().map(|(title, points)| diagram(title, points)).collect::<Result<Vec<_>, _>>()?;
    Ok(html! {
        div.charts { @for figure in figures { (figure) } }
        p.note {
            "The upper right corner is perfect. Curves: equal CSI. Dashed rays: equal frequency bias, "
            "above 1 left of the diagonal (too many events forecast). Numbers beside the marks: first and last lead in hours."
        }
    })
}

fn diagram(title: &str, curves: &BTreeMap<&str, Points>) -> Result<Markup, ReportError> {
    let keys: Vec<(String, Look)> =
        curves.keys().map(|name| ((*name).to_owned(), forecast_look(name))).collect();
    let text =
        chart::svg(SIZE, |root| {
            let mut chart = ChartBuilder::on(root)
                .margin(10)
                .margin_right(40)
                .margin_top(22)
                .x_label_area_size(38)
                .y_label_area_size(52)
                .build_cartesian_2d(0.0..1.0, 0.0..1.0)?;
            mesh(&mut chart, ("success ratio (1 \u{2212} FAR)", "POD"), &tick, &tick)?;
            background(&mut chart)?;
            for (name, points) in curves {
                let look = forecast_look(name);
                let line: Vec<(f64, f64)> = points.values().copied().collect();
                curve(&mut chart, &line, look, true)?;
                let side = if look.square { (7, 3) } else { (7, -13) };
                let last = points.last_key_value().filter(|_| points.len() > 1);
                let ends = points.first_key_value().into_iter().chain(last);
                chart.draw_series(ends.map(|(lead, at)| {
                    EmptyElement::at(*at) + Text::new(number(lead.0), side, font(12, &INK))
                }))?;
            }
            Ok(())
        })?;
    let words = curves.iter().map(|(name, points)| {
        let each = points.iter().map(|(lead, (x, y))| format!("+{} h ({x:.2}, {y:.2})", number(lead.0)));
        format!("{name}: {}.", each.collect::<Vec<_>>().join(", "))
    });
    let alternative = format!("Success ratio and POD, {title}. {}", words.collect::<Vec<_>>().join(" "));
    Ok(figure(&format!("Performance diagram, {title}"), &keys, &alternative, &text))
}

/// Curves of CSI = 1/(1/SR + 1/POD − 1) and rays of frequency bias POD/SR.
fn background(
    chart: &mut ChartContext<
        '_,
        SVGBackend<'_>,
        Cartesian2d<plotters::coord::types::RangedCoordf64, plotters::coord::types::RangedCoordf64>,
    >,
) -> Drawn {
    for tenth in [1, 2, 3, 4, 5, 6, 7, 8, 9] {
        let csi = f64::from(tenth) / 10.0;
        let pod = |success: f64| 1.0 / (1.0 / csi + 1.0 - 1.0 / success);
        // Closer together on the left, where the curve is steep.
        let success = (0..=80).map(|step| csi + (1.0 - csi) * (f64::from(step) / 80.0).powi(3));
        let points = success.map(|x| (x, pod(x).min(1.0)));
        chart.draw_series(LineSeries::new(points, MUTED.mix(0.45).stroke_width(1)))?;
        if tenth % 2 == 0 {
            let label = Text::new(format!("CSI {csi}"), (-40, -16), font(11, &MUTED));
            chart.draw_series([EmptyElement::at((1.0, csi)) + label])?;
        }
    }
    for bias in [0.25_f64, 0.5, 1.0, 2.0, 4.0] {
        let end = if bias > 1.0 { (1.0 / bias, 1.0) } else { (1.0, bias) };
        let style = if bias == 1.0 { MUTED.mix(0.7) } else { GRID.mix(1.0) };
        chart.draw_series(DashedLineSeries::new([(0.0, 0.0), end], 4, 4, style.stroke_width(1)))?;
        let offset = if bias > 1.0 { (-4, -16) } else { (5, -6) };
        chart.draw_series([EmptyElement::at(end) + Text::new(number(bias), offset, font(11, &MUTED))])?;
    }
    Ok(())
}
