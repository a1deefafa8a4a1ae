//! The built-in world: how many cells of the grid carry a strong echo, hour by hour through a day.
//!
//! `cargo run --release --example look_at_the_world`

use aurora_runtime::data::archive::Archive;
use aurora_runtime::data::synthetic::Synthetic;
use jiff::{SignedDuration, Timestamp};

fn main() -> Result<(), Box<dyn std::error::Error>> {
    let world = Synthetic::new(1982);
    let midnight: Timestamp = "2020-06-06T00:00:00Z".parse()?;
    for hour in 0..24 {
        let time = midnight + SignedDuration::from_hours(hour);
        let echo = world.read("REFC:entire atmosphere", time)?;
        let warmth = world.read("TMP:2 m above ground", time)?.mean().unwrap_or(f32::NAN);
        let strong = echo.iter().filter(|dbz| **dbz >= 35.0).count();
        let strongest = echo.iter().copied().fold(f32::MIN, f32::max);
        println!(
            "{hour:02} UTC  {warmth:5.1} K  {strongest:4.0} dBZ  {strong:4} points ≥ 35 dBZ  {}",
            "█".repeat(strong / 8)
        );
    }
    Ok(())
}
