//! A model's file field by field, as protobuf lays it out: for changes that leave all else as it is, byte for byte.
//!
//! Field numbers are those of onnx.proto3, which every ONNX version has kept.

use scorecam_core::{Error, Result};

/// Graphs may lie in graphs, as branches and loops; more than so deep no exporter goes.
pub(crate) const DEEPEST: usize = 32;

/// One field of a message.
#[derive(Clone, Copy)]
pub(crate) struct Field<'m> {
    pub(crate) number: u32,
    pub(crate) content: Content<'m>,
    /// Number and content as they stand in the file.
    pub(crate) whole: &'m [u8],
}

/// What a field holds, by its wire type.
#[derive(Clone, Copy)]
pub(crate) enum Content<'m> {
    Number(u64),
    Four([u8; 4]),
    Eight,
    Bytes(&'m [u8]),
}

/// A message being written.
#[derive(Default)]
pub(crate) struct Writer(pub(crate) Vec<u8>);

impl Writer {
    pub(crate) fn same(&mut self, field: &Field<'_>) -> Result<()> {
        self.0.extend_from_slice(field.whole);
        Ok(())
    }

    pub(crate) fn number(&mut self, number: u32, value: u64) -> Result<()> {
        prost::encoding::encode_varint(u64::from(number) << 3, &mut self.0);
        prost::encoding::encode_varint(value, &mut self.0);
        Ok(())
    }

    pub(crate) fn message(&mut self, number: u32, bytes: &[u8]) -> Result<()> {
        prost::encoding::encode_varint(u64::from(number) << 3 | 2, &mut self.0);
        prost::encoding::encode_varint(bytes.len() as u64, &mut self.0);
        self.0.extend_from_slice(bytes);
        Ok(())
    }
}

/// The message with each field replaced by what `change` writes for it.
pub(crate) fn rewritten(
    message: &[u8],
    change: &dyn Fn(&Field<'_>, &mut Writer) -> Result<()>,
) -> Result<Vec<u8>> {
    let mut out = Writer(Vec::with_capacity(message.len()));
    fields(message)?.iter().try_for_each(|field| change(field, &mut out))?;
    Ok(out.0)
}

/// The messages in the fields `number`, in order.
pub(crate) fn messages<'m>(fields: &[Field<'m>], number: u32) -> Result<Vec<&'m [u8]>> {
    let message = |field: &Field<'m>| match field.content {
        Content::Bytes(bytes) => Ok(bytes),
        _ => Err(damaged()),
    };
    fields.iter().filter(|field| field.number == number).map(message).collect()
}

/// The text in field `number`, empty where there is none.
pub(crate) fn text(message: &[u8], number: u32) -> Result<String> {
    let found = fields(message)?.into_iter().rfind(|f| f.number == number);
    Ok(match found.map(|f| f.content) {
        Some(Content::Bytes(bytes)) => String::from_utf8_lossy(bytes).into_owned(),
        _ => String::new(),
    })
}

pub(crate) fn fields(mut rest: &[u8]) -> Result<Vec<Field<'_>>> {
    let mut found = Vec::new();
    while !rest.is_empty() {
        let before = rest;
        let key = varint(&mut rest)?;
        let content = match key & 7 {
            0 => Content::Number(varint(&mut rest)?),
            1 => {
                take(&mut rest, 8)?;
                Content::Eight
            }
            2 => {
                let length = usize::try_from(varint(&mut rest)?).map_err(|_| damaged())?;
                Content::Bytes(take(&mut rest, length)?)
            }
            5 => Content::Four(take(&mut rest, 4)?.try_into().map_err(|_| damaged())?),
            _ => return Err(damaged()),
        };
        let number = u32::try_from(key >> 3).map_err(|_| damaged())?;
        let whole = &before[..before.len() - rest.len()];
        found.push(Field { number, content, whole });
    }
    Ok(found)
}

fn varint(rest: &mut &[u8]) -> Result<u64> {
    prost::encoding::decode_varint(rest).map_err(|_| damaged())
}

fn take<'m>(rest: &mut &'m [u8], length: usize) -> Result<&'m [u8]> {
    let (taken, left) = rest.split_at_checked(length).ok_or_else(damaged)?;
    *rest = left;
    Ok(taken)
}

pub(crate) fn damaged() -> Error {
    Error::model("it is truncated or damaged; fetch or export it again")
}
