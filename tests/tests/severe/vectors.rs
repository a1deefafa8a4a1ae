//! Files of single values from the tests of other tools (`unit_vectors.json`): a case under each key, read by its form.

use std::path::Path;

use serde_json::Value;

use aurora_compiler::kernel::interpret::Extent;

use aurora_runtime::data::sounding::{self, Sounding as Observed};

use crate::recipe::{Columns, Executor, Level, module, on_grid, text, values};
use crate::report::Report;
use crate::sounding::Sounding;

/// Every case of a file. `soundings` are those known so far, of which some cases speak.
///
/// # Errors
/// A case whose lists are missing or differ in length.
pub fn compare(path: &Path, file: &Value, soundings: &[Sounding], report: &mut Report) -> Result<(), String> {
    for (key, case) in file.as_object().ok_or("no object")? {
        match key.as_str() {
            "note" => {}
            key if key.contains("scp") => {
                composite(key, case, &["mucape", "esrh", "ebwd"], "supercell(x0, x1, x2)", report)?;
            }
            key if key.contains("stp") => {
                composite(
                    key,
                    case,
                    &["sbcape", "lcl_m", "srh1", "shr6"],
                    "tornado(x0, x1, x2, x3)",
                    report,
                )?;
            }
            "updraught_helicity" => rotation(case, report)?,
            key if case.get("new_pres").is_some() => lifter(key, case, report)?,
            key if case.get("p_hPa").is_some() => short_sounding(key, case, report)?,
            "metpy_ddc_20160522_00z" => dodge_city(path, case, report)?,
            key if key.starts_with("sharppy_") => rounded(key, case, soundings, report)?,
            key => {
                println!("skipped {key}: {}", case["note"].as_str().unwrap_or("nothing to compute it from"))
            }
        }
    }
    Ok(())
}

fn list(case: &Value, key: &str) -> Result<Vec<f64>, String> {
    let list = case[key].as_array().ok_or_else(|| format!("no {key}"))?;
    list.iter().map(|number| number.as_f64().ok_or_else(|| format!("{key} is no list of numbers"))).collect()
}

fn number(case: &Value, key: &str) -> Result<f64, String> {
    case[key].as_f64().ok_or_else(|| format!("no {key}"))
}

/// A composite of what each place of the lists says, exact to the digits that are given.
fn composite(
    name: &str,
    case: &Value,
    inputs: &[&str],
    call: &str,
    report: &mut Report,
) -> Result<(), String> {
    let truth = list(case, "truth")?;
    let lists: Vec<Vec<f64>> = inputs.iter().map(|key| list(case, key)).collect::<Result<_, _>>()?;
    for (place, truth) in truth.iter().enumerate() {
        let mut call = call.to_string();
        for (input, values) in lists.iter().enumerate() {
            let value = values.get(place).ok_or_else(|| format!("{name}: lists differ in length"))?;
            let unit = match inputs[input] {
                "mucape" | "sbcape" => "J/kg",
                "lcl_m" => "m",
                "esrh" | "srh1" => "m^2/s^2",
                _ => "m/s",
            };
            call = call.replace(&format!("x{input}"), &format!("{value} {unit}"));
        }
        let ours = one(&format!("{call} + 0 * (t_profile at 0) / 1 K"), &[], &standard())?;
        report.compared(&format!("{name}[{place}]"), ours, *truth, 5e-7_f64.max(1e-9 * truth.abs()));
    }
    Ok(())
}

/// A saturated parcel from one pressure to another. The fit of Wobus to the digits of f32; by Runge and Kutta it is another ascent than
/// cm1's, which lets the cloud keep its water's heat: 0.2 K over 500 hPa.
fn lifter(name: &str, case: &Value, report: &mut Report) -> Result<(), String> {
    let (p0, t0, p1) = (number(case, "pres")?, number(case, "tmpk")?, number(case, "new_pres")?);
    for (key, options, tolerance) in [("wobus", &["std.severe.wobus"][..], 1e-3), ("cm1", &[], 0.2)] {
        let Ok(theirs) = number(case, key) else { continue };
        let call = format!("moist_ascent({t0} K, {p0} Pa, {p1} Pa) + 0 * (t_profile at 0)");
        report.compared(&format!("{name} {key}"), one(&call, options, &standard())?, theirs, tolerance);
    }
    Ok(())
}

/// A sounding of a few levels. The values in its note are of a MetPy that took no virtual temperature; 1.7.1 gives 223.93 and -52.72 J/kg,
/// of a layer from 700 to 269 hPa in which the two tools' parcels bend otherwise.
fn short_sounding(name: &str, case: &Value, report: &mut Report) -> Result<(), String> {
    let (p, t, td) = (list(case, "p_hPa")?, list(case, "T_C")?, list(case, "Td_C")?);
    let levels: Vec<Level> = (0..p.len().min(t.len()).min(td.len()))
        .map(|k| [p[k] * 100.0, 7500.0 * (p[0] / p[k]).ln(), t[k] + 273.15, td[k] + 273.15, 0.0, 0.0])
        .collect();
    let options = ["std.constants.metpy", "std.severe.romps", "std.severe.bottom"];
    let columns = Columns::of(&[levels]);
    for (key, theirs, tolerance) in [("sbcape", 223.93, 20.0), ("sbcin", -52.72, 20.0)] {
        report.compared(
            &format!("{name} {key} by MetPy 1.7.1"),
            one(key, &options, &columns)?,
            theirs,
            tolerance,
        );
    }
    println!("told    {name}: {}", case["note"].as_str().unwrap_or_default());
    Ok(())
}

/// Values of the program SHARP, rounded, of a sounding that is known by its name. Its lapse rates are of virtual temperature, and between
/// levels it takes its heights otherwise: 0.16 K/km over the lowest 3 km of this sounding, 0.01 inches of water.
fn rounded(name: &str, case: &Value, soundings: &[Sounding], report: &mut Report) -> Result<(), String> {
    let code: String = name.trim_start_matches("sharppy_").split('_').rev().collect::<Vec<_>>().join(".");
    let Some(sounding) = soundings.iter().find(|one| one.name == code) else {
        println!("skipped {name}: no sounding {code}");
        return Ok(());
    };
    let columns = Columns::of(std::slice::from_ref(&sounding.levels));
    let rate = |low: &str, high: &str| {
        format!(
            "((tv_profile at {low}) - (tv_profile at {high})) / ((z_profile at {high}) - (z_profile at {low})) * 1000 m / 1 K"
        )
    };
    let known = [
        ("LR_0_3km", rate("0", "3 km"), 0.2),
        ("LR_3_6km", rate("3 km", "6 km"), 0.1),
        ("LR_850_500", rate("850 hPa", "500 hPa"), 0.05),
        ("LR_700_500", rate("700 hPa", "500 hPa"), 0.05),
        ("PWAT_in", "pwat / 25.4 kg/m^2".to_string(), 0.02),
    ];
    for (key, expression, tolerance) in known {
        if let Ok(theirs) = number(case, key) {
            report.compared(
                &format!("{name} {key}"),
                one(&expression, &[], &columns)?,
                theirs,
                tolerance + 1e-9,
            );
        }
    }
    Ok(())
}

/// MetPy's own tests of the sounding of Dodge City of 22 May 2016, 00 UTC, which lies beside the file. Ours differ by how the wind between
/// levels is taken (see the manual), at most by 0.05 m/s.
fn dodge_city(path: &Path, case: &Value, report: &mut Report) -> Result<(), String> {
    let beside = path.ancestors().nth(3).map(|root| root.join("data/soundings/may22_sounding.txt"));
    let Some(file) = beside.filter(|file| file.exists()) else {
        println!("skipped metpy_ddc_20160522_00z: no sounding beside it");
        return Ok(());
    };
    let sounding = Observed::read(&file).map_err(|error| error.to_string())?;
    let level = |level: &sounding::Level| -> Level {
        let z = sounding.above_ground(level);
        [level.pressure, z, level.temperature, level.dewpoint, level.u, level.v]
    };
    let columns = Columns::of(&[sounding.levels.iter().map(level).collect()]);
    let pair = |key: &str| -> Result<[f64; 2], String> {
        let found = list(case, key)?;
        found.try_into().map_err(|_| format!("{key} is no pair"))
    };
    const KNOT: f64 = 1852.0 / 3600.0;
    let (right, left, mean) = (pair("bunkers_RM")?, pair("bunkers_LM")?, pair("mean")?);
    let shear = pair("shr6_kt")?.map(|knots| knots * KNOT);
    let calm = "between(0 m/s - (u_profile at 0), 0 m/s - (v_profile at 0), shear05_u, shear05_v) / 1 deg";
    // Millimetres of water of 999.97495 kg/m³.
    let water = "integral(r_profile over 400 hPa .. p_sfc) / (gravity * 0.99997495)";
    let known = [
        // The file's is of MetPy before 1.7, with Bolton's vapour pressure; what 1.7.1 makes of the sounding comes second.
        ("PWAT400", water, number(case, "PWAT400_mm")?, 0.02),
        ("PWAT400 of MetPy 1.7.1", water, 22.588_091_93, 1e-4),
        ("right u", "right_mover_u", right[0], 0.005),
        ("right v", "right_mover_v", right[1], 0.005),
        ("left u", "left_mover_u", left[0], 0.005),
        ("left v", "left_mover_v", left[1], 0.005),
        ("mean u", "mean_wind_u", mean[0], 0.005),
        ("mean v", "mean_wind_v", mean[1], 0.005),
        ("shear u", "shear6_u", shear[0], 0.05),
        ("shear v", "shear6_v", shear[1], 0.05),
        ("angle", calm, number(case, "critical_angle_c0")?, 0.3),
    ];
    for (name, expression, theirs, tolerance) in known {
        let ours = one(expression, &["std.constants.metpy"], &columns)?;
        report.compared(&format!("Dodge City {name}"), ours, theirs, tolerance);
    }
    Ok(())
}

/// Rotating updraughts on a small grid that is turned, point by point: numpy's, in f64 and by machine code. The largest is 17 m²/s²; f32 has winds to 1e-6
/// of 15 m/s, of which a difference over 24 km is taken, times 10 m/s and 3 km: 2e-5 m²/s².
fn rotation(case: &Value, report: &mut Report) -> Result<(), String> {
    let whole = |key: &str| number(case, key).map(|number| number as usize);
    let (levels, extent) = (whole("levels")?, Extent { rows: whole("rows")?, columns: whole("columns")? });
    let items = "variable w_profile : vertical_wind on profile from \"W\"\nuse std.severe\nderive out = updraught_helicity\n";
    let turned = text(levels, true, items)
        .replace("static        orog", "static        orog, rotation_cosine, rotation_sine")
        .replace(
            "use std.severe.thermo",
            "use std.physics (rotation_cosine, rotation_sine)\nuse std.severe.thermo",
        );
    let module = module(&turned);
    let kernel = module.kernel("out").ok_or("no kernel")?;
    let inputs: Vec<Vec<f64>> =
        kernel.inputs.iter().map(|input| list(case, &input.name)).collect::<Result<_, _>>()?;
    let truth = list(case, "truth")?;
    for executor in [Executor::Double, Executor::MachineCode] {
        let found = on_grid(kernel, &inputs, extent, executor);
        let tolerance = if executor == Executor::Double { 1e-8 } else { 1e-4 };
        for (place, (found, truth)) in found.iter().zip(&truth).enumerate() {
            report.compared(&format!("rotation[{place}] {executor:?}"), *found, *truth, tolerance);
        }
    }
    Ok(())
}

fn one(expression: &str, options: &[&str], columns: &Columns) -> Result<f64, String> {
    let wanted = [("x".to_string(), expression.to_string())];
    let found = values(columns, options, &wanted, Executor::Double);
    found["x"].first().copied().ok_or_else(|| "no value".to_string())
}

fn standard() -> Columns {
    Columns::of(&[vec![[1e5, 0.0, 300.0, 290.0, 0.0, 0.0], [9e4, 950.0, 293.0, 285.0, 5.0, 0.0]]])
}
