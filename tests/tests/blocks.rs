//! What the blocks of a recipe become in its plan: data, phases, losses, evaluations, and members of ensembles.

mod world;

use aurora_compiler::compile;
use aurora_compiler::kernel::interpret::interpret;
use aurora_compiler::kernel::ir::Module;
use aurora_compiler::plan::Plan;
use aurora_compiler::plan::data::{DebiasPlan, GapMethod, GapPlan, RegionPlan};
use aurora_compiler::plan::ensemble::Blend;
use aurora_compiler::plan::evaluation::{Confidence, Score};
use aurora_compiler::plan::training::{AdapterSteps, Measure};
use world::{World, compiled, drawn};

const HEAD: &str = "aurora 1.0\nrecipe varied \"A variation\" extends \"quickstart.aurora\"\n\n";

fn built(body: &str) -> (Plan, Module) {
    let compilation = compiled("varied.aurora", &format!("{HEAD}{body}"));
    compilation.result.expect("compiled")
}

fn said(body: &str) -> Vec<&'static str> {
    let compilation = compile("varied.aurora", &format!("{HEAD}{body}"), &World::new());
    compilation.diagnostics.iter().map(|d| d.code).collect()
}

#[test]
fn data_are_chosen_and_repaired() {
    let (plan, _) = built(
        "amend data {
            months  5 .. 6
            region  lat 30 .. 45 deg, lon -105 .. -92 deg
            region  lat 28 .. 38 deg
            fill    gaps <= 2 h by linear, holes <= 3 cells
            reject  sentinel, outside range
            debias  t2m against rap.t2m by quantiles(50)
        }",
    );
    let (sampling, repair) = (plan.data.sampling, plan.data.repair);
    assert_eq!(sampling.months, [5, 6]);
    let first = RegionPlan { south: 30.0, north: 45.0, west: -105.0, east: -92.0 };
    let second = RegionPlan { south: 28.0, north: 38.0, west: -180.0, east: 180.0 };
    assert_eq!(sampling.regions, [first, second]);
    assert_eq!(repair.gaps, Some(GapPlan { longest: 7200, method: GapMethod::Linear }));
    assert_eq!(repair.holes, Some(3));
    assert_eq!(repair.reject, ["range", "sentinel"]);
    let debias = DebiasPlan {
        field: "t2m".into(),
        against_archive: "rap".into(),
        against_from: "TMP:2 m above ground".into(),
        quantiles: 50,
    };
    assert_eq!(repair.debias, [debias]);
}

#[test]
fn months_may_go_over_new_year() {
    let (plan, _) = built(
        "amend data {
            train     2020-01-01 .. 2021-12-31
            validate  2022-01-08 .. 2022-03-01
            test      2022-12-08 .. 2023-01-10
            months    11 .. 2
        }",
    );
    assert_eq!(plan.data.sampling.months, [1, 2, 11, 12]);
}

#[test]
fn a_phase_is_planned_whole() {
    let (plan, module) = built(
        "amend phase learn {
            rollout    1 -> 6 steps
            scale      [12, 24] km weighted [3, 1]
            tile       16 by 32
            favour     truth(refc) >= 35 dBZ in 70 % of samples
            train      new, backbone by lora(rank = 8, alpha = 16, steps = first)
            optimise   adamw(rate = 3e-4)
            optimise   backbone by adamw(rate = 1e-3)
            stop       when storms stalls for 3 epochs
            average    ema(0.999)
            precision  bf16 of backbone, decoder
        }",
    );
    let phase = &plan.training.phases[0];
    assert_eq!((phase.rollout, phase.rollout_from), (6, Some(1)));
    let scales: Vec<_> = phase.scales.iter().map(|s| (s.spacing, s.share)).collect();
    assert_eq!(scales, [(12_000.0, 0.75), (24_000.0, 0.25)]);
    assert_eq!(phase.tile, Some([16, 32]));
    assert_eq!(phase.train, ["new", "backbone"]);
    let adapter = &phase.adapters[0];
    assert_eq!((adapter.group.as_str(), adapter.rank, adapter.alpha), ("backbone", 8, 16.0));
    assert_eq!(adapter.steps, AdapterSteps::First);
    assert_eq!(phase.optimiser.rate.from, 3e-4);
    assert_eq!(phase.optimisers["backbone"].rate.from, 1e-3);
    let stop = phase.stop.as_ref().expect("it stops");
    assert_eq!((stop.loss.as_str(), stop.epochs), ("storms", 3));
    assert_eq!(phase.average, Some(0.999));
    assert_eq!(phase.bf16, ["backbone", "decoder"]);
    let favour = &phase.favour[0];
    assert!((favour.share - 0.7).abs() < 1e-12);
    assert_eq!(favour.condition.inputs, ["refc"]);
    assert!(module.kernel(&favour.condition.kernel).is_some());
}

#[test]
fn losses_of_every_form() {
    let (plan, _) = built(
        "amend loss storms = a + 0.5 * (spectral(refc, below = 48 km) + part) where {
            a = fss(refc, above = 30 dBZ, within = 24 km)
        }
        loss part = mae(refc, scale = 24 km)",
    );
    let terms = &plan.training.losses["storms"].terms;
    let summary: Vec<_> = terms.iter().map(|t| (t.weight, t.measure, t.scale)).collect();
    let expected = [
        (1.0, Measure::Fss { above: 30.0, within: 24_000.0 }, None),
        (0.5, Measure::Spectral { below: 48_000.0 }, None),
        (0.5, Measure::Mae, Some(24_000.0)),
    ];
    assert_eq!(summary, expected);
}

/// |prediction − truth| / 10 dB, in f64: one subtraction and one division by a power of neither, so 1e-15.
#[test]
fn a_loss_that_is_written_out_becomes_a_kernel_of_both_sides() {
    let (plan, module) = built("amend loss storms = 2 * (mean(abs(refc - truth(refc))) / 10 dB)");
    let term = &plan.training.losses["storms"].terms[0];
    assert_eq!((term.weight, term.measure, term.field.as_str()), (2.0, Measure::Expression, "refc"));
    let expression = term.expression.as_ref().expect("a kernel");
    assert_eq!(expression.inputs, ["refc", "truth.refc"]);
    let kernel = module.kernel(&expression.kernel).expect("planned");
    let names: Vec<&str> = kernel.inputs.iter().map(|input| input.name.as_str()).collect();
    assert_eq!(names, ["refc", "truth.refc"]);
    let column = |value: f64| ndarray::Array2::from_elem((1, 1), value);
    let output = interpret(kernel, &[column(30.0).view(), column(12.0).view()], 1).expect("runs");
    assert!((output[0][[0, 0]] - 1.8).abs() < 1e-15);
    let text = module.to_string();
    assert_eq!(aurora_compiler::kernel::text::parse(&text).expect("its own text").to_string(), text);
}

#[test]
fn evaluations_are_planned_whole() {
    let (plan, _) = built(
        "amend evaluate convection {
            score       csi, pod of refc at [25, 35] dBZ within [0, 24] km
            score       sal of refc at 35 dBZ
            score       spectra of refc
            score       violation of unsaturated
            against     persistence, climatology, rap.forecast
            by          month, hour
            confidence  90 % over 5 d
        }",
    );
    let evaluation = &plan.evaluations[0];
    let of = |score: Score| evaluation.scores.iter().rfind(|s| s.score == score).expect("scored");
    assert_eq!(
        (of(Score::Pod).thresholds.clone(), of(Score::Pod).scales.clone()),
        (vec![25.0, 35.0], vec![0.0, 24e3])
    );
    assert_eq!(of(Score::Sal).thresholds, [35.0]);
    assert_eq!(of(Score::Violation).field, "unsaturated");
    assert!(plan.training.constraints.contains_key("unsaturated"));
    assert_eq!(evaluation.against, ["persistence", "climatology", "rap.forecast"]);
    assert_eq!(evaluation.by, ["month", "hour"]);
    assert_eq!(evaluation.confidence, Some(Confidence::Blocks { level: 0.9, block: 432_000 }));
}

const ENSEMBLE: &str = "ensemble regimes {
    shares  backbone

    member plain
    member spring {
        amend data {
            months  4 .. 5
            test    2021-05-06 .. 2021-05-08
        }
    }
    member wet {
        amend derive pwat : precipitable_water on column = integral(q over 500 .. 1000 hPa) / g0
        amend phase learn {
            minimise  weather + storms + 0.02 * unsaturated
        }
    }

    blends  gate(refc, lat, month)
}

amend evaluate convection {
    by      member, month
    score   crps, spread of refc
    score   reliability of chance(refc >= 40 dBZ) in 10 bins
}";

#[test]
fn members_are_recipes_of_their_own() {
    let (plan, module) = built(ENSEMBLE);
    let ensemble = plan.ensemble.as_ref().expect("an ensemble");
    assert_eq!(ensemble.shares, ["backbone"]);
    assert_eq!(ensemble.blend, Blend::Gate { fields: vec!["refc".into(), "lat".into(), "month".into()] });
    let names: Vec<&str> = ensemble.members.iter().map(|m| m.name.as_str()).collect();
    assert_eq!(names, ["plain", "spring", "wet"]);
    let member = |at: usize| ensemble.members[at].plan.as_ref();
    assert_eq!(member(0).data, plan.data);
    assert_eq!(member(0).training, plan.training);
    assert!(member(0).evaluations.is_empty() && member(0).ensemble.is_none());
    assert_eq!(member(1).data.sampling.months, [4, 5]);
    assert_eq!(member(1).training, plan.training);
    let weight = |plan: &Plan| plan.training.phases[0].minimise.last().expect("three terms").0;
    assert_eq!((weight(&plan), weight(member(2))), (0.01, 0.02));
    // Only what differs is a kernel of its own.
    let kernel =
        |plan: &Plan| plan.data.derived.iter().find(|d| d.name == "pwat").expect("derived").kernel.clone();
    assert_eq!((kernel(member(0)), kernel(member(2))), ("pwat".into(), "pwat.wet".into()));
    assert_ne!(
        module.kernel("pwat").expect("there").body_text(),
        module.kernel("pwat.wet").expect("there").body_text()
    );
    let hashes: Vec<&str> = ensemble.members.iter().map(|m| m.plan.hash.as_str()).collect();
    assert!(hashes[0] != hashes[1] && hashes[1] != hashes[2]);
    let bins = plan.evaluations[0].scores.iter().find_map(|s| s.bins);
    assert_eq!(bins, Some(10));
}

/// Texts of kernels without their names.
trait BodyText {
    fn body_text(&self) -> String;
}

impl BodyText for aurora_compiler::kernel::ir::Kernel {
    fn body_text(&self) -> String {
        Module { kernels: vec![self.clone()] }.to_string().lines().skip(1).collect()
    }
}

#[test]
fn a_member_is_what_a_recipe_with_its_amendments_is() {
    let (plan, _) = built(ENSEMBLE);
    let (alone, _) =
        built("amend data {\n months 4 .. 5\n test 2021-05-06 .. 2021-05-08\n}\ndrop evaluate convection");
    let spring = &plan.ensemble.as_ref().expect("an ensemble").members[1].plan;
    let same = |plan: &Plan| Plan { name: String::new(), title: None, hash: String::new(), ..plan.clone() };
    assert_eq!(same(spring), same(&alone));
}

#[test]
fn members_are_varied_as_items_are() {
    let parent = format!("{HEAD}{ENSEMBLE}").replace("recipe varied", "recipe parent");
    let world = World::new().with("parent.aurora", &parent);
    let child = "aurora 1.0\nrecipe child \"Its child\" extends \"parent.aurora\"\n\n\
        amend ensemble regimes {\n    drop member wet\n    amend member spring {\n        amend data {\n            months 5\n        }\n    }\n    member other\n    blends  mean\n}";
    let compilation = compile("child.aurora", child, &world);
    let shown = drawn(&compilation);
    let result = compilation.result;
    let (plan, _) = result.unwrap_or_else(|| panic!("{shown}"));
    let ensemble = plan.ensemble.expect("inherited");
    let names: Vec<&str> = ensemble.members.iter().map(|m| m.name.as_str()).collect();
    assert_eq!(names, ["other", "plain", "spring"]);
    assert_eq!(ensemble.members[2].plan.data.sampling.months, [5]);
    assert_eq!(ensemble.blend, Blend::Mean);
}

#[test]
fn a_mistake_of_the_whole_is_told_once_and_not_for_each_member() {
    let body = ENSEMBLE.replace("amend evaluate", "amend phase learn {\n    train nwe\n}\n\namend evaluate");
    assert_eq!(said(&body), ["unknown-name"]);
    let inside = ENSEMBLE.replace("months  4 .. 5", "months  4 .. 13");
    assert_eq!(said(&inside), ["wrong-argument"]);
}

/// A grandchild adds scores, replaces clauses, and drops and redefines, over two generations.
#[test]
fn generations_add_replace_and_drop() {
    let child = format!(
        "{HEAD}amend evaluate convection {{\n    score  mae of t2m\n}}\n\namend phase learn {{\n    for 5 epochs\n    favour truth(refc) >= 35 dBZ in 50 % of samples\n}}"
    );
    let world = World::new().with("child.aurora", &child);
    let text = "aurora 1.0\nrecipe grandchild \"Its child\" extends \"child.aurora\"\n\n\
        amend evaluate convection {\n    score  bias of u10\n    lead  1 h\n}\n\n\
        amend phase learn {\n    favour truth(refc) >= 50 dBZ in 10 % of samples\n}\n\n\
        drop loss storms\nloss storms = mse(refc)\n\namend variable t2m {\n    spread 5 K\n}";
    let compilation = compile("grandchild.aurora", text, &world);
    let shown = drawn(&compilation);
    let (plan, _) = compilation.result.unwrap_or_else(|| panic!("{shown}"));
    let evaluation = &plan.evaluations[0];
    assert_eq!(evaluation.leads, [1]);
    let last: Vec<_> = evaluation.scores.iter().rev().take(2).map(|s| (s.score, s.field.as_str())).collect();
    assert_eq!(last, [(Score::Bias, "u10"), (Score::Mae, "t2m")]);
    assert_eq!(plan.training.phases[0].favour.len(), 2);
    assert_eq!(plan.training.losses["storms"].terms[0].measure, Measure::Mse);
    let role = plan.roles.iter().find(|role| role.field == "t2m").expect("a role");
    assert_eq!((role.spread, role.named.as_str()), (Some(5.0), "2t"));
    // The canonical text says the amendment of the library's variable, and compiles to the same.
    let again = compile("again.aurora", &compilation.canonical, &World::new());
    assert_eq!(again.result.map(|(plan, _)| plan.hash), Some(plan.hash));
}
