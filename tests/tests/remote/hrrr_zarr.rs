//! HRRR-Zarr in a bucket: two hours of a few points.

use std::path::Path;
use std::sync::Arc;

use aurora_runtime::data::archive::hrrr_zarr::HrrrZarr;
use aurora_runtime::data::archive::{Archive, Request};
use aurora_runtime::data::files::{self, Files, Settings};
use jiff::Timestamp;
use serde_json::{Map, Value, json};

use crate::server::{Fault, Server};
use crate::settings;

const SIDE: usize = 8;
const CHUNK: usize = 3;
const RUN: i64 = 441_648;

fn in_bucket(server: &Server, cache: &Path) -> Arc<dyn Files> {
    let settings =
        Settings { endpoint: Some(server.address.clone()), region: Some("us-west-1".into()), ..settings() };
    files::open("s3://hrrrzarr", Path::new(""), cache, &settings).expect("an address")
}

fn time(text: &str) -> Timestamp {
    text.parse().expect("a time")
}

/// An array of doubles without compression, and its line in the consolidated metadata.
fn array(
    server: &Server,
    store: &str,
    path: &str,
    shape: &[usize],
    values: &[f64],
    all: &mut Map<String, Value>,
) {
    let chunks: Vec<usize> = if shape.len() == 1 { shape.to_vec() } else { vec![CHUNK; 2] };
    let lead = shape.len() == 3;
    let chunks = if lead { [vec![shape[0]], chunks].concat() } else { chunks };
    let hours = json!({"units": "hours since 1970-01-01 00:00:00"});
    all.insert(
        format!("{path}/.zarray"),
        json!({"zarr_format": 2, "shape": shape, "chunks": chunks, "dtype": "<f8", "order": "C", "fill_value": "NaN",
            "filters": null, "compressor": null}),
    );
    all.insert(format!("{path}/.zattrs"), if path.ends_with("time") { hours } else { json!({}) });
    if shape.len() == 1 {
        let bytes = values.iter().flat_map(|value| value.to_le_bytes()).collect();
        server.put(&format!("hrrrzarr/{store}/{path}/0"), bytes);
        return;
    }
    let leads = if lead { shape[0] } else { 1 };
    for (up, across) in
        (0..SIDE.div_ceil(CHUNK)).flat_map(|up| (0..SIDE.div_ceil(CHUNK)).map(move |across| (up, across)))
    {
        let mut bytes = Vec::new();
        for (hour, row, column) in (0..leads).flat_map(|hour| {
            (0..CHUNK).flat_map(move |row| (0..CHUNK).map(move |column| (hour, row, column)))
        }) {
            let (row, column) = (up * CHUNK + row, across * CHUNK + column);
            let inside = row < SIDE && column < SIDE;
            let value = if inside { values[(hour * SIDE + row) * SIDE + column] } else { 0.0 };
            bytes.extend(value.to_le_bytes());
        }
        let before = if lead { "0." } else { "" };
        server.put(&format!("hrrrzarr/{store}/{path}/{before}{up}.{across}"), bytes);
    }
}

/// Two hours: a temperature in each analysis, a maximum in the forecast of the hour before.
fn served() -> Server {
    let server = Server::open();
    for hour in 0..2usize {
        for (kind, place, name) in
            [("anl", "2m_above_ground", "TMP"), ("fcst", "5000_2000m_above_ground", "MXUPHL_1hr_max_fcst")]
        {
            let store = format!("sfc/20200520/20200520_{hour:02}z_{kind}.zarr");
            let (mut all, outer) = (Map::new(), format!("{place}/{name}"));
            let axis =
                |start: f64| (0..SIDE).map(|index| start + 3000.0 * index as f64).collect::<Vec<f64>>();
            let mut put = |path: &str, shape: &[usize], values: &[f64]| {
                array(&server, &store, &format!("{outer}/{path}"), shape, values, &mut all);
            };
            put("projection_x_coordinate", &[SIDE], &axis(-2_697_520.143));
            put("projection_y_coordinate", &[SIDE], &axis(-1_587_306.153));
            put("forecast_reference_time", &[1], &[(RUN + hour as i64) as f64]);
            let leads = if kind == "anl" { 1 } else { 18 };
            let value = |index: usize| 100.0 * hour as f64 + index as f64 * 0.5;
            let values: Vec<f64> = (0..leads * SIDE * SIDE).map(value).collect();
            let shape = if leads == 1 { vec![SIDE; 2] } else { vec![leads, SIDE, SIDE] };
            put(&format!("{place}/{name}"), &shape, &values);
            let whole = json!({"zarr_consolidated_format": 1, "metadata": all});
            server.put(&format!("hrrrzarr/{store}/.zmetadata"), whole.to_string().into_bytes());
        }
    }
    server
}

#[test]
fn a_bucket_is_read_as_the_archive_lies_there() {
    let server = served();
    let cache = tempfile::tempdir().expect("a folder");
    let archive = HrrrZarr::open("utah", in_bucket(&server, cache.path())).expect("opened");
    assert_eq!(
        (archive.times().from, archive.times().to),
        (time("2020-05-20T00:00:00Z"), time("2020-05-20T01:00:00Z"))
    );
    assert_eq!(archive.grid().plan.southwest, Some([21.138_123, -122.719_528]));
    let hour = time("2020-05-20T01:00:00Z");
    let wanted = |from, cell| Request { from, cell, levels: None };
    let warm = wanted("TMP:2 m above ground", None);
    let turning = wanted("MXUPHL:5000-2000 m above ground", Some("max over 1 h"));
    server.fault("TMP/1.1", [Fault::Status(503), Fault::Cut(20), Fault::None]);
    let (near, over) =
        (archive.fetch(&warm, hour).expect("read"), archive.fetch(&turning, hour).expect("read"));
    for row in 0..SIDE {
        for column in 0..SIDE {
            // The first row is the northernmost, in the archive the last.
            let value = ((SIDE - 1 - row) * SIDE + column) as f32 * 0.5;
            assert_eq!((near[(0, row, column)], over[(0, row, column)]), (100.0 + value, value));
        }
    }
    // A listing tells the chunks' lengths, so that nobody is asked for them one by one; and what has come stays.
    let asked = server.seen();
    assert!(
        !asked.iter().any(|(method, path, _)| method == "HEAD"
            && path.contains("01z_anl.zarr")
            && path.contains("/TMP/1.")),
        "{asked:?}"
    );
    let records = archive.records(&[warm, turning], hour).expect("told");
    assert_eq!(records.len(), 18);
    assert_eq!(archive.fetch(&warm, hour).expect("read"), near);
    assert_eq!(server.seen(), []);
    // Refused to the end, it is an error that names the chunk, and no fill values.
    let other = tempfile::tempdir().expect("a folder");
    let archive = HrrrZarr::open("utah", in_bucket(&server, other.path())).expect("opened");
    server.fault("TMP/2.0", std::iter::repeat_n(Fault::Status(503), 20));
    let error = archive.fetch(&warm, hour).expect_err("refused").to_string();
    assert!(error.contains("TMP:2 m above ground") && error.contains("2m_above_ground/TMP/2.0"), "{error}");
    server.well();
    assert_eq!(archive.fetch(&warm, hour).expect("read"), near);
}
