//! Error kinds as status numbers, and back.

use scorecam_core::ErrorKind;

use crate::abi;

const STATUSES: &[(ErrorKind, i32)] = &[
    (ErrorKind::InvalidArgument, abi::SCORECAM_ERR_INVALID_ARGUMENT),
    (ErrorKind::NotFound, abi::SCORECAM_ERR_NOT_FOUND),
    (ErrorKind::Unsupported, abi::SCORECAM_ERR_UNSUPPORTED),
    (ErrorKind::Model, abi::SCORECAM_ERR_MODEL),
    (ErrorKind::Plugin, abi::SCORECAM_ERR_PLUGIN),
    (ErrorKind::Io, abi::SCORECAM_ERR_IO),
    (ErrorKind::Cancelled, abi::SCORECAM_ERR_CANCELLED),
    (ErrorKind::Deadline, abi::SCORECAM_ERR_DEADLINE),
    (ErrorKind::Internal, abi::SCORECAM_ERR_INTERNAL),
];

/// The status number of an error kind; never `SCORECAM_OK`.
pub fn status_of_kind(kind: ErrorKind) -> i32 {
    let known = STATUSES.iter().find(|(k, _)| *k == kind);
    known.map_or(abi::SCORECAM_ERR_INTERNAL, |(_, status)| *status)
}

/// The error kind of a status that came from a plugin; numbers that no plugin should return count as
/// [`ErrorKind::Plugin`].
pub fn kind_of_status(status: i32) -> ErrorKind {
    let known = STATUSES.iter().find(|(_, s)| *s == status);
    known.map_or(ErrorKind::Plugin, |(kind, _)| *kind)
}
