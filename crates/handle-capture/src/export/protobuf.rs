//! Just enough of the protobuf wire format to write messages: varints, 64-bit values, and everything with a length.

/// A message that is being written.
#[derive(Debug, Default)]
pub(crate) struct Message {
    bytes: Vec<u8>,
}

impl Message {
    pub(crate) fn into_bytes(self) -> Vec<u8> {
        self.bytes
    }

    fn raw_varint(&mut self, mut value: u64) {
        while value >= 0x80 {
            self.bytes.push(value as u8 | 0x80);
            value >>= 7;
        }
        self.bytes.push(value as u8);
    }

    fn key(&mut self, field: u32, wire_type: u32) {
        self.raw_varint(u64::from(field << 3 | wire_type));
    }

    /// `uint64`, `uint32`, `bool`, enums, and values of `int32` that are not negative.
    pub(crate) fn varint(&mut self, field: u32, value: u64) -> &mut Self {
        self.key(field, 0);
        self.raw_varint(value);
        self
    }

    /// `fixed64`.
    pub(crate) fn fixed64(&mut self, field: u32, value: u64) -> &mut Self {
        self.key(field, 1);
        self.bytes.extend(value.to_le_bytes());
        self
    }

    /// `string`.
    pub(crate) fn string(&mut self, field: u32, text: &str) -> &mut Self {
        self.with_length(field, text.as_bytes())
    }

    /// A message in this one.
    pub(crate) fn message(&mut self, field: u32, message: Message) -> &mut Self {
        self.with_length(field, &message.bytes)
    }

    fn with_length(&mut self, field: u32, bytes: &[u8]) -> &mut Self {
        self.key(field, 2);
        self.raw_varint(bytes.len() as u64);
        self.bytes.extend_from_slice(bytes);
        self
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_examples_of_the_encoding_guide() {
        // "message Test1 { int32 a = 1; }" with a = 150, and "message Test2 { string b = 2; }" with b = "testing".
        let mut one = Message::default();
        one.varint(1, 150);
        assert_eq!(one.bytes, [0x08, 0x96, 0x01]);
        let mut two = Message::default();
        two.string(2, "testing");
        assert_eq!(two.bytes, [0x12, 0x07, 0x74, 0x65, 0x73, 0x74, 0x69, 0x6e, 0x67]);
        let mut three = Message::default();
        three.message(3, one);
        assert_eq!(three.bytes, [0x1a, 0x03, 0x08, 0x96, 0x01]);
    }
}
