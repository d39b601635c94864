#[tokio::test]
async fn scratch() {
    for dir in super::find(std::path::Path::new("scenarios"), &[]).unwrap() {
        match super::Scenario::load(&dir) {
            Err(super::ScenarioError::Problems { problems, .. }) => panic!(
                "{}",
                crate::baseline::render(&problems, &dir.display().to_string(), false)
            ),
            Err(e) => panic!("{}", crate::report_chain(&e)),
            Ok(s) => match super::run(&s, 0).await {
                Ok(r) => {
                    println!("{}", r.transcript);
                    if r.holds() {
                        super::bless(&dir, &r).unwrap();
                    }
                }
                Err(super::ScenarioError::Problems { problems, .. }) => panic!(
                    "{}",
                    crate::baseline::render(&problems, &dir.display().to_string(), false)
                ),
                Err(e) => panic!("{}", crate::report_chain(&e)),
            },
        }
    }
}
