use std::sync::Arc;

use super::*;
use crate::data::archive::hrrr::Hrrr;
use crate::data::archive::hrrr::layout::Domain;
use crate::data::files::Folder;
use crate::data::synthesize::{Extent, Order};

/// What does not change is fetched at the time at which a preparation reads it: the first with all that is wanted, not the
/// first with an analysis.
#[test]
fn statics_come_with_the_first_whole_time() {
    let folder = tempfile::tempdir().unwrap();
    let from = "2020-05-20T00:00:00Z".parse().unwrap();
    Order { folder: folder.path().into(), extent: Extent::Tile, from, hours: 2, quarters: false }
        .write(&mut |_| true)
        .unwrap();
    std::fs::remove_dir_all(folder.path().join("hrrr.20200519")).unwrap();
    let archive = Hrrr::open("hrrr", Arc::new(Folder::new(folder.path())), Domain::Conus).unwrap();
    let field = |name: &str, from: &str, support: &str, cell: Option<&str>, units: &str| {
        serde_json::json!({"name": name, "from": from, "quantity": "any", "units": units, "support": support,
            "cell": cell, "range": [null, null], "kept": true})
    };
    let plan: DataPlan = serde_json::from_value(serde_json::json!({
        "archive": "hrrr", "grid": Extent::Tile.plan(), "levels": {}, "every": 3600,
        "train": {"from": "2020-05-20T00:00:00Z", "to": "2020-05-20T01:00:00Z"},
        "validate": null, "test": null, "derived": [],
        "fields": [
            field("uh", "MXUPHL:5000-2000 m above ground", "column", Some("max over 1 h"), "m^2/s^2"),
            field("orog", "HGT:surface", "static", None, "m"),
        ],
    }))
    .unwrap();
    for only in [vec![], vec!["orog".to_string()]] {
        let choice = Choice { only, ..Choice::default() };
        let needs = needs(&plan, &archive, &choice, &|_, _| ControlFlow::Continue(())).unwrap();
        let files: Vec<&str> = needs.records.iter().map(|record| record.path.as_str()).collect();
        let whole = "hrrr.20200520/conus/hrrr.t01z.wrfsfcf00.grib2";
        assert!(files.contains(&whole), "{:?}: {files:?} {:?}", choice.only, needs.absent);
    }
}
