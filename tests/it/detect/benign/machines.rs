//! What programs do by themselves: applications, synchronisers, scanners, backups, rotations, training jobs.

use serde_json::{Value, json};

use super::actors::{ACCOUNT, Actor, NAT, RECOVERY};
use super::{DAY, Plan};

/// The instances of the application.
pub const FLEET: i64 = 60;

pub fn day(plan: &mut Plan, day: i64) {
    let midnight = day * DAY;
    for hour in 0..24 {
        secrets_of_the_cluster(plan, midnight + hour * 3600 + 300);
        federation(plan, midnight + hour * 3600 + 900);
        scaling(plan, midnight + hour * 3600);
        inventory(plan, midnight + hour * 3600 + 1500);
    }
    for _ in 0..12 {
        let at = plan.moment(day, 6, 22);
        application_starts(plan, at);
    }
    scanner(plan, midnight + 2 * 3600);
    backups(plan, midnight + 3 * 3600);
    rotations(plan, midnight + 4 * 3600);
    configuration_over_sessions(plan, midnight + 5 * 3600);
    training(plan, midnight + 20 * 3600);
    assistant(plan, day);
    wrong_role(plan, day);
    scheduler(plan, midnight + 23 * 3600);
    mail(plan, midnight + 8 * 3600);
}

/// A synchroniser in a cluster reads each of its secrets once an hour, by name.
fn secrets_of_the_cluster(plan: &mut Plan, at: i64) {
    let who = Actor::role("external-secrets", "external-secrets-provider-aws", NAT);
    for n in 0..40 {
        let name = json!({"secretId": format!("prod/service-{n}"), "versionStage": "AWSCURRENT"});
        plan.call(at + n, &who, "secretsmanager", "GetSecretValue", name);
    }
    for page in 0..2 {
        let names = json!({"secretIdList": (0..20).map(|n| format!("prod/batch-{page}-{n}")).collect::<Vec<_>>()});
        plan.call(
            at + 50 + page,
            &who,
            "secretsmanager",
            "BatchGetSecretValue",
            names,
        );
    }
}

/// A broker hands out tokens for uploads, narrowed to one folder.
fn federation(plan: &mut Plan, at: i64) {
    let who = Actor::key("upload-broker", NAT);
    for n in 0..3 {
        let customer = plan.between(1, 500);
        let policy = format!(
            r#"{{"Version":"2012-10-17","Statement":[{{"Effect":"Allow","Action":["s3:PutObject"],"Resource":"arn:aws:s3:::acme-uploads/{customer}/*"}}]}}"#
        );
        let request = json!({"name": format!("customer-{customer}"), "policy": policy, "durationSeconds": 900});
        plan.call(at + n * 400, &who, "sts", "GetFederationToken", request);
    }
}

/// The group grows and shrinks; the autoscaler of the cluster looks at everything it has.
fn scaling(plan: &mut Plan, at: i64) {
    let who = Actor::service("autoscaling");
    for n in 0..2 {
        let one = json!({"imageId": "ami-0f00", "minCount": 1, "maxCount": 1});
        let request = json!({"instanceType": "m6i.large", "instancesSet": {"items": [one]}, "clientToken": plan.hex(16)});
        plan.call(at + 60 + n * 900, &who, "ec2", "RunInstances", request);
        let gone =
            json!({"instancesSet": {"items": [{"instanceId": format!("i-0b{}", plan.hex(6))}]}});
        plan.call(at + 90 + n * 900, &who, "ec2", "TerminateInstances", gone);
    }
    let autoscaler = Actor::role("cluster-autoscaler", "autoscaler", NAT);
    for n in 0..6 {
        plan.call(
            at + n * 600,
            &autoscaler,
            "ec2",
            "DescribeInstances",
            json!({"filterSet": {}, "instancesSet": {}}),
        );
    }
}

/// A script on one instance keeps a list of all others.
fn inventory(plan: &mut Plan, at: i64) {
    let who = Actor::instance("inventory-host", "i-0c11d2e3");
    plan.call(at, &who, "sts", "GetCallerIdentity", Value::Null);
    plan.call(
        at + 1,
        &who,
        "ec2",
        "DescribeInstances",
        json!({"filterSet": {}, "instancesSet": {}}),
    );
    plan.call(
        at + 3,
        &who,
        "ssm",
        "DescribeInstanceInformation",
        json!({"maxResults": 50}),
    );
}

/// The tasks of an application start: each reads its parameters and its secrets. One of them is large.
fn application_starts(plan: &mut Plan, at: i64) {
    let app = plan.one_of(&["orders", "shop", "billing", "search"]);
    let pages = if app == "billing" { 6 } else { 2 };
    for task in 0..plan.between(2, 6) {
        let who = Actor::role(&format!("{app}-task"), &plan.hex(12), NAT);
        let at = at + task * 4;
        for page in 0..pages {
            let path = json!({"path": format!("/{app}/"), "recursive": true, "withDecryption": true, "maxResults": 10});
            plan.call(at + page, &who, "ssm", "GetParametersByPath", path);
        }
        let names = json!({"names": [format!("/shared/{app}-key"), "/shared/region"], "withDecryption": true});
        plan.call(at + pages, &who, "ssm", "GetParameters", names);
        plan.call(
            at + pages,
            &who,
            "ssm",
            "GetParameter",
            json!({"name": "/shared/license", "withDecryption": true}),
        );
        for secret in ["database", "mail", "signing"] {
            let id = json!({"secretId": format!("{app}/{secret}")});
            plan.call(at + pages + 1, &who, "secretsmanager", "GetSecretValue", id);
        }
        let list = json!({"secretIdList": [format!("{app}/a"), format!("{app}/b")]});
        plan.call(
            at + pages + 1,
            &who,
            "secretsmanager",
            "BatchGetSecretValue",
            list,
        );
    }
}

/// Each night a read-only scanner lists whatever there is. It lacks some rights.
fn scanner(plan: &mut Plan, at: i64) {
    let who = Actor::role("security-audit", "prowler", "52.28.14.90");
    let mut at = at;
    plan.call(at, &who, "sts", "GetCallerIdentity", Value::Null);
    for n in 0..12 {
        let role = format!(
            "arn:aws:iam::{}:role/security-audit",
            500_000_000_000_i64 + n
        );
        if n % 4 == 3 {
            plan.refused(
                at + n,
                &who,
                "sts",
                "AssumeRole",
                Value::Null,
                "AccessDenied",
            );
        } else {
            let request = json!({"roleArn": role, "roleSessionName": "prowler"});
            plan.call(at + n, &who, "sts", "AssumeRole", request);
        }
    }
    for (service, name) in LISTED {
        at += 2;
        if plan.chance(8) {
            plan.refused(at, &who, service, name, Value::Null, "AccessDenied");
        } else {
            plan.call(at, &who, service, name, json!({"maxResults": 100}));
        }
    }
    for n in 0..FLEET {
        let id = format!("i-0a{n:04x}");
        for attribute in ["userData", "disableApiTermination"] {
            let request = json!({"attribute": attribute, "instanceId": id});
            plan.call(at + n, &who, "ec2", "DescribeInstanceAttribute", request);
        }
    }
}

const LISTED: &[(&str, &str)] = &[
    ("iam", "ListUsers"),
    ("iam", "ListRoles"),
    ("iam", "GetAccountSummary"),
    ("iam", "GetCredentialReport"),
    ("iam", "ListAttachedRolePolicies"),
    ("iam", "GetAccountAuthorizationDetails"),
    ("ec2", "DescribeInstances"),
    ("ec2", "DescribeSnapshots"),
    ("ec2", "DescribeImages"),
    ("ec2", "DescribeSecurityGroups"),
    ("ec2", "DescribeFlowLogs"),
    ("ec2", "DescribeVpcs"),
    ("ec2", "DescribeRegions"),
    ("s3", "ListBuckets"),
    ("s3", "GetBucketAcl"),
    ("s3", "GetBucketPolicy"),
    ("s3", "GetBucketLogging"),
    ("rds", "DescribeDBSnapshots"),
    ("rds", "DescribeDBSnapshotAttributes"),
    ("rds", "DescribeDBInstances"),
    ("lambda", "ListFunctions20150331"),
    ("lambda", "GetPolicy20150331v2"),
    ("kms", "ListKeys"),
    ("kms", "GetKeyPolicy"),
    ("secretsmanager", "ListSecrets"),
    ("ssm", "DescribeParameters"),
    ("ssm", "DescribeInstanceInformation"),
    ("cloudtrail", "DescribeTrails"),
    ("cloudtrail", "GetTrailStatus"),
    ("cloudtrail", "GetEventSelectors"),
    ("guardduty", "ListDetectors"),
    ("config", "DescribeConfigurationRecorders"),
    ("organizations", "DescribeOrganization"),
    ("route53resolver", "ListResolverQueryLogConfigs"),
    ("rolesanywhere", "ListTrustAnchors"),
    ("bedrock", "ListFoundationModels"),
    ("ses", "ListIdentities"),
    ("ses", "GetSendQuota"),
    ("sns", "ListTopics"),
    ("sqs", "ListQueues"),
    ("eks", "ListClusters"),
    ("ecr", "DescribeRepositories"),
    ("sts", "GetCallerIdentity"),
];

/// Snapshots are made, copied and shared with the account for a disaster; old ones go.
fn backups(plan: &mut Plan, at: i64) {
    let who = Actor::role("backup", "nightly", "3.121.7.40");
    for n in 0..8 {
        let at = at + n * 60;
        let id = format!("snap-0{}", plan.hex(8));
        plan.call(
            at,
            &who,
            "ec2",
            "CreateSnapshot",
            json!({"volumeId": format!("vol-0d{n}")}),
        );
        let copy =
            json!({"sourceSnapshotId": id, "sourceRegion": "eu-central-1", "encrypted": true});
        plan.call(at + 20, &who, "ec2", "CopySnapshot", copy);
        let share = json!({"add": {"items": [{"userId": RECOVERY}]}});
        let request = json!({"snapshotId": id, "attributeType": "CREATE_VOLUME_PERMISSION", "createVolumePermission": share});
        plan.call(at + 30, &who, "ec2", "ModifySnapshotAttribute", request);
        plan.call(
            at + 40,
            &who,
            "ec2",
            "DeleteSnapshot",
            json!({"snapshotId": id}),
        );
    }
    for (call, field) in [
        ("ModifyDBSnapshotAttribute", "dBSnapshotIdentifier"),
        (
            "ModifyDBClusterSnapshotAttribute",
            "dBClusterSnapshotIdentifier",
        ),
    ] {
        let request =
            json!({field: "orders-nightly", "attributeName": "restore", "valuesToAdd": [RECOVERY]});
        plan.call(at + 600, &who, "rds", call, request);
    }
    let archive = Actor::role("archive", "nightly", "3.121.7.41");
    for n in 0..300 {
        let request = json!({"bucketName": "acme-archive", "key": format!("orders/{n}.parquet"), "x-amz-copy-source": format!("acme-orders/{n}.parquet")});
        plan.call(at + 700 + n, &archive, "s3", "CopyObject", request);
    }
    let own_keys = Actor::role("vault-task", "nightly", NAT);
    for n in 0..12 {
        let request = json!({"bucketName": "acme-vault", "key": format!("v/{n}"), "x-amz-server-side-encryption-customer-algorithm": "AES256"});
        plan.call(at + 1200 + n * 5, &own_keys, "s3", "CopyObject", request);
    }
}

/// Keys of the users for programs are changed, by a function and by some programs themselves.
fn rotations(plan: &mut Plan, at: i64) {
    let function = Actor::role("key-rotation", "key-rotation", NAT);
    for user in ["upload-broker", "mailer", "legacy-ci", "partner-feed"] {
        rotation(plan, at, &function, user);
    }
    let own = Actor::key("partner-feed", "91.198.5.4");
    rotation(plan, at + 900, &own, "partner-feed");
}

fn rotation(plan: &mut Plan, at: i64, who: &Actor, user: &str) {
    let new = format!("AKIA{}", plan.hex(16).to_uppercase());
    let key = json!({"accessKey": {"accessKeyId": new, "status": "Active", "userName": user}});
    plan.call(at, who, "iam", "ListAccessKeys", json!({"userName": user}));
    plan.answered(
        at + 1,
        who,
        "iam",
        "CreateAccessKey",
        json!({"userName": user}),
        key,
    );
    let old = format!("AKIA{}", plan.hex(16).to_uppercase());
    let off = json!({"userName": user, "accessKeyId": old, "status": "Inactive"});
    plan.call(at + 300, who, "iam", "UpdateAccessKey", off);
    plan.call(
        at + 600,
        who,
        "iam",
        "DeleteAccessKey",
        json!({"userName": user, "accessKeyId": old}),
    );
}

/// A configuration tool reaches eight hosts over sessions, several at once.
fn configuration_over_sessions(plan: &mut Plan, at: i64) {
    let who = Actor::role("ansible", "nightly", "3.121.7.42");
    plan.call(
        at,
        &who,
        "ec2",
        "DescribeInstances",
        json!({"filterSet": {"items": [{"name": "tag:role"}]}, "instancesSet": {}}),
    );
    for task in 0..10 {
        for host in 0..8 {
            let at = at + 10 + task * 30 + host / 4;
            let session = format!("nightly-{}", plan.hex(8));
            plan.call(
                at,
                &who,
                "ssm",
                "StartSession",
                json!({"target": format!("i-0a{host:04x}")}),
            );
            plan.call(
                at + 9,
                &who,
                "ssm",
                "TerminateSession",
                json!({"sessionId": session}),
            );
        }
    }
}

/// Models are trained on many accelerated instances; sometimes there are none to be had.
fn training(plan: &mut Plan, at: i64) {
    let who = Actor::role("training", "nightly", "3.121.7.43");
    let eight = json!({"imageId": "ami-0f01", "minCount": 8, "maxCount": 8});
    let request = json!({"instanceType": "p4d.24xlarge", "instancesSet": {"items": [eight]}});
    plan.refused(
        at,
        &who,
        "ec2",
        "RunInstances",
        request.clone(),
        "Server.InsufficientInstanceCapacity",
    );
    plan.call(at + 600, &who, "ec2", "RunInstances", request);
}

/// An assistant for customers and one for the staff use models.
fn assistant(plan: &mut Plan, day: i64) {
    let names = [
        "InvokeModel",
        "InvokeModelWithResponseStream",
        "Converse",
        "ConverseStream",
    ];
    for n in 0..150 {
        let at = plan.moment(day, 7, 22);
        let who = Actor::role("assistant-task", "ecs", NAT);
        let request = json!({"modelId": "anthropic.claude-3-5-sonnet-20241022-v2:0"});
        plan.call(at, &who, "bedrock", names[n % names.len()], request);
    }
}

/// A job has the wrong role in its settings and tries again until somebody sees it.
fn wrong_role(plan: &mut Plan, day: i64) {
    let at = plan.moment(day, 9, 16);
    let who = Actor::role("report-job", "hourly", NAT);
    for n in 0..30 {
        plan.refused(
            at + n * 10,
            &who,
            "sts",
            "AssumeRole",
            Value::Null,
            "AccessDenied",
        );
    }
    let right = json!({"roleArn": format!("arn:aws:iam::{ACCOUNT}:role/report-reader"), "roleSessionName": "hourly"});
    plan.call(at + 400, &who, "sts", "AssumeRole", right);
}

/// A scheduler on an instance runs its jobs on other instances, and looks which there are.
fn scheduler(plan: &mut Plan, at: i64) {
    let who = Actor::instance("scheduler-host", "i-0c44d5e6");
    plan.call(at, &who, "sts", "GetCallerIdentity", Value::Null);
    plan.call(
        at + 1,
        &who,
        "ec2",
        "DescribeInstances",
        json!({"filterSet": {}, "instancesSet": {}}),
    );
    let request = json!({"documentName": "AWS-RunShellScript", "targets": [{"key": "tag:job", "values": ["nightly"]}]});
    plan.call(at + 5, &who, "ssm", "SendCommand", request);
}

/// A program sends mail and watches what it may send; an administrator looks at the whole service in the console.
fn mail(plan: &mut Plan, at: i64) {
    let who = Actor::key("mailer", NAT);
    for n in 0..24 {
        plan.call(at + n * 1800, &who, "ses", "GetSendQuota", Value::Null);
        plan.call(
            at + n * 1800 + 2,
            &who,
            "ses",
            "GetSendStatistics",
            Value::Null,
        );
    }
    let admin = Actor::sso("Admin", "ann", super::actors::OFFICE);
    for name in [
        "GetAccount",
        "GetAccountSendingEnabled",
        "ListIdentities",
        "ListEmailIdentities",
        "ListVerifiedEmailAddresses",
    ] {
        plan.call(at + 7200, &admin, "ses", name, Value::Null);
    }
}
