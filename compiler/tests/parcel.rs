//! Convective available potential energy, written in the language: a surface parcel lifted dry to its condensation
//! level (Bolton 1980), from there along the pseudo-adiabat in a `scan`, and its buoyancy integrated over a layer
//! whose ends are fields. Held against MetPy 1.7.1 and SHARPlib 1.4.3 on observed soundings (public domain: US
//! radiosondes, and one RUC profile). MetPy's saturation vapour pressure and latent heat are others than Bolton's, which
//! on these soundings is worth 25 to 40 J/kg; so 5 % is asked for, and 30 J/kg where CAPE is small.

#[path = "../../tests/tests/world/mod.rs"]
mod world;

use std::time::Instant;

use aurora_compiler::compile;
use aurora_compiler::kernel::interpret::interpret;
use aurora_compiler::kernel::ir::Module;
use ndarray::Array2;
use world::{QUICKSTART, World, drawn};

/// Pressure in hPa, temperature and dewpoint in °C, from the ground up; CAPE of the surface parcel in J/kg by MetPy and by
/// SHARPlib (its lifter `cm1`); pressure of the condensation level in hPa.
struct Sounding {
    name: &'static str,
    levels: &'static [(f64, f64, f64)],
    metpy: f64,
    sharplib: f64,
    condensation: f64,
}

const SOUNDINGS: [&Sounding; 4] = [&BIRMINGHAM, &BIRMINGHAM_CAPPED, &NORMAN, &DODGE_CITY];

/// What a library of severe weather needs for CAPE, on the levels of a sounding.
fn items(levels: &[(f64, f64, f64)]) -> String {
    let pressures: Vec<String> = levels.iter().map(|(p, ..)| p.to_string()).collect();
    format!(
        r#"
levels snd : pressure = [{}] hPa

variable ts : temperature in 150 .. 340 K     on snd            from "TMP"
variable qs : specific_humidity >= 0          on snd            from "SPFH"
variable p0 : pressure in 500 .. 1100 hPa     on surface        from "PRES"
variable t0 : temperature in 200 .. 340 K     on surface(2 m)   from "T0"
variable q0 : specific_humidity in 0 .. 0.04  on surface(2 m)   from "Q0"

derive ratio(q : specific_humidity) = q / max(1 - q, 0.5)
derive lcl_t(t : temperature, td : temperature) : temperature
  = 56 K + 1 / (1 / (td - 56 K) + log(t / td) / 800 K)
derive dew(e : pressure) : temperature
  = 273.15 K + 243.5 K * l / (17.67 - l)
  where {{
    l = log(max(e, 0.01 Pa) / 611.2 Pa)
  }}
derive vapour(r : mixing_ratio, p : pressure) : pressure = r * p / (0.622 + r)
derive saturated(t : temperature, p : pressure) : mixing_ratio
  = 0.622 * e / (p - e)
  where {{
    e = min(611.2 Pa * exp(17.67 * (t - 273.15 K) / (t - 29.65 K)), 0.5 * p)
  }}
derive dense(t : temperature, r : mixing_ratio) : temperature = t * (1 + r / 0.622) / (1 + r)

# One step of Runge and Kutta in ln p along the pseudo-adiabat.
derive rate(t : temperature, p : pressure) : temperature
  = (287.05 J/kg/K * t + lv * r) / (1005.7 J/kg/K + lv ^ 2 * r * 0.622 / (287.05 J/kg/K * t ^ 2))
  where {{
    lv = 2.501e6 J/kg - 2315 J/kg/K * (t - 273.15 K)
    r  = saturated(t, p)
  }}
derive ascended(t : temperature, from_p : pressure, to_p : pressure) : temperature
  = t + h / 6 * (k1 + 2 * k2 + 2 * k3 + k4)
  where {{
    h   = log(to_p / from_p)
    mid = (from_p * to_p) ^ 0.5
    k1  = rate(t, from_p)
    k2  = rate(t + 0.5 * h * k1, mid)
    k3  = rate(t + 0.5 * h * k2, mid)
    k4  = rate(t + h * k3, to_p)
  }}

derive r0   : mixing_ratio on surface = ratio(q0)
derive tlcl : temperature  on surface = lcl_t(t0, dew(vapour(r0, p0)))
derive plcl : pressure     on surface = min(p0, p0 * exp(3.5 * log(tlcl / t0)))
derive moist : temperature on snd
  = scan snd upward from plcl {{
        start  tp = tlcl
        step   tp = ascended(tp, previous, here)
    }}
derive lifted : temperature on snd
  = choose(snd >= plcl, dense(t0 * exp(0.2857 * log(snd / p0)), r0), dense(moist, saturated(moist, snd)))
derive excess : temperature on snd = lifted - dense(ts, ratio(qs))
derive el : pressure on column = min(choose(excess > 0 K, snd, 1100 hPa) over 100 .. {} hPa)
derive cape : buoyant_energy >= 0 on column
  = integral(max(0 J/kg, 287.05 J/kg/K * excess) over plcl .. el, in log(snd))
"#,
        pressures.join(", "),
        levels[0].0
    )
}

fn compiled(levels: &[(f64, f64, f64)]) -> Module {
    let text = format!("{QUICKSTART}{}", items(levels));
    let compilation = compile("parcel.aurora", &text, &World::new());
    let drawn = drawn(&compilation);
    compilation.result.unwrap_or_else(|| panic!("{drawn}")).1
}

/// Every derived field in turn, of what is known and of those before it.
fn value(module: &Module, name: &str, known: &[(&str, Vec<f64>)]) -> Vec<f64> {
    let kernel = module.kernel(name).unwrap_or_else(|| panic!("no kernel {name}"));
    let arrays: Vec<Array2<f64>> = kernel
        .inputs
        .iter()
        .map(|input| {
            let (_, values) = known.iter().find(|(name, _)| *name == input.name).expect("known");
            Array2::from_shape_vec((values.len(), 1), values.clone()).expect("shape")
        })
        .collect();
    let views: Vec<_> = arrays.iter().map(|array| array.view()).collect();
    interpret(kernel, &views, 1).expect("interpreted")[0].iter().copied().collect()
}

/// Specific humidity at a dewpoint in °C (Bolton 1980).
fn humidity(dewpoint: f64, pressure: f64) -> f64 {
    let e = 611.2 * (17.67 * dewpoint / (dewpoint + 243.5)).exp();
    let r = 0.622 * e / (pressure - e);
    r / (1.0 + r)
}

#[test]
fn cape_agrees_with_metpy_and_sharplib() {
    for sounding in SOUNDINGS {
        let module = compiled(sounding.levels);
        let of = |f: &dyn Fn(&(f64, f64, f64)) -> f64| sounding.levels.iter().map(f).collect::<Vec<f64>>();
        let (t, q) = (of(&|(_, t, _)| t + 273.15), of(&|(p, _, td)| humidity(*td, p * 100.0)));
        let known = [
            ("p0", vec![sounding.levels[0].0 * 100.0]),
            ("t0", vec![t[0]]),
            ("q0", vec![q[0]]),
            ("ts", t),
            ("qs", q),
        ];
        let lcl = value(&module, "plcl", &known)[0] / 100.0;
        assert!((lcl - sounding.condensation).abs() < 2.0, "{}: {lcl} hPa", sounding.name);
        let cape = value(&module, "cape", &known)[0];
        for other in [sounding.metpy, sounding.sharplib] {
            let allowed = f64::max(0.05 * other, 30.0);
            assert!((cape - other).abs() < allowed, "{}: {cape} J/kg, not {other}", sounding.name);
        }
    }
}

/// Functions are written out where they are used, but shared where their arguments are: the kernel stays as small as
/// the work, and compiling it is quick.
#[test]
fn the_kernel_is_no_larger_than_its_work() {
    let text = format!("{QUICKSTART}{}", items(BIRMINGHAM.levels));
    let started = Instant::now();
    let module = compile("parcel.aurora", &text, &World::new()).result.expect("compiled").1;
    let elapsed = started.elapsed();
    let kernel = module.kernel("cape").expect("a kernel");
    assert!(kernel.instructions.len() < 150, "{} instructions", kernel.instructions.len());
    // Unoptimised builds on a busy machine are slow; what is exponential would be slower still.
    assert!(elapsed.as_secs_f64() < 2.0, "{elapsed:?}");
}

const BIRMINGHAM: Sounding = Sounding {
    name: "98041700.BMX",
    metpy: 2396.1,
    sharplib: 2384.1,
    condensation: 924.54,
    levels: &[
        (987.00, 25.00, 20.56),
        (972.64, 23.75, 20.37),
        (938.99, 20.78, 18.85),
        (925.00, 19.52, 18.20),
        (906.39, 17.89, 17.21),
        (874.67, 16.29, 15.49),
        (850.00, 15.00, 14.10),
        (813.86, 13.11, 11.78),
        (784.84, 11.54, 9.84),
        (756.95, 9.97, 7.91),
        (754.00, 9.80, 7.70),
        (729.56, 7.38, 6.29),
        (718.00, 6.20, 5.60),
        (700.00, 5.40, 3.50),
        (668.00, 5.00, -4.00),
        (652.34, 3.66, -11.06),
        (620.00, 0.80, -26.20),
        (610.00, 0.60, -16.40),
        (604.88, 0.06, -16.52),
        (581.97, -2.42, -17.04),
        (559.92, -4.90, -17.57),
        (531.00, -8.30, -18.30),
        (509.00, -10.90, -15.40),
        (500.00, -11.90, -18.90),
        (490.00, -12.70, -16.50),
        (478.38, -14.29, -20.40),
        (474.00, -14.90, -21.90),
        (423.01, -22.17, -26.94),
        (413.00, -23.70, -28.00),
        (406.00, -24.50, -32.50),
        (400.00, -25.50, -31.50),
        (398.00, -25.90, -31.90),
        (390.00, -26.90, -37.90),
        (389.10, -27.02, -37.82),
        (372.94, -29.17, -36.39),
        (372.00, -29.30, -36.30),
        (358.00, -30.10, -38.10),
        (355.00, -30.30, -42.30),
        (349.00, -30.70, -37.70),
        (335.00, -32.90, -38.90),
        (320.00, -33.90, -65.90),
        (313.92, -34.91, -66.61),
        (300.00, -37.30, -68.30),
        (274.55, -41.29, -71.31),
        (250.82, -45.35, -74.39),
        (250.00, -45.50, -74.50),
        (228.63, -50.03, -77.45),
        (211.00, -54.10, -80.10),
        (208.35, -54.48, -80.24),
        (200.00, -55.70, -80.70),
        (180.31, -57.50, -82.14),
        (163.68, -59.18, -83.49),
        (155.93, -60.03, -84.16),
        (150.00, -60.70, -84.70),
        (148.52, -60.86, -84.82),
        (121.84, -64.06, -87.12),
        (120.00, -64.30, -87.30),
        (100.00, -70.30, -91.30),
    ],
};

const NORMAN: Sounding = Sounding {
    name: "OUN 1999-05-04",
    metpy: 2466.5,
    sharplib: 2439.8,
    condensation: 914.62,
    levels: &[
        (959.00, 22.20, 19.00),
        (931.30, 20.20, 17.50),
        (925.00, 19.80, 17.10),
        (899.30, 18.40, 16.90),
        (892.00, 18.00, 16.80),
        (867.90, 17.40, 14.30),
        (850.00, 17.00, 12.50),
        (814.00, 15.40, 5.40),
        (807.90, 15.40, 1.20),
        (790.00, 15.60, -11.40),
        (779.20, 14.60, -11.20),
        (751.30, 12.00, -10.80),
        (724.30, 9.40, -10.40),
        (700.00, 7.00, -10.00),
        (655.00, 2.20, -16.80),
        (647.50, 1.40, -16.70),
        (599.40, -4.20, -15.80),
        (554.70, -9.70, -15.00),
        (550.00, -10.30, -14.90),
        (500.00, -14.90, -18.90),
        (472.50, -17.60, -21.00),
        (449.00, -20.10, -22.90),
        (400.00, -26.70, -30.10),
        (383.70, -29.10, -32.60),
        (336.40, -36.80, -40.60),
        (321.90, -39.40, -43.30),
        (308.10, -41.90, -46.00),
        (300.00, -43.50, -47.60),
        (269.00, -49.00, -53.20),
    ],
};

const DODGE_CITY: Sounding = Sounding {
    name: "20160524_2302",
    metpy: 3769.5,
    sharplib: 3779.6,
    condensation: 819.37,
    levels: &[
        (915.50, 26.58, 19.03),
        (900.00, 25.41, 18.12),
        (875.00, 22.78, 17.30),
        (850.00, 20.53, 16.09),
        (825.00, 18.59, 14.43),
        (800.00, 16.76, 13.32),
        (775.00, 15.05, 12.51),
        (750.00, 13.38, 11.28),
        (725.00, 11.40, 8.38),
        (700.00, 9.48, 5.25),
        (675.00, 7.47, 2.34),
        (650.00, 5.19, -0.82),
        (625.00, 2.59, -3.76),
        (600.00, -0.22, -6.81),
        (575.00, -3.30, -10.11),
        (550.00, -6.40, -14.64),
        (525.00, -9.54, -21.44),
        (500.00, -12.23, -30.18),
        (475.00, -14.90, -50.79),
        (450.00, -17.38, -54.96),
        (425.00, -20.10, -50.21),
        (400.00, -23.14, -45.50),
        (375.00, -26.43, -44.17),
        (350.00, -29.93, -43.83),
        (325.00, -34.00, -44.73),
        (300.00, -38.68, -48.79),
        (275.00, -43.56, -56.33),
        (250.00, -47.72, -59.85),
        (225.00, -51.62, -62.26),
        (200.00, -55.27, -66.43),
        (175.00, -57.94, -66.35),
        (150.00, -60.51, -74.11),
        (125.00, -61.25, -82.83),
        (100.00, -61.43, -86.61),
    ],
};

const BIRMINGHAM_CAPPED: Sounding = Sounding {
    name: "95051900.BMX",
    metpy: 2562.8,
    sharplib: 2561.8,
    condensation: 880.13,
    levels: &[
        (987.00, 28.33, 20.50),
        (940.00, 24.15, 19.82),
        (925.00, 22.79, 19.40),
        (907.00, 21.13, 18.97),
        (900.00, 20.50, 18.80),
        (886.00, 19.50, 18.30),
        (876.00, 19.00, 17.73),
        (872.00, 18.80, 17.50),
        (850.00, 18.50, 13.60),
        (816.00, 15.87, 11.45),
        (800.00, 14.60, 10.40),
        (787.00, 13.60, 9.50),
        (768.00, 11.90, 10.30),
        (764.00, 11.60, 9.70),
        (760.00, 12.10, 2.60),
        (759.00, 12.10, 1.70),
        (756.00, 12.10, -1.00),
        (750.00, 11.90, -3.40),
        (736.00, 11.40, -11.30),
        (732.00, 11.04, -11.34),
        (700.00, 8.10, -11.70),
        (672.00, 5.40, -13.00),
        (668.00, 4.90, -8.80),
        (655.00, 3.89, -12.97),
        (650.00, 3.50, -14.60),
        (644.00, 3.10, -16.50),
        (612.00, 0.00, -13.50),
        (607.00, -0.54, -13.87),
        (600.00, -1.30, -14.40),
        (591.00, -2.20, -15.20),
        (587.00, -2.50, -18.40),
        (579.00, -2.50, -13.00),
        (562.00, -4.68, -12.11),
        (558.00, -5.20, -11.90),
        (554.00, -5.50, -9.50),
        (550.00, -6.20, -8.60),
        (544.00, -7.00, -7.50),
        (541.00, -7.04, -7.44),
        (529.00, -7.20, -7.20),
        (520.00, -8.14, -8.19),
        (511.00, -9.10, -9.20),
        (500.00, -9.90, -10.00),
        (480.00, -11.04, -12.00),
        (479.00, -11.10, -12.10),
        (467.00, -12.90, -16.50),
        (450.00, -14.60, -18.50),
        (449.00, -14.80, -18.60),
        (443.00, -15.46, -18.72),
        (439.00, -15.90, -18.80),
        (435.00, -16.80, -24.20),
        (427.00, -17.30, -28.10),
        (413.00, -18.70, -28.10),
        (412.00, -18.80, -28.90),
        (409.00, -19.50, -38.80),
        (400.00, -19.80, -40.30),
        (392.00, -20.96, -40.48),
        (387.00, -21.70, -40.60),
        (385.00, -22.10, -33.00),
        (376.00, -23.59, -33.37),
        (373.00, -24.10, -33.50),
        (366.00, -24.80, -28.60),
        (350.00, -27.30, -31.60),
        (317.00, -32.70, -38.02),
        (300.00, -35.70, -41.60),
        (291.00, -37.37, -43.70),
        (254.00, -44.83, -53.10),
        (250.00, -45.70, -54.20),
        (232.00, -49.41, -57.36),
        (218.00, -52.50, -60.00),
        (200.00, -57.70, -60.00),
        (189.00, -61.00, -61.00),
        (175.00, -64.40, -64.40),
        (168.00, -66.30, -66.30),
        (167.00, -66.30, -66.30),
        (165.00, -64.70, -64.70),
        (159.00, -62.10, -62.10),
        (157.00, -62.10, -62.10),
        (150.00, -64.20, -64.20),
        (145.00, -65.40, -65.40),
        (140.00, -65.20, -65.20),
        (137.00, -65.90, -65.90),
        (126.00, -65.20, -65.20),
        (125.00, -65.80, -65.80),
        (115.00, -69.50, -69.50),
        (107.00, -67.50, -67.50),
        (103.00, -67.20, -67.20),
        (100.00, -67.90, -67.90),
    ],
};
