//! The table of rewrite rules: what can be said with fewer or cheaper instructions.
//!
//! A rule is a pattern and what takes its place, as the text form writes instructions, with brackets. No rule changes a bit
//! of a result, for any numbers at all: −0 and +0, NaN, infinities, numbers too small to be normal. A test holds every
//! rule to that, so a rule is added by adding a line.
//!
//! | in a rule | stands for |
//! |---|---|
//! | `w`, `x`, `y`, `z` | any value |
//! | `m`, `n` | a mask: +0, 1 or NaN |
//! | `P` | a power of two whose reciprocal is exact, as a constant |
//! | `1/P` | its reciprocal |
//! | `T` | a constant that is neither zero nor NaN |
//! | `0`, `1`, `-0`, `-1` | that constant |
//!
//! Operands of `add`, `mul` and `eq` match in either order. A rule is not used where it would make a cell of a column.

/// Pattern and replacement.
pub const RULES: &[(&str, &str)] = &[
    // Neutral elements. `add x 0` is not one of them: −0 + 0 is +0.
    ("add x -0", "x"),
    ("sub x 0", "x"),
    ("mul x 1", "x"),
    ("div x 1", "x"),
    ("pow x 1", "x"),
    // Signs.
    ("mul x -1", "neg x"),
    ("div x -1", "neg x"),
    ("sub -0 x", "neg x"),
    ("neg (neg x)", "x"),
    ("neg (mul (neg x) y)", "mul x y"),
    ("neg (div (neg x) y)", "div x y"),
    ("neg (div x (neg y))", "div x y"),
    ("add x (neg y)", "sub x y"),
    ("sub x (neg y)", "add x y"),
    ("mul (neg x) (neg y)", "mul x y"),
    ("div (neg x) (neg y)", "div x y"),
    ("abs (abs x)", "abs x"),
    ("abs (neg x)", "abs x"),
    ("abs (sub (neg x) y)", "abs (add x y)"),
    ("mul (abs x) (abs x)", "mul x x"),
    ("mul (abs x) (abs y)", "abs (mul x y)"),
    ("div (abs x) (abs y)", "abs (div x y)"),
    ("lt (neg x) (neg y)", "lt y x"),
    ("le (neg x) (neg y)", "le y x"),
    ("gt (neg x) (neg y)", "gt y x"),
    ("ge (neg x) (neg y)", "ge y x"),
    ("eq (neg x) (neg y)", "eq x y"),
    // A product takes a fifth of a quotient's time.
    ("div x P", "mul x 1/P"),
    // The lesser and the greater.
    ("min x x", "x"),
    ("max x x", "x"),
    ("min (min x y) y", "min x y"),
    ("min y (min x y)", "min x y"),
    ("max (max x y) y", "max x y"),
    ("max y (max x y)", "max x y"),
    // Choices.
    ("select T x y", "x"),
    ("select 0 x y", "y"),
    ("select -0 x y", "y"),
    ("select m 1 0", "m"),
    ("select m 0 1", "sub 1 m"),
    ("select (eq x 0) y z", "select x z y"),
    ("select (eq x -0) y z", "select x z y"),
    ("select (sub 1 m) x y", "select m y x"),
    ("select (neg x) y z", "select x y z"),
    ("select (abs x) y z", "select x y z"),
    ("select x (select x y z) w", "select x y w"),
    ("select x y (select x z w)", "select x y w"),
    // Masks.
    ("mul m m", "m"),
    ("min m 1", "m"),
    ("min 1 m", "m"),
    ("max m 0", "m"),
    ("max 0 m", "m"),
    ("sub 1 (sub 1 m)", "m"),
    ("eq m 1", "m"),
    ("eq m 0", "sub 1 m"),
    ("gt m 0", "m"),
    ("lt 0 m", "m"),
    ("min m (mul m n)", "mul m n"),
    ("min (mul m n) m", "mul m n"),
    ("mul m (mul m n)", "mul m n"),
];
