//! Who acts in the benign stream, and how AWS writes each of them into a record.

use serde_json::{Value, json};

use super::{Plan, time};

/// The account whose trail this is.
pub const ACCOUNT: &str = "210987654321";
/// Where the pipelines of the organization live.
pub const TOOLING: &str = "310987654321";
/// Where copies for a disaster go.
pub const RECOVERY: &str = "410987654321";
/// The address that the instances of the application reach the internet from.
pub const NAT: &str = "18.185.20.11";
/// The office.
pub const OFFICE: &str = "185.12.64.9";

pub enum Kind {
    /// An IAM user by its access key.
    Key,
    /// An IAM user in the console; true with MFA.
    Console(bool),
    /// A role; the name of whoever federated in, if a web identity did.
    Role(Option<&'static str>),
    /// The role of an instance, as handed out on it.
    Instance,
    /// A service of AWS on its own behalf.
    Service,
    Root,
}

pub struct Actor {
    pub kind: Kind,
    /// The user or the role.
    pub name: String,
    /// The session of a role.
    pub session: String,
    pub address: String,
    pub agent: String,
}

impl Actor {
    fn new(kind: Kind, name: &str, session: &str, address: &str, agent: &str) -> Self {
        Actor {
            kind,
            name: name.into(),
            session: session.into(),
            address: address.into(),
            agent: agent.into(),
        }
    }

    pub fn key(name: &str, address: &str) -> Self {
        Self::new(
            Kind::Key,
            name,
            "",
            address,
            "aws-sdk-php/3.300.1 OS/Linux lang/php/8.2",
        )
    }

    pub fn console(name: &str, mfa: bool) -> Self {
        Self::new(
            Kind::Console(mfa),
            name,
            "",
            OFFICE,
            "Mozilla/5.0 (X11; Linux x86_64) Firefox/135.0",
        )
    }

    /// A person who came through the single sign-on of the company.
    pub fn sso(set: &str, person: &str, address: &str) -> Self {
        let role = format!("AWSReservedSSO_{set}_9a1b2c3d4e5f6071");
        let agent = "aws-cli/2.22.4 md/awscrt#0.23.4 ua/2.0 os/macos#24.1.0 lang/python#3.12.6";
        Self::new(
            Kind::Role(None),
            &role,
            &format!("{person}@example.com"),
            address,
            agent,
        )
    }

    /// A role as a program takes it on.
    pub fn role(role: &str, session: &str, address: &str) -> Self {
        Self::new(
            Kind::Role(None),
            role,
            session,
            address,
            "Boto3/1.35.60 md/Botocore#1.35.60 lang/python#3.11.9",
        )
    }

    /// One run of a pipeline: it comes with the token of the pipeline's host, from an address of that host.
    pub fn pipeline(plan: &mut Plan, role: &str) -> Self {
        let session = format!("run-{}", plan.between(10_000_000, 99_999_999));
        let address = format!("20.61.{}.{}", plan.between(0, 255), plan.between(1, 254));
        let agent = "APN/1.0 HashiCorp/1.0 Terraform/1.9.8 (+https://www.terraform.io) aws-sdk-go-v2/1.32.4";
        let host = Some("token.actions.githubusercontent.com");
        Self::new(Kind::Role(host), role, &session, &address, agent)
    }

    pub fn instance(role: &str, id: &str) -> Self {
        Self::new(
            Kind::Instance,
            role,
            id,
            NAT,
            "aws-cli/2.17.1 os/linux#6.1.115-126.197.amzn2023.x86_64",
        )
    }

    pub fn service(name: &str) -> Self {
        let full = format!("{name}.amazonaws.com");
        Self::new(Kind::Service, name, "", &full, &full)
    }

    pub fn root() -> Self {
        Self::new(
            Kind::Root,
            "root",
            "",
            OFFICE,
            "Mozilla/5.0 (X11; Linux x86_64) Firefox/135.0",
        )
    }

    pub fn arn(&self) -> String {
        match self.kind {
            Kind::Key | Kind::Console(_) => format!("arn:aws:iam::{ACCOUNT}:user/{}", self.name),
            Kind::Role(_) | Kind::Instance => {
                format!(
                    "arn:aws:sts::{ACCOUNT}:assumed-role/{}/{}",
                    self.name, self.session
                )
            }
            Kind::Service => self.address.clone(),
            Kind::Root => format!("arn:aws:iam::{ACCOUNT}:root"),
        }
    }

    /// The `userIdentity` of a record at that moment.
    pub fn identity(&self, at: i64) -> Value {
        let since = time(at - at % 3600);
        let attributes =
            |mfa: bool| json!({"creationDate": since, "mfaAuthenticated": mfa.to_string()});
        match &self.kind {
            Kind::Service => json!({"type": "AWSService", "invokedBy": self.address}),
            Kind::Root => json!({
                "type": "Root", "principalId": ACCOUNT, "arn": self.arn(), "accountId": ACCOUNT,
                "accessKeyId": self.id("ASIA"), "sessionContext": {"attributes": attributes(true)},
            }),
            Kind::Key => json!({
                "type": "IAMUser", "principalId": self.id("AIDA"), "arn": self.arn(), "accountId": ACCOUNT,
                "accessKeyId": self.id("AKIA"), "userName": self.name,
            }),
            Kind::Console(mfa) => json!({
                "type": "IAMUser", "principalId": self.id("AIDA"), "arn": self.arn(), "accountId": ACCOUNT,
                "accessKeyId": self.id("ASIA"), "userName": self.name,
                "sessionContext": {"attributes": attributes(*mfa)},
            }),
            Kind::Role(_) | Kind::Instance => self.assumed(attributes(false)),
        }
    }

    fn assumed(&self, attributes: Value) -> Value {
        let mut context = json!({
            "sessionIssuer": {
                "type": "Role", "principalId": self.id("AROA"), "accountId": ACCOUNT, "userName": self.name,
                "arn": format!("arn:aws:iam::{ACCOUNT}:role/{}", self.name),
            },
            "attributes": attributes,
        });
        match &self.kind {
            Kind::Instance => context["ec2RoleDelivery"] = json!("2.0"),
            Kind::Role(Some(host)) => {
                let provider = format!("arn:aws:iam::{ACCOUNT}:oidc-provider/{host}");
                context["webIdFederationData"] =
                    json!({"federatedProvider": provider, "attributes": {}});
            }
            _ => {}
        }
        json!({
            "type": "AssumedRole", "principalId": format!("{}:{}", self.id("AROA"), self.session),
            "arn": self.arn(), "accountId": ACCOUNT, "accessKeyId": self.id("ASIA"), "sessionContext": context,
        })
    }

    /// An id in the shape of AWS's, the same for the same user or session.
    fn id(&self, prefix: &str) -> String {
        let whole = if prefix == "AROA" {
            self.name.clone()
        } else {
            format!("{}{}", self.name, self.session)
        };
        let mut hash = 0xcbf2_9ce4_8422_2325_u64;
        for byte in whole.bytes() {
            hash = (hash ^ u64::from(byte)).wrapping_mul(0x0100_0000_01b3);
        }
        format!("{prefix}{hash:016X}")
    }
}
