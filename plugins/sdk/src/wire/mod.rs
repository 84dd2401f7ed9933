//! The common parts of all tables: strings, lists, structs that start with their size, tensors, statuses, and the panic
//! guard.

pub(crate) mod ability;
pub(crate) mod guard;
pub(crate) mod received;
pub(crate) mod sent;
pub(crate) mod status;
pub(crate) mod table;
pub(crate) mod text;

pub(crate) use guard::{call, caught, check, empty_message, guard, write_message};
pub(crate) use received::{
    BorrowedTensor, Expected, Sizes, element_of, named_views, optional_view, taken, view, views,
};
pub(crate) use sent::{dtype_of, hand_over, named_of, release, shape_of, tensor_of};
pub(crate) use status::{kind_of_status, status_of_kind};
pub(crate) use table::{check_size, checked_struct, checked_table, described, list, slice};
pub(crate) use text::{Texts, one_line, read, read_line, read_message, read_optional};
