use crypto_bigint::modular::{ConstMontyForm, ConstMontyParams};
use crypto_bigint::{U192, U768, const_monty_params};
use sha1::{Digest, Sha1};
use tinytorrent_types::WireInfoHash;

use super::rc4::Rc4;
use super::{MseError, ObfuscatedHash, PRIVATE_KEY_LENGTH, PUBLIC_KEY_LENGTH};

const_monty_params!(
    Prime,
    U768,
    "ffffffffffffffffc90fdaa22168c234c4c6628b80dc1cd129024e088a67cc74020bbea63b139b22514a08798e3404ddef9519b3cd3a431b302b0a6df25f14374fe1356d6d51c245e485b576625e7ec6f44c42e9a63a36210000000000090563"
);

/// A number modulo the prime.
type Element = ConstMontyForm<Prime, { U768::LIMBS }>;

/// Our half of the key exchange.
#[derive(Clone)]
pub(super) struct PrivateKey(U192);

impl PrivateKey {
    pub(super) fn new(bytes: &[u8; PRIVATE_KEY_LENGTH]) -> Self {
        // 160 bits are no size of the library's numbers; leading zeros make them 192.
        let mut padded = [0; 24];
        padded[4..].copy_from_slice(bytes);
        Self(U192::from_be_slice(&padded))
    }

    pub(super) fn public_key(&self) -> [u8; PUBLIC_KEY_LENGTH] {
        // Message stream encryption has 2 for the generator.
        to_bytes(&Element::new(&U768::from_u8(2)).pow(&self.0))
    }

    /// The secret that both ends share.
    ///
    /// # Errors
    /// Keys whose secret is easy to guess: 0, 1, the prime less one, and all that are larger.
    pub(super) fn agree(&self, theirs: &[u8; PUBLIC_KEY_LENGTH]) -> Result<Secret, MseError> {
        let theirs = U768::from_be_slice(theirs);
        let greatest = Prime::PARAMS.modulus().as_ref().wrapping_sub(&U768::from_u8(2));
        if theirs < U768::from_u8(2) || theirs > greatest {
            return Err(MseError::WeakKey);
        }
        Ok(Secret(to_bytes(&Element::new(&theirs).pow(&self.0))))
    }
}

fn to_bytes(element: &Element) -> [u8; PUBLIC_KEY_LENGTH] {
    element.retrieve().to_be_bytes().into()
}

/// The shared secret, S.
#[derive(Clone)]
pub(super) struct Secret([u8; PUBLIC_KEY_LENGTH]);

impl Secret {
    /// The mark by which the responder finds the end of the padding.
    pub(super) fn sync_mark(&self) -> [u8; 20] {
        sha1(&[b"req1", &self.0])
    }

    /// The obfuscated hash under the mask of this secret.
    pub(super) fn obfuscate(&self, hash: ObfuscatedHash) -> [u8; 20] {
        let mask = sha1(&[b"req3", &self.0]);
        std::array::from_fn(|at| hash.0[at] ^ mask[at])
    }

    /// The obfuscated hash without the mask.
    pub(super) fn reveal(&self, bytes: [u8; 20]) -> ObfuscatedHash {
        // The mask is applied by XOR, which is its own inverse.
        ObfuscatedHash(self.obfuscate(ObfuscatedHash(bytes)))
    }

    /// The stream from the initiator to the responder.
    pub(super) fn initiator_cipher(&self, torrent: WireInfoHash) -> Rc4 {
        Rc4::new(&sha1(&[b"keyA", &self.0, torrent.as_bytes()]))
    }

    /// The stream from the responder to the initiator.
    pub(super) fn responder_cipher(&self, torrent: WireInfoHash) -> Rc4 {
        Rc4::new(&sha1(&[b"keyB", &self.0, torrent.as_bytes()]))
    }
}

pub(super) fn sha1(parts: &[&[u8]]) -> [u8; 20] {
    let mut hasher = Sha1::new();
    parts.iter().for_each(|part| hasher.update(part));
    hasher.finalize().into()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn hex(digits: &str) -> Vec<u8> {
        (0..digits.len())
            .step_by(2)
            .map(|at| u8::from_str_radix(&digits[at..at + 2], 16).unwrap())
            .collect()
    }

    /// Computed with Python's `pow(2, x, p)` and `pow(y, x, p)`.
    #[test]
    fn keys_are_powers_modulo_the_prime() {
        let (alice, bob) = (PrivateKey::new(&[0x11; 20]), PrivateKey::new(&[0xfe; 20]));
        assert_eq!(alice.public_key().to_vec(), hex(ALICE_PUBLIC));
        assert_eq!(bob.public_key().to_vec(), hex(BOB_PUBLIC));
        let secret = alice.agree(&bob.public_key()).unwrap();
        assert_eq!(secret.0.to_vec(), hex(SHARED));
        assert_eq!(bob.agree(&alice.public_key()).unwrap().0, secret.0);
    }

    #[test]
    fn weak_keys_are_refused() {
        let key = PrivateKey::new(&[7; 20]);
        let prime: [u8; PUBLIC_KEY_LENGTH] = Prime::PARAMS.modulus().as_ref().to_be_bytes().into();
        let mut near = prime;
        near[PUBLIC_KEY_LENGTH - 1] -= 1;
        let mut one = [0; PUBLIC_KEY_LENGTH];
        one[PUBLIC_KEY_LENGTH - 1] = 1;
        for weak in [[0; PUBLIC_KEY_LENGTH], one, near, prime, [0xff; PUBLIC_KEY_LENGTH]] {
            assert!(matches!(key.agree(&weak), Err(MseError::WeakKey)));
        }
        near[PUBLIC_KEY_LENGTH - 1] -= 1;
        assert!(key.agree(&near).is_ok());
    }

    const ALICE_PUBLIC: &str = "3476dc8d123697fcc69e9121618a08514ffa536506df209ce956ad3cf819f76f3fcebc46f4e8be364ec8f1445b9dbf8a\
        9528ca7bfbc89ad13f28137640a2cfd1055d55d5cc6676d18b410e086631309e95fa7b0dae2b8379186b17ad3472c755";
    const BOB_PUBLIC: &str = "e53fe70bb65d425857bb3f44ee7b47d574650d83584aa0406a02455131066916d7ff2eaea80267d41a53c7d523de3146\
        e20ac47ed19a357d929c94ce807e4e5bae4efc8a54749424181867a0508f298275ce04fc7ef8f90c49c2ae160dbcd8e0";
    const SHARED: &str = "c8863f05b28b3472711ec261a0e2b0ebebbbfce91a885fdd80231bd0577fe9b784c2958f0e3c3ffc22205ed3194a0a60\
        6df9a2639e0e955219a12416187db4c7301fcb5fd59454de295b942e2e7898eb9ed46287f112d5dc218ff16a5dda3e00";
}
