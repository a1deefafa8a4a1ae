//! `aurorac completions SHELL`: words that a shell completes, to be sourced by it.

use clap::CommandFactory;
use clap_complete::Shell;

use crate::run::Failure;

#[derive(Clone, Debug, clap::Args)]
pub struct Arguments {
    /// bash, zsh, fish, elvish or powershell
    pub shell: Shell,
}

pub fn run(arguments: &Arguments) -> Result<(), Failure> {
    let mut bytes = Vec::new();
    clap_complete::generate(arguments.shell, &mut super::Command::command(), "aurorac", &mut bytes);
    super::print(&String::from_utf8_lossy(&bytes))
}
