//! Credentials: secrets that the program finds as files, as systemd's services do (systemd.exec(5), "Credentials").
#![expect(
    clippy::disallowed_macros,
    reason = "at boot, of a document whose size has been held against the machine's memory"
)]

use alloc::format;
use rumpkin_collections::try_to_vec;
use rumpkin_configuration::{Credential, Wrong};
use rumpkin_spine::{Kernel, strings::Strings};

/// Where the program finds them.
const FOLDER: &str = "/run/credentials";
/// The variable that tells it so.
const VARIABLE: &str = "CREDENTIALS_DIRECTORY";

/// Tells the program where they are, unless its environment says something else already.
pub fn announce(environment: &mut Strings) -> Result<(), Wrong> {
    let is_said = |text: &[u8]| text.strip_prefix(VARIABLE.as_bytes()).is_some_and(|rest| rest.starts_with(b"="));
    if environment.iter().any(is_said) {
        return Ok(());
    }
    let variable = [VARIABLE, "=", FOLDER].map(str::as_bytes);
    environment.push(variable).map_err(|_| Wrong::at("credentials", "there is no memory for them"))
}

/// Adds the files to a kernel that is being made.
pub fn prepare(kernel: &mut Kernel, credentials: &[Credential]) {
    for Credential { name, content } in credentials {
        let content = content.clone();
        kernel.add_generated_file(&format!("{FOLDER}/{name}"), move |_| try_to_vec(&content));
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_program_is_told_where_they_are_unless_it_knows() {
        let mut environment = Strings::default();
        announce(&mut environment).unwrap();
        announce(&mut environment).unwrap();
        assert_eq!(environment.bytes(), b"CREDENTIALS_DIRECTORY=/run/credentials\0");
        environment = Strings::default();
        environment.push([b"CREDENTIALS_DIRECTORY=/elsewhere"]).unwrap();
        announce(&mut environment).unwrap();
        assert_eq!(environment.bytes(), b"CREDENTIALS_DIRECTORY=/elsewhere\0");
    }
}
