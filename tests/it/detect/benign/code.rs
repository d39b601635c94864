//! Infrastructure code and pipelines: users, roles, keys, images, functions, firewalls. `environments` has the rest.

use serde_json::{Value, json};

use super::actors::{ACCOUNT, Actor, RECOVERY, TOOLING};
use super::{DAY, Plan, environments};

pub const ADMIN: &str = "arn:aws:iam::aws:policy/AdministratorAccess";

pub fn day(plan: &mut Plan, day: i64) {
    if day % 7 >= 5 {
        return environments::nightly(plan, day);
    }
    for _ in 0..14 {
        let at = plan.moment(day, 7, 18);
        refresh(plan, at);
    }
    for _ in 0..5 {
        let at = plan.moment(day, 8, 17);
        let who = Actor::pipeline(plan, "ci-deploy");
        functions(plan, at, &who);
        firewall(plan, at + 200, &who);
        deploy_command(plan, at + 300);
    }
    let at = plan.moment(day, 8, 17);
    identities(plan, at);
    let at = plan.moment(day, 8, 17);
    new_user_data(plan, at);
    let at = plan.moment(day, 8, 17);
    image(plan, at);
    let at = plan.moment(day, 8, 17);
    legacy(plan, at, day);
    let at = plan.moment(day, 8, 17);
    parameters_of_a_service(plan, at);
    environments::rebuilt_at_once(plan, day);
    environments::nightly(plan, day);
    if day == 2 {
        environments::account_baseline(plan, day * DAY + 10 * 3600);
    }
}

pub fn arrive(plan: &mut Plan, at: i64, who: &Actor) {
    let role = format!("arn:aws:iam::{ACCOUNT}:role/{}", who.name);
    let request = json!({"roleArn": role, "roleSessionName": who.session, "durationSeconds": 3600});
    plan.call(at - 2, who, "sts", "AssumeRoleWithWebIdentity", request);
    plan.call(at, who, "sts", "GetCallerIdentity", Value::Null);
}

/// Infrastructure code compares what is there with what it wrote: hundreds of reads, the values of secrets among them.
fn refresh(plan: &mut Plan, at: i64) {
    let who = Actor::pipeline(plan, "ci-plan");
    arrive(plan, at, &who);
    for n in 0..30 {
        let id = format!("i-0a{n:04x}");
        let at = at + 3 + n / 10;
        let own = json!({"instancesSet": {"items": [{"instanceId": id}]}, "filterSet": {}});
        plan.call(at, &who, "ec2", "DescribeInstances", own);
        for attribute in [
            "disableApiTermination",
            "instanceInitiatedShutdownBehavior",
            "userData",
        ] {
            let request = json!({"attribute": attribute, "instanceId": id});
            plan.call(at, &who, "ec2", "DescribeInstanceAttribute", request);
        }
    }
    for n in 0..20 {
        let secret = json!({"secretId": format!("arn:aws:secretsmanager:eu-central-1:{ACCOUNT}:secret:prod/{n}-AbCdEf")});
        plan.call(
            at + 7 + n / 10,
            &who,
            "secretsmanager",
            "DescribeSecret",
            secret.clone(),
        );
        plan.call(
            at + 7 + n / 10,
            &who,
            "secretsmanager",
            "GetSecretValue",
            secret,
        );
        let role = json!({"roleName": format!("service-{n}")});
        plan.call(at + 7 + n / 10, &who, "iam", "GetRole", role.clone());
        plan.call(
            at + 7 + n / 10,
            &who,
            "iam",
            "ListAttachedRolePolicies",
            role,
        );
        let parameter = json!({"name": format!("/prod/{n}"), "withDecryption": true});
        plan.call(at + 9, &who, "ssm", "GetParameter", parameter);
        let filter = json!({"parameterFilters": [{"key": "Name", "option": "Equals", "values": [format!("/prod/{n}")]}]});
        plan.call(at + 9, &who, "ssm", "DescribeParameters", filter);
    }
    if plan.chance(20) {
        plan.refused(
            at + 12,
            &who,
            "kms",
            "DescribeKey",
            json!({"keyId": "alias/other-team"}),
            "AccessDenied",
        );
    }
}

/// New code, a new layer, new callers of a function.
fn functions(plan: &mut Plan, at: i64, who: &Actor) {
    arrive(plan, at, who);
    let name = plan.one_of(&["orders", "checkout", "thumbnails", "webhook"]);
    let code = json!({"functionName": name, "publish": true, "dryRun": false});
    plan.call(at + 2, who, "lambda", "UpdateFunctionCode20150331v2", code);
    let layer = format!(
        "arn:aws:lambda:eu-central-1:{ACCOUNT}:layer:observability:{}",
        plan.between(1, 90)
    );
    let settings = json!({"functionName": name, "layers": [layer], "environment": {}});
    plan.call(
        at + 5,
        who,
        "lambda",
        "UpdateFunctionConfiguration20150331v2",
        settings,
    );
    for (principal, source) in [
        ("s3.amazonaws.com", "arn:aws:s3:::acme-uploads"),
        (
            "events.amazonaws.com",
            "arn:aws:events:eu-central-1:210987654321:rule/hourly",
        ),
        (TOOLING, ""),
    ] {
        let mut request = json!({"functionName": name, "statementId": plan.hex(8), "action": "lambda:InvokeFunction", "principal": principal});
        if !source.is_empty() {
            request["sourceArn"] = json!(source);
        }
        plan.call(at + 8, who, "lambda", "AddPermission20150331v2", request);
    }
    if name == "webhook" {
        let open = json!({"functionName": name, "statementId": "public", "action": "lambda:InvokeFunctionUrl", "principal": "*", "functionUrlAuthType": "NONE"});
        plan.call(
            at + 9,
            who,
            "lambda",
            "CreateFunctionUrlConfig",
            json!({"functionName": name, "authType": "NONE"}),
        );
        plan.call(at + 9, who, "lambda", "AddPermission20150331v2", open);
    }
}

/// The web for everyone, SSH for the office and the bastion, often in one call.
pub fn firewall(plan: &mut Plan, at: i64, who: &Actor) {
    let rule = |port: i64, range: &str| {
        json!({"ipProtocol": "tcp", "fromPort": port, "toPort": port, "groups": {}, "ipv6Ranges": {}, "prefixListIds": {},
            "ipRanges": {"items": [{"cidrIp": range}]}})
    };
    let group = format!("sg-0{}", plan.hex(8));
    for items in [
        vec![rule(443, "0.0.0.0/0"), rule(80, "0.0.0.0/0")],
        vec![rule(443, "0.0.0.0/0"), rule(22, "10.0.0.0/8")],
        vec![rule(22, "185.12.64.0/24")],
        vec![rule(3389, "10.20.0.0/16")],
    ] {
        let request = json!({"groupId": group, "ipPermissions": {"items": items}});
        plan.call(
            at,
            who,
            "ec2",
            "AuthorizeSecurityGroupIngress",
            request.clone(),
        );
        plan.call(at + 40, who, "ec2", "RevokeSecurityGroupIngress", request);
    }
    let flat = json!({"groupId": group, "ipProtocol": "tcp", "fromPort": 443, "toPort": 443, "cidrIp": "0.0.0.0/0", "ipPermissions": {}});
    plan.call(at + 3, who, "ec2", "AuthorizeSecurityGroupIngress", flat);
    let out = json!({"groupId": group, "ipPermissions": {"items": [{"ipProtocol": "-1", "ipRanges": {"items": [{"cidrIp": "0.0.0.0/0"}]}}]}});
    plan.call(at + 4, who, "ec2", "AuthorizeSecurityGroupEgress", out);
}

/// A runner of the company's own, in the network of the tooling account, restarts a service on some hosts.
fn deploy_command(plan: &mut Plan, at: i64) {
    let who = Actor::role(
        "ci-deploy",
        &format!("runner-{}", plan.hex(6)),
        "3.71.90.12",
    );
    plan.call(
        at,
        &who,
        "ssm",
        "DescribeInstanceInformation",
        json!({"filters": [{"key": "tag:app", "values": ["orders"]}]}),
    );
    let hosts: Vec<String> = (0..5).map(|n| format!("i-0a{n:04x}")).collect();
    let request = json!({"documentName": "AWS-RunShellScript", "instanceIds": hosts, "parameters": "HIDDEN_DUE_TO_SECURITY_REASONS"});
    plan.call(at + 2, &who, "ssm", "SendCommand", request);
    for n in 0..5 {
        let request = json!({"commandId": "c", "instanceId": format!("i-0a{n:04x}")});
        plan.call(at + 5, &who, "ssm", "GetCommandInvocation", request);
    }
}

pub fn trust(principal: Value) -> String {
    json!({"Version": "2012-10-17", "Statement": [{"Effect": "Allow", "Action": "sts:AssumeRole", "Principal": principal}]}).to_string()
}

/// Users for programs, roles for services, partners and other accounts.
fn identities(plan: &mut Plan, at: i64) {
    let who = Actor::pipeline(plan, "ci-identity");
    arrive(plan, at, &who);
    let user = format!("mail-{}", plan.hex(4));
    let key = json!({"accessKey": {"userName": user, "accessKeyId": format!("AKIA{}", plan.hex(16).to_uppercase()), "status": "Active"}});
    plan.call(
        at + 2,
        &who,
        "iam",
        "CreateUser",
        json!({"userName": user, "path": "/programs/"}),
    );
    let mail =
        json!({"userName": user, "policyArn": "arn:aws:iam::aws:policy/AmazonSESFullAccess"});
    plan.call(at + 3, &who, "iam", "AttachUserPolicy", mail);
    plan.call(
        at + 3,
        &who,
        "iam",
        "PutUserPolicy",
        json!({"userName": user, "policyName": "send", "policyDocument": "{}"}),
    );
    plan.answered(
        at + 3,
        &who,
        "iam",
        "CreateAccessKey",
        json!({"userName": user}),
        key,
    );
    for (role, principal, policy) in [
        (
            "service",
            json!({"Service": "ecs-tasks.amazonaws.com"}),
            "arn:aws:iam::aws:policy/AmazonS3ReadOnlyAccess",
        ),
        (
            "build",
            json!({"Service": "codebuild.amazonaws.com"}),
            ADMIN,
        ),
        (
            "deployer",
            json!({"AWS": format!("arn:aws:iam::{TOOLING}:role/ci-runner")}),
            ADMIN,
        ),
        (
            "auditor",
            json!({"AWS": format!("arn:aws:iam::{TOOLING}:root")}),
            "arn:aws:iam::aws:policy/SecurityAudit",
        ),
    ] {
        let name = format!("{role}-{}", plan.hex(4));
        plan.call(
            at + 5,
            &who,
            "iam",
            "CreateRole",
            json!({"roleName": name, "assumeRolePolicyDocument": trust(principal.clone())}),
        );
        plan.call(
            at + 6,
            &who,
            "iam",
            "AttachRolePolicy",
            json!({"roleName": name, "policyArn": policy}),
        );
        let both = json!([principal, {"AWS": format!("arn:aws:iam::{RECOVERY}:root")}]);
        let document = trust(if role == "auditor" {
            both[1].clone()
        } else {
            both[0].clone()
        });
        plan.call(
            at + 9,
            &who,
            "iam",
            "UpdateAssumeRolePolicy",
            json!({"roleName": name, "policyDocument": document}),
        );
    }
    plan.call(
        at + 20,
        &who,
        "iam",
        "DeleteUser",
        json!({"userName": user}),
    );
}

/// New user data for an instance that stays: infrastructure code stops it in good order, changes it and starts it.
fn new_user_data(plan: &mut Plan, at: i64) {
    let who = Actor::pipeline(plan, "ci-deploy");
    arrive(plan, at, &who);
    let id = format!("i-0a{:04x}", plan.between(0, super::machines::FLEET));
    let set = json!({"items": [{"instanceId": id}]});
    plan.call(
        at + 3,
        &who,
        "ec2",
        "StopInstances",
        json!({"instancesSet": set, "force": false}),
    );
    plan.call(
        at + 60,
        &who,
        "ec2",
        "ModifyInstanceAttribute",
        json!({"instanceId": id, "userData": "<sensitiveDataRemoved>"}),
    );
    plan.call(
        at + 62,
        &who,
        "ec2",
        "StartInstances",
        json!({"instancesSet": set}),
    );
}

/// An image is built and shared with the other accounts.
fn image(plan: &mut Plan, at: i64) {
    let who = Actor::pipeline(plan, "image-pipeline");
    arrive(plan, at, &who);
    let id = format!("ami-0{}", plan.hex(8));
    let one = json!({"items": [{"imageId": "ami-0f00", "minCount": 1, "maxCount": 1}]});
    plan.call(
        at + 5,
        &who,
        "ec2",
        "RunInstances",
        json!({"instanceType": "c6i.large", "instancesSet": one}),
    );
    plan.call(
        at + 600,
        &who,
        "ec2",
        "CreateImage",
        json!({"instanceId": "i-0e01", "name": id}),
    );
    for account in [TOOLING, RECOVERY, "510987654321"] {
        let add = json!({"add": {"items": [{"userId": account}]}});
        let request =
            json!({"imageId": id, "attributeType": "launchPermission", "launchPermission": add});
        plan.call(at + 900, &who, "ec2", "ModifyImageAttribute", request);
    }
}

/// An old pipeline that still has an access key: it deploys, sets up small things and once removes flow logs.
fn legacy(plan: &mut Plan, at: i64, day: i64) {
    let who = Actor::key("legacy-ci", "91.198.5.7");
    plan.call(at, &who, "sts", "GetCallerIdentity", Value::Null);
    plan.call(at + 1, &who, "s3", "ListBuckets", Value::Null);
    plan.call(
        at + 3,
        &who,
        "lambda",
        "UpdateFunctionCode20150331v2",
        json!({"functionName": "old-report", "publish": false}),
    );
    plan.call(
        at + 4,
        &who,
        "s3",
        "PutBucketPolicy",
        json!({"bucketName": "acme-website"}),
    );
    plan.call(at + 5, &who, "iam", "CreateRole", json!({"roleName": "old-report", "assumeRolePolicyDocument": trust(json!({"Service": "lambda.amazonaws.com"}))}));
    plan.call(at + 6, &who, "iam", "UpdateAssumeRolePolicy", json!({"roleName": "old-report", "policyDocument": trust(json!({"Service": "lambda.amazonaws.com"}))}));
    plan.call(
        at + 7,
        &who,
        "ec2",
        "CreateFlowLogs",
        json!({"CreateFlowLogsRequest": {"TrafficType": "ALL"}}),
    );
    if day == 3 {
        let id = json!({"FlowLogId": {"content": "fl-0aa1", "tag": 1}});
        plan.call(
            at + 60,
            &who,
            "ec2",
            "DeleteFlowLogs",
            json!({"DeleteFlowLogsRequest": id}),
        );
    }
}

/// A deployment reads everything below the path of its service.
fn parameters_of_a_service(plan: &mut Plan, at: i64) {
    let who = Actor::pipeline(plan, "ci-deploy");
    arrive(plan, at, &who);
    let filter = json!({"parameterFilters": [{"key": "Path", "option": "Recursive", "values": ["/shop"]}], "maxResults": 50});
    plan.call(at + 1, &who, "ssm", "DescribeParameters", filter);
    for page in 0..6 {
        let names: Vec<String> = (0..10).map(|n| format!("/shop/{page}-{n}")).collect();
        plan.call(
            at + 2 + page / 3,
            &who,
            "ssm",
            "GetParameters",
            json!({"names": names, "withDecryption": true}),
        );
    }
}
