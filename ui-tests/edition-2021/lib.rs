//! The programs of `pass/owned_task`, in edition 2021: generated code follows the edition of the macros, not that of its user.
