//! The text of a manifest.
//!
//! **Invariant:** every text of a host is a value of YAML's, written by the library and never pasted in.

use serde_json::{Map, Value as Json};

/// One resource to be written.
#[derive(Clone, PartialEq, Debug)]
pub struct Manifest {
    pub kind: &'static str,
    pub name: String,
    /// In the order in which a person would write them.
    pub spec: Vec<(&'static str, Json)>,
    /// Why it is there, for whoever reads the file.
    pub comment: Option<&'static str>,
}

impl Manifest {
    /// The whole document.
    ///
    /// # Errors
    /// A value cannot be written as YAML.
    pub fn text(&self) -> Result<String, String> {
        let mut out = String::new();
        if let Some(comment) = self.comment {
            out += &format!("# {comment}\n");
        }
        out += "apiVersion: host.evenkeel.dev/v1\n";
        out += &format!("kind: {}\nmetadata:\n  name: {}\n", self.kind, self.name);
        out += "spec:\n";
        for (field, value) in &self.spec {
            let one = Map::from_iter([((*field).to_owned(), value.clone())]);
            let text = serde_yaml::to_string(&one).map_err(|error| error.to_string())?;
            for line in text.lines() {
                match line.is_empty() {
                    true => out.push('\n'),
                    false => out += &format!("  {line}\n"),
                }
            }
        }
        Ok(out)
    }
}
