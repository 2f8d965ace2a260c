//! Mails: what is owed to whom, and how it leaves.
