//! The objective of a phase on numbers that can be checked by hand.

use std::collections::BTreeMap;

use aurora_compiler::Plan;
use aurora_compiler::kernel::ir::Module;
use aurora_runtime::model::{Coordinates, Prediction};
use aurora_runtime::site::Site;
use aurora_runtime::train::Scalings;
use aurora_runtime::train::objective::{Objective, ObjectiveError, Share, Truth, Value};
use aurora_tests::TINY;
use burn::tensor::{Device, Tensor, TensorData};

/// Two points in a row are all the grid of these tests.
const POINTS: usize = 2;

/// The tiny recipe with a head of three quantiles for refc and q, and this loss.
fn compiled(loss: &str) -> (Plan, Module) {
    let text = format!(
        "{TINY}\nhead echoes {{\n reads latent\n predicts refc, q as quantiles(3)\n layers conv(width = 4, depth = \
         1)\n}}\nloss chances = {loss}\n"
    );
    let text = text.replacen("minimise    weather + 0.1 * water", "minimise    2 * chances", 1);
    let site = Site::find(None).expect("no site.toml here");
    aurora_compiler::compile("tiny.aurora", &text, &site).result.expect("compiled")
}

fn objective(plan: &Plan, module: &Module) -> Result<Objective, ObjectiveError> {
    Objective::new(plan, &plan.training.phases[0], module, &Scalings::default(), &BTreeMap::new())
}

fn tensor<const D: usize>(values: &[f32], shape: [usize; D]) -> Tensor<D> {
    Tensor::from_data(TensorData::new(values.to_vec(), shape), &Device::flex())
}

/// Medians of refc at the points, and its quantiles; all else is zero.
fn prediction(plan: &Plan, refc: [[f32; 3]; POINTS], q: [f32; 3]) -> Prediction {
    let (surface, atmosphere) = (plan.model.surface.clone(), plan.model.atmosphere.clone());
    let levels = plan.model.levels.len();
    let at = surface.iter().position(|name| name == "refc").expect("refc");
    let mut medians = vec![0.0; surface.len() * POINTS];
    let mut quantiles = vec![0.0; 3 * POINTS];
    for (point, values) in refc.iter().enumerate() {
        medians[at * POINTS + point] = values[1];
        for (index, value) in values.iter().enumerate() {
            quantiles[index * POINTS + point] = *value;
        }
    }
    let everywhere: Vec<f32> = q.iter().flat_map(|value| vec![*value; levels * POINTS]).collect();
    let mut prediction = Prediction {
        surface: tensor(&medians, [surface.len(), 1, 1, 1, POINTS]),
        atmosphere: Tensor::zeros([atmosphere.len(), 1, 1, levels, 1, POINTS], &Device::flex()),
        surface_names: surface,
        atmosphere_names: atmosphere,
        quantiles: Default::default(),
        statics: BTreeMap::new(),
        latitude: Coordinates::vector(vec![0.0]),
        longitude: Coordinates::vector(vec![0.0; POINTS]),
        time: vec![0],
        levels: plan.model.levels.clone(),
        rollout_step: 1,
    };
    prediction.quantiles.surface.insert("refc".into(), tensor(&quantiles, [3, 1, 1, 1, POINTS]));
    prediction.quantiles.atmosphere.insert("q".into(), tensor(&everywhere, [3, 1, 1, levels, 1, POINTS]));
    prediction
}

/// refc is 2 at the first point and 10 at the second (30 dBZ and 0 dBZ for conditions), all else is zero.
fn truth(plan: &Plan) -> Truth {
    let (surface, atmosphere) = (&plan.model.surface, plan.model.atmosphere.len());
    let at = surface.iter().position(|name| name == "refc").expect("refc");
    let mut values = vec![0.0; surface.len() * POINTS];
    values[at * POINTS..(at + 1) * POINTS].copy_from_slice(&[2.0, 10.0]);
    Truth {
        surface: tensor(&values, [surface.len(), 1, 1, 1, POINTS]),
        atmosphere: Tensor::zeros([atmosphere, 1, 1, plan.model.levels.len(), 1, POINTS], &Device::flex()),
        fields: BTreeMap::from([("refc".to_string(), tensor(&[30.0, 0.0], [1, 1, 1, 1, POINTS]))]),
        statics: BTreeMap::new(),
    }
}

fn value(loss: &str) -> Value {
    let (plan, module) = compiled(loss);
    let objective = objective(&plan, &module).expect("an objective");
    let prediction = prediction(&plan, [[0.0, 1.0, 4.0], [10.0, 10.0, 10.0]], [-1.0, 0.0, 1.0]);
    objective.value(&prediction, &truth(&plan), &Share::whole()).expect("a value")
}

fn close(found: f64, expected: f64) {
    assert!((found - expected).abs() < 1e-5, "{found}, not {expected}");
}

/// Quantiles 0, 1, 4 at the truth 2 score 7/9: mean |x − y| = 5/3 less half the mean |x − x'| = 8/9. The other point is
/// hit exactly. Quantiles −1, 0, 1 at 0 score 2/3 − 4/9 = 2/9, on every level. The phase minimises the double.
#[test]
fn a_distribution_is_judged_by_its_score() {
    let score = value("crps(refc)");
    close(score.parts["crps(refc)"], 7.0 / 18.0);
    close(f64::from(score.total.into_scalar::<f32>()), 7.0 / 9.0);
    close(value("crps(q)").parts["crps(q)"], 2.0 / 9.0);
    let both = value("crps(refc) + 0.5 * crps(q)");
    close(f64::from(both.total.into_scalar::<f32>()), 7.0 / 9.0 + 2.0 / 9.0);
}

/// Only the first point has 20 dBZ in truth.
#[test]
fn a_condition_on_the_truth_chooses_the_points() {
    let score = value("crps(refc, when = truth(refc) >= 20 dBZ)");
    close(score.parts["crps(refc) when"], 7.0 / 9.0);
}

/// Half of the samples, and a third of the points where the condition holds.
#[test]
fn parts_of_a_batch_have_their_share() {
    let (plan, module) = compiled("crps(refc) + crps(refc, when = truth(refc) >= 20 dBZ)");
    let objective = objective(&plan, &module).expect("an objective");
    let (prediction, truth) = (prediction(&plan, [[0.0, 1.0, 4.0], [10.0; 3]], [0.0; 3]), truth(&plan));
    assert_eq!(objective.holding(&truth).expect("counted"), [1.0]);
    let share = Share { samples: 0.5, conditions: vec![1.0 / 3.0] };
    let value = objective.value(&prediction, &truth, &share).expect("a value");
    close(value.parts["crps(refc)"], 0.5 * 7.0 / 18.0);
    close(value.parts["crps(refc) when"], 7.0 / 27.0);
}

/// Other errors of the same field are those of its median, 1 for a truth of 2.
#[test]
fn other_errors_see_the_median() {
    let score = value("mae(refc) + crps(refc)");
    close(score.parts["mae(refc)"], 0.5);
    close(f64::from(score.total.into_scalar::<f32>()), 1.0 + 7.0 / 9.0);
}

#[test]
fn what_cannot_be_computed_is_refused() {
    let (plan, module) = compiled("crps(refc) + mae(pwat)");
    let mut plain = plan.clone();
    plain.model.options.heads[0].quantiles = None;
    assert!(matches!(
        objective(&plain, &module),
        Err(ObjectiveError::NoDistribution { ref field, .. }) if field == "refc"
    ));
    let empty = Module { kernels: Vec::new() };
    let Err(error) = objective(&plan, &empty) else { panic!("pwat has no kernel") };
    assert!(error.to_string().contains("`mae(pwat)` needs the kernel `pwat`"), "{error}");
    let (conditional, module) = compiled("mae(refc, when = truth(refc) >= 20 dBZ)");
    assert!(objective(&conditional, &module).is_ok());
    let empty = Module { kernels: Vec::new() };
    let Err(error) = objective(&conditional, &empty) else { panic!("the condition has no kernel") };
    assert!(error.to_string().contains("the condition of `mae(refc)`"), "{error}");
    let mut lost = conditional.clone();
    lost.training.phases[0].minimise.push((1.0, "elsewhere".to_string()));
    assert!(matches!(objective(&lost, &module), Err(ObjectiveError::NoSuchLoss { .. })));
}
