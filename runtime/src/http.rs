//! Owners across the wire: requests and their clients.
