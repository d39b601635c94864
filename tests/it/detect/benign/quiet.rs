//! What makes up most of a trail: services and agents that look after themselves, all day and night.

use serde_json::{Value, json};

use super::actors::{ACCOUNT, Actor};
use super::{DAY, DAYS, Plan};

/// Service, call: what the monitoring of the company polls.
const POLLED: &[(&str, &str)] = &[
    ("ec2", "DescribeVolumes"),
    ("ec2", "DescribeSecurityGroups"),
    ("ec2", "DescribeSubnets"),
    ("ec2", "DescribeNetworkInterfaces"),
    ("elasticloadbalancing", "DescribeTargetHealth"),
    ("elasticloadbalancing", "DescribeLoadBalancers"),
    ("autoscaling", "DescribeAutoScalingGroups"),
    ("rds", "DescribeDBInstances"),
    ("monitoring", "DescribeAlarms"),
    ("logs", "DescribeLogGroups"),
    ("cloudtrail", "LookupEvents"),
    ("tagging", "GetResources"),
    ("sqs", "GetQueueAttributes"),
    ("dynamodb", "DescribeTable"),
    ("lambda", "GetFunction20150331v2"),
    ("ecs", "DescribeServices"),
    ("eks", "DescribeCluster"),
    ("s3", "GetBucketLocation"),
    ("kms", "DescribeKey"),
];

/// Fills the plan up to `count` records, two thirds of them in working hours.
pub fn fill(plan: &mut Plan, count: usize) {
    while plan.records.len() < count {
        let day = plan.between(0, DAYS);
        let at = if plan.chance(66) && day % 7 < 5 {
            plan.moment(day, 7, 19)
        } else {
            plan.moment(day, 0, 24)
        };
        one(plan, at.min(DAYS * DAY - 1));
    }
}

fn one(plan: &mut Plan, at: i64) {
    match plan.between(0, 100) {
        0..30 => service_takes_role(plan, at),
        30..55 => key_for_data(plan, at),
        55..70 => polled(plan, at),
        70..80 => agent_of_instance(plan, at),
        80..88 => logs(plan, at),
        88..93 => web_identity(plan, at),
        93..97 => who_am_i(plan, at),
        _ => missing(plan, at),
    }
}

/// A service takes on the role that it was given.
fn service_takes_role(plan: &mut Plan, at: i64) {
    let service = plan.one_of(&[
        "lambda",
        "ec2",
        "ecs-tasks",
        "autoscaling",
        "config",
        "backup",
        "rds",
        "events",
    ]);
    let role = format!(
        "arn:aws:iam::{ACCOUNT}:role/{service}-{}",
        plan.one_of(&["orders", "shop", "billing", "search"])
    );
    let session = plan.hex(16);
    let request = json!({"roleArn": role, "roleSessionName": session, "durationSeconds": 3600});
    let response =
        json!({"credentials": {"accessKeyId": format!("ASIA{}", session.to_uppercase())}});
    plan.answered(
        at,
        &Actor::service(service),
        "sts",
        "AssumeRole",
        request,
        response,
    );
}

/// An application or a service encrypts or decrypts.
fn key_for_data(plan: &mut Plan, at: i64) {
    let name = plan.one_of(&["Decrypt", "GenerateDataKey", "Decrypt", "Encrypt"]);
    let app = plan.one_of(&["orders", "shop", "billing", "search"]);
    let who = Actor::role(&format!("{app}-task"), "ecs", super::actors::NAT);
    let request = json!({"encryptionAlgorithm": "SYMMETRIC_DEFAULT", "keyId": format!("alias/{app}"), "encryptionContext": {"app": app}});
    plan.call(at, &who, "kms", name, request);
}

fn polled(plan: &mut Plan, at: i64) {
    let (service, name) = POLLED[plan.between(0, POLLED.len() as i64) as usize];
    let who = Actor::role("monitoring-integration", "poller", "34.107.8.77");
    if plan.chance(4) {
        plan.refused(at, &who, service, name, Value::Null, "AccessDenied");
    } else if plan.chance(2) {
        plan.refused(at, &who, service, name, Value::Null, "ThrottlingException");
    } else {
        plan.call(at, &who, service, name, json!({"maxResults": 100}));
    }
}

fn agent_of_instance(plan: &mut Plan, at: i64) {
    let id = format!("i-0a{:04x}", plan.between(0, 60));
    let who = Actor::instance("app-instance", &id);
    match plan.between(0, 6) {
        0 => plan.call(
            at,
            &who,
            "ssm",
            "UpdateInstanceInformation",
            json!({"instanceId": id, "agentStatus": "Active"}),
        ),
        1 => plan.call(
            at,
            &who,
            "ssm",
            "ListInstanceAssociations",
            json!({"instanceId": id, "maxResults": 20}),
        ),
        2 => plan.call(
            at,
            &who,
            "ec2",
            "DescribeTags",
            json!({"filterSet": {"items": [{"name": "resource-id"}]}}),
        ),
        3 => {
            let own = json!({"instancesSet": {"items": [{"instanceId": id}]}, "filterSet": {}});
            plan.call(at, &who, "ec2", "DescribeInstances", own);
        }
        4 => plan.call(at, &who, "ecr", "GetAuthorizationToken", Value::Null),
        _ => plan.call(at, &who, "ssm", "PutInventory", json!({"instanceId": id})),
    }
}

fn logs(plan: &mut Plan, at: i64) {
    let who = Actor::role("shop-function", "shop-checkout", super::actors::NAT);
    let stream = plan.hex(12);
    let request = json!({"logGroupName": "/aws/lambda/shop-checkout", "logStreamName": stream});
    plan.call(at, &who, "logs", "CreateLogStream", request);
}

/// A pod takes on its role.
fn web_identity(plan: &mut Plan, at: i64) {
    let pod = plan.one_of(&[
        "external-secrets",
        "cluster-autoscaler",
        "load-balancer-controller",
        "search-indexer",
    ]);
    let request = json!({"roleArn": format!("arn:aws:iam::{ACCOUNT}:role/{pod}"), "roleSessionName": pod, "durationSeconds": 3600});
    plan.call(
        at,
        &Actor::service("eks"),
        "sts",
        "AssumeRoleWithWebIdentity",
        request,
    );
}

/// Tools ask who they are before they do anything.
fn who_am_i(plan: &mut Plan, at: i64) {
    if plan.chance(40) {
        let id = format!("i-0a{:04x}", plan.between(0, 60));
        plan.call(
            at,
            &Actor::instance("app-instance", &id),
            "sts",
            "GetCallerIdentity",
            Value::Null,
        );
    } else {
        let person = plan.one_of(&["ann", "bob", "cleo", "dan", "eva"]);
        let who = Actor::sso("Developer", person, super::actors::OFFICE);
        plan.call(at, &who, "sts", "GetCallerIdentity", Value::Null);
    }
}

/// What is looked for and is not there, or may not be seen.
fn missing(plan: &mut Plan, at: i64) {
    let person = plan.one_of(&["ann", "bob", "cleo", "dan", "eva"]);
    let who = Actor::sso("Developer", person, super::actors::OFFICE);
    let bucket = json!({"bucketName": "acme-shop-assets", "Host": "acme-shop-assets.s3.eu-central-1.amazonaws.com"});
    match plan.between(0, 4) {
        0 => plan.refused(
            at,
            &who,
            "s3",
            "GetBucketPolicy",
            bucket,
            "NoSuchBucketPolicy",
        ),
        1 => plan.refused(at, &who, "s3", "GetBucketTagging", bucket, "NoSuchTagSet"),
        2 => plan.refused(at, &who, "iam", "ListUsers", Value::Null, "AccessDenied"),
        _ => plan.refused(
            at,
            &who,
            "ec2",
            "DescribeInstances",
            json!({}),
            "Client.UnauthorizedOperation",
        ),
    }
}
