//! What people do: they sign in, look things up, repair machines, help each other, and break the glass once.

use serde_json::{Value, json};

use super::actors::{ACCOUNT, Actor, OFFICE};
use super::{DAY, Plan};

const STAFF: &[&str] = &["ann", "bob", "cleo", "dan", "eva", "finn", "gus", "hal"];

pub fn day(plan: &mut Plan, day: i64) {
    on_call(plan, day);
    if day % 7 >= 5 {
        return;
    }
    for person in STAFF {
        sign_in(plan, day, person);
        looks_around(plan, day, person);
    }
    for _ in 0..3 {
        operator(plan, day);
    }
    legacy_users(plan, day);
    researcher(plan, day);
    help_desk(plan, day);
    match day {
        0 => new_colleague(plan, day * DAY + 9 * 3600),
        1 => model_opened(plan, day * DAY + 10 * 3600),
        2 => trail_moved(plan, day * DAY + 11 * 3600),
        3 => hanging_machine(plan, day * DAY + 14 * 3600),
        4 => break_glass(plan, day * DAY + 15 * 3600),
        7 => leaves_organization(plan, day * DAY + 9 * 3600),
        _ => {}
    }
}

fn signed_in(plan: &mut Plan, at: i64, who: &Actor, mfa: &str) {
    let mut record = plan.record(
        at,
        who,
        "signin",
        "ConsoleLogin",
        Value::Null,
        json!({"ConsoleLogin": "Success"}),
    );
    record["additionalEventData"] = json!({"LoginTo": "https://console.aws.amazon.com/console/home", "MobileVersion": "No", "MFAUsed": mfa});
    plan.records.push((at, record));
}

fn not_signed_in(plan: &mut Plan, at: i64, who: &Actor) {
    let mut record = plan.record(
        at,
        who,
        "signin",
        "ConsoleLogin",
        Value::Null,
        json!({"ConsoleLogin": "Failure"}),
    );
    record["additionalEventData"] = json!({"MobileVersion": "No", "MFAUsed": "No"});
    record["errorMessage"] = json!("Failed authentication");
    plan.records.push((at, record));
}

/// People come through the single sign-on, which does MFA itself: AWS writes "No" for them.
fn sign_in(plan: &mut Plan, day: i64, person: &str) {
    let set = if person == "ann" {
        "Admin"
    } else {
        "Developer"
    };
    let at = plan.moment(day, 7, 10);
    signed_in(plan, at, &Actor::sso(set, person, OFFICE), "No");
}

/// The pages of the console call dozens of lists each.
fn looks_around(plan: &mut Plan, day: i64, person: &str) {
    let who = Actor::sso(
        if person == "ann" {
            "Admin"
        } else {
            "Developer"
        },
        person,
        OFFICE,
    );
    for _ in 0..4 {
        let at = plan.moment(day, 8, 18);
        for name in [
            "DescribeInstances",
            "DescribeInstanceStatus",
            "DescribeAddresses",
            "DescribeKeyPairs",
            "DescribeVpcs",
        ] {
            plan.call(
                at,
                &who,
                "ec2",
                name,
                json!({"maxResults": 50, "filterSet": {}, "instancesSet": {}}),
            );
        }
        plan.refused(
            at + 1,
            &who,
            "cost-optimization-hub",
            "ListEnrollmentStatuses",
            Value::Null,
            "AccessDenied",
        );
    }
    let at = plan.moment(day, 8, 18);
    plan.call(
        at,
        &who,
        "secretsmanager",
        "ListSecrets",
        json!({"maxResults": 100}),
    );
    for n in 0..plan.between(1, 5) {
        let name = json!({"secretId": format!("dev/{person}-{n}")});
        plan.call(
            at + 20 + n * 30,
            &who,
            "secretsmanager",
            "DescribeSecret",
            name.clone(),
        );
        plan.call(
            at + 25 + n * 30,
            &who,
            "secretsmanager",
            "GetSecretValue",
            name,
        );
    }
    let at = plan.moment(day, 8, 18);
    plan.call(
        at,
        &who,
        "ssm",
        "DescribeParameters",
        json!({"maxResults": 50}),
    );
    for n in 0..plan.between(0, 3) {
        plan.call(
            at + 30 + n * 20,
            &who,
            "ssm",
            "GetParameter",
            json!({"name": format!("/dev/{n}"), "withDecryption": true}),
        );
    }
}

/// An operator looks which machines are there and opens sessions on some, one after the other.
fn operator(plan: &mut Plan, day: i64) {
    let person = plan.one_of(STAFF);
    let who = Actor::sso("Operator", person, OFFICE);
    let mut at = plan.moment(day, 8, 18);
    plan.call(
        at,
        &who,
        "ssm",
        "DescribeInstanceInformation",
        json!({"maxResults": 50}),
    );
    for _ in 0..plan.between(1, 5) {
        at += plan.between(15, 240);
        let host = format!("i-0a{:04x}", plan.between(0, super::machines::FLEET));
        plan.call(at, &who, "ssm", "StartSession", json!({"target": host}));
        let session = format!("{person}-{}", plan.hex(8));
        plan.call(
            at + 900,
            &who,
            "ssm",
            "TerminateSession",
            json!({"sessionId": session}),
        );
    }
    let at = plan.moment(day, 8, 18);
    for n in 0..3 {
        let host = format!("i-0a{:04x}", plan.between(0, super::machines::FLEET));
        let fresh = json!({"instanceId": host, "instanceOSUser": "ec2-user", "sSHPublicKey": format!("ssh-ed25519 AAAA{}", plan.hex(16))});
        plan.call(
            at + n * 15,
            &who,
            "ec2-instance-connect",
            "SendSSHPublicKey",
            fresh,
        );
        let own = json!({"instanceId": host, "instanceOSUser": "ec2-user", "sSHPublicKey": format!("ssh-ed25519 AAAAown{person}")});
        plan.call(
            at + 2000 + n * 400,
            &who,
            "ec2-instance-connect",
            "SendSSHPublicKey",
            own,
        );
    }
    if plan.chance(40) {
        let request = json!({"documentName": "AWS-RunShellScript", "instanceIds": ["i-0a0001"], "parameters": "HIDDEN_DUE_TO_SECURITY_REASONS"});
        plan.call(at + 4000, &who, "ssm", "SendCommand", request);
    }
}

/// At night whoever is on call repairs something from home.
fn on_call(plan: &mut Plan, day: i64) {
    let who = Actor::sso("Operator", "gus", "84.140.7.21");
    let at = plan.moment(day, 1, 5);
    plan.call(
        at,
        &who,
        "ssm",
        "DescribeInstanceInformation",
        json!({"maxResults": 50}),
    );
    plan.call(
        at + 60,
        &who,
        "ssm",
        "StartSession",
        json!({"target": "i-0a0002"}),
    );
    plan.call(
        at + 200,
        &who,
        "ec2",
        "RebootInstances",
        json!({"instancesSet": {"items": [{"instanceId": "i-0a0002"}]}}),
    );
}

/// Some people are still IAM users, with MFA, and mistype their passwords.
fn legacy_users(plan: &mut Plan, day: i64) {
    for name in ["karl", "lena"] {
        let who = Actor::console(name, true);
        let at = plan.moment(day, 8, 11);
        if plan.chance(30) {
            not_signed_in(plan, at - 40, &who);
        }
        signed_in(plan, at, &who, "Yes");
        plan.call(at + 30, &who, "s3", "ListBuckets", Value::Null);
        let key = json!({"accessKey": {"userName": name, "accessKeyId": format!("AKIA{}", plan.hex(16).to_uppercase())}});
        if day == 1 {
            plan.answered(
                at + 90,
                &who,
                "iam",
                "CreateAccessKey",
                json!({"userName": name}),
                key,
            );
            plan.call(
                at + 120,
                &who,
                "iam",
                "UpdateLoginProfile",
                json!({"userName": name}),
            );
        }
    }
}

/// A researcher starts an accelerated machine, and is told once that she may not.
fn researcher(plan: &mut Plan, day: i64) {
    let who = Actor::sso("Research", "eva", OFFICE);
    let at = plan.moment(day, 9, 17);
    let one = json!({"items": [{"imageId": "ami-0f02", "minCount": 1, "maxCount": 1}]});
    let request = json!({"instanceType": "g5.xlarge", "instancesSet": one});
    if day == 1 {
        plan.refused(
            at - 600,
            &who,
            "ec2",
            "RunInstances",
            request.clone(),
            "Client.UnauthorizedOperation",
        );
    }
    plan.call(at, &who, "ec2", "RunInstances", request);
}

/// Forgotten passwords, of people and of Windows.
fn help_desk(plan: &mut Plan, day: i64) {
    let who = Actor::sso("HelpDesk", "hal", OFFICE);
    let at = plan.moment(day, 9, 17);
    plan.call(
        at,
        &who,
        "iam",
        "UpdateLoginProfile",
        json!({"userName": "karl", "passwordResetRequired": true}),
    );
    for n in 0..2 {
        plan.call(
            at + 300 + n * 60,
            &who,
            "ec2",
            "GetPasswordData",
            json!({"instanceId": format!("i-0w{n}")}),
        );
    }
    plan.refused(
        at + 500,
        &who,
        "ec2",
        "GetPasswordData",
        json!({"instanceId": "i-0w9"}),
        "Client.UnauthorizedOperation",
    );
}

/// A new colleague gets a user, must choose a password, signs in and sets up MFA.
fn new_colleague(plan: &mut Plan, at: i64) {
    let admin = Actor::sso("Admin", "ann", OFFICE);
    plan.call(at, &admin, "iam", "CreateUser", json!({"userName": "mara"}));
    let login = json!({"loginProfile": {"userName": "mara", "passwordResetRequired": true}});
    plan.answered(
        at + 1,
        &admin,
        "iam",
        "CreateLoginProfile",
        json!({"userName": "mara", "passwordResetRequired": true}),
        login,
    );
    plan.call(
        at + 2,
        &admin,
        "iam",
        "AddUserToGroup",
        json!({"userName": "mara", "groupName": "analysts"}),
    );
    plan.call(
        at + 3,
        &admin,
        "iam",
        "AttachUserPolicy",
        json!({"userName": "mara", "policyArn": "arn:aws:iam::aws:policy/IAMUserChangePassword"}),
    );
    let mara = Actor::console("mara", false);
    signed_in(plan, at + 3600, &mara, "No");
    plan.call(at + 3620, &mara, "iam", "ChangePassword", Value::Null);
    plan.call(
        at + 3700,
        &mara,
        "iam",
        "EnableMFADevice",
        json!({"userName": "mara"}),
    );
    plan.call(
        at + 7200,
        &admin,
        "iam",
        "CreateUser",
        json!({"userName": "break-glass"}),
    );
    let login =
        json!({"loginProfile": {"userName": "break-glass", "passwordResetRequired": false}});
    let request = json!({"userName": "break-glass", "passwordResetRequired": false});
    plan.answered(
        at + 7201,
        &admin,
        "iam",
        "CreateLoginProfile",
        request,
        login,
    );
    plan.call(
        at + 7205,
        &admin,
        "iam",
        "EnableMFADevice",
        json!({"userName": "break-glass"}),
    );
    let policy = json!({"userName": "break-glass", "policyArn": "arn:aws:iam::aws:policy/AdministratorAccess"});
    plan.call(at + 7206, &admin, "iam", "AttachUserPolicy", policy);
}

/// An administrator opens a model for the teams and tries it in the playground.
fn model_opened(plan: &mut Plan, at: i64) {
    let who = Actor::sso("Admin", "ann", OFFICE);
    let model = json!({"modelId": "anthropic.claude-3-haiku-20240307-v1:0"});
    plan.call(at, &who, "bedrock", "PutUseCaseForModelAccess", Value::Null);
    plan.call(
        at + 5,
        &who,
        "bedrock",
        "ListFoundationModelAgreementOffers",
        model.clone(),
    );
    plan.call(
        at + 10,
        &who,
        "bedrock",
        "CreateFoundationModelAgreement",
        model.clone(),
    );
    plan.call(
        at + 11,
        &who,
        "bedrock",
        "PutFoundationModelEntitlement",
        model.clone(),
    );
    plan.call(at + 200, &who, "bedrock", "ConverseStream", model);
}

/// The bucket of a trail moves: the trail pauses for a few minutes.
fn trail_moved(plan: &mut Plan, at: i64) {
    let who = Actor::sso("Admin", "ann", OFFICE);
    plan.call(
        at,
        &who,
        "cloudtrail",
        "StopLogging",
        json!({"name": "main"}),
    );
    plan.call(
        at + 120,
        &who,
        "cloudtrail",
        "UpdateTrail",
        json!({"name": "main", "s3BucketName": "acme-cloudtrail-2"}),
    );
    plan.call(
        at + 150,
        &who,
        "cloudtrail",
        "StartLogging",
        json!({"name": "main"}),
    );
}

/// A machine hangs: it is stopped by force, and looked at over the serial console.
fn hanging_machine(plan: &mut Plan, at: i64) {
    let who = Actor::sso("Operator", "gus", OFFICE);
    let set = json!({"items": [{"instanceId": "i-0a0003"}]});
    plan.call(
        at,
        &who,
        "ec2",
        "StopInstances",
        json!({"instancesSet": set, "force": true}),
    );
    plan.call(
        at + 90,
        &who,
        "ec2",
        "ModifyInstanceAttribute",
        json!({"instanceId": "i-0a0003", "instanceType": {"value": "m6i.xlarge"}}),
    );
    plan.call(
        at + 95,
        &who,
        "ec2",
        "StartInstances",
        json!({"instancesSet": set}),
    );
    plan.call(
        at + 300,
        &who,
        "ec2",
        "EnableSerialConsoleAccess",
        json!({"EnableSerialConsoleAccessRequest": ""}),
    );
    for n in 0..4 {
        let key = json!({"instanceId": "i-0a0003", "serialPort": 0, "sSHPublicKey": "ssh-ed25519 AAAAgus"});
        plan.call(
            at + 320 + n * 60,
            &who,
            "ec2-instance-connect",
            "SendSerialConsoleSSHPublicKey",
            key,
        );
    }
}

/// The single sign-on is down: the glass is broken, by the user for it and by root, both with MFA.
fn break_glass(plan: &mut Plan, at: i64) {
    let user = Actor::console("break-glass", true);
    signed_in(plan, at, &user, "Yes");
    plan.call(at + 60, &user, "iam", "UpdateAssumeRolePolicy", json!({
        "roleName": "operator",
        "policyDocument": format!(r#"{{"Version":"2012-10-17","Statement":[{{"Effect":"Allow","Principal":{{"AWS":"arn:aws:iam::{ACCOUNT}:user/break-glass"}},"Action":"sts:AssumeRole"}}]}}"#),
    }));
    let root = Actor::root();
    signed_in(plan, at + 600, &root, "Yes");
    plan.call(
        at + 700,
        &root,
        "account",
        "PutAlternateContact",
        json!({"alternateContactType": "SECURITY"}),
    );
    plan.call(at + 800, &root, "iam", "ListVirtualMFADevices", Value::Null);
}

/// The account is handed to the organization of a new owner, as agreed.
fn leaves_organization(plan: &mut Plan, at: i64) {
    let who = Actor::sso("Admin", "ann", OFFICE);
    plan.call(
        at,
        &who,
        "organizations",
        "DescribeOrganization",
        Value::Null,
    );
    plan.call(
        at + 30,
        &who,
        "organizations",
        "LeaveOrganization",
        Value::Null,
    );
    plan.call(
        at + 90,
        &who,
        "organizations",
        "AcceptHandshake",
        json!({"handshakeId": "h-0a1b2c3d"}),
    );
}
