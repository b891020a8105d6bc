//! Password hashes: argon2id, which we write, and those that Mosquitto wrote over the years.

use std::fmt;
use std::num::NonZeroU32;

use argon2::{Algorithm, Argon2, Params, Version};
use aws_lc_rs::constant_time::verify_slices_are_equal;
use aws_lc_rs::{digest, pbkdf2, rand};
use base64::Engine as _;
use base64::engine::general_purpose::{STANDARD, STANDARD_NO_PAD};

/// The parameters of new hashes: 19 MiB, two passes, one lane.
///
/// This is the OWASP Password Storage Cheat Sheet's recommendation with the least time for its
/// strength. A check takes some 20 ms of one core and 19 MiB for that time, which a Raspberry Pi
/// can still afford for several logins at once.
const MEMORY_KIB: u32 = 19 * 1024;
const PASSES: u32 = 2;
const LANES: u32 = 1;
const SALT_BYTES: usize = 16;
const HASH_BYTES: usize = 32;

/// Bounds of what a users file may ask for, so that a slip does not take all memory.
const MEMORY_KIB_MAX: u32 = 1024 * 1024;
const PASSES_MAX: u32 = 64;
const LANES_MAX: u32 = 64;
const ITERATIONS_MAX: u32 = 10_000_000;

/// A password that was hashed.
#[derive(Clone, PartialEq, Eq)]
pub struct PasswordHash {
    scheme: Scheme,
    salt: Vec<u8>,
    hash: Vec<u8>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Scheme {
    /// `$argon2id$v=19$m=..,t=..,p=..$salt$hash`: Columba and Mosquitto since 2.1.
    Argon2id {
        memory_kib: u32,
        passes: u32,
        lanes: u32,
    },
    /// `$7$iterations$salt$hash`: PBKDF2 with HMAC-SHA512, Mosquitto 2.0.
    Pbkdf2Sha512 { iterations: NonZeroU32 },
    /// `$6$salt$hash`: SHA-512 over password and salt, Mosquitto up to 1.6.
    Sha512,
}

/// Why a text is no password hash.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum HashFault {
    /// It does not start like one.
    #[error("this is not a password hash")]
    Unknown,
    /// A part is missing or does not read.
    #[error("the password hash is damaged")]
    Damaged,
    /// The parameters ask for too much.
    #[error("the password hash asks for more memory or time than allowed")]
    TooCostly,
}

/// The operating system gave no random bytes.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("the operating system gives no random bytes")]
pub struct NoRandomness;

impl PasswordHash {
    /// Hashes a password with argon2id and a random salt.
    ///
    /// # Errors
    /// If there is no randomness to be had.
    pub fn new(password: &[u8]) -> Result<Self, NoRandomness> {
        let mut salt = vec![0; SALT_BYTES];
        rand::fill(&mut salt).map_err(|_| NoRandomness)?;
        let scheme = Scheme::Argon2id {
            memory_kib: MEMORY_KIB,
            passes: PASSES,
            lanes: LANES,
        };
        let hash = scheme
            .hash(password, &salt, HASH_BYTES)
            .ok_or(NoRandomness)?;
        Ok(Self { scheme, salt, hash })
    }

    /// Reads a hash as it stands in a users file.
    ///
    /// # Errors
    /// Why it is none.
    pub fn parse(text: &str) -> Result<Self, HashFault> {
        let mut parts = text.strip_prefix('$').ok_or(HashFault::Unknown)?.split('$');
        let scheme = match parts.next() {
            Some("argon2id") => parse_argon2(parts.next(), parts.next())?,
            Some("7") => {
                let iterations = number(parts.next())?;
                if iterations > ITERATIONS_MAX {
                    return Err(HashFault::TooCostly);
                }
                let iterations = NonZeroU32::new(iterations).ok_or(HashFault::Damaged)?;
                Scheme::Pbkdf2Sha512 { iterations }
            }
            Some("6") => Scheme::Sha512,
            Some(_) | None => return Err(HashFault::Unknown),
        };
        let salt = base64(parts.next())?;
        let hash = base64(parts.next())?;
        let is_length_right = match scheme {
            Scheme::Argon2id { .. } => {
                (8..=64).contains(&salt.len()) && (16..=128).contains(&hash.len())
            }
            Scheme::Pbkdf2Sha512 { .. } | Scheme::Sha512 => !salt.is_empty() && hash.len() == 64,
        };
        if parts.next().is_some() || !is_length_right {
            return Err(HashFault::Damaged);
        }
        Ok(Self { scheme, salt, hash })
    }

    /// Whether it is the hash of a password. Takes its time, and the same for right and wrong.
    pub fn verify(&self, password: &[u8]) -> bool {
        let hash = self.scheme.hash(password, &self.salt, self.hash.len());
        hash.is_some_and(|hash| verify_slices_are_equal(&hash, &self.hash).is_ok())
    }

    /// Whether it should be written anew with [`new`](Self::new).
    pub fn is_weak(&self) -> bool {
        match self.scheme {
            Scheme::Argon2id { .. } => false,
            Scheme::Pbkdf2Sha512 { iterations } => iterations.get() < 100_000,
            Scheme::Sha512 => true,
        }
    }
}

impl Scheme {
    fn hash(self, password: &[u8], salt: &[u8], len: usize) -> Option<Vec<u8>> {
        let mut hash = vec![0; len];
        match self {
            Self::Argon2id {
                memory_kib,
                passes,
                lanes,
            } => {
                let params = Params::new(memory_kib, passes, lanes, Some(len)).ok()?;
                Argon2::new(Algorithm::Argon2id, Version::V0x13, params)
                    .hash_password_into(password, salt, &mut hash)
                    .ok()?;
            }
            Self::Pbkdf2Sha512 { iterations } => {
                pbkdf2::derive(
                    pbkdf2::PBKDF2_HMAC_SHA512,
                    iterations,
                    salt,
                    password,
                    &mut hash,
                );
            }
            Self::Sha512 => {
                let mut context = digest::Context::new(&digest::SHA512);
                context.update(password);
                context.update(salt);
                hash = context.finish().as_ref().to_vec();
            }
        }
        Some(hash)
    }
}

impl fmt::Display for PasswordHash {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (salt, hash) = (&self.salt, &self.hash);
        match self.scheme {
            Scheme::Argon2id {
                memory_kib,
                passes,
                lanes,
            } => {
                let (salt, hash) = (STANDARD_NO_PAD.encode(salt), STANDARD_NO_PAD.encode(hash));
                write!(
                    f,
                    "$argon2id$v=19$m={memory_kib},t={passes},p={lanes}${salt}${hash}"
                )
            }
            Scheme::Pbkdf2Sha512 { iterations } => {
                write!(
                    f,
                    "$7${iterations}${}${}",
                    STANDARD.encode(salt),
                    STANDARD.encode(hash)
                )
            }
            Scheme::Sha512 => write!(f, "$6${}${}", STANDARD.encode(salt), STANDARD.encode(hash)),
        }
    }
}

/// Shows no salt and no hash: logs are read by more people than users files.
impl fmt::Debug for PasswordHash {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("PasswordHash")
            .field("scheme", &self.scheme)
            .finish_non_exhaustive()
    }
}

fn parse_argon2(version: Option<&str>, params: Option<&str>) -> Result<Scheme, HashFault> {
    if version != Some("v=19") {
        return Err(HashFault::Damaged);
    }
    let mut values = params.ok_or(HashFault::Damaged)?.split(',');
    let mut next = |name| number(values.next().and_then(|value| value.strip_prefix(name)));
    let (memory_kib, passes, lanes) = (next("m=")?, next("t=")?, next("p=")?);
    if memory_kib > MEMORY_KIB_MAX || passes > PASSES_MAX || lanes > LANES_MAX {
        return Err(HashFault::TooCostly);
    }
    Params::new(memory_kib, passes, lanes, None).map_err(|_| HashFault::Damaged)?;
    Ok(Scheme::Argon2id {
        memory_kib,
        passes,
        lanes,
    })
}

fn number(text: Option<&str>) -> Result<u32, HashFault> {
    text.and_then(|text| text.parse().ok())
        .ok_or(HashFault::Damaged)
}

fn base64(text: Option<&str>) -> Result<Vec<u8>, HashFault> {
    let text = text.ok_or(HashFault::Damaged)?.trim_end_matches('=');
    STANDARD_NO_PAD.decode(text).map_err(|_| HashFault::Damaged)
}

/// A random password of 20 characters that are told apart easily: about 98 bits.
///
/// # Errors
/// If there is no randomness to be had.
pub fn generate() -> Result<String, NoRandomness> {
    // 32 characters, so that five bits of a random byte choose one without bias.
    const ALPHABET: &[u8; 32] = b"abcdefghijkmnpqrstuvwxyz23456789";
    let mut bytes = [0_u8; 20];
    rand::fill(&mut bytes).map_err(|_| NoRandomness)?;
    Ok(bytes
        .iter()
        .map(|byte| char::from(ALPHABET[usize::from(byte % 32)]))
        .collect())
}

#[cfg(test)]
mod tests {
    use super::*;

    /// `mosquitto_passwd` of Mosquitto 2.0 for the password `secret`.
    const PBKDF2: &str = "$7$101$/9jJYmgq7ImeWkUm$ps33VhQ7jyYmPYjlF2n0APp/eaUFXJuap8Bh\
                          Zv7Fp3ocjGzcZKY3LGDyjiCrNfWbrCNOqD0yPH5y44+ZAJ6cRw==\
                          ";
    /// SHA-512 over `secret` and the bytes 0 to 11, as Mosquitto 1.6 has it.
    const SHA512: &str = "$6$AAECAwQFBgcICQoL$JqsxEv/ucyxjA5DKsQ+Y8CDWaQDNQI9FpAkmfwAq\
                          WfwZLk/JEGgM0EpylrJHAZKKyFQjJeZ3nFaHjPzOzPPmPw==\
                          ";
    /// The vector of the argon2 reference implementation: `password`, `somesalt`, t=2, m=64 MiB.
    const ARGON2ID: &str = "$argon2id$v=19$m=65536,t=2,p=1$c29tZXNhbHQ\
                            $CTFhFdXPJO1aFaMaO6Mm5c8y7cJHAph8ArZWb2GRPPc";

    #[test]
    fn hashes_of_all_kinds_are_verified() {
        for (text, password) in [
            (PBKDF2, "secret"),
            (SHA512, "secret"),
            (ARGON2ID, "password"),
        ] {
            let hash = PasswordHash::parse(text).expect("a hash");
            assert!(hash.verify(password.as_bytes()), "{text}");
            assert!(!hash.verify(b"Secret"), "{text}");
            assert!(!hash.verify(b""), "{text}");
            assert_eq!(hash.to_string(), text);
        }
        assert!(PasswordHash::parse(SHA512).is_ok_and(|hash| hash.is_weak()));
    }

    #[test]
    fn a_new_hash_reads_back_and_is_salted() {
        let hash = PasswordHash::new(b"pw").expect("a hash");
        let text = hash.to_string();
        assert!(
            text.starts_with("$argon2id$v=19$m=19456,t=2,p=1$"),
            "{text}"
        );
        let again = PasswordHash::parse(&text).expect("a hash");
        assert!(again.verify(b"pw") && !again.verify(b"pW"));
        assert_ne!(PasswordHash::new(b"pw").expect("a hash").to_string(), text);
    }

    #[test]
    fn what_is_no_hash_is_refused() {
        let check = |text: &str, fault| assert_eq!(PasswordHash::parse(text), Err(fault), "{text}");
        check("secret", HashFault::Unknown);
        check("", HashFault::Unknown);
        check("$2y$10$abc", HashFault::Unknown);
        check("$7$101$AAAA", HashFault::Damaged);
        check("$7$0$AAAA$AAAA", HashFault::Damaged);
        check("$7$4000000000$AAAA$AAAA", HashFault::TooCostly);
        check(
            "$argon2id$v=19$m=99999999,t=2,p=1$c29tZXNhbHQ$AAAA",
            HashFault::TooCostly,
        );
        check(
            "$argon2id$v=19$t=2,m=65536,p=1$c29tZXNhbHQ$AAAA",
            HashFault::Damaged,
        );
        check(
            "$argon2id$v=16$m=65536,t=2,p=1$c29tZXNhbHQ$AAAA",
            HashFault::Damaged,
        );
        check(&format!("{PBKDF2}$x"), HashFault::Damaged);
    }

    #[test]
    fn generated_passwords_differ() {
        let (one, other) = (
            generate().expect("a password"),
            generate().expect("a password"),
        );
        assert_eq!(one.len(), 20);
        assert_ne!(one, other);
    }
}
