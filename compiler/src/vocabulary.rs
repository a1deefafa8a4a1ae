//! The words of the language, each with what it says and an example. Checks, suggestions, the editors'
//! keyword lists and the reference manual all read this table: a word that is not here does not exist.

mod architecture;
pub mod values;

pub use architecture::{ARCHITECTURE, Argument, ELSEWHERE, Takes, argument_of};

/// A word, what it says in a sentence, and how it is written.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Word {
    pub word: &'static str,
    pub says: &'static str,
    /// What follows the word.
    pub example: &'static str,
}

/// A kind of block and the clauses it takes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct BlockKind {
    pub word: &'static str,
    pub says: &'static str,
    pub clauses: &'static [Word],
}

const fn word(word: &'static str, says: &'static str, example: &'static str) -> Word {
    Word { word, says, example }
}

/// The words that begin an item, in the order of the manual. Those of [`BLOCKS`] follow.
pub const ITEMS: &[Word] = &[
    word(
        "recipe",
        "an experiment: its name, its title, and the recipe it varies",
        "extend \"…\" extends \"base.aurora\"",
    ),
    word("library", "items for other files to use", "std.hrrr \"The NOAA HRRR archive\""),
    word("use", "brings names of a library in, one by one or all", "std.hrrr (t, q)"),
    word("quantity", "a kind of measured thing and the unit it is kept in", "temperature = K"),
    word(
        "grid",
        "a horizontal grid",
        "conus = lambert(lat = 38.5 deg, lon = -97.5 deg, size = [1799, 1059], spacing = 3 km)",
    ),
    word("levels", "a set of levels and their coordinate", "pl : pressure = [1000, 850, 500] hPa"),
    word("variable", "a field that exists in the archive", "t : temperature on pl from \"TMP\""),
    word(
        "derive",
        "a field computed from others, a function, or a constant",
        "z : geopotential on pl = g0 * hgt",
    ),
    word(
        "constraint",
        "a relation that ought to hold",
        "unsaturated : q <= saturation(t, pl) within 0.5 g/kg",
    ),
    word("loss", "a plain number to be made small", "weather = mae(prognostic)"),
    word("amend", "changes a few clauses of an inherited item", "phase adapt { for 8 epochs }"),
    word("drop", "removes an inherited item", "phase warm"),
];

/// The blocks and their clauses.
pub const BLOCKS: &[BlockKind] = &[
    BlockKind {
        word: "data",
        says: "the archive, its cadence and the splits",
        clauses: &[
            word("archive", "the archive, by the name site.toml gives it", "hrrr"),
            word("grid", "the horizontal grid of the experiment", "conus"),
            word("every", "the time between two samples", "1 h"),
            word("train", "the days that are learnt from", "2019-01-01 .. 2022-12-24"),
            word("validate", "the days that training is watched on", "2023-01-01 .. 2023-06-23"),
            word("test", "the days that are judged, and seen by nothing else", "2023-07-01 .. 2024-12-31"),
            word("region", "the part of the grid that is used", "lat 30 .. 45 deg, lon -105 .. -92 deg"),
            word("months", "the months of the year that are used", "4 .. 7"),
            word("fill", "how short gaps are closed", "gaps <= 2 h by linear"),
            word("reject", "which times are left out as bad", "outside range"),
            word(
                "debias",
                "a field corrected against a better one, fitted on `train`",
                "t2m against rtma.t2m by quantiles(50)",
            ),
        ],
    },
    BlockKind {
        word: "model",
        says: "the checkpoint to start from, the architecture, and the role of each variable",
        clauses: &[
            word(
                "base",
                "the checkpoint whose weights are the start",
                "\"microsoft/aurora:aurora-0.25-pretrained.ckpt\"",
            ),
            word("architecture", "Aurora's options; a preset, changed by arguments", "aurora.small"),
            word("step", "the time from the newest input to the prediction", "1 h"),
            word("history", "how many past times the model is fed", "2 steps"),
            word("prognostic", "predicted and fed back", "t, u, v, q, z, t2m"),
            word("diagnostic", "predicted only", "refc, sbcape"),
            word("forcing", "fed only", "solar"),
            word("static", "fed, and the same at all times", "orog"),
        ],
    },
    BlockKind {
        word: "variable",
        says: "how a field is normalised and what the checkpoint calls it",
        clauses: &[
            word("centre", "what is subtracted before the network sees it", "1000 J/kg"),
            word("spread", "what it is divided by", "1500 J/kg"),
            word("named", "the name the checkpoint knows it by", "\"2t\""),
            word("since", "the day from which the archive carries it", "2018-07-12"),
        ],
    },
    BlockKind {
        word: "levels",
        says: "the other coordinates of a set of levels",
        clauses: &[
            word("pressure", "the pressure on each level", "p_hybrid"),
            word("height", "the height of each level above the ground", "zg_hybrid - orog"),
        ],
    },
    BlockKind {
        word: "head",
        says: "another decoder, with weights of its own",
        clauses: &[
            word("reads", "what it is fed: the backbone's output, and fields of the newest input", "latent"),
            word("predicts", "the fields it predicts", "refc, sbcape"),
            word("layers", "what it is built of", "unet(width = 96, depth = 3)"),
        ],
    },
    BlockKind {
        word: "phase",
        says: "one stretch of training; phases run in the order written",
        clauses: &[
            word("for", "how long", "4 epochs"),
            word("batch", "samples to a step of the optimiser", "16"),
            word("scale", "the grid spacing it trains at, or several mixed", "12 km"),
            word("tile", "the part of the grid a sample covers, in points", "512 by 512"),
            word("rollout", "steps of the model before the loss is taken", "1 -> 6 steps"),
            word("favour", "which samples are drawn more often", "truth(refc) >= 35 dBZ in 70 % of samples"),
            word("train", "the groups of weights that learn", "new, backbone by lora(rank = 8)"),
            word(
                "optimise",
                "the optimiser and its rate",
                "adamw(rate = 3e-4 -> 1e-6, shape = cosine, clip = 1)",
            ),
            word("minimise", "a weighted sum of losses and constraints", "weather + 0.5 * storms"),
            word("stop", "when to end early", "when storms stalls for 3 epochs"),
            word("average", "weights averaged over steps", "ema(0.999)"),
            word("precision", "numbers of fewer bits, where they are allowed", "bf16 of backbone"),
        ],
    },
    BlockKind {
        word: "ensemble",
        says: "variants of this recipe, trained apart or over a shared part, and blended",
        clauses: &[
            word("shares", "groups of weights that all members have in common", "backbone"),
            word("blends", "how the members become one forecast", "gate(mucape, speed06, lat, month)"),
        ],
    },
    BlockKind { word: "member", says: "one variant: amendments to the enclosing recipe", clauses: &[] },
    BlockKind {
        word: "evaluate",
        says: "how the forecasts of a split are judged",
        clauses: &[
            word("lead", "the lead times", "1 .. 12 h"),
            word("score", "scores of fields", "csi of refc at [20, 35] dBZ"),
            word("against", "what the model has to beat", "persistence"),
            word("by", "what the scores are told apart by", "member, region, month"),
            word("confidence", "how sure of each score one is; no intervals unless said", "95 % over 5 d"),
        ],
    },
];

/// What `reject` leaves out: a time at which the archive fails one of these.
pub const REJECTS: &[Word] = &[
    word("range", "values outside the range of a variable's type", "outside range"),
    word("missing", "points without a value", "missing"),
    word("supersaturation", "air with more than twice the vapour it can hold", "supersaturation"),
    word("superadiabatic", "layers that cool faster with height than dry air can", "superadiabatic"),
    word("wind", "winds faster than 150 m/s, or than 75 m/s at the ground", "wind"),
    word("frozen", "a field that is the same as at the time before", "frozen"),
    word("constant", "a field with one value everywhere where no air has that", "constant"),
    word("jump", "a median that moves by more than five spreads in one step", "jump"),
    word("sentinel", "numbers that stand for `missing`, such as -9999 or 9.999e20", "sentinel"),
    word("duplicate", "a file that repeats the time before", "duplicate"),
    word("placeholder", "maxima over a period that are one value everywhere, as in analyses", "placeholder"),
];

/// How `fill gaps` closes a gap.
pub const GAP_METHODS: &[Word] = &[
    word("linear", "on the straight line between its neighbours", "gaps <= 2 h by linear"),
    word("nearest", "as the nearer neighbour", "gaps <= 2 h by nearest"),
    word("persistence", "as the earlier neighbour", "gaps <= 2 h by persistence"),
];

/// What scores can be told apart by.
pub const STRATA: &[Word] = &[
    word("member", "each member of the ensemble", "member"),
    word("region", "each region of the data or of a member", "region"),
    word("month", "the month of the start", "month"),
    word("season", "the season of the start: DJF, MAM, JJA, SON", "season"),
    word("hour", "the hour of the day (UTC) of the start", "hour"),
];

/// Groups of weights that `train`, `optimise`, `shares` and `precision` name, besides heads.
pub const GROUPS: &[Word] = &[
    word("new", "whatever the base checkpoint does not have", "new"),
    word("encoder", "patch embeddings and the perceiver that aggregates levels", "encoder"),
    word("backbone", "the Swin transformer in the middle", "backbone"),
    word("decoder", "Aurora's own decoder", "decoder"),
];

/// Little words that join values: `csi of refc at 35 dBZ within 24 km`.
pub const JOINTS: &[&str] =
    &["of", "in", "to", "by", "on", "with", "against", "within", "from", "over", "for", "at", "when", "as"];

/// Other words with a meaning of their own.
pub const OTHERS: &[&str] =
    &["extends", "where", "always", "scan", "iterate", "start", "step", "upward", "downward"];

/// The block of that name.
#[must_use]
pub fn block(word: &str) -> Option<&'static BlockKind> {
    BLOCKS.iter().find(|block| block.word == word)
}

/// The clauses a block takes, in the manual's order; none for a block that does not exist.
#[must_use]
pub fn clauses(block_word: &str) -> Vec<&'static str> {
    block(block_word).map_or_else(Vec::new, |block| block.clauses.iter().map(|clause| clause.word).collect())
}
