//! `aurorac data synthesize`.

use std::io::IsTerminal;
use std::path::PathBuf;
use std::time::Instant;

use clap::{Args, ValueEnum};
use indicatif::{ProgressBar, ProgressStyle};
use jiff::Timestamp;
use jiff::civil::DateTime;
use jiff::tz::TimeZone;

use crate::data::synthesize::{Extent, Order, Written};
use crate::run::{Failure, Format};
use crate::talk::say;
use crate::train::interrupt::Interrupt;

#[derive(Debug, Args)]
pub struct Arguments {
    /// The folder to write to, laid out as NOAA's archive of HRRR
    #[arg(long)]
    out: PathBuf,
    /// How many hours
    #[arg(long)]
    hours: u32,
    /// All of HRRR's grid, or 192 by 192 points of it
    #[arg(long, value_enum, default_value_t = Grid::Tile)]
    grid: Grid,
    /// The first hour
    #[arg(long, default_value = "2020-05-20T00:00Z", value_parser = hour)]
    from: Timestamp,
    /// Also some fields near the ground at every quarter of an hour (wrfsubh)
    #[arg(long)]
    quarters: bool,
    /// How the result is told
    #[arg(long, value_enum, default_value_t)]
    format: Format,
}

#[derive(Clone, Copy, Debug, ValueEnum)]
enum Grid {
    Conus,
    Tile,
}

/// `2020-05-20T00:00Z`, `2020-05-20T00Z`, `2020-05-20`.
fn hour(text: &str) -> Result<Timestamp, String> {
    let wrong = || format!("`{text}` is no hour such as 2020-05-20T00:00Z");
    let plain = text.strip_suffix('Z').unwrap_or(text);
    let full = if plain.len() == 13 { format!("{plain}:00") } else { plain.to_string() };
    let time: DateTime = full.parse().map_err(|_| wrong())?;
    let time = time.to_zoned(TimeZone::UTC).map_err(|_| wrong())?;
    Ok(time.timestamp())
}

pub fn run(arguments: &Arguments) -> Result<(), Failure> {
    let extent = match arguments.grid {
        Grid::Conus => Extent::Conus,
        Grid::Tile => Extent::Tile,
    };
    let order = Order {
        folder: arguments.out.clone(),
        extent,
        from: arguments.from,
        hours: arguments.hours,
        quarters: arguments.quarters,
    };
    order.sound().map_err(Failure::because)?;
    let plan = extent.plan();
    let Written { files, messages, bytes } = order.estimate();
    say(&format!(
        "{} hours from {} on {} by {} points: {files} files, {messages} messages, about {:.1} GB",
        order.hours,
        order.from,
        plan.width,
        plan.height,
        bytes as f64 / 1e9
    ));
    let bar = match std::io::stderr().is_terminal() {
        true => ProgressBar::new(u64::from(order.hours)),
        false => ProgressBar::hidden(),
    };
    let style = ProgressStyle::with_template("{bar:40} {pos}/{len} hours, {eta} left");
    bar.set_style(style.unwrap_or_else(|_| ProgressStyle::default_bar()));
    let interrupt = Interrupt::watch()?;
    let begun = Instant::now();
    let written = order.write(&mut |hour| {
        bar.set_position(u64::from(hour));
        interrupt.code().is_none()
    });
    bar.finish_and_clear();
    let written = written.map_err(Failure::because)?;
    let seconds = begun.elapsed().as_secs_f64();
    if let Some(signal) = interrupt.code() {
        say(&format!("interrupted; {} files are whole", written.files));
        return Err(Failure::Signal(signal));
    }
    let Written { files, messages, bytes } = written;
    say(&format!("{files} files, {messages} messages, {:.2} GB in {seconds:.0} s", bytes as f64 / 1e9));
    let text = match arguments.format {
        Format::Json => {
            let (from, folder) = (order.from.to_string(), order.folder.display().to_string());
            let told = serde_json::json!({
                "folder": folder, "grid": plan, "from": from, "hours": order.hours,
                "files": files, "messages": messages, "bytes": bytes, "seconds": seconds,
            });
            told.to_string()
        }
        _ => order.folder.display().to_string(),
    };
    crate::command::print(&format!("{text}\n"))
}
