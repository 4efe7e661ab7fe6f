/// Jupyter counts Unicode characters, Rust counts bytes: the byte offset of character `chars` (the end, when there are fewer).
///
/// ```
/// assert_eq!(lathe_kernel::protocol::byte_offset("é.x", 2), 3);
/// assert_eq!(lathe_kernel::protocol::byte_offset("é", 9), 2);
/// ```
pub fn byte_offset(text: &str, chars: usize) -> usize {
    text.char_indices().nth(chars).map_or(text.len(), |(at, _)| at)
}

/// The number of characters before byte `byte`; a byte inside a character counts as its start.
///
/// ```
/// assert_eq!(lathe_kernel::protocol::char_offset("日本", 3), 1);
/// assert_eq!(lathe_kernel::protocol::char_offset("日本", 4), 1);
/// ```
pub fn char_offset(text: &str, byte: usize) -> usize {
    text[..text.floor_char_boundary(byte)].chars().count()
}
