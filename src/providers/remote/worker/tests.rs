use super::*;
use crate::providers::remote::wire::Answer;

/// What a worker answers to these requests.
fn answers(requests: &[Request]) -> Vec<Answer> {
    let mut input = Vec::new();
    for request in requests {
        packet::write(&mut input, request, &Contents::default()).unwrap();
    }
    let mut output = Vec::new();
    serve(
        &mut input.as_slice(),
        &mut output,
        &Mutex::new(Instant::now()),
    )
    .unwrap();
    let mut left = output.as_slice();
    std::iter::from_fn(|| packet::read(&mut left, FROM_CONTROLLER).unwrap())
        .map(|(answer, _)| answer)
        .collect()
}

fn hello(version: u32, root: &str) -> Request {
    Request::Hello(Hello {
        version,
        target: "t".into(),
        root: root.into(),
        ignore: vec![],
        validate_commands: vec![],
        lock_wait_ms: None,
    })
}

// Goal: nothing is done for whoever has not said which root it is about, speaks another version or comes out of turn.
#[test]
fn only_after_a_greeting_of_this_version() {
    let root = tempfile::tempdir().unwrap();
    let root = root.path().to_str().unwrap();
    let all = answers(&[
        Request::Names,
        hello(VERSION + 1, root),
        hello(VERSION, "/nowhere/at/all"),
        Request::Names,
        hello(VERSION, root),
        hello(VERSION, "/"),
        Request::Content,
        Request::Names,
    ]);
    let refused = |answer: &Answer| matches!(answer, Answer::Cannot(_));
    assert_eq!(
        all.iter().map(refused).collect::<Vec<_>>(),
        [true, true, true, true, false, true, true, false],
        "{all:?}"
    );
    assert!(matches!(&all[4], Answer::Hello(machine) if machine.version == VERSION));
}
