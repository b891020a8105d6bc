//! Files of access rules, in Columba's own format and in Mosquitto's.

mod columba;
pub mod edit;
mod mosquitto;

use columba_broker::access::{AccessRules, Actions};

use crate::config::AclFormat;
use crate::config::fault::Fault;

/// What a file of access rules says.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct AccessFile {
    /// The rules.
    pub rules: AccessRules,
    /// The groups that rules name and where, to be compared with those of the users.
    pub groups: Vec<(String, String)>,
    /// What is wrong.
    pub faults: Vec<Fault>,
}

/// Reads a file of access rules. Rules at fault are left out and told.
pub fn read(file: &str, text: &str, format: AclFormat) -> AccessFile {
    let (rules, default, groups, faults) = match format {
        AclFormat::Columba => {
            let (rules, groups, faults) = columba::read(file, text);
            let default = Actions {
                publish: false,
                subscribe: false,
                receive: true,
            };
            (rules, default, groups, faults)
        }
        AclFormat::Mosquitto => {
            let (rules, faults) = mosquitto::read(file, text);
            let default = Actions {
                publish: false,
                subscribe: true,
                receive: false,
            };
            (rules, default, Vec::new(), faults)
        }
    };
    AccessFile {
        rules: AccessRules::new(rules, default),
        groups,
        faults,
    }
}

#[cfg(test)]
mod tests;
