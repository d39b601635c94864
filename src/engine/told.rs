//! Problems of several targets told as one.
//!
//! A document of a group is understood once for each of its targets, so a mistake in it comes back as many times.
//!
//! **Invariant:** each place and sentence is told once; where it holds for some of the targets that share the document
//! and not for all, it names them.

use std::collections::{BTreeMap, BTreeSet};

use crate::document::Declared;
use crate::model::{Problem, Problems, TargetName};

/// Brings the problems of targets together, in the order of file and line.
pub fn told_once(
    problems: Vec<(&TargetName, Problems)>,
    declared: &BTreeMap<TargetName, Vec<Declared>>,
) -> Problems {
    let mut by_problem: BTreeMap<Problem, BTreeSet<&TargetName>> = BTreeMap::new();
    let mut asked: BTreeSet<&TargetName> = BTreeSet::new();
    for (target, problems) in problems {
        asked.insert(target);
        for problem in problems.0 {
            by_problem.entry(problem).or_default().insert(target);
        }
    }
    if by_problem.is_empty() {
        return Problems::default();
    }
    let mut sharing: BTreeMap<&str, BTreeSet<&TargetName>> = BTreeMap::new();
    for (target, documents) in declared.iter().filter(|(target, _)| asked.contains(target)) {
        for document in documents {
            sharing.entry(&document.at.file).or_default().insert(target);
        }
    }
    let mut together = Problems::default();
    for (mut problem, targets) in by_problem {
        let all = problem
            .at
            .as_ref()
            .and_then(|at| sharing.get(at.file.as_str()));
        if all.is_some_and(|all| all.len() > targets.len()) {
            let several = TargetName::several(targets.iter().copied());
            problem.message.push_str(&format!(" (for {several})"));
        }
        together.push(problem);
    }
    together.sort();
    together
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::document::parse;
    use crate::model::ResourceId;

    // Goal: a mistake in a shared document is one mistake; one that only some targets have names them, and nobody has to
    // guess about a document of the target's own.
    #[test]
    fn a_shared_mistake_is_told_once() {
        let names: Vec<_> = ["a", "b", "c"]
            .map(|name| TargetName(name.to_owned()))
            .into();
        let of = |file: &str, target: &TargetName| {
            let doc = parse(file, b"x").unwrap().remove(0);
            Declared {
                id: ResourceId::new(target, "File", file.to_owned()),
                kind: doc.clone(),
                api_version: String::new(),
                at: doc.span(),
                spec: doc.into(),
                disclose: false,
                controls: vec![],
                directory: String::new(),
                vars: Default::default(),
            }
        };
        let declared: BTreeMap<_, _> = names
            .iter()
            .map(|name| {
                let own = format!("{name}/own.yaml");
                (name.clone(), vec![of("web/all.yaml", name), of(&own, name)])
            })
            .collect();
        let problem =
            |name: &TargetName, at: usize, what: &str| declared[name][at].spec.problem(what);
        let problems = names.iter().map(|name| {
            let mut all = vec![problem(name, 0, "bad"), Problem::general("no glob")];
            match name.0.as_str() {
                "a" => all.push(problem(name, 1, "own")),
                _ => all.push(problem(name, 0, "odd")),
            }
            (name, Problems(all))
        });
        assert_eq!(
            told_once(problems.collect(), &declared).to_string(),
            "no glob\n\
             a/own.yaml:1:1: own\n\
             web/all.yaml:1:1: bad\n\
             web/all.yaml:1:1: odd (for targets b, c)"
        );
    }
}
