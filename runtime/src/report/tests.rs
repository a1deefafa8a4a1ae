//! The page as a whole: well-formed, escaped, the same every time, and honest about what is missing.

use std::collections::BTreeMap;

use super::*;
use crate::evaluate::{Evaluation, FieldKey, Padding, Persistence, Thresholds};

const VOID: [&str; 4] = ["meta", "img", "br", "link"];

/// Fails unless every tag is closed in the right order.
fn check_tags(page: &str) {
    let mut open: Vec<&str> = Vec::new();
    let mut rest = page.strip_prefix("<!DOCTYPE html>").unwrap();
    while let Some(start) = rest.find('<') {
        let end = start + rest[start..].find('>').expect("a tag ends");
        let tag = &rest[start + 1..end];
        rest = &rest[end + 1..];
        let name = tag.trim_start_matches('/').split([' ', '/', '\n']).next().unwrap();
        assert!(name.chars().all(|letter| letter.is_ascii_alphanumeric()) && !name.is_empty(), "tag <{tag}>");
        if let Some(closed) = tag.strip_prefix('/') {
            assert_eq!(open.pop(), Some(closed), "</{closed}>");
        } else if !tag.ends_with('/') && !VOID.contains(&name) {
            open.push(name);
        }
    }
    assert!(open.is_empty(), "not closed: {open:?}");
}

/// Storms that move east and grow, in dBZ; the model is displaced, smooth and a little fast. Made up for this test.
fn storms(hour: f64, fast: f64, smooth: f64) -> Array2<f32> {
    let centres =
        [(18.0, 20.0, 62.0, 4.0), (40.0, 34.0, 55.0, 6.0), (62.0, 12.0, 48.0, 9.0), (30.0, 58.0, 40.0, 12.0)];
    Array2::from_shape_fn((80, 110), |(row, column)| {
        let peak = centres.iter().map(|(y, x, strength, width)| {
            let x = x + (7.0 + fast) * hour + 9.0 * fast;
            let y = y + 1.5 * hour;
            let width = width + smooth;
            let distance = (row as f64 - y).powi(2) + ((column as f64 - x) / 1.4).powi(2);
            (strength - 3.0 * smooth) * (-distance / (2.0 * width * width)).exp()
        });
        let radar_hole = (row as f64 - 70.0).powi(2) + (column as f64 - 100.0).powi(2) < 60.0;
        if radar_hole {
            f32::NAN
        } else {
            (peak.fold(-5.0, f64::max) + 0.8 * (column as f64 * 0.9).sin()) as f32
        }
    })
}

fn example_scores() -> Vec<ScoreRow> {
    let set = Thresholds { values: vec![20.0, 35.0, 50.0], units: "dBZ".into(), scales_km: vec![9.0, 27.0] };
    let mut evaluation =
        Evaluation::new(BTreeMap::from([("composite_reflectivity".into(), set)]), 3.0, Padding::Masked)
            .unwrap();
    for lead in [1.0, 2.0, 3.0, 6.0] {
        for start in [0.0, 0.5, 1.0] {
            let persistence = Persistence::new(storms(start, 0.0, 0.0));
            let model = storms(start + lead, 0.8, 0.5);
            let forecasts = BTreeMap::from([
                ("model".to_owned(), model.view()),
                ("persistence".to_owned(), persistence.forecast(lead)),
            ]);
            let variable = "composite_reflectivity".to_owned();
            let key = FieldKey { variable, level: None, lead_hours: lead, units: "dBZ".into() };
            evaluation.add(&key, storms(start + lead, 0.0, 0.0).view(), &forecasts).unwrap();
        }
    }
    evaluation.rows()
}

fn example_losses() -> Vec<LossPoint> {
    let mut losses = Vec::new();
    for (phase, steps, from) in [("warm up", 120, 0.9), ("fine-tune", 600, 0.4)] {
        for step in 0..steps {
            let noise = 1.0 + 0.18 * ((step * 37 % 101) as f64 / 50.0 - 1.0);
            let value = from * (0.12 + (-(step as f64) / 150.0).exp()) * noise;
            let point = |split: &str, value| LossPoint {
                phase: phase.into(),
                step,
                split: split.into(),
                name: "loss".into(),
                value,
            };
            losses.push(point("train", value));
            if step % 60 == 59 {
                losses.push(point("validate", 1.15 * value / noise));
            }
        }
    }
    losses
}

fn example() -> ReportInput {
    let maps = [1.0, 3.0].map(|lead| MapRow {
        caption: format!("2024-05-21 {:02}:00 UTC, +{lead} h", 18 + lead as u32),
        panels: vec![
            Panel { label: "truth".into(), values: storms(lead, 0.0, 0.0) },
            Panel { label: "forecast".into(), values: storms(lead, 0.8, 0.5) },
            Panel { label: "persistence".into(), values: storms(0.0, 0.0, 0.0) },
        ],
        field: MapField::Reflectivity,
    });
    let temperature = MapRow {
        caption: "2 m temperature, 2024-05-21 21:00 UTC, +3 h".into(),
        panels: ["truth", "forecast"]
            .map(|label| {
                let values = storms(3.0, 0.0, 2.0).mapv(|dbz| 302.5 - 0.11 * dbz);
                Panel { label: label.into(), values }
            })
            .into(),
        field: MapField::Continuous { units: "K".into(), label: "2 m temperature".into() },
    };
    ReportInput {
        title: "Plains storms, six hours ahead".into(),
        name: "plains-storms".into(),
        hash: "9f2c41d07be8a3556f1e".repeat(3),
        recipe_text: "recipe plains_storms {\n  target composite_reflectivity >= 35 dBZ & \"quoted\"\n}\n"
            .into(),
        facts: [
            ("Parameters", "1 284 352"),
            ("Training samples", "240 (2024-04-01 to 2024-05-15)"),
            ("Verified", "3 initial times, +1 to +6 h"),
            ("Grid", "80 × 110 cells, 3 km"),
            ("Device", "CPU"),
            ("Training took", "12 min"),
        ]
        .map(|(name, value)| (name.into(), value.into()))
        .into(),
        losses: example_losses(),
        scores: example_scores(),
        maps: maps.into_iter().chain([temperature]).collect(),
        latitude: Some(Array2::from_shape_fn((80, 110), |(row, _)| 37.0 - 0.03 * row as f64)),
        longitude: Some(Array2::from_shape_fn((80, 110), |(_, column)| 262.0 + 0.03 * column as f64)),
        problems: vec!["These fields were made up for a test; no forecast of weather is behind them.".into()],
        reproduce: vec![
            "aurorac build plains-storms.aurora".into(),
            "aurorac train plains-storms.aurora".into(),
        ],
    }
}

#[test]
fn well_formed_self_contained_and_deterministic() {
    let page = html(&example()).unwrap();
    check_tags(&page);
    assert_eq!(page, html(&example()).unwrap());
    for address in ["src=\"http", "href=", "url(", "<script", "@import"] {
        assert!(!page.contains(address), "{address}");
    }
    let images = page.matches("<img ").count();
    assert_eq!((images, page.matches("alt=\"").count()), (8, images));
    for word in ["the model beats persistence", "Performance diagram", "NaN"] {
        assert_eq!(page.contains(word), word != "NaN", "{word}");
    }
}

#[test]
fn everything_is_escaped() {
    let evil = "<script>alert(1)</script>\"'&".to_owned();
    let mut input = example();
    for text in [&mut input.title, &mut input.name, &mut input.hash, &mut input.recipe_text] {
        text.clone_from(&evil);
    }
    input.facts = vec![(evil.clone(), evil.clone())];
    input.problems = vec![evil.clone()];
    input.reproduce = vec![evil.clone()];
    input.losses.iter_mut().for_each(|point| {
        point.phase.clone_from(&evil);
        point.name.clone_from(&evil);
        point.split.clone_from(&evil);
    });
    input.maps.iter_mut().for_each(|row| {
        row.caption.clone_from(&evil);
        row.panels.iter_mut().for_each(|panel| panel.label.clone_from(&evil));
        row.field = MapField::Continuous { units: evil.clone(), label: evil.clone() };
    });
    for row in &mut input.scores {
        row.variable.clone_from(&evil);
        row.units.clone_from(&evil);
        row.forecasts.insert(evil.clone(), Some(0.5));
    }
    let page = html(&input).unwrap();
    assert!(!page.contains("<script"));
    assert!(page.contains("&lt;script&gt;"));
    check_tags(&page);
}

#[test]
fn nothing_at_all_is_said_in_words() {
    let page = html(&ReportInput::default()).unwrap();
    check_tags(&page);
    for sentence in
        ["No scores were computed", "No maps were given", "No training curve was recorded", "not recorded"]
    {
        assert!(page.contains(sentence), "{sentence}");
    }
}

#[test]
fn odd_inputs_do_not_panic() {
    let mut input = example();
    let point =
        |value| LossPoint { phase: "p".into(), step: 0, split: "train".into(), name: "loss".into(), value };
    for losses in [
        vec![1.0],
        vec![0.0],
        vec![f64::NAN],
        vec![-1.0, f64::INFINITY],
        vec![1e-300, 1e300],
        vec![1e-29, 1e29],
        vec![1e20, 1e20 + 16384.0],
    ] {
        input.losses = losses.into_iter().map(point).collect();
        check_tags(&html(&input).unwrap());
    }
    input.losses = vec![point(f64::NAN)];
    input.scores.iter_mut().for_each(|row| {
        row.forecasts = BTreeMap::from([("model".into(), None), ("persistence".into(), Some(f64::NAN))]);
        row.events = row.events.map(|_| 0);
    });
    input.maps[0].panels[0].values = Array2::from_elem((3, 2), f32::NAN);
    input.maps[0].panels[1].values = Array2::zeros((0, 0));
    input.maps[1].panels.clear();
    let page = html(&input).unwrap();
    check_tags(&page);
    for sentence in
        ["beyond 1e30: 1 values", "No value that could be drawn", "no events", "no cells", "all missing"]
    {
        assert!(page.contains(sentence), "{sentence}");
    }
    input.scores.truncate(1);
    input.scores[0].forecasts =
        BTreeMap::from([("model".into(), Some(1e300)), ("persistence".into(), Some(-1e300))]);
    check_tags(&html(&input).unwrap());
    input.latitude = Some(Array2::zeros((0, 0)));
    check_tags(&html(&input).unwrap());
}

#[test]
fn written_whole_and_readable() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("report.html");
    write(&path, &example()).unwrap();
    write(&path, &example()).unwrap();
    assert_eq!(std::fs::read_to_string(&path).unwrap(), html(&example()).unwrap());
    assert_eq!(std::fs::read_dir(folder.path()).unwrap().count(), 1, "no temporary file stays");
    let error = write(&folder.path().join("missing/report.html"), &example()).unwrap_err().to_string();
    assert!(error.contains("missing/report.html"), "{error}");
    // For a look at the page: AURORAC_REPORT_EXAMPLE=/some/file.html
    if let Some(path) = std::env::var_os("AURORAC_REPORT_EXAMPLE") {
        write(Path::new(&path), &example()).unwrap();
    }
}
