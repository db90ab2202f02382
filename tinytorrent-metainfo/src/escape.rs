/// Raw bytes for display: UTF-8 unchanged, control characters and other bytes as `%XX`.
pub(crate) fn escape(raw: &[u8]) -> String {
    let mut text = String::with_capacity(raw.len());
    for chunk in raw.utf8_chunks() {
        for character in chunk.valid().chars() {
            if character.is_control() {
                let _ = core::fmt::Write::write_fmt(
                    &mut text,
                    format_args!("%{:02X}", character as u32),
                );
            } else {
                text.push(character);
            }
        }
        for byte in chunk.invalid() {
            let _ = core::fmt::Write::write_fmt(&mut text, format_args!("%{byte:02X}"));
        }
    }
    text
}
