//! `aurorac derive` on files: one state in every form gives the same numbers, and what is wrong is said.

use std::path::{Path, PathBuf};

use aurora_runtime::data::grib::Grib;
use aurora_runtime::data::inspect::inspect;
use aurora_runtime::data::netcdf::{Attribute, NetCdf};
use aurora_runtime::data::source::{Sources, What, Where};
use aurora_runtime::derive::output::{Dataset, Values};
use aurora_tests::Place;

use super::files::File;
use super::state::{self, COLUMNS, GROUND, ROWS, UPPER};

/// Of the lowest 6 km, and on levels, of everything in the state: std.severe has the motion, std.physics, which it uses, the rest.
const ONLY: &str = "speed06,right_mover_u,right_mover_v,tv";

/// The state as GRIB2, NetCDF, Zarr and a batch file.
fn place() -> Place {
    let place = Place::empty();
    place.write("state.grib2", state::grib(&[]));
    state::dataset().write_netcdf(&place.path("state.nc")).expect("NetCDF");
    state::dataset().write_zarr(&place.path("state.zarr")).expect("Zarr");
    state::batch(&place.path("state.safetensors"));
    place
}

/// All values of a variable, row 0 in the north.
pub fn values(path: &Path, name: &str) -> Vec<f32> {
    let file = NetCdf::open(path).unwrap_or_else(|error| panic!("{error}"));
    file.read_f32(name).unwrap_or_else(|error| panic!("{error}")).into_iter().collect()
}

#[test]
fn one_state_in_every_form_gives_the_same() {
    let place = place();
    let mut first: Option<Vec<Vec<f32>>> = None;
    for form in ["state.grib2", "state.nc", "state.zarr", "state.safetensors"] {
        let said =
            place.done(&["derive", "std.severe", "--input", form, "--only", ONLY, "--output", "out.nc"]);
        assert_eq!(said.stdout, "out.nc\n", "{form}");
        let made: Vec<Vec<f32>> = ONLY.split(',').map(|name| values(&place.path("out.nc"), name)).collect();
        assert!(made.iter().flatten().all(|value| value.is_finite()), "{form}");
        assert_eq!(made[0].len(), ROWS * COLUMNS);
        assert_eq!(made[3].len(), UPPER[0].base.len() * ROWS * COLUMNS);
        if form == "state.nc" || form == "state.zarr" {
            // Their levels run from the top; the fields on them keep the order of the file.
            let (tv, plane) = (&made[3], ROWS * COLUMNS);
            let turned: Vec<f32> = tv.chunks(plane).rev().flatten().copied().collect();
            assert_eq!(turned, first.as_ref().expect("GRIB came first")[3], "{form}");
        }
        let first = first.get_or_insert_with(|| made.clone());
        for (one, other) in first.iter().zip(&made).take(3) {
            // Heights are made of geopotential nowhere here: the same numbers go into the same kernels, but sums over
            // levels may run from the other end.
            for (one, other) in one.iter().zip(other) {
                assert!((one - other).abs() <= 2e-5 * one.abs().max(1.0), "{form}: {one} {other}");
            }
        }
    }
    // Virtual temperature by hand.
    let first = first.expect("made");
    for ((tv, t), q) in first[3].iter().zip(UPPER[0].values()).zip(UPPER[1].values()) {
        assert!((tv - t * (1.0 + 0.608 * q)).abs() < 1e-4);
    }
}

#[test]
fn the_outputs_hold_the_same_and_say_what_they_hold() {
    let place = place();
    for output in ["out.nc", "out.zarr", "out.safetensors"] {
        place.done(&[
            "derive",
            "std.physics",
            "--input",
            "state.grib2",
            "--only",
            "speed06,tv",
            "--output",
            output,
        ]);
    }
    let speed = values(&place.path("out.nc"), "speed06");
    let batch = File::read(&place.path("out.safetensors"));
    assert_eq!(batch.tensors["surf.speed06"], (vec![1, 1, ROWS, COLUMNS], speed.clone()));
    assert_eq!(batch.metadata["time"], state::TIME);
    let zarr = Sources::open(&[place.path("out.zarr")]).expect("Zarr");
    let found = zarr.find(|offer| offer.name == "speed06").expect("speed06");
    let read = zarr.read(found, zarr.times().first().copied()).expect("its values");
    assert_eq!(read.into_iter().collect::<Vec<f32>>(), speed);

    let file = NetCdf::open(&place.path("out.nc")).expect("NetCDF");
    let text = |name: &str, attribute: &str| {
        file.variable(name).and_then(|variable| variable.text(attribute)).unwrap_or_default().to_string()
    };
    assert_eq!(file.attributes["Conventions"], Attribute::Text("CF-1.11".into()));
    assert_eq!(text("speed06", "units"), "m s-1");
    assert_eq!(text("speed06", "long_name"), "bulk shear over the lowest 6 km");
    assert_eq!(text("tv", "units"), "K");
    assert_eq!(text("tv", "standard_name"), "virtual_temperature");
    assert_eq!(text("latitude", "units"), "degrees_north");
    assert_eq!(text("crs", "grid_mapping_name"), "latitude_longitude");
    assert_eq!(text("level_pl", "standard_name"), "air_pressure");
    let latitude: Vec<f64> = file.read("latitude").expect("latitude").into_iter().collect();
    assert_eq!(latitude, [42.0, 41.0, 40.0]);
    let times: Vec<String> = file.times("time").expect("time").iter().map(ToString::to_string).collect();
    assert_eq!(times, [state::TIME]);
    let listed = inspect(&place.path("out.zarr")).expect("an inspection");
    assert_eq!(listed.problems().count(), 0);
    assert_eq!(listed.format, "Zarr v3");
}

/// Bolton's vapour pressure over water, Pa.
fn saturation(temperature: f64) -> f64 {
    611.2 * (17.67 * (temperature - 273.15) / (temperature - 29.65)).exp()
}

#[test]
fn humidity_of_any_form_becomes_specific_humidity() {
    let place = place();
    let derive = |input: &str| {
        place.done(&["derive", "std.physics", "--input", input, "--only", "tv", "--output", "out.nc"]);
        values(&place.path("out.nc"), "tv")
    };
    let expected = derive("state.nc");
    let at = |set: &Dataset, name: &str| {
        set.variables.iter().position(|variable| variable.name == name).expect("a variable")
    };
    let single = |set: &Dataset, name: &str| match &set.variables[at(set, name)].values {
        Values::Single(values) => values.clone(),
        other => panic!("{other:?}"),
    };
    type Form = fn(f64, f64, f64) -> f64;
    let forms: [(&str, &str, Form); 3] = [
        ("humidity_mixing_ratio", "g kg-1", |_, q, _| 1000.0 * q / (1.0 - q)),
        ("relative_humidity", "%", |t, q, p| 100.0 * (q * p / (0.622 + 0.378 * q)) / saturation(t)),
        ("dew_point_temperature", "degC", |_, q, p| {
            let l = (q * p / (0.622 + 0.378 * q) / 611.2).ln();
            243.5 * l / (17.67 - l)
        }),
    ];
    for (standard, units, form) in forms {
        let mut set = state::dataset();
        let (t, q) = (single(&set, "temperature"), single(&set, "humidity"));
        let plane = ROWS * COLUMNS;
        let made = q.iter().enumerate().map(|(index, q)| {
            let pressure = state::LEVELS[state::LEVELS.len() - 1 - index / plane] * 100.0;
            form(f64::from(t[index]), f64::from(*q), pressure) as f32
        });
        let made = Values::Single(made.collect());
        let index = at(&set, "humidity");
        set.variables[index].values = made;
        for (name, value) in [("standard_name", standard), ("units", units)] {
            set.variables[index].attributes.insert(name.into(), Attribute::Text(value.into()));
        }
        set.write_netcdf(&place.path("other.nc")).expect("NetCDF");
        for (one, other) in expected.iter().zip(derive("other.nc")) {
            // Half a unit in the last place of humidity and of temperature: 5e-5 K of the virtual temperature.
            assert!((one - other).abs() < 1e-4, "{standard}: {one} {other}");
        }
    }
}

#[test]
fn winds_along_a_curved_grid_are_turned() {
    let place = Place::empty();
    let mut set = state::dataset();
    // A grid whose rows lead to the north-east: its columns are turned by 45 degrees to the west of north.
    set.variables.retain(|variable| !["lat", "lon"].contains(&variable.name.as_str()));
    let (mut latitude, mut longitude) = (Vec::new(), Vec::new());
    for row in 0..ROWS {
        for column in 0..COLUMNS {
            // Rows from the south; near the equator a degree is a degree.
            latitude.push(0.01 * (column as f64 + row as f64));
            longitude.push(10.0 + 0.01 * (column as f64 - row as f64));
        }
    }
    for (name, units, values) in [("lat2", "degrees_north", latitude), ("lon2", "degrees_east", longitude)] {
        set.variables.push(aurora_runtime::derive::output::Variable {
            name: name.into(),
            dimensions: vec!["lat".into(), "lon".into()],
            values: Values::Double(values),
            attributes: [("units".to_string(), Attribute::Text(units.into()))].into(),
        });
    }
    for variable in &mut set.variables {
        let along = match variable.name.as_str() {
            "u10" => "x_wind",
            "v10" => "y_wind",
            _ => continue,
        };
        variable.attributes.insert("standard_name".into(), Attribute::Text(along.into()));
    }
    set.write_netcdf(&place.path("curved.nc")).expect("NetCDF");
    place.write(
        "winds.aurora",
        "aurora 1.0\nrecipe winds \"As they blow\"\nuse std.physics\n\
         variable ue : eastward_wind  on surface(10 m) from \"UGRD:10 m above ground\"\n\
         variable vn : northward_wind on surface(10 m) from \"VGRD:10 m above ground\"\n\
         variable ux : x_wind         on surface(10 m) from \"UGRD:10 m above ground\"\n\
         derive east  : eastward_wind  on surface = ue + 0 m/s\n\
         derive north : northward_wind on surface = vn + 0 m/s\n\
         derive along : x_wind         on surface = ux + 0 m/s\n",
    );
    place.done(&["derive", "winds.aurora", "--input", "curved.nc", "--output", "out.nc"]);
    let read = |name: &str| values(&place.path("out.nc"), name);
    let half = 0.5f32.sqrt();
    let given = GROUND[2].values().into_iter().zip(GROUND[3].values());
    for ((((x, y), east), north), along) in given.zip(read("east")).zip(read("north")).zip(read("along")) {
        // At the ends of rows the neighbour on one side only is seen: 1e-4 rad.
        assert!((east - half * (x - y)).abs() < 2e-3, "{east} {x} {y}");
        assert!((north - half * (x + y)).abs() < 2e-3, "{north} {x} {y}");
        assert_eq!(along, x);
    }
    let file = NetCdf::open(&place.path("out.nc")).expect("NetCDF");
    assert_eq!(file.variable("latitude").expect("latitude").dimensions, ["y", "x"]);
    assert_eq!(file.variable("east").and_then(|v| v.text("coordinates")), Some("latitude longitude"));
}

#[test]
fn a_recipe_finds_its_fields_by_from() {
    let place = place();
    place.write(
        "mine.aurora",
        "aurora 1.0\nrecipe mine \"Fields alone\"\nuse std.physics (g0)\n\
         levels pl : pressure = [850, 500] hPa\n\
         variable t    : temperature       on pl             from \"TMP\"\n\
         variable q    : specific_humidity on pl             from \"SPFH\"\n\
         variable t2m  : temperature       on surface(2 m)   from \"TMP:2 m above ground\"\n\
         variable refc : reflectivity      on column         from \"REFC:entire atmosphere\"\n\
         derive lapse : temperature on column = (t at 850 hPa) - (t at 500 hPa)\n\
         derive warm  : temperature on surface = t2m + 1 K\n\
         derive echo  : reflectivity on column = refc\n",
    );
    for form in ["state.grib2", "state.nc", "state.zarr"] {
        let said = place.done(&["derive", "mine.aurora", "--input", form, "--output", "out.nc"]);
        assert!(said.stderr.contains("left out: echo") && said.stderr.contains("REFC"), "{}", said.stderr);
        let (t, t2m) = (UPPER[0].values(), GROUND[0].values());
        let plane = ROWS * COLUMNS;
        let lapse = values(&place.path("out.nc"), "lapse");
        for (point, lapse) in lapse.iter().enumerate() {
            assert!((lapse - (t[2 * plane + point] - t[4 * plane + point])).abs() < 1e-4, "{form}");
        }
        let warm = values(&place.path("out.nc"), "warm");
        assert_eq!(warm, t2m.iter().map(|t| t + 1.0).collect::<Vec<f32>>(), "{form}");
    }
    let only = |name: &'static str| {
        ["derive", "mine.aurora", "--input", "state.grib2", "--output", "no.nc", "--only", name]
    };
    let sentence = place.refused(&only("echo"));
    assert!(sentence.contains("`echo`") && sentence.contains("REFC:entire atmosphere"), "{sentence}");
    assert!(sentence.contains("TMP"), "{sentence}");
    let sentence = place.refused(&only("lapze"));
    assert!(sentence.contains("did you mean `lapse`?"), "{sentence}");
    let text = place.text("mine.aurora").replace("[850, 500]", "[850, 550]");
    place.write("mine.aurora", text.replace("500 hPa", "550 hPa"));
    let sentence = place.refused(&only("lapse"));
    assert!(sentence.contains("550") && sentence.contains("6 levels"), "{sentence}");
    assert!(!place.path("no.nc").exists());
}

#[test]
fn fields_may_lie_in_several_files() {
    let place = place();
    let upper: Vec<&str> = GROUND.iter().map(|field| field.variable).collect();
    let ground: Vec<&str> = UPPER.iter().map(|field| field.variable).collect();
    place.write("upper.grib2", state::grib(&upper));
    place.write("ground.grib2", state::grib(&ground));
    let base = ["derive", "std.physics", "--only", "speed06"];
    place.done(
        &[&base[..], &["--input", "upper.grib2", "--input", "ground.grib2", "--output", "two.nc"]].concat(),
    );
    place.done(&[&base[..], &["--input", "state.grib2", "--output", "one.nc"]].concat());
    assert_eq!(values(&place.path("two.nc"), "speed06"), values(&place.path("one.nc"), "speed06"));
    let sentence = place.refused(&[&base[..], &["--input", "upper.grib2", "--output", "no.nc"]].concat());
    assert!(sentence.contains("`speed06` needs") && sentence.contains("wind at 10 m"), "{sentence}");
    assert!(sentence.contains("TMP (6 levels, 1000 .. 300 hPa)"), "{sentence}");
}

#[test]
fn what_is_wrong_with_an_input_is_said() {
    let place = place();
    let whole = state::grib(&[]);
    place.write("cut.grib2", &whole[..whole.len() - 40]);
    place.write("text.txt", "hello, this is no file of fields\n");
    place.write("empty.nc", "");
    let netcdf = place.read("state.nc");
    place.write("cut.nc", &netcdf[..60]);
    std::fs::create_dir(place.path("folder")).expect("a folder");
    let mut other = state::dataset();
    for variable in &mut other.variables {
        if variable.name == "lat" {
            variable.values = Values::Double(vec![30.0, 31.0, 32.0]);
        }
    }
    other.write_netcdf(&place.path("south.nc")).expect("NetCDF");
    let refused = |inputs: &[&str], library: &str, only: &str| {
        let mut arguments = vec!["derive", library, "--output", "no.nc", "--only", only];
        arguments.extend(inputs.iter().flat_map(|input| ["--input", input]));
        let sentence = place.refused(&arguments);
        assert!(!place.path("no.nc").exists());
        sentence
    };
    for (inputs, library, only, words) in [
        (&["nowhere.grib2"][..], "std.physics", "tv", "nowhere.grib2"),
        (&["cut.grib2"], "std.physics", "tv", "cut short"),
        (&["text.txt"], "std.physics", "tv", "neither GRIB2 nor NetCDF"),
        (&["empty.nc"], "std.physics", "tv", "empty"),
        (&["cut.nc"], "std.physics", "tv", "cut.nc"),
        (&["folder"], "std.physics", "tv", "not a Zarr store"),
        (&["state.nc", "south.nc"], "std.physics", "tv", "on another grid"),
        (&["state.nc"], "std.physics", "speed60", "did you mean `speed06`?"),
        (&["state.nc"], "std.fysics", "tv", "did you mean `std.physics`?"),
        (&["state.nc"], "std.physics", "scp", "derives nothing called `scp`"),
        (&["state.nc"], "std.severe", "updraught_helicity", "`updraught_helicity`"),
        (&["state.nc"], "physics", "tv", "did you mean `std.physics`?"),
        // However many names a shell takes for one argument.
        (&["state.nc"], "std.physics", "tv, speed60", "nothing called `speed60`"),
    ] {
        let sentence = refused(inputs, library, only);
        assert!(sentence.contains(words), "{inputs:?}: {sentence}");
    }
    let usage = place.run(&["derive", "std.physics", "--output", "no.nc"]);
    assert_eq!(usage.status.code(), Some(2));
    let sentence = place.refused(&["derive", "std.physics", "--input", "state.nc", "--output", "no.svg"]);
    assert!(sentence.contains("--sounding"), "{sentence}");
    let sentence = place.refused(&["derive", "std.physics", "--input", "state.nc", "--output", "no"]);
    assert!(sentence.contains(".nc for NetCDF") && !place.path("no").exists(), "{sentence}");
    let sentence = place.refused(&["derive", "std.physics", "--input", "nowhere.nc", "--output", "no.nc"]);
    assert!(sentence.contains("No such file") && !sentence.contains("os error"), "{sentence}");
}

/// Everything std.severe has but what needs the vertical wind, of one state in two forms, levels the other way round.
#[test]
fn severe_parameters_of_a_state() {
    let place = place();
    let mut made: Vec<Vec<(String, Vec<f32>)>> = Vec::new();
    for form in ["state.grib2", "state.nc"] {
        let said = place.done(&["derive", "std.severe", "--input", form, "--output", "out.nc"]);
        assert!(said.stderr.contains("left out: updraught_helicity"), "{}", said.stderr);
        let file = NetCdf::open(&place.path("out.nc")).expect("NetCDF");
        let fields = file.variables.iter().filter(|variable| variable.dimensions.len() == 3);
        let read = |name: &str| (name.to_string(), values(&place.path("out.nc"), name));
        made.push(fields.map(|variable| read(&variable.name)).collect());
        let standard =
            |name: &str| file.variable(name).and_then(|held| held.text("standard_name")).map(str::to_string);
        assert_eq!(
            standard("sbcape").as_deref(),
            Some("atmosphere_convective_available_potential_energy_wrt_surface")
        );
        assert_eq!(standard("mlcin").as_deref(), Some("atmosphere_convective_inhibition"));
        assert_eq!(file.variable("srh3").and_then(|held| held.text("units")), Some("m2 s-2"));
    }
    let [one, other] = &made[..] else { panic!("two forms") };
    assert!(one.len() > 30, "{}", one.len());
    for ((name, one), (same, other)) in one.iter().zip(other) {
        assert_eq!(name, same);
        for (one, other) in one.iter().zip(other) {
            let near = (one - other).abs() <= 1e-3 * one.abs().max(1.0) || one.is_nan() && other.is_nan();
            assert!(near, "{name}: {one} {other}");
        }
    }
    let cape = &one.iter().find(|(name, _)| name == "sbcape").expect("sbcape").1;
    assert!(cape.iter().all(|cape| (100.0..6000.0).contains(cape)), "{cape:?}");
    place.done(&[
        "derive",
        "std.severe",
        "--input",
        "state.grib2",
        "--only",
        "mlcape,srh3,stp",
        "--output",
        "few.nc",
    ]);
    let few = NetCdf::open(&place.path("few.nc")).expect("NetCDF");
    assert!(few.variable("sbcape").is_none());
    for name in ["mlcape", "srh3", "stp"] {
        let whole = &one.iter().find(|(known, _)| known == name).expect(name).1;
        for (one, other) in whole.iter().zip(values(&place.path("few.nc"), name)) {
            // Fused with others or not, a kernel may round otherwise.
            assert!((one - other).abs() <= 1e-4 * one.abs().max(1.0), "{name}: {one} {other}");
        }
    }
}

/// A missing value costs its own column and no other.
#[test]
fn a_hole_stays_in_its_column() {
    let place = place();
    let mut set = state::dataset();
    let t2m = set.variables.iter_mut().find(|variable| variable.name == "t2m").expect("t2m");
    if let Values::Single(values) = &mut t2m.values {
        values[5] = f32::NAN;
    }
    set.write_netcdf(&place.path("hole.nc")).expect("NetCDF");
    for input in ["state.nc", "hole.nc"] {
        let output = format!("{input}.out.nc");
        place.done(&["derive", "std.severe", "--input", input, "--only", "sbcape", "--output", &output]);
    }
    let whole = values(&place.path("state.nc.out.nc"), "sbcape");
    let holed = values(&place.path("hole.nc.out.nc"), "sbcape");
    // The file's rows run from the south.
    let hole = (ROWS - 1 - 5 / COLUMNS) * COLUMNS + 5 % COLUMNS;
    for (point, (one, other)) in whole.iter().zip(&holed).enumerate() {
        assert!(one.is_finite(), "{point}");
        assert_eq!(other.is_nan(), point == hole, "{point}");
        assert!(point == hole || one == other, "{point}");
    }
}

// ---- real files ------------------------------------------------------------------------------------

/// The folder of real data, or nothing with a word about it.
pub fn data() -> Option<PathBuf> {
    let folder = std::env::var_os("AURORAC_TEST_DATA").map(|folder| PathBuf::from(folder).join("data"));
    if folder.is_none() {
        println!("skipped: AURORAC_TEST_DATA is not set");
    }
    folder
}

pub fn text(path: &Path) -> &str {
    path.to_str().expect("a path in UTF-8")
}

/// The share of numbers among them.
fn known(values: &[f32]) -> f64 {
    values.iter().filter(|value| value.is_finite()).count() as f64 / values.len().max(1) as f64
}

#[test]
fn nam_on_its_lambert_grid() {
    let Some(folder) = data() else { return };
    let place = Place::empty();
    let input = folder.join("rap_nam_gfs/nam.t00z.awp21100.tm00.grib2");
    place.done(&[
        "derive",
        "std.physics",
        "--input",
        text(&input),
        "--only",
        "tv,speed06",
        "--output",
        "nam.nc",
    ]);
    let file = NetCdf::open(&place.path("nam.nc")).expect("NetCDF");
    assert_eq!(
        file.variable("crs").and_then(|crs| crs.text("grid_mapping_name")),
        Some("lambert_conformal_conic")
    );
    // Derivatives across the grid know how far its points are apart.
    let only = ["--only", "updraught_helicity", "--output", "uh.nc"];
    place.done(&[&["derive", "std.severe", "--input", text(&input)], &only[..]].concat());
    let helicity = values(&place.path("uh.nc"), "updraught_helicity");
    assert!(known(&helicity) == 1.0 && helicity.iter().all(|uh| uh.abs() < 5.0));
    assert!(helicity.iter().any(|uh| uh.abs() > 0.05), "air rises and turns somewhere");
    let speed = values(&place.path("nam.nc"), "speed06");
    assert_eq!(speed.len(), 93 * 65);
    assert!(known(&speed) == 1.0 && speed.iter().all(|speed| (0.0..90.0).contains(speed)));
    // Shear does not depend on how the grid is turned: by hand from the winds as they stand in the file.
    let sources = Sources::open(std::slice::from_ref(&input)).expect("GRIB2");
    let wind = sources
        .find(|offer| offer.what == Some(What::Eastward) && matches!(offer.place, Where::Pressure(_)))
        .expect("winds");
    assert!(sources.offer(wind).along_grid);
    // Virtual temperature is the temperature where the air is dry, at the top.
    let grib = Grib::open(&input).expect("GRIB2");
    let top = grib
        .fields()
        .iter()
        .find(|field| field.name() == "TMP" && field.product.level_name() == "100 hPa")
        .expect("TMP at 100 hPa");
    let top = grib.image(top).expect("its values");
    let levels: Vec<f64> = file.read("level_pl").expect("levels").into_iter().collect();
    let at = levels.iter().position(|level| *level == 10_000.0).expect("100 hPa");
    let tv = values(&place.path("nam.nc"), "tv");
    let plane = 93 * 65;
    for (tv, t) in tv[at * plane..(at + 1) * plane].iter().zip(top.iter()) {
        assert!((tv - t).abs() < 0.05, "{tv} {t}");
    }
}

/// CAPE, shear and helicity of real analyses lie where those of the atmosphere lie.
#[test]
fn severe_parameters_of_real_files() {
    let Some(folder) = data() else { return };
    let place = Place::empty();
    for input in ["rap_nam_gfs/nam.t00z.awp21100.tm00.grib2", "netcdf3d/met_em.d01.2005-08-28_12.nc"] {
        let input = folder.join(input);
        let only = "sbcape,mlcape,mucape,mlcin,srh1,srh3,bulk_shear6,pwat";
        place.done(&["derive", "std.severe", "--input", text(&input), "--only", only, "--output", "out.nc"]);
        let read = |name: &str| values(&place.path("out.nc"), name);
        for (name, low, high) in [
            ("sbcape", 0.0, 9000.0),
            ("mlcape", 0.0, 7000.0),
            ("mucape", 0.0, 9000.0),
            ("mlcin", -2000.0, 0.0),
            ("srh1", -1500.0, 1500.0),
            ("srh3", -2000.0, 2000.0),
            ("bulk_shear6", 0.0, 90.0),
            ("pwat", 0.0, 90.0),
        ] {
            let values = read(name);
            assert_eq!(known(&values), 1.0, "{name} of {}", input.display());
            let worst = values.iter().find(|value| !(low..=high).contains(*value));
            assert!(worst.is_none(), "{name} of {}: {worst:?}", input.display());
        }
    }
}

#[test]
fn gfs_wrf_and_metgrid_are_read() {
    let Some(folder) = data() else { return };
    let place = Place::empty();
    for (input, points) in [
        ("rap_nam_gfs/gfs.t12z.pgrbf120.2p5deg.grib2", 144 * 73),
        ("rap_nam_gfs/gfs.grb", 144 * 73),
        ("netcdf3d/mercator_sample.nc", 4 * 48 * 48),
        ("netcdf3d/met_em.d01.2005-08-28_12.nc", 42 * 42),
    ] {
        let input = folder.join(input);
        // WRF's sample ends below 6 km: means are over what there is, a wind at that height there is none.
        let only = "right_mover_u,right_mover_v,tv";
        place.done(&["derive", "std.severe", "--input", text(&input), "--only", only, "--output", "out.nc"]);
        for name in ["right_mover_u", "right_mover_v"] {
            let wind = values(&place.path("out.nc"), name);
            assert_eq!(wind.len(), points, "{}", input.display());
            assert_eq!(known(&wind), 1.0, "{}", input.display());
            assert!(wind.iter().all(|wind| wind.abs() < 70.0), "{}", input.display());
        }
        let tv = values(&place.path("out.nc"), "tv");
        assert!(tv.iter().all(|tv| (160.0..340.0).contains(tv)), "{}", input.display());
    }
}

/// A file of a THREDDS server: temperatures and winds on levels of pressure, but no height of the ground.
#[test]
fn what_a_file_lacks_is_told_with_what_it_has() {
    let Some(folder) = data() else { return };
    let place = Place::empty();
    let input = folder.join("netcdf3d/GFS_test.nc");
    let arguments =
        |only| ["derive", "std.physics", "--input", text(&input), "--only", only, "--output", "out.nc"];
    let said = place.run(&arguments("speed06"));
    assert_eq!(said.status.code(), Some(1));
    assert!(said.stderr.contains("the height of the ground (`orog`)"), "{}", said.stderr);
    assert!(said.stderr.contains("Temperature_isobaric (26 levels"), "{}", said.stderr);
    let said = place.done(&arguments("tv"));
    assert!(said.stderr.contains("from relative humidity"), "{}", said.stderr);
    assert!(said.stderr.contains("left out"), "{}", said.stderr);
    assert_eq!(known(&values(&place.path("out.nc"), "tv")), 1.0);
}
