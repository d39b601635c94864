//! Integrity: programs that are not what git or their package has, and what runs.

use super::Sign;
use super::places::{is_among_local_programs, is_among_system_programs};
use super::seen::Seen;
use crate::model::{
    LOCAL_PROGRAM_CHANGED, PROGRAM_CHANGED, STRANGE_PROCESS, UNLISTED_LOCAL_PROGRAM,
    UNLISTED_PROGRAM,
};

/// Below the folders of programs, and none.
const NO_PROGRAMS: [&str; 8] = [
    "/usr/lib/systemd",
    "/lib/systemd",
    "/usr/lib/modules",
    "/lib/modules",
    "/usr/lib/locale",
    "/usr/lib/udev",
    "/lib/udev",
    "/usr/lib/tmpfiles.d",
];

pub fn signs(seen: &Seen<'_>, out: &mut Vec<Sign>) {
    match seen.kind {
        "Process" if !seen.is_missing() => return out.push((&STRANGE_PROCESS).into()),
        "Package" => {
            if !seen.is_missing() && seen.adds("files") {
                out.push((&PROGRAM_CHANGED).into());
            }
            return;
        }
        _ => {}
    }
    if seen.path.is_none() || !seen.holds_other() || seen.within(&NO_PROGRAMS) {
        return;
    }
    let is_program = seen.is_program();
    let (of_system, of_team) = (
        is_among_system_programs(seen),
        is_among_local_programs(seen),
    );
    let indicator = match (seen.is_extra(), of_system, of_team) {
        (true, true, _) => &UNLISTED_PROGRAM,
        (true, _, true) => &UNLISTED_LOCAL_PROGRAM,
        (false, true, _) => &PROGRAM_CHANGED,
        (false, _, true) => &LOCAL_PROGRAM_CHANGED,
        (false, ..) if is_program => &LOCAL_PROGRAM_CHANGED,
        _ => return,
    };
    out.push(indicator.into());
}
