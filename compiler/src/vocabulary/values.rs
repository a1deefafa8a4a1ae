//! The words that stand as values: functions, scores, groups of weights, architectures and their inputs.

use std::sync::OnceLock;

use super::{ARCHITECTURE, Takes, Word, word};

/// Functions the compiler knows itself; all others are written in the language.
pub const FUNCTIONS: &[Word] = &[
    word("abs", "the value without its sign", "abs(t2m - t at 850 hPa)"),
    word("sqrt", "the square root; units are rooted too", "sqrt(2 * mucape)"),
    word("exp", "e to the power of a plain number", "exp(-z / 8000 m^2/s^2)"),
    word("log", "the natural logarithm of a plain number", "log(p / 1000 hPa)"),
    word("sin", "the sine of an angle", "sin(lat)"),
    word("cos", "the cosine of an angle", "cos(lat)"),
    word("atan2", "the angle of a vector", "atan2(v10, u10)"),
    word("choose", "one value where a relation holds, another elsewhere", "choose(t > 273.15 K, a, b)"),
    word("decibel", "a value on its logarithmic scale", "decibel(linear(refc) + 10 mm^6/m^3)"),
    word("hypot", "the length of a vector", "hypot(u10, v10)"),
    word("min", "the least of several values, or of a layer", "min(w over 2 .. 5 km)"),
    word("max", "the greatest of several values, or of a layer", "max(w over 2 .. 5 km)"),
    word("mean", "the mean over a layer", "mean(q over 850 .. 1000 hPa)"),
    word("integral", "the integral over a layer", "integral(q over 300 .. 1000 hPa)"),
    word("slope", "the derivative along the column", "slope(z, log(pl))"),
    word("pressure", "the pressure of a set of levels, as a field on it", "pressure(pl)"),
    word("height", "the height of a set of levels, as a field on it", "height(pl)"),
    word("index", "what a set of levels is counted by, as a field on it", "index(hybrid)"),
    word("join", "the ground and the column above it", "join(t2m, t)"),
    word("last", "what a walk has come to on its last level", "last(scan pl upward { … })"),
    word("previous", "in a walk, a field on the level before", "t - previous(t)"),
    word("each", "a value for every level of a column", "each(max(t over 500 .. 1000 hPa) - here(t))"),
    word("here", "in `each`, a field on the level at hand", "here(t)"),
    word("linear", "a logarithmic value on its linear scale", "linear(refc)"),
    word("ddx", "the derivative towards the east, per metre", "ddx(v10)"),
    word("ddy", "the derivative towards the north, per metre", "ddy(u10)"),
    word("ddt", "the derivative in time, per second", "ddt(t2m)"),
    word(
        "ramp",
        "0 before the first value, 1 behind the second, straight between",
        "ramp(lcl, 2000 m -> 1000 m)",
    ),
    word("clamp", "the value, kept within bounds", "clamp(speed06 / 20 m/s, 0 .. 1.5)"),
    word("step", "1 from a value on, else 0", "step(speed06, from = 10 m/s)"),
    word("truth", "what was observed, beside what is predicted", "truth(refc) >= 35 dBZ"),
    word(
        "chance",
        "how likely a relation holds, over an ensemble or a probabilistic head",
        "chance(refc >= 40 dBZ)",
    ),
];

/// Errors of predictions: what a loss is built of. All are divided by the field's spread over `train`.
pub const MEASURES: &[Word] = &[
    word("mae", "the mean absolute error", "mae(refc, when = truth(refc) >= 30 dBZ)"),
    word("mse", "the mean squared error", "mse(t2m)"),
    word("huber", "squared up to `delta` spreads, straight beyond", "huber(scp, delta = 1)"),
    word("crps", "the continuous ranked probability score", "crps(refc)"),
    word("spectral", "the error of the power spectrum below a wavelength", "spectral(refc, below = 48 km)"),
    word("fss", "one minus the fractions skill score", "fss(refc, above = 30 dBZ, within = 24 km)"),
];

/// Names that stand for several fields in a loss.
pub const ROLES: &[Word] = &[
    word("prognostic", "every field that is predicted and fed back", "mae(prognostic)"),
    word("diagnostic", "every field that is predicted only", "mae(diagnostic)"),
];

/// What fields are judged by.
pub const SCORES: &[Word] = &[
    word("rmse", "the root of the mean squared error", "rmse of t at [850, 500] hPa"),
    word("bias", "the mean of prediction minus truth", "bias of t2m"),
    word("mae", "the mean absolute error", "mae of t2m"),
    word(
        "csi",
        "the critical success index: hits among all that was seen or forecast",
        "csi of refc at 35 dBZ",
    ),
    word("pod", "the probability of detection: hits among what was seen", "pod of refc at 35 dBZ"),
    word("far", "the false alarm ratio: what was not seen among what was forecast", "far of refc at 35 dBZ"),
    word("ets", "the equitable threat score: csi beyond hits by chance", "ets of refc at 35 dBZ"),
    word("frequency_bias", "what was forecast over what was seen", "frequency_bias of refc at 35 dBZ"),
    word("fss", "the fractions skill score in neighbourhoods", "fss of refc at 35 dBZ within [12, 24] km"),
    word(
        "reliability",
        "observed frequency for each forecast chance",
        "reliability of chance(refc >= 40 dBZ) in 10 bins",
    ),
    word("sal", "structure, amplitude and location of objects", "sal of refc at 35 dBZ"),
    word("crps", "the continuous ranked probability score", "crps of refc"),
    word("spread", "the standard deviation of an ensemble", "spread of refc"),
    word("brier", "the mean squared error of a chance", "brier of chance(refc >= 40 dBZ)"),
    word("object", "hits and misses of whole objects", "object of refc at 35 dBZ"),
    word("violation", "how far a constraint is broken", "violation of unsaturated"),
    word("roc", "detection against false detection, and the area below", "roc of chance(refc >= 40 dBZ)"),
    word("spectra", "power by wavelength", "spectra of u10"),
];

/// What a forecast is compared with.
pub const BASELINES: &[Word] = &[
    word("persistence", "the newest analysis, unchanged", "persistence"),
    word("climatology", "the mean of the same hour of the year over `train`", "climatology"),
];

/// Architectures to start from.
pub const ARCHITECTURES: &[Word] = &[
    word("aurora", "Aurora as published for 0.25°, each option of which may be given", "aurora(patch = 4)"),
    word("aurora.small", "the small model for tests", "aurora.small"),
    word("aurora.pretrained", "Aurora at 0.25°", "aurora.pretrained"),
    word("aurora.fine_tuned", "Aurora at 0.25°, fine-tuned to the analyses of IFS HRES", "aurora.fine_tuned"),
    word("aurora.twelve_hour", "Aurora at 0.25° with a step of twelve hours", "aurora.twelve_hour"),
    word("aurora.high_res", "Aurora at 0.1°", "aurora.high_res"),
    word("aurora.air_pollution", "Aurora for air pollution at 0.4°", "aurora.air_pollution"),
    word("aurora.wave", "Aurora for ocean waves at 0.25°", "aurora.wave"),
    word("aurora.v1p5", "Aurora 1.5", "aurora.v1p5"),
    word("aurora.v1p5_ensemble", "Aurora 1.5 with noise, for ensembles", "aurora.v1p5_ensemble"),
];

/// What a head may be built of.
pub const LAYERS: &[Word] = &[
    word("perceiver", "Aurora's own decoder form, with weights of its own", "perceiver(modulate = true)"),
    word("conv", "convolutions", "conv(width = 64, depth = 3)"),
    word("unet", "convolutions at several scales, joined across", "unet(width = 96, depth = 3)"),
    word("mlp", "dense layers, point by point", "mlp(width = 128, depth = 2)"),
];

/// The inputs of [`LAYERS`].
pub const LAYER: &[Word] = &[
    word("width", "channels", "width = 96"),
    word("depth", "layers", "depth = 3"),
    word("mlp_ratio", "width of the hidden layers over the width around them", "mlp_ratio = 2"),
    word("modulate", "scales by a modulation head, as Aurora does for air pollution", "modulate = true"),
];

pub const OPTIMISERS: &[Word] = &[word(
    "adamw",
    "Adam with decoupled weight decay",
    "adamw(rate = 3e-4 -> 1e-6, shape = cosine, clip = 1)",
)];

/// The inputs of an optimiser.
pub const OPTIMISER: &[Word] = &[
    word("rate", "the learning rate, or from what to what", "rate = 3e-4 -> 1e-6"),
    word("shape", "how the rate goes from one to the other", "shape = cosine"),
    word("warmup", "steps over which the rate rises from 0", "warmup = 100"),
    word("weight_decay", "how much weights shrink at each step, times the rate", "weight_decay = 0.05"),
    word("clip", "the largest norm of the whole gradient", "clip = 1"),
    word("beta1", "memory of the first moment", "beta1 = 0.9"),
    word("beta2", "memory of the second moment", "beta2 = 0.95"),
    word("epsilon", "what keeps the division finite", "epsilon = 1e-8"),
];

/// Shapes of a schedule.
pub const SHAPES: &[Word] = &[
    word("constant", "the same all the time", "constant"),
    word("linear", "a straight line", "linear"),
    word("cosine", "half a cosine", "cosine"),
];

/// Ways for some weights to learn.
pub const ADAPTERS: &[Word] = &[word("lora", "low-rank additions to frozen matrices", "lora(rank = 8)")];

/// How the members of an ensemble become one forecast.
pub const BLENDS: &[Word] = &[
    word("owner", "each field from the member that predicts it", "owner"),
    word("mean", "the mean of the members", "mean"),
    word("skill", "weights from the error on a split", "skill(validate)"),
    word("gate", "weights learnt for each cell from fields", "gate(mucape, speed06, lat, month)"),
];

/// Where fields live; level sets are others, by their own names.
pub const SUPPORTS: &[Word] = &[
    word("static", "one value a point, the same at all times", "static"),
    word("surface", "one value a point, at a height above the ground", "surface(2 m)"),
    word("column", "one value a point, for a layer of the column", "column(0 .. 3 km)"),
];

pub const PROJECTIONS: &[Word] = &[
    word(
        "lambert",
        "Lambert's conformal cone",
        "lambert(lat = 38.5 deg, lon = -97.5 deg, size = [1799, 1059], spacing = 3 km)",
    ),
    word(
        "mercator",
        "Mercator's cylinder",
        "mercator(lat = 24 deg, lon = -90 deg, size = [48, 48], spacing = 9 km)",
    ),
    word(
        "stereographic",
        "a polar stereographic plane",
        "stereographic(lat = 60 deg, lon = -105 deg, size = [100, 100], spacing = 12 km)",
    ),
    word(
        "latlon",
        "latitudes and longitudes",
        "latlon(north = 90 deg, west = 0 deg, size = [1440, 721], spacing = 0.25 deg)",
    ),
];

/// The inputs of a projection.
pub const PROJECTION: &[Word] = &[
    word("lat", "latitude of the centre", "lat = 38.5 deg"),
    word("lon", "longitude of the centre", "lon = -97.5 deg"),
    word("size", "columns and rows", "size = [1799, 1059]"),
    word("spacing", "distance between neighbouring points", "spacing = 3 km"),
    word("southwest", "latitude and longitude of the first point", "southwest = [21.138 deg, -122.72 deg]"),
];

/// The inputs of `latlon`.
pub const LATLON: &[Word] = &[
    word("north", "latitude of the first row", "north = 90 deg"),
    word("west", "longitude of the first column", "west = 0 deg"),
    word("size", "columns and rows", "size = [1440, 721]"),
    word("spacing", "angle between neighbouring points", "spacing = 0.25 deg"),
];

/// A word of a table.
#[must_use]
pub fn find(table: &'static [Word], word: &str) -> Option<&'static Word> {
    table.iter().find(|known| known.word == word)
}

/// The inputs that a call takes, by the name of what is called; none for what is not in the tables.
#[must_use]
pub fn inputs_of(function: &str) -> &'static [Word] {
    const STEP: &[Word] = &[word("from", "where it changes", "from = 10 m/s")];
    const ERROR: &[Word] = &[
        word("when", "takes the error only where this holds", "when = truth(refc) >= 30 dBZ"),
        word("scale", "coarsens both fields first", "scale = 12 km"),
    ];
    const HUBER: &[Word] = &[
        word("delta", "where it turns from square to straight, in spreads", "delta = 1"),
        word("when", "takes the error only where this holds", "when = truth(uh) >= 25 m^2/s^2"),
        word("scale", "coarsens both fields first", "scale = 12 km"),
    ];
    const SPECTRAL: &[Word] = &[word("below", "the longest wavelength that counts", "below = 48 km")];
    const FRACTIONS: &[Word] = &[
        word("above", "the threshold of an event", "above = 30 dBZ"),
        word("within", "the width of the neighbourhood", "within = 24 km"),
    ];
    const LORA: &[Word] = &[
        word("rank", "the rank of the additions", "rank = 8"),
        word("alpha", "how much the additions count, in ranks", "alpha = 8"),
        word("steps", "which steps of a rollout have additions of their own", "steps = all"),
    ];
    match function {
        "step" => STEP,
        "mae" | "mse" | "crps" => ERROR,
        "huber" => HUBER,
        "spectral" => SPECTRAL,
        "fss" => FRACTIONS,
        "lora" => LORA,
        "adamw" => OPTIMISER,
        "perceiver" | "conv" | "unet" | "mlp" => LAYER,
        "lambert" | "mercator" | "stereographic" => PROJECTION,
        "latlon" => LATLON,
        _ if find(ARCHITECTURES, function).is_some() => architecture(),
        _ => &[],
    }
}

/// The arguments of an architecture as words, made of their table once.
fn architecture() -> &'static [Word] {
    static WORDS: OnceLock<Vec<Word>> = OnceLock::new();
    let example = |takes: Takes| match takes {
        Takes::Whole => "4",
        Takes::Wholes => "[2, 4, 8]",
        Takes::Number => "4.0",
        Takes::Truth => "true",
        Takes::Levels => "pl",
        Takes::Fields => "[refc, t2m]",
        Takes::Word(words) => words.first().copied().unwrap_or_default(),
    };
    let word = |a: &super::Argument| Word { word: a.name, says: a.says, example: example(a.takes) };
    WORDS.get_or_init(|| ARCHITECTURE.iter().map(word).collect())
}
