//! What the lines of a recipe look like: the words that begin them, and a model of each to show to
//! somebody whose line could not be read.

/// A line's first word, what such a line is, and how one looks.
pub(crate) struct Form {
    pub word: &'static str,
    pub what: &'static str,
    pub model: &'static str,
}

const fn form(word: &'static str, what: &'static str, model: &'static str) -> Form {
    Form { word, what, model }
}

/// The words that begin an item.
pub(crate) const ITEMS: &[Form] = &[
    form("aurora", "the language line", "aurora 1.0"),
    form("recipe", "a recipe's title", "recipe NAME \"title\" extends \"other.aurora\""),
    form("library", "a library's title", "library NAME \"title\""),
    form("use", "a `use` line", "use std.hrrr (t, q, refc)"),
    form("amend", "an `amend`", "amend phase NAME { … }"),
    form("drop", "a `drop`", "drop phase NAME"),
    form(
        "grid",
        "a grid",
        "grid NAME = lambert(lat = 38.5 deg, lon = -97.5 deg,\n                      size = [1799, 1059], spacing = 3 km)",
    ),
    form("levels", "a set of levels", "levels NAME : pressure = [1000, 850, 500] hPa"),
    form("quantity", "a quantity", "quantity NAME = J/kg"),
    form("variable", "a variable", "variable NAME : QUANTITY on LEVELS from \"FIELD\""),
    form("derive", "a derived field", "derive NAME : QUANTITY on LEVELS = EXPRESSION"),
    form("constraint", "a constraint", "constraint NAME : EXPRESSION <= EXPRESSION within TOLERANCE"),
    form("loss", "a loss", "loss NAME = mae(refc) + 0.5 * mae(sbcape)"),
    form("data", "the data block", "data { … }"),
    form("model", "the model block", "model { … }"),
    form("head", "a head", "head NAME { … }"),
    form("phase", "a phase", "phase NAME \"title\" { … }"),
    form("evaluate", "an evaluation", "evaluate NAME on test { … }"),
    form("ensemble", "an ensemble", "ensemble NAME { … }"),
    form("member", "a member", "member NAME { … }"),
];

/// The words that begin a clause.
pub(crate) const CLAUSES: &[Form] = &[
    form("archive", "`archive`", "archive hrrr"),
    form("grid", "`grid`", "grid conus"),
    form("every", "`every`", "every 1 h"),
    form(
        "train",
        "`train`",
        "train new, backbone by lora(rank = 8)   (in data: train 2019-01-01 .. 2022-12-24)",
    ),
    form("validate", "`validate`", "validate 2023-01-01 .. 2023-06-23"),
    form("test", "`test`", "test 2023-07-01 .. 2024-12-31"),
    form("region", "`region`", "region lat 30 .. 45 deg, lon -105 .. -92 deg"),
    form("months", "`months`", "months 4 .. 7"),
    form("fill", "`fill`", "fill gaps <= 2 h by linear"),
    form("reject", "`reject`", "reject outside range"),
    form("debias", "`debias`", "debias t2m against rtma.t2m by quantiles(50)"),
    form("base", "`base`", "base \"microsoft/aurora:aurora-0.25-pretrained.ckpt\""),
    form("architecture", "`architecture`", "architecture aurora(patch = 2, window = [2, 8, 16])"),
    form("step", "`step`", "step 1 h"),
    form("history", "`history`", "history 2 steps"),
    form("prognostic", "`prognostic`", "prognostic t, u, v, q, z"),
    form("diagnostic", "`diagnostic`", "diagnostic refc, sbcape"),
    form("forcing", "`forcing`", "forcing toa"),
    form("static", "`static`", "static orog"),
    form("centre", "`centre`", "centre 1000 J/kg"),
    form("spread", "`spread`", "spread 1500 J/kg"),
    form("named", "`named`", "named \"2t\""),
    form("reads", "`reads`", "reads latent"),
    form("predicts", "`predicts`", "predicts refc, uh"),
    form("layers", "`layers`", "layers unet(width = 96, depth = 3)"),
    form("for", "`for`", "for 6 epochs"),
    form("batch", "`batch`", "batch 16"),
    form("scale", "`scale`", "scale 12 km"),
    form("tile", "`tile`", "tile 512 by 512"),
    form("rollout", "`rollout`", "rollout 1 -> 6 steps"),
    form("favour", "`favour`", "favour truth(refc) >= 35 dBZ in 70 % of samples"),
    form("optimise", "`optimise`", "optimise adamw(rate = 3e-4 -> 1e-6, shape = cosine)"),
    form("minimise", "`minimise`", "minimise weather + 0.5 * storms"),
    form("stop", "`stop`", "stop when storms stalls for 3 epochs"),
    form("average", "`average`", "average ema(0.999)"),
    form("precision", "`precision`", "precision bf16 of backbone"),
    form("shares", "`shares`", "shares backbone"),
    form("blends", "`blends`", "blends gate(mucape, speed06, lat, month)"),
    form("lead", "`lead`", "lead 1 .. 12 h"),
    form("score", "`score`", "score csi, ets of refc at [20, 30] dBZ within [0, 12] km"),
    form("against", "`against`", "against persistence"),
    form("by", "`by`", "by region, month"),
];

/// Words of the language that cannot be names.
pub(crate) const RESERVED: &[&str] = &[
    "of", "in", "to", "by", "on", "with", "against", "within", "from", "over", "for", "at", "as", "when",
    "where", "always", "extends", "amend", "drop", "scan", "iterate",
];

/// Words that carry on the line before them: no line of its own begins with one.
pub(crate) const CONTINUING_WORDS: &[&str] = &["where", "extends", "within", "always", "from", "on"];

/// Words that begin an expression with a block of its own, and what its lines begin with.
pub(crate) const WALKS: &[&str] = &["scan", "iterate"];
pub(crate) const STATES: &[&str] = &["start", "step"];

/// Words whose items have a block of clauses.
pub(crate) const BLOCKS: &[&str] = &["data", "model", "head", "phase", "evaluate", "ensemble", "member"];

pub(crate) fn is_item_word(word: &str) -> bool {
    item(word).is_some()
}

pub(crate) fn item(word: &str) -> Option<&'static Form> {
    ITEMS.iter().find(|form| form.word == word)
}

pub(crate) fn clause(word: &str) -> Option<&'static Form> {
    CLAUSES.iter().find(|form| form.word == word)
}

/// A line's text on one line, cut short, to be quoted in a message.
pub(crate) fn shorten(text: &str) -> String {
    const LONGEST: usize = 40;
    let flat = text.split_whitespace().collect::<Vec<_>>().join(" ");
    if flat.chars().count() <= LONGEST {
        return flat;
    }
    flat.chars().take(LONGEST - 1).chain(['…']).collect()
}
