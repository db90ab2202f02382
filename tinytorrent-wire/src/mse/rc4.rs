/// The RC4 key stream without its first 1,024 bytes, from which the key can be derived.
///
/// It hides BitTorrent from filters and gives no secrecy: RC4 is broken.
#[derive(Clone)]
pub(super) struct Rc4 {
    state: [u8; 256],
    i: u8,
    j: u8,
}

/// Bytes of key stream to discard (message stream encryption, "RC4").
const DISCARDED: usize = 1024;

impl Rc4 {
    pub(super) fn new(key: &[u8; 20]) -> Self {
        let mut cipher = Self::keyed(key);
        cipher.apply(&mut [0; DISCARDED]);
        cipher
    }

    fn keyed(key: &[u8]) -> Self {
        let mut state = std::array::from_fn(|at| at as u8);
        let mut j = 0_u8;
        for i in 0..256 {
            j = j.wrapping_add(state[i]).wrapping_add(key[i % key.len()]);
            state.swap(i, usize::from(j));
        }
        Self { state, i: 0, j: 0 }
    }

    /// Encrypts or decrypts in place, which is the same operation.
    pub(super) fn apply(&mut self, bytes: &mut [u8]) {
        let Self { state, i, j } = self;
        let (mut at, mut other) = (i.wrapping_add(1), *j);
        let mut here = state[usize::from(at)];
        let mut next_byte = || {
            other = other.wrapping_add(here);
            let there = state[usize::from(other)];
            // Loaded before the stores, so as not to wait for their addresses; one of them may be here.
            let next = at.wrapping_add(1);
            let loaded = state[usize::from(next)];
            state[usize::from(other)] = here;
            state[usize::from(at)] = there;
            let byte = state[usize::from(here.wrapping_add(there))];
            here = if other == next { here } else { loaded };
            at = next;
            byte
        };
        // Each byte takes three loads and two stores of the state, which keeps a core busy. Content that
        // is loaded and stored in words adds little to them.
        let (words, rest) = bytes.as_chunks_mut::<WORD>();
        for word in words {
            let mut key = 0;
            for n in 0..WORD {
                key |= u64::from(next_byte()) << (8 * n);
            }
            *word = (u64::from_le_bytes(*word) ^ key).to_le_bytes();
        }
        for byte in rest {
            *byte ^= next_byte();
        }
        (*i, *j) = (at.wrapping_sub(1), other);
    }
}

/// Bytes of content in a word.
const WORD: usize = 8;

#[cfg(test)]
mod tests {
    use super::*;

    /// RFC 6229, section 2: a key of 40 bits at offset 0 and at 1,024.
    #[test]
    fn key_stream_is_that_of_rfc_6229() {
        let mut cipher = Rc4::keyed(&[1, 2, 3, 4, 5]);
        let mut stream = [0; 1040];
        cipher.apply(&mut stream);
        let start = [
            0xb2, 0x39, 0x63, 0x05, 0xf0, 0x3d, 0xc0, 0x27, 0xcc, 0xc3, 0x52, 0x4a, 0x0a, 0x11,
            0x18, 0xa8,
        ];
        assert_eq!(stream[..16], start);
        let after_discarded = [
            0x30, 0xab, 0xbc, 0xc7, 0xc2, 0x0b, 0x01, 0x60, 0x9f, 0x23, 0xee, 0x2d, 0x5f, 0x6b,
            0xb7, 0xdf,
        ];
        assert_eq!(stream[1024..], after_discarded);
    }

    /// The loop of the textbook, a byte at a time.
    fn plainly(cipher: &mut Rc4, bytes: &mut [u8]) {
        for byte in bytes {
            cipher.i = cipher.i.wrapping_add(1);
            let i = usize::from(cipher.i);
            cipher.j = cipher.j.wrapping_add(cipher.state[i]);
            let j = usize::from(cipher.j);
            cipher.state.swap(i, j);
            *byte ^= cipher.state[usize::from(cipher.state[i].wrapping_add(cipher.state[j]))];
        }
    }

    #[test]
    fn any_split_gives_the_stream_of_the_textbook() {
        // Long enough for every case of the swap to come many times.
        let mut whole = vec![7; 1 << 16];
        let mut parts = whole.clone();
        let mut cipher = Rc4::new(&[3; 20]);
        let mut plain = cipher.clone();
        plainly(&mut plain, &mut whole);
        let (mut rest, mut length) = (&mut parts[..], 0);
        while !rest.is_empty() {
            let (part, others) = rest.split_at_mut(length.min(rest.len()));
            cipher.apply(part);
            (rest, length) = (others, (length + 1) % 40);
        }
        assert_eq!(whole, parts);
        assert_eq!((plain.state, plain.i, plain.j), (cipher.state, cipher.i, cipher.j));
    }
}
