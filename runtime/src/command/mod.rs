//! The command `aurorac`: one file for each word.

pub mod build;
pub mod check;
pub mod completions;
pub mod data;
pub mod derive;
pub mod diff;
pub mod doc;
pub mod evaluate;
pub mod explain;
pub mod export;
pub mod fmt;
mod look;
mod lsp;
pub mod new;
pub mod plan;
pub mod predict;
pub mod profile;
pub mod report;
pub mod train;

use std::path::PathBuf;
use std::process::ExitCode;

use clap::{Parser, Subcommand};

use crate::run::{Failure, Format};
use crate::talk::say;

/// Compiles and runs .aurora recipes: experiments with Microsoft's Aurora that read like a methods section.
#[derive(Debug, Parser)]
#[command(name = "aurorac", version, max_term_width = 100)]
pub struct Command {
    #[command(subcommand)]
    word: Word,
}

#[derive(Debug, Subcommand)]
enum Word {
    /// Write a recipe to begin with
    New {
        /// Name of the recipe; NAME.aurora is written
        name: String,
    },
    /// Find the mistakes in a recipe
    Check(check::Arguments),
    /// Lay recipes out: indents, columns and long lines, never a word or a comment
    Fmt(fmt::Arguments),
    /// Check a recipe and write its artefact and lock
    Build(build::Arguments),
    /// Say what a recipe will do
    Plan(RecipeArgument),
    /// Say what differs between two recipes' plans
    Diff(diff::Arguments),
    /// Teach a diagnostic, or show what a name is
    Explain(explain::Arguments),
    /// List a library, or the libraries
    Doc(doc::Arguments),
    /// Measure this machine, for the estimates of `plan`
    Profile,
    /// Prepare a recipe's data, or look into files
    #[command(subcommand)]
    Data(data::Word),
    /// Compute a recipe's derived fields for a file
    Derive(derive::Arguments),
    /// Train, then evaluate and report
    Train(train::Arguments),
    /// Forecast from a batch file
    Predict(predict::Arguments),
    /// Write weights as a file for Microsoft's own package
    Export(export::Arguments),
    /// Score a trained run against the truth
    Evaluate(train::Arguments),
    /// Write a run's report again
    Report(train::Arguments),
    /// Print what a shell needs to complete this command's words
    Completions(completions::Arguments),
    /// Serve an editor over stdin and stdout (language server protocol)
    Lsp,
}

/// A recipe, and how to speak about it.
#[derive(Clone, Debug, clap::Args)]
pub struct RecipeArgument {
    /// A .aurora file, or the folder of an artefact
    pub recipe: PathBuf,
    /// How diagnostics are shown
    #[arg(long, value_enum, default_value_t)]
    pub format: Format,
}

/// Runs the command line and gives its exit code: 0 done, 1 the recipe or data is wrong, 2 wrong usage,
/// 130 or 143 on signals; `diff --exit-code` ends as `diff` does.
pub fn main() -> ExitCode {
    let command = match Command::try_parse() {
        Ok(command) => command,
        Err(error) => {
            let code = if error.use_stderr() { 2 } else { 0 };
            // A closed pipe is no reason to fail while printing help.
            let _ = error.print();
            return ExitCode::from(code);
        }
    };
    match run(command.word) {
        Ok(()) => ExitCode::SUCCESS,
        Err(Failure::Signal(code) | Failure::Code(code)) => ExitCode::from(code),
        Err(Failure::Wrong(message)) => {
            if let Some(message) = message {
                say(&format!("error: {message}"));
            }
            ExitCode::from(1)
        }
    }
}

fn run(word: Word) -> Result<(), Failure> {
    match word {
        Word::New { name } => new::run(&name),
        Word::Check(arguments) => check::run(&arguments),
        Word::Fmt(arguments) => fmt::run(&arguments),
        Word::Build(arguments) => build::run(&arguments),
        Word::Plan(argument) => plan::run(&argument),
        Word::Diff(arguments) => diff::run(&arguments),
        Word::Explain(arguments) => explain::run(&arguments),
        Word::Doc(arguments) => doc::run(&arguments),
        Word::Profile => profile::run(),
        Word::Data(word) => data::run(word),
        Word::Derive(arguments) => derive::run(&arguments),
        Word::Train(arguments) => train::run(&arguments),
        Word::Predict(arguments) => predict::run(&arguments),
        Word::Export(arguments) => export::run(&arguments),
        Word::Evaluate(arguments) => evaluate::run(&arguments),
        Word::Report(arguments) => report::run(&arguments),
        Word::Completions(arguments) => completions::run(&arguments),
        Word::Lsp => lsp::run(),
    }
}

/// Prints data to stdout; a reader that has gone away is not an error.
pub fn print(text: &str) -> Result<(), Failure> {
    use std::io::{ErrorKind, Write};
    match std::io::stdout().write_all(text.as_bytes()) {
        Err(error) if error.kind() != ErrorKind::BrokenPipe => Err(error.into()),
        _ => Ok(()),
    }
}
