//! `aurorac data report` and `aurorac data show`: pages and pictures of a store, pictures of files.

use aurora_runtime::data::store::Store;
use aurora_tests::Place;
use serde_json::Value;

use super::state;

#[test]
fn a_store_is_reported_and_shown() {
    let place = Place::tiny();
    assert!(place.refused(&["data", "show", "t", "--from", "tiny.aurora"]).contains("not prepared"));
    let path = place.done(&["data", "prepare", "tiny.aurora"]).stdout.trim().to_string();
    let store = Store::open(&place.path(&path)).expect("a store");

    let page = place.done(&["data", "report", "tiny.aurora"]).stdout.trim().to_string();
    assert_eq!(page, path.replace(".zarr", ".html"));
    let page = place.text(&page);
    assert!(page.contains("28 of 28 times can be used") && page.contains("data:image/png;base64,"), "{page}");
    let json: Value =
        serde_json::from_str(&place.done(&["data", "report", &path, "--format", "json"]).stdout)
            .expect("JSON");
    assert_eq!(json["times"]["present"], 28);
    let field = |name: &str| {
        let fields = json["fields"].as_array().expect("a list");
        fields.iter().find(|field| field["name"] == name).cloned().expect(name)
    };
    let mean = store.statistics()["t"].levels[2].mean;
    assert_eq!(field("t")["levels"][2]["mean"].as_f64(), Some(mean));
    assert_eq!(field("t")["levels"][2]["aurora"]["far"], false, "{:?}", field("t"));
    assert_eq!(json["warnings"], Value::Array(Vec::new()));

    let shown = |more: &[&str]| -> Value {
        let words = [&["data", "show", "t", "--from", "tiny.aurora", "--format", "json"], more].concat();
        serde_json::from_str(&place.done(&words).stdout).expect("JSON")
    };
    let at = "2020-05-01T03:00Z";
    let told = shown(&["--at", at, "--level", "500 hPa", "--output", "t.png"]);
    let values = store.read("t", 3).expect("values");
    let set = &store.plan().levels["few"].values;
    let level = set.iter().position(|level| *level == 50_000.0).expect("a level");
    let plane = values.index_axis(ndarray::Axis(0), level);
    let most = plane.iter().copied().fold(f32::MIN, f32::max);
    assert_eq!(told["maximum"]["value"].as_f64().map(|value| value as f32), Some(most));
    let (row, column) = (
        told["maximum"]["row"].as_u64().expect("a row"),
        told["maximum"]["column"].as_u64().expect("a column"),
    );
    assert_eq!(plane[(row as usize, column as usize)], most);
    assert_eq!((told["units"].as_str(), told["missing"].as_u64()), (Some("K"), Some(0)));
    assert!(place.read("t.png").starts_with(b"\x89PNG"));

    let refuse = |more: &[&str]| place.refused(&[&["data", "show"], more].concat());
    assert!(refuse(&["t", "--from", &path, "--at", at]).contains("300 hPa"));
    assert!(refuse(&["t", "--from", &path, "--level", "500 hPa"]).contains("2020-05-01T00:00:00Z"));
    assert!(refuse(&["refcc", "--from", &path, "--at", at]).contains("did you mean `refc`?"));
    let far = ["refc", "--from", &path, "--at", "2021-05-01T03:00Z"];
    assert!(refuse(&far).contains("there is no field at 2021-05-01T03:00:00Z"));
    let jpeg = ["refc", "--from", &path, "--at", at, "--output", "refc.jpg"];
    assert!(refuse(&jpeg).contains("ends in .png"));
}

#[test]
fn a_file_is_shown() {
    let place = Place::empty();
    place.write("state.grib2", state::grib(&[]));
    state::dataset().write_netcdf(&place.path("state.nc")).expect("NetCDF");
    for file in ["state.grib2", "state.nc"] {
        let listed = place.refused(&["data", "show", "nothing-like-it", "--from", file]);
        assert!(listed.contains("has no field"), "{listed}");
    }
    let told =
        place.done(&["data", "show", "TMP:2 m above ground", "--from", "state.grib2", "--output", "t2m.png"]);
    assert!(told.stdout.contains("least") && told.stdout.contains(" K "), "{}", told.stdout);
    assert!(told.stdout.ends_with("t2m.png\n"));
    assert!(place.read("t2m.png").starts_with(b"\x89PNG"));
    assert!(place.refused(&["data", "show", "TMP", "--from", "nowhere.grib2"]).contains("nowhere.grib2"));
}
