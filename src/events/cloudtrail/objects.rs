//! What a CloudTrail record was about: which request parameter names the object, as a table.

use serde_json::Value;

use crate::events::json::{at, text};
use crate::model::Object;

/// A service, the parameter (a path by `.`, `0` is a list's first), and what it names, as a CloudFormation type. Of the rows
/// of a service the first whose parameter is there counts: parts before the wholes that hold them.
const PARAMETERS: &[(&str, &str, &str)] = &[
    (
        "access-analyzer",
        "analyzerName",
        "AWS::AccessAnalyzer::Analyzer",
    ),
    ("backup", "recoveryPointArn", "AWS::Backup::RecoveryPoint"),
    ("backup", "backupVaultName", "AWS::Backup::BackupVault"),
    ("cloudformation", "stackName", "AWS::CloudFormation::Stack"),
    ("cloudtrail", "trailName", "AWS::CloudTrail::Trail"),
    ("cloudtrail", "name", "AWS::CloudTrail::Trail"),
    (
        "cloudtrail",
        "eventDataStore",
        "AWS::CloudTrail::EventDataStore",
    ),
    (
        "config",
        "configurationRecorderName",
        "AWS::Config::ConfigurationRecorder",
    ),
    (
        "config",
        "configurationRecorder.name",
        "AWS::Config::ConfigurationRecorder",
    ),
    (
        "config",
        "deliveryChannelName",
        "AWS::Config::DeliveryChannel",
    ),
    ("config", "configRuleName", "AWS::Config::ConfigRule"),
    ("dynamodb", "tableName", "AWS::DynamoDB::Table"),
    (
        "ec2",
        "instancesSet.items.0.instanceId",
        "AWS::EC2::Instance",
    ),
    ("ec2", "instanceId", "AWS::EC2::Instance"),
    ("ec2", "groupId", "AWS::EC2::SecurityGroup"),
    ("ec2", "groupName", "AWS::EC2::SecurityGroup"),
    ("ec2", "snapshotId", "AWS::EC2::Snapshot"),
    ("ec2", "imageId", "AWS::EC2::Image"),
    ("ec2", "volumeId", "AWS::EC2::Volume"),
    ("ec2", "keyName", "AWS::EC2::KeyPair"),
    ("ec2", "networkAclId", "AWS::EC2::NetworkAcl"),
    ("ec2", "routeTableId", "AWS::EC2::RouteTable"),
    ("ec2", "internetGatewayId", "AWS::EC2::InternetGateway"),
    ("ec2", "subnetId", "AWS::EC2::Subnet"),
    ("ec2", "vpcId", "AWS::EC2::VPC"),
    (
        "ec2",
        "DeleteFlowLogsRequest.FlowLogId.content",
        "AWS::EC2::FlowLog",
    ),
    ("ecr", "repositoryName", "AWS::ECR::Repository"),
    ("ecs", "taskDefinition", "AWS::ECS::TaskDefinition"),
    ("ecs", "service", "AWS::ECS::Service"),
    ("ecs", "cluster", "AWS::ECS::Cluster"),
    ("eks", "nodegroupName", "AWS::EKS::Nodegroup"),
    ("eks", "principalArn", "AWS::EKS::AccessEntry"),
    ("eks", "name", "AWS::EKS::Cluster"),
    (
        "elasticfilesystem",
        "mountTargetId",
        "AWS::EFS::MountTarget",
    ),
    ("elasticfilesystem", "fileSystemId", "AWS::EFS::FileSystem"),
    ("events", "name", "AWS::Events::Rule"),
    ("events", "rule", "AWS::Events::Rule"),
    ("glue", "endpointName", "AWS::Glue::DevEndpoint"),
    ("guardduty", "detectorId", "AWS::GuardDuty::Detector"),
    // The key before its user: what a key was made or disabled for is said by the key.
    ("iam", "accessKeyId", "AWS::IAM::AccessKey"),
    ("iam", "serialNumber", "AWS::IAM::VirtualMFADevice"),
    ("iam", "instanceProfileName", "AWS::IAM::InstanceProfile"),
    ("iam", "sAMLProviderArn", "AWS::IAM::SAMLProvider"),
    ("iam", "openIDConnectProviderArn", "AWS::IAM::OIDCProvider"),
    ("iam", "userName", "AWS::IAM::User"),
    ("iam", "roleName", "AWS::IAM::Role"),
    ("iam", "groupName", "AWS::IAM::Group"),
    ("iam", "policyArn", "AWS::IAM::ManagedPolicy"),
    ("iam", "policyName", "AWS::IAM::ManagedPolicy"),
    ("kms", "keyId", "AWS::KMS::Key"),
    ("kms", "aliasName", "AWS::KMS::Alias"),
    ("lambda", "layerName", "AWS::Lambda::LayerVersion"),
    ("lambda", "functionName", "AWS::Lambda::Function"),
    ("logs", "destinationName", "AWS::Logs::Destination"),
    ("logs", "logStreamName", "AWS::Logs::LogStream"),
    ("logs", "logGroupName", "AWS::Logs::LogGroup"),
    ("organizations", "policyId", "AWS::Organizations::Policy"),
    ("organizations", "accountId", "AWS::Organizations::Account"),
    ("rds", "dBSnapshotIdentifier", "AWS::RDS::DBSnapshot"),
    (
        "rds",
        "dBClusterSnapshotIdentifier",
        "AWS::RDS::DBClusterSnapshot",
    ),
    ("rds", "dBInstanceIdentifier", "AWS::RDS::DBInstance"),
    ("rds", "dBClusterIdentifier", "AWS::RDS::DBCluster"),
    ("rds", "dBSecurityGroupName", "AWS::RDS::DBSecurityGroup"),
    (
        "rolesanywhere",
        "trustAnchorId",
        "AWS::RolesAnywhere::TrustAnchor",
    ),
    ("rolesanywhere", "profileId", "AWS::RolesAnywhere::Profile"),
    ("rolesanywhere", "name", "AWS::RolesAnywhere::TrustAnchor"),
    ("route53", "hostedZoneId", "AWS::Route53::HostedZone"),
    ("route53domains", "domainName", "AWS::Route53::Domain"),
    (
        "route53resolver",
        "resolverQueryLogConfigId",
        "AWS::Route53Resolver::ResolverQueryLoggingConfig",
    ),
    ("s3", "key", "AWS::S3::Object"),
    ("s3", "bucketName", "AWS::S3::Bucket"),
    (
        "sagemaker",
        "notebookInstanceName",
        "AWS::SageMaker::NotebookInstance",
    ),
    ("secretsmanager", "secretId", "AWS::SecretsManager::Secret"),
    ("secretsmanager", "name", "AWS::SecretsManager::Secret"),
    (
        "securityhub",
        "findingIdentifiers.0.id",
        "AWS::SecurityHub::Finding",
    ),
    ("ses", "identity", "AWS::SES::EmailIdentity"),
    ("ses", "emailAddress", "AWS::SES::EmailIdentity"),
    ("sns", "topicArn", "AWS::SNS::Topic"),
    ("sqs", "queueUrl", "AWS::SQS::Queue"),
    ("ssm", "instanceIds.0", "AWS::EC2::Instance"),
    ("ssm", "target", "AWS::EC2::Instance"),
    ("ssm", "name", "AWS::SSM::Parameter"),
    ("ssm", "documentName", "AWS::SSM::Document"),
    ("sts", "roleArn", "AWS::IAM::Role"),
    ("wafv2", "name", "AWS::WAFv2::WebACL"),
];

/// The object: the resource that CloudTrail names by its ARN, or else what the parameters name.
pub(super) fn of(body: &Value, service: &str) -> Option<Object> {
    listed(body).or_else(|| {
        let parameters = at(body, &["requestParameters"]);
        parameters.as_object()?;
        let first = PARAMETERS.partition_point(|row| row.0 < service);
        PARAMETERS[first..]
            .iter()
            .take_while(|row| row.0 == service)
            .find_map(|(_, path, kind)| {
                let name = parameter(parameters, path)?;
                let name = match (*kind, text(parameters, "bucketName")) {
                    ("AWS::S3::Object", Some(bucket)) => format!("{bucket}/{name}"),
                    _ => name.to_owned(),
                };
                Some(Object {
                    kind: (*kind).to_owned(),
                    name,
                })
            })
    })
}

fn listed(body: &Value) -> Option<Object> {
    body.get("resources")?.as_array()?.iter().find_map(|entry| {
        Some(Object {
            kind: text(entry, "type")?.to_owned(),
            name: text(entry, "ARN")?.to_owned(),
        })
    })
}

fn parameter<'a>(parameters: &'a Value, path: &str) -> Option<&'a str> {
    path.split('.')
        .try_fold(parameters, |value, key| match value {
            Value::Array(all) => all.get(key.parse::<usize>().ok()?),
            other => other.get(key),
        })?
        .as_str()
        .filter(|name| !name.is_empty())
}

#[cfg(test)]
mod tests {
    use super::*;

    // Goal: rows are found by search: a row out of its service's block would never be read.
    #[test]
    fn rows_stand_in_order_of_services() {
        assert!(PARAMETERS.windows(2).all(|pair| pair[0].0 <= pair[1].0));
    }
}
