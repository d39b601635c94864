//! `evenkeel schema`: what may be written, for editors.

use super::CliError;
use super::args::SchemaOf;
use super::output::Terminal;
use crate::schema;

/// Prints it.
pub fn run(of: SchemaOf, terminal: &Terminal) -> Result<u8, CliError> {
    let schema = match of {
        SchemaOf::Manifest => schema::manifest(),
        SchemaOf::Project => schema::project(),
        SchemaOf::Suppressions => schema::suppressions(),
    };
    let schema = schema.map_err(|error| CliError::of(&error))?;
    terminal.out(&format!("{schema:#}\n"));
    Ok(0)
}
