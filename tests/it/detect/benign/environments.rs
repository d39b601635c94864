//! Environments that come and go, by infrastructure code, and the baseline that the organization lays into an account.

use serde_json::json;

use super::actors::{Actor, TOOLING};
use super::code::{ADMIN, arrive, firewall, trust};
use super::{DAY, Plan};

/// An environment for tests is made in the evening and taken down in the morning.
pub fn nightly(plan: &mut Plan, day: i64) {
    let who = Actor::pipeline(plan, "ci-environments");
    environment_up(plan, day * DAY + 18 * 3600 + 1800, &who, "nightly");
    let who = Actor::pipeline(plan, "ci-environments");
    environment_down(plan, day * DAY + 6 * 3600, &who, "nightly");
}

/// An environment is taken down and built anew by one run, within a minute.
pub fn rebuilt_at_once(plan: &mut Plan, day: i64) {
    let at = plan.moment(day, 9, 16);
    let who = Actor::pipeline(plan, "ci-environments");
    arrive(plan, at, &who);
    environment_down(plan, at + 2, &who, "preview");
    environment_up(plan, at + 25, &who, "preview");
}

fn environment_up(plan: &mut Plan, at: i64, who: &Actor, name: &str) {
    plan.call(
        at,
        who,
        "ec2",
        "CreateVpc",
        json!({"cidrBlock": "10.9.0.0/16"}),
    );
    plan.call(
        at + 1,
        who,
        "s3",
        "CreateBucket",
        json!({"bucketName": format!("acme-{name}-cloudtrail")}),
    );
    for (bucket, days) in [
        (format!("acme-{name}-cloudtrail"), 90),
        (format!("acme-{name}-cache"), 1),
    ] {
        let rule = json!({"ID": "expire", "Status": "Enabled", "Filter": {"Prefix": ""}, "Expiration": {"Days": days}});
        plan.call(
            at + 2,
            who,
            "s3",
            "PutBucketLifecycle",
            json!({"bucketName": bucket, "LifecycleConfiguration": {"Rule": rule}}),
        );
    }
    plan.call(
        at + 3,
        who,
        "cloudtrail",
        "CreateTrail",
        json!({"name": name, "s3BucketName": format!("acme-{name}-cloudtrail")}),
    );
    plan.call(
        at + 3,
        who,
        "cloudtrail",
        "StartLogging",
        json!({"name": name}),
    );
    for (management, values) in [
        (true, json!([])),
        (false, json!(["arn:aws:s3:::acme-payments/"])),
    ] {
        let resources = json!([{"type": "AWS::S3::Object", "values": values}]);
        let selector = json!({"readWriteType": "All", "includeManagementEvents": management, "dataResources": resources, "excludeManagementEventSources": []});
        plan.call(
            at + 4,
            who,
            "cloudtrail",
            "PutEventSelectors",
            json!({"trailName": name, "eventSelectors": [selector]}),
        );
    }
    plan.call(
        at + 5,
        who,
        "ec2",
        "CreateFlowLogs",
        json!({"CreateFlowLogsRequest": {"TrafficType": "ALL"}}),
    );
    plan.call(
        at + 5,
        who,
        "route53resolver",
        "CreateResolverQueryLogConfig",
        json!({"name": name}),
    );
    plan.call(
        at + 6,
        who,
        "guardduty",
        "CreateDetector",
        json!({"enable": true}),
    );
    plan.call(
        at + 6,
        who,
        "config",
        "PutConfigurationRecorder",
        json!({"configurationRecorderName": name}),
    );
    plan.call(
        at + 7,
        who,
        "iam",
        "CreateUser",
        json!({"userName": format!("{name}-mail")}),
    );
    let key = json!({"accessKey": {"userName": format!("{name}-mail"), "accessKeyId": format!("AKIA{}", plan.hex(16).to_uppercase())}});
    plan.answered(
        at + 8,
        who,
        "iam",
        "CreateAccessKey",
        json!({"userName": format!("{name}-mail")}),
        key,
    );
    let role = json!({"roleName": format!("{name}-task"), "assumeRolePolicyDocument": trust(json!({"Service": "ecs-tasks.amazonaws.com"}))});
    plan.call(at + 8, who, "iam", "CreateRole", role);
    let policy = json!({"roleName": format!("{name}-task"), "policyArn": "arn:aws:iam::aws:policy/PowerUserAccess"});
    plan.call(at + 9, who, "iam", "AttachRolePolicy", policy);
    firewall(plan, at + 10, who);
}

fn environment_down(plan: &mut Plan, at: i64, who: &Actor, name: &str) {
    plan.call(
        at,
        who,
        "iam",
        "DeleteAccessKey",
        json!({"userName": format!("{name}-mail"), "accessKeyId": "AKIAOLD"}),
    );
    plan.call(
        at + 1,
        who,
        "iam",
        "DeleteUser",
        json!({"userName": format!("{name}-mail")}),
    );
    plan.call(
        at + 1,
        who,
        "iam",
        "DetachRolePolicy",
        json!({"roleName": format!("{name}-task")}),
    );
    plan.call(
        at + 2,
        who,
        "iam",
        "DeleteRole",
        json!({"roleName": format!("{name}-task")}),
    );
    plan.call(
        at + 3,
        who,
        "cloudtrail",
        "DeleteTrail",
        json!({"name": name}),
    );
    plan.call(
        at + 3,
        who,
        "cloudtrail",
        "DeleteEventDataStore",
        json!({"eventDataStore": name}),
    );
    plan.call(
        at + 4,
        who,
        "ec2",
        "DeleteFlowLogs",
        json!({"DeleteFlowLogsRequest": {"FlowLogId": {"content": "fl-0bb2", "tag": 1}}}),
    );
    let config = json!({"resolverQueryLogConfigId": "rqlc-0cc3", "resourceId": "vpc-0dd4"});
    plan.call(
        at + 4,
        who,
        "route53resolver",
        "DisassociateResolverQueryLogConfig",
        config.clone(),
    );
    plan.call(
        at + 6,
        who,
        "route53resolver",
        "DeleteResolverQueryLogConfig",
        config,
    );
    plan.call(
        at + 7,
        who,
        "guardduty",
        "DeleteDetector",
        json!({"detectorId": "d0"}),
    );
    for call in [
        "StopConfigurationRecorder",
        "DeleteConfigurationRecorder",
        "DeleteDeliveryChannel",
    ] {
        plan.call(
            at + 8,
            who,
            "config",
            call,
            json!({"configurationRecorderName": name}),
        );
    }
    plan.call(
        at + 9,
        who,
        "kms",
        "ScheduleKeyDeletion",
        json!({"keyId": format!("alias/{name}"), "pendingWindowInDays": 7}),
    );
    plan.call(
        at + 10,
        who,
        "s3",
        "DeleteBucket",
        json!({"bucketName": format!("acme-{name}-cloudtrail")}),
    );
    plan.refused(
        at + 10,
        who,
        "s3",
        "DeleteBucket",
        json!({"bucketName": format!("acme-{name}-cache")}),
        "BucketNotEmpty",
    );
    plan.call(
        at + 12,
        who,
        "ec2",
        "DeleteVpc",
        json!({"vpcId": "vpc-0dd4"}),
    );
}

/// The baseline of the organization arrives: the role of its administrators, certificates of the company for machines.
pub fn account_baseline(plan: &mut Plan, at: i64) {
    let who = Actor::role("AWSControlTowerExecution", "baseline", "3.71.90.13");
    let role = json!({"roleName": "organization-admin", "assumeRolePolicyDocument": trust(json!({"AWS": format!("arn:aws:iam::{TOOLING}:root")}))});
    plan.call(at, &who, "iam", "CreateRole", role);
    plan.call(
        at + 1,
        &who,
        "iam",
        "AttachRolePolicy",
        json!({"roleName": "organization-admin", "policyArn": ADMIN}),
    );
    let source = json!({"sourceType": "CERTIFICATE_BUNDLE", "sourceData": {"x509CertificateData": "-----BEGIN CERTIFICATE-----\nMIIB\n-----END CERTIFICATE-----"}});
    for call in ["CreateTrustAnchor", "UpdateTrustAnchor"] {
        plan.call(
            at + 5,
            &who,
            "rolesanywhere",
            call,
            json!({"name": "company", "enabled": true, "source": source}),
        );
    }
    plan.call(
        at + 6,
        &who,
        "rolesanywhere",
        "CreateProfile",
        json!({"name": "machines", "roleArns": []}),
    );
}
