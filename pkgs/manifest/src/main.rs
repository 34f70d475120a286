//! The command `rumpkin-manifest`: writes down what an image is made of, as a CycloneDX document, and how many bytes each
//! part of it has.
//!
//! Equal ingredients give equal documents: nothing of the time, the machine or the place goes in.
#![forbid(unsafe_code)]

mod document;
mod ingredients;
mod nar;
mod sizes;

use clap::{Parser, Subcommand};
use ingredients::Ingredients;
use std::path::PathBuf;
use std::process::ExitCode;

/// Writes down what an image is made of.
#[derive(Parser)]
#[command(name = "rumpkin-manifest", version)]
struct Options {
    #[command(subcommand)]
    command: Command,
}

#[derive(Subcommand)]
enum Command {
    /// Print a CycloneDX 1.6 document.
    Document {
        /// The ingredients, in JSON (pkgs/lib/about.nix).
        ingredients: PathBuf,
    },
    /// Print how many bytes each part has, in JSON.
    Sizes {
        /// The ingredients, in JSON (pkgs/lib/about.nix).
        ingredients: PathBuf,
    },
}

fn main() -> ExitCode {
    let result = match Options::parse().command {
        Command::Document { ingredients } => Ingredients::read(&ingredients).and_then(|all| document::document(&all)),
        Command::Sizes { ingredients } => Ingredients::read(&ingredients).and_then(|all| sizes::sizes(&all)),
    };
    match result {
        Ok(document) => {
            println!("{document:#}");
            ExitCode::SUCCESS
        }
        Err(message) => {
            eprintln!("rumpkin-manifest: {message}");
            ExitCode::FAILURE
        }
    }
}
