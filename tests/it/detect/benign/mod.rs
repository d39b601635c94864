//! A benign CloudTrail stream: ten days of an ordinary company, to prove that rules do not cry wolf.
//!
//! Flow: the modules below plan what happens each day (`machines`: applications, scanners, backups; `code` and
//! `environments`: infrastructure code and pipelines; `people`: administrators, operators, break-glass), `quiet` fills the
//! rest with the calls that make up most of a real trail, and everything is put in order of time.
//!
//! **Invariant:** the records are a pure function of `count` and `seed`. Nothing in here is an attack. What a company could
//! rightly do and this one does not is said in `docs/rules.md`.

mod actors;
mod code;
mod environments;
mod machines;
mod people;
mod quiet;

use actors::{ACCOUNT, Actor};
use serde_json::{Value, json};

/// How many days the stream lasts, from Monday, 2 March 2026, 00:00 UTC.
pub const DAYS: i64 = 10;
const DAY: i64 = 86_400;

/// `count` records in order of time. Fewer than about 40,000 do not hold everything that the plan has: the days are cut
/// short then.
pub fn records(count: usize, seed: u64) -> impl Iterator<Item = Value> {
    let mut plan = Plan::new(seed);
    for day in 0..DAYS {
        machines::day(&mut plan, day);
        code::day(&mut plan, day);
        people::day(&mut plan, day);
    }
    quiet::fill(&mut plan, count);
    plan.records.sort_by_key(|(at, _)| *at);
    plan.records
        .into_iter()
        .take(count)
        .map(|(_, record)| record)
}

/// What is planned so far.
pub struct Plan {
    records: Vec<(i64, Value)>,
    state: u64,
}

impl Plan {
    fn new(seed: u64) -> Self {
        Plan {
            records: Vec::new(),
            state: seed,
        }
    }

    /// The next number of the sequence (SplitMix64).
    fn next(&mut self) -> u64 {
        self.state = self.state.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut z = self.state;
        z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        z ^ (z >> 31)
    }

    /// A number from `low` up to but without `high`.
    fn between(&mut self, low: i64, high: i64) -> i64 {
        low + (self.next() % (high - low) as u64) as i64
    }

    fn one_of<'a, T: ?Sized>(&mut self, list: &[&'a T]) -> &'a T {
        list[self.between(0, list.len() as i64) as usize]
    }

    /// True in `percent` of a hundred cases.
    fn chance(&mut self, percent: i64) -> bool {
        self.between(0, 100) < percent
    }

    fn hex(&mut self, digits: usize) -> String {
        let long = format!("{:016x}{:016x}", self.next(), self.next());
        long[..digits].to_owned()
    }

    /// A moment of `day` between the two hours.
    fn moment(&mut self, day: i64, from_hour: i64, to_hour: i64) -> i64 {
        day * DAY + self.between(from_hour * 3600, to_hour * 3600)
    }

    /// A call that succeeded.
    fn call(&mut self, at: i64, who: &Actor, service: &str, name: &str, request: Value) {
        self.answered(at, who, service, name, request, Value::Null);
    }

    /// A call that succeeded, with what AWS answered.
    fn answered(
        &mut self,
        at: i64,
        who: &Actor,
        service: &str,
        name: &str,
        request: Value,
        response: Value,
    ) {
        let record = self.record(at, who, service, name, request, response);
        self.records.push((at, record));
    }

    /// A call that AWS refused.
    fn refused(
        &mut self,
        at: i64,
        who: &Actor,
        service: &str,
        name: &str,
        request: Value,
        code: &str,
    ) {
        let mut record = self.record(at, who, service, name, request, Value::Null);
        record["errorCode"] = json!(code);
        record["errorMessage"] = json!(format!(
            "User: {} is not authorized to perform: {service}:{name}",
            who.arn()
        ));
        self.records.push((at, record));
    }

    fn record(
        &mut self,
        at: i64,
        who: &Actor,
        service: &str,
        name: &str,
        request: Value,
        response: Value,
    ) -> Value {
        let reads = [
            "Describe",
            "List",
            "Get",
            "Lookup",
            "Head",
            "BatchGet",
            "AssumeRole",
            "Invoke",
            "Converse",
        ]
        .iter()
        .any(|start| name.starts_with(start));
        let objects = [
            "CopyObject",
            "GetObject",
            "PutObject",
            "InvokeModelWithResponseStream",
            "ConverseStream",
        ];
        let data = objects.contains(&name);
        let id = self.hex(32);
        json!({
            "eventVersion": "1.09",
            "userIdentity": who.identity(at),
            "eventTime": time(at),
            "eventSource": format!("{service}.amazonaws.com"),
            "eventName": name,
            "awsRegion": if service == "iam" || service == "organizations" { "us-east-1" } else { "eu-central-1" },
            "sourceIPAddress": who.address,
            "userAgent": who.agent,
            "requestParameters": request,
            "responseElements": response,
            "requestID": format!("{}-{}-{}", &id[..8], &id[8..12], &id[12..24]),
            "eventID": format!("{}-{}-4{}-a{}-{}", &id[8..16], &id[..4], &id[4..7], &id[16..19], &id[20..32]),
            "readOnly": reads,
            "eventType": if name == "ConsoleLogin" { "AwsConsoleSignIn" } else { "AwsApiCall" },
            "managementEvent": !data,
            "recipientAccountId": ACCOUNT,
            "eventCategory": if data { "Data" } else { "Management" },
        })
    }
}

/// The time as CloudTrail writes it, for seconds since the start of the stream. All of it lies in March 2026.
fn time(at: i64) -> String {
    let (day, second) = (at / DAY, at % DAY);
    format!(
        "2026-03-{:02}T{:02}:{:02}:{:02}Z",
        2 + day,
        second / 3600,
        second / 60 % 60,
        second % 60
    )
}
