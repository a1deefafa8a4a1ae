//! `aurorac data get`: from a bucket into the cache and into a folder, taken up again, and read without a network.

use std::path::Path;
use std::process::Command;

use aurora_tests::{Place, Running, Said, run};
use serde_json::Value;

use crate::server::{Fault, Server};

/// Fields of wrfsfc and wrfprs, one over an hour, one that does not change.
const RECIPE: &str = r#"aurora 1.0
recipe fetched "A few fields of a few hours"

use std.physics (g0)

grid tile = lambert(lat = 38.5 deg, lon = -97.5 deg, size = [192, 192], spacing = 3 km,
                    southwest = [35.864054, -100.665651] deg)
levels few : pressure = [300, 500, 700, 850] hPa

variable t    : temperature in 150 .. 340 K   on few             from "TMP"
variable t2m  : temperature in 180 .. 340 K   on surface(2 m)    from "TMP:2 m above ground"
variable refc : reflectivity in -10 .. 80 dBZ on column          from "REFC:entire atmosphere"
variable uh   : helicity >= 0 m^2/s^2         on column(2 .. 5 km), max over 1 h  from "MXUPHL:5000-2000 m above ground"
variable orog : height                        on static          from "HGT:surface"

data {
    archive     hrrr
    grid        tile
    every       1 h
    train       2020-05-20T00:00Z .. 2020-05-20T02:00Z
}

model {
    architecture aurora(patch = 8, embed = 16, depths = [1, 1], heads = [1, 2], window = [2, 4, 4])
    step        1 h
    history     1 step
    prognostic  t, t2m, refc, uh
    static      orog
}

loss weather = mae(prognostic)

phase first {
    for         1 step
    batch       1
    train       new
    optimise    adamw(rate = 1e-3)
    minimise    weather
}
"#;

/// A bucket with three hours, as `data synthesize` writes them.
fn bucket(place: &Place) -> Server {
    place.done(&["data", "synthesize", "--out", "made", "--hours", "3", "--from", "2020-05-20T00:00Z"]);
    let server = Server::open();
    for file in place.files("made") {
        let path = place.path("made").join(&file);
        if path.is_file() {
            server.put(&format!("bucket/{file}"), std::fs::read(path).expect("a file"));
        }
    }
    place.write("fetched.aurora", RECIPE);
    site(place, &format!("hrrr = {{ place = \"s3://bucket\", endpoint = \"{}\" }}", server.address));
    server
}

fn site(place: &Place, archive: &str) {
    place.write(
        "site.toml",
        format!("threads = 2\ncache = \"kept\"\nconnections = 3\n[archives]\n{archive}\n"),
    );
}

fn command(place: &Place, arguments: &[&str]) -> Command {
    let mut command = place.command(arguments);
    for name in
        ["AWS_ACCESS_KEY_ID", "AWS_ENDPOINT_URL", "AWS_ENDPOINT", "AWS_REGION", "http_proxy", "HTTP_PROXY"]
    {
        command.env_remove(name);
    }
    command
}

fn get(place: &Place, more: &[&str]) -> (Said, Value) {
    let said =
        run(command(place, &[&["data", "get", "fetched.aurora", "--format", "json"][..], more].concat()));
    let account = serde_json::from_str(&said.stdout).unwrap_or_else(|_| panic!("{said:#?}"));
    (said, account)
}

/// Records that were fetched, and that were there.
fn records(account: &Value) -> (u64, u64) {
    let count = |word: &str| account[word]["records"].as_u64().expect("a number");
    (count("fetched"), count("already_there"))
}

/// The values of a store that is prepared from what the site names.
fn prepared(place: &Place) -> Vec<u32> {
    let said = run(command(place, &["data", "prepare", "fetched.aurora"]));
    assert_eq!(said.status.code(), Some(0), "{said:#?}");
    let store = aurora_runtime::data::store::Store::open(&place.path(said.stdout.trim())).expect("a store");
    let names: Vec<String> = store.fields().map(|field| field.name.clone()).collect();
    let mut bits = Vec::new();
    for name in names {
        for time in 0..store.times().len() {
            bits.extend(store.read(&name, time).expect("read").iter().map(|value| value.to_bits()));
        }
    }
    std::fs::remove_dir_all(place.path("build")).expect("removed");
    bits
}

#[test]
fn what_a_recipe_reads_is_fetched_once_and_then_nobody_is_asked() {
    let place = Place::empty();
    let server = bucket(&place);
    // A bad line on the way.
    server.fault("wrfprsf00.grib2", [Fault::Status(503), Fault::Cut(500), Fault::Later(503, "0")]);
    server.fault("wrfsfcf01.grib2", [Fault::Garbage]);
    let (said, account) = get(&place, &[]);
    assert_eq!(said.status.code(), Some(0), "{said:#?}");
    // 4 levels, t2m and refc of three hours, uh of the runs before, orog once.
    // The archive has looked at the first messages of its first and its newest hour, which are two of them.
    assert_eq!(records(&account), (20, 2), "{account}");
    assert_eq!((&account["times"], &account["absent"]), (&Value::from(3), &Value::from(Vec::<Value>::new())));
    assert!(said.stderr.contains("3 times: 9 files, 22 records"), "{}", said.stderr);
    let asked = server.seen().len();
    assert!(asked < 80, "{asked} requests");

    // Again: all is there.
    let (said, account) = get(&place, &[]);
    assert_eq!(said.status.code(), Some(0), "{said:#?}");
    assert_eq!(records(&account), (0, 22), "{account}");

    // Without a network the store is that of the files themselves.
    let away = std::mem::take(&mut server.state().files);
    server.seen();
    server.fault("", std::iter::repeat_n(Fault::Refused, 1000));
    let fetched = prepared(&place);
    let bodies: Vec<_> = server.seen().into_iter().filter(|one| one.1.ends_with(".grib2")).collect();
    assert_eq!(bodies, []);
    site(&place, "hrrr = \"made\"");
    assert_eq!(prepared(&place), fetched);
    assert!(away.len() > 9);
}

/// The same from a web server that shows index pages and lists nothing, over a bad line.
#[test]
fn a_web_server_with_index_pages_is_an_archive() {
    let place = Place::empty();
    let server = bucket(&place);
    server.state().pages = true;
    server.fault("conus/", [Fault::Status(503), Fault::Cut(300), Fault::Fewer(100)]);
    site(&place, &format!("hrrr = \"{}/bucket\"", server.address));
    let (said, account) = get(&place, &[]);
    assert_eq!(said.status.code(), Some(0), "{said:#?}");
    assert_eq!(records(&account), (20, 2), "{account}");
    assert_eq!(account["absent"], Value::from(Vec::<Value>::new()));
    let fetched = prepared(&place);
    site(&place, "hrrr = \"made\"");
    assert_eq!(prepared(&place), fetched);
}

#[test]
fn a_folder_of_records_is_an_archive() {
    let place = Place::empty();
    let server = bucket(&place);
    let (said, account) =
        get(&place, &["--only", "t2m,uh,orog", "--to", "2020-05-20T01:00Z", "--out", "part"]);
    assert_eq!(said.status.code(), Some(0), "{said:#?}");
    assert_eq!(records(&account), (2 * 2 + 1, 0), "{account}");
    // What is added to a file keeps its place, and what is there is not fetched.
    let (said, account) = get(&place, &["--out", "part"]);
    assert_eq!(said.status.code(), Some(0), "{said:#?}");
    assert_eq!(records(&account), (17, 5), "{account}");
    let (_, account) = get(&place, &["--out", "part"]);
    assert_eq!(records(&account), (0, 22), "{account}");
    let files: Vec<String> =
        place.files("part").into_iter().filter(|file| file.ends_with(".grib2")).collect();
    assert_eq!(files.len(), 9, "{files:?}");
    for file in &files {
        assert!(aurora_runtime::data::grib::Grib::open(&place.path("part").join(file)).is_ok(), "{file}");
        assert!(place.path("part").join(format!("{file}.idx")).is_file());
    }
    // Nothing of it is left in the cache but lists, and of the first hour and the newest, by which an archive is known.
    let kept: Vec<String> = place
        .files("kept")
        .into_iter()
        .filter(|file| file.contains(".grib2~/"))
        .filter(|file| !["t00z.wrfsfcf00", "t02z.wrfsfcf00"].iter().any(|looked| file.contains(looked)))
        .collect();
    assert_eq!(kept, Vec::<String>::new());
    drop(server);
    site(&place, "hrrr = \"part\"");
    let part = prepared(&place);
    site(&place, "hrrr = \"made\"");
    assert_eq!(prepared(&place), part);
}

#[test]
fn what_is_missing_or_refused_is_said() {
    let place = Place::empty();
    let server = bucket(&place);
    {
        let mut state = server.state();
        let gone = "bucket/hrrr.20200520/conus/hrrr.t01z.wrfprsf00.grib2";
        state.files.remove(gone).expect("there");
        state.files.remove(&format!("{gone}.idx")).expect("there");
    }
    server.fault("hrrr.t02z.wrfsfcf00.grib2", std::iter::repeat_n(Fault::Status(403), 100));
    let (said, account) = get(&place, &[]);
    assert_eq!(said.status.code(), Some(1), "{said:#?}");
    assert_eq!(account["absent"].as_array().map(Vec::len), Some(1), "{account}");
    assert_eq!(account["absent"][0]["time"], "2020-05-20T01:00:00Z");
    let reason = account["absent"][0]["reason"].as_str().expect("a reason");
    assert!(reason.contains("hrrr.t01z.wrfprsf00.grib2 is not there"), "{reason}");
    let failed = account["failed"].as_array().expect("a list");
    assert!(!failed.is_empty(), "{account}");
    for one in failed {
        let reason = one["reason"].as_str().expect("a reason");
        assert!(
            reason.starts_with("s3://bucket/hrrr.20200520/conus/hrrr.t02z.wrfsfcf00.grib2: bytes "),
            "{reason}"
        );
        assert!(reason.contains("403"), "{reason}");
    }
    // People are told the same in words.
    let said = run(command(&place, &["data", "get", "fetched.aurora"]));
    assert_eq!((said.status.code(), said.stdout.as_str()), (Some(1), ""), "{said:#?}");
    assert!(
        said.stderr.contains("1 times are absent") && said.stderr.contains("could not be fetched"),
        "{}",
        said.stderr
    );
    let sentence = run(command(&place, &["data", "get", "fetched.aurora", "--only", "cape"])).sentence();
    assert_eq!(sentence, "the recipe reads no field `cape`; it reads orog, refc, t, t2m, uh");
}

/// Of the archive that a field is compared with, that field comes over the training split.
#[test]
fn what_debias_compares_with_is_fetched_too() {
    let place = Place::empty();
    let server = bucket(&place);
    let at =
        |name: &str| format!("{name} = {{ place = \"s3://bucket\", endpoint = \"{}\" }}\n", server.address);
    site(&place, &(at("hrrr") + &at("better")));
    let debias = "T02:00Z\n    debias      t2m against better.t2m by quantiles(20)\n}";
    place.write("fetched.aurora", RECIPE.replace("T02:00Z\n}", debias));
    let (said, account) = get(&place, &["--only", "uh,t2m", "--to", "2020-05-20T01:00Z"]);
    assert_eq!(said.status.code(), Some(0), "{said:#?}");
    assert_eq!(account["archive"], "hrrr");
    let other = &account["others"][0];
    assert_eq!((&other["archive"], &other["times"]), (&Value::from("better"), &Value::from(2)), "{account}");
    let (fetched, there) = records(other);
    assert_eq!(fetched + there, 2, "{account}");
    let (_, account) = get(&place, &["--only", "uh"]);
    assert!(account.get("others").is_none(), "{account}");
    let said = run(command(&place, &["data", "get", "fetched.aurora"]));
    assert!(said.stderr.contains("of `better`, for `debias`"), "{said:#?}");
}

#[test]
fn interrupted_it_goes_on() {
    let place = Place::empty();
    let server = bucket(&place);
    get(&place, &["--only", "orog"]);
    server.state().slow = std::time::Duration::from_millis(400);
    server.seen();
    let mut running = Running::new(command(&place, &["data", "get", "fetched.aurora"]));
    let record = |one: &(String, String, String)| one.1.ends_with(".grib2") && !one.2.is_empty();
    assert!(running.until(|| server.state().seen.iter().any(record)));
    assert!(running.signal("INT"));
    let said = running.end();
    assert_eq!(said.status.code(), Some(130), "{said:#?}");
    server.state().slow = std::time::Duration::ZERO;
    let (said, account) = get(&place, &[]);
    assert_eq!(said.status.code(), Some(0), "{said:#?}");
    let (fetched, there) = records(&account);
    assert_eq!(fetched + there, 22, "{account}");
    let left = place.files("kept").into_iter().filter(|file| {
        Path::new(file).file_name().is_some_and(|name| name.to_string_lossy().starts_with(".writing-"))
    });
    assert_eq!(left.count(), 0);
}
