//! `aurorac derive RECIPE|LIBRARY --input F --output G [--only a,b]`, and with `--sounding F` a table and a diagram.

mod batch;
mod files;
mod sounding;

use std::path::{Path, PathBuf};

use super::RecipeArgument;
use crate::run::{Failure, Recipe};

#[derive(Clone, Debug, clap::Args)]
pub struct Arguments {
    #[command(flatten)]
    pub recipe: RecipeArgument,
    /// A GRIB2 or NetCDF file, a Zarr folder or a batch file (safetensors); may be given several times
    #[arg(long, required_unless_present = "sounding", conflicts_with = "sounding")]
    pub input: Vec<PathBuf>,
    /// A sounding: the text of SPC or SHARPpy, of the University of Wyoming, or columns with names
    #[arg(long)]
    pub sounding: Option<PathBuf>,
    /// Where the result goes: .nc, .zarr or .safetensors; of a sounding .svg
    #[arg(long, required_unless_present = "sounding")]
    pub output: Option<PathBuf>,
    /// Names, separated by commas; all if left out
    #[arg(long, value_delimiter = ',', value_parser = trimmed)]
    pub only: Vec<String>,
}

/// A name, however a shell has brought it here: `--only "mlcape, stp"`.
fn trimmed(name: &str) -> Result<String, std::convert::Infallible> {
    Ok(name.trim().to_string())
}

/// What is derived from the input.
enum Subject {
    Recipe(PathBuf),
    Library(String),
}

/// The forms of the output.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Form {
    Netcdf,
    Zarr,
    Batch,
}

pub fn run(arguments: &Arguments) -> Result<(), Failure> {
    let subject = subject(&arguments.recipe.recipe)?;
    if let Some(path) = &arguments.sounding {
        let Subject::Library(library) = subject else {
            return Err(Failure::because(
                "a sounding is derived by a library: aurorac derive std.severe --sounding FILE",
            ));
        };
        return sounding::run(&library, path, arguments);
    }
    let Some(output) = &arguments.output else {
        return Err(Failure::because("where the result goes is wanted: --output FILE"));
    };
    let form = form(output, &arguments.input)?;
    match &subject {
        Subject::Recipe(recipe) if form == Form::Batch && is_batch(&arguments.input) => {
            let recipe = Recipe::open(recipe, arguments.recipe.format)?;
            let input = arguments.input.first().map_or_else(|| Path::new(""), PathBuf::as_path);
            batch::run(&recipe, input, output, &arguments.only)?;
        }
        Subject::Recipe(recipe) => files::recipe(recipe, form, output, arguments)?,
        Subject::Library(library) => files::library(library, form, output, arguments)?,
    }
    super::print(&format!("{}\n", output.display()))
}

/// A recipe's file, the folder of an artefact, or the name of a library.
fn subject(named: &Path) -> Result<Subject, Failure> {
    let name = named.display().to_string();
    let is_file = named.exists() || named.extension().is_some_and(|extension| extension == "aurora");
    match is_file && !name.starts_with("std.") {
        true => Ok(Subject::Recipe(named.to_owned())),
        false if name.contains(['/', '\\']) => {
            Err(Failure::because(format!("the recipe {name} cannot be read: there is no such file")))
        }
        false => Ok(Subject::Library(name)),
    }
}

fn form(output: &Path, inputs: &[PathBuf]) -> Result<Form, Failure> {
    match output.extension().and_then(|extension| extension.to_str()) {
        Some("nc" | "nc4" | "netcdf" | "cdf") => Ok(Form::Netcdf),
        Some("zarr") => Ok(Form::Zarr),
        Some("svg") => {
            Err(Failure::because("a diagram is drawn of a sounding: --sounding FILE instead of --input"))
        }
        Some("safetensors") => Ok(Form::Batch),
        // Of a batch file comes a batch file, whatever it is called.
        _ if is_batch(inputs) => Ok(Form::Batch),
        _ => Err(Failure::because(format!(
            "{}: its ending tells its form: .nc for NetCDF, .zarr, or .safetensors for a batch file",
            output.display()
        ))),
    }
}

/// Whether the one input is a batch file. One that cannot be read is taken for one, to say why.
fn is_batch(inputs: &[PathBuf]) -> bool {
    use std::io::Read;
    let [input] = inputs else { return false };
    if input.is_dir() {
        return false;
    }
    let mut start = [0; 1024];
    let read = std::fs::File::open(input).and_then(|mut file| file.read(&mut start)).unwrap_or(0);
    let start = &start[..read];
    let other = start.starts_with(b"CDF")
        || start.starts_with(b"\x89HDF")
        || start.windows(4).any(|window| window == b"GRIB")
        || start.starts_with(b"\x1f\x8b");
    !other
}
