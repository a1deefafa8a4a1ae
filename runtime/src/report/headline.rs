//! The answer in words: does the model beat persistence, at which leads, and by how much?

use crate::evaluate::ScoreRow;
use crate::evaluate::scores::{Best, FEW_EVENTS};
use crate::evaluate::table::{group_title, groups, number, score_name, score_text};

/// A sentence and what must be known to judge it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Headline {
    /// Whether the model wins (`better`), loses (`worse`), both (`mixed`), or nothing can be said (`unknown`).
    pub verdict: &'static str,
    /// The answer.
    pub sentence: String,
    /// How many scores agree, how the score was chosen, what is not known.
    pub details: Vec<String>,
}

/// Compares "model" with "persistence" by CSI at the highest threshold that has at least 30 observed events at every
/// lead and a hit of either forecast at any; without such a threshold by CSI at the one with most events; without CSI
/// by RMSE; else by the first score. The choice treats both forecasts alike.
pub fn headline(rows: &[ScoreRow]) -> Headline {
    let unknown =
        |sentence: &str| Headline { verdict: "unknown", sentence: sentence.into(), details: Vec::new() };
    if rows.is_empty() {
        return unknown("No scores were computed, so nothing can be said about skill.");
    }
    if !rows.iter().any(|row| row.forecasts.contains_key("model")) {
        return unknown(
            "The scores hold no forecast named \u{201c}model\u{201d}, so nothing can be said about it.",
        );
    }
    if !rows.iter().any(|row| row.forecasts.contains_key("persistence")) {
        return unknown("Persistence was not scored, so nothing can be said about skill against it.");
    }
    let chosen = choose(rows);
    let Some(first) = chosen.first() else {
        return unknown("No score with a known best value was computed.");
    };
    let what = format!("{} ({})", score_name(&first.score), group_title(first));
    let (verdict, sentence) = sentence(&what, &chosen);
    Headline { verdict, sentence, details: details(rows, first) }
}

/// Kind of score, whether there are enough events, the threshold then, and the events.
type Rank = (u8, u64, f64, u64);

/// The rows of the score the sentence is about, ordered by lead.
fn choose(rows: &[ScoreRow]) -> Vec<&ScoreRow> {
    let lines = groups(rows).into_iter().flat_map(|(_, lines)| lines);
    let mut best: Option<(Rank, Vec<&ScoreRow>)> = None;
    for line in lines {
        let leads: Vec<&ScoreRow> = line.by_lead.into_values().collect();
        let Some(first) = leads.first().filter(|row| Best::of(&row.score).is_some()) else { continue };
        let events = leads.iter().filter_map(|row| row.events).min().unwrap_or(0);
        let enough = u64::from(events >= FEW_EVENTS && hit(&leads));
        let rank = match first.score.as_str() {
            "csi" => (2, enough, if enough == 1 { first.threshold.unwrap_or(0.0) } else { 0.0 }, events),
            "rmse" => (1, 0, 0.0, 0),
            _ => (0, 0, 0.0, 0),
        };
        if best.as_ref().is_none_or(|(other, _)| rank > *other) {
            best = Some((rank, leads));
        }
    }
    best.map(|(_, rows)| rows).unwrap_or_default()
}

/// Whether either forecast scores above 0 at any lead.
fn hit(leads: &[&ScoreRow]) -> bool {
    let scored = |row: &ScoreRow, name: &str| row.value(name).is_some_and(|score| score > 0.0);
    leads.iter().any(|row| scored(row, "model") || scored(row, "persistence"))
}

fn sentence(what: &str, rows: &[&ScoreRow]) -> (&'static str, String) {
    let compared: Vec<&ScoreRow> = (rows.iter().copied())
        .filter(|row| !row.few_events() && row.value("model").is_some() && row.value("persistence").is_some())
        .collect();
    let won = |name: &str| -> Vec<&ScoreRow> {
        compared.iter().copied().filter(|row| row.better() == Some(name)).collect()
    };
    let (wins, losses) = (won("model"), won("persistence"));
    let count = compared.len();
    let leads = match compared.as_slice() {
        [] => {
            let text = format!(
                "Nothing can be said about {what}: at every lead the score is undefined (no events) or fewer than \
                 {FEW_EVENTS} events were observed."
            );
            return ("unknown", text);
        }
        [only] => format!("at the only lead compared, +{} h,", number(only.lead_hours)),
        [first, .., last] => {
            format!("at all {count} leads (+{} to +{} h)", number(first.lead_hours), number(last.lead_hours))
        }
    };
    let mut text = match (wins.len(), losses.len()) {
        (0, 0) => return ("mixed", format!("Model and persistence tie {leads} by {what}.")),
        (n, _) if n == count => format!("The model beats persistence {leads} by {what}: {}.", margins(&wins)),
        (_, n) if n == count => {
            format!(
                "The model does not beat persistence: it is worse {leads} by {what}: {}.",
                margins(&losses)
            )
        }
        (0, n) => format!(
            "The model does not beat persistence by {what}: it is worse at {n} of {count} leads ({}) and ties otherwise.",
            margins(&losses)
        ),
        (n, 0) => format!(
            "The model beats persistence at {n} of {count} leads by {what} ({}) and ties otherwise.",
            margins(&wins)
        ),
        (better, worse) => format!(
            "By {what} the model beats persistence at {better} of {count} leads ({}) and loses at {worse} ({}).",
            margins(&wins),
            margins(&losses)
        ),
    };
    if compared.len() < rows.len() {
        text += &format!(
            " {} of {} leads cannot be ranked (undefined, or fewer than {FEW_EVENTS} events).",
            rows.len() - compared.len(),
            rows.len()
        );
    }
    let verdict = if losses.is_empty() {
        "better"
    } else if wins.is_empty() {
        "worse"
    } else {
        "mixed"
    };
    (verdict, text)
}

/// The largest difference among `rows`, in words.
fn margins(rows: &[&ScoreRow]) -> String {
    let margin = |row: &ScoreRow| {
        let best = Best::of(&row.score)?;
        Some((best.distance(row.value("model")?) - best.distance(row.value("persistence")?)).abs())
    };
    let largest = rows
        .iter()
        .max_by(|left, right| margin(left).unwrap_or(0.0).total_cmp(&margin(right).unwrap_or(0.0)));
    let Some(row) = largest else { return String::new() };
    let (model, persistence) = (row.value("model"), row.value("persistence"));
    let units = if row.units == "1" { String::new() } else { format!(" {}", row.units) };
    let percent = match (Best::of(&row.score), model, persistence) {
        (Some(Best::Lowest), Some(model), Some(base)) if base > 0.0 => {
            let change = 100.0 * (model - base) / base;
            format!(", {:.0} % {}", change.abs(), if change < 0.0 { "lower" } else { "higher" })
        }
        (_, Some(model), Some(base)) => {
            format!(", a difference of {:+.3}", model - base).replace('-', "\u{2212}")
        }
        _ => String::new(),
    };
    let most = if rows.len() > 1 { "most at" } else { "at" };
    format!(
        "{most} +{} h, {}{units} against {}{units}{percent}",
        number(row.lead_hours),
        score_text(model),
        score_text(persistence)
    )
}

fn details(rows: &[ScoreRow], first: &ScoreRow) -> Vec<String> {
    let told = rows.iter().filter(|row| ["csi", "fss", "rmse"].contains(&row.score.as_str()));
    let (mut model, mut persistence, mut neither, mut all) = (0, 0, 0, 0);
    for row in told {
        all += 1;
        match row.better() {
            Some("model") => model += 1,
            Some("persistence") => persistence += 1,
            _ => neither += 1,
        }
    }
    let samples = rows.iter().map(|row| row.samples).max().unwrap_or(0);
    let mut details = Vec::new();
    if all > 0 {
        details.push(format!(
            "Of the {all} values of CSI, FSS and RMSE below (each threshold, scale and lead), the model is better in \
             {model} and persistence in {persistence}; {neither} tie or cannot be ranked."
        ));
    }
    if first.score == "csi" {
        details.push(format!(
            "The sentence above uses the highest threshold with at least {FEW_EVENTS} observed events at every lead \
             and at least one hit by either forecast, or else the one with most events."
        ));
        details.extend(never_hit(rows));
    }
    details.push(format!(
        "At most {samples} pairs of fields per lead. No confidence interval is computed: neighbouring cells and hours \
         are not independent, so small differences may be chance."
    ));
    details
}

/// A sentence for each threshold whose events both forecasts always missed.
fn never_hit(rows: &[ScoreRow]) -> Vec<String> {
    let lines = groups(rows).into_iter().flat_map(|(_, lines)| lines);
    let missed = lines.filter_map(|line| {
        let leads: Vec<&ScoreRow> = line.by_lead.into_values().collect();
        let csi = leads.first().filter(|row| row.score == "csi")?;
        let events: u64 = leads.iter().filter_map(|row| row.events).sum();
        let title = group_title(csi);
        (events > 0 && !hit(&leads)).then(|| {
            format!("For {title}, {events} events were observed and neither forecast has a single hit.")
        })
    });
    missed.collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::evaluate::scores::example;

    fn csi(lead: f64, model: f64, persistence: f64) -> ScoreRow {
        example("csi", lead, Some(model), Some(persistence))
    }

    #[test]
    fn says_who_wins_and_where() {
        let all = headline(&[csi(1.0, 0.5, 0.4), csi(3.0, 0.4, 0.2)]);
        assert_eq!(all.verdict, "better");
        assert_eq!(
            all.sentence,
            "The model beats persistence at all 2 leads (+1 to +3 h) by CSI (composite reflectivity, ≥ 35 dBZ): \
             most at +3 h, 0.400 against 0.200, a difference of +0.200."
        );
        let none = headline(&[csi(1.0, 0.3, 0.4)]);
        assert_eq!(none.verdict, "worse");
        assert!(none.sentence.starts_with("The model does not beat persistence"), "{}", none.sentence);
        let mixed = headline(&[csi(1.0, 0.3, 0.4), csi(3.0, 0.4, 0.2)]);
        assert_eq!(mixed.verdict, "mixed");
        assert!(mixed.sentence.contains("at 1 of 2 leads"), "{}", mixed.sentence);
        let tie = headline(&[csi(1.0, 0.3, 0.3)]);
        assert!(tie.sentence.contains("tie"), "{}", tie.sentence);
    }

    #[test]
    fn does_not_rank_without_events() {
        let few = ScoreRow { events: Some(3), ..csi(1.0, 0.3, 0.1) };
        assert_eq!(headline(&[few]).verdict, "unknown");
        let undefined = headline(&[example("csi", 1.0, None, Some(f64::NAN))]);
        assert!(undefined.sentence.contains("no events"), "{}", undefined.sentence);
        assert_eq!(headline(&[]).verdict, "unknown");
        let mut alone = csi(1.0, 0.5, 0.4);
        alone.forecasts.remove("persistence");
        assert!(headline(&[alone]).sentence.starts_with("Persistence was not scored"));
    }

    #[test]
    fn the_threshold_is_chosen_by_events_not_by_success() {
        let rare = ScoreRow { threshold: Some(50.0), events: Some(29), ..csi(1.0, 0.9, 0.1) };
        let common = ScoreRow { threshold: Some(20.0), events: Some(5000), ..csi(1.0, 0.9, 0.1) };
        let told = headline(&[common, csi(1.0, 0.3, 0.4), rare]);
        assert!(told.sentence.contains("≥ 35 dBZ"), "{}", told.sentence);
        let missed = ScoreRow { threshold: Some(50.0), events: Some(90), ..csi(1.0, 0.0, 0.0) };
        let told = headline(&[csi(1.0, 0.3, 0.4), missed]);
        assert!(told.sentence.contains("≥ 35 dBZ"), "{}", told.sentence);
        assert!(told.details.iter().any(|detail| detail.contains("90 events were observed and neither")));
        let rmse = headline(&[
            example("mae", 1.0, Some(1.0), Some(3.0)),
            example("rmse", 1.0, Some(4.0), Some(5.0)),
        ]);
        assert!(rmse.sentence.contains("20 % lower"), "{}", rmse.sentence);
    }
}
