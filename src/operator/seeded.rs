//! Mistakes that people make in operators, each one `if` away. Only a build with the feature `seeded-bugs` can be told to make one:
//! `./dev faults --prove` does, to see that the tests of faults find it. In any other build [`Bug::is_made`] is `false`, and nothing is
//! left of the branch.

/// A mistake.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Bug {
    /// A Secret that is there already is made anew.
    SecretAnewOnConflict,
    /// The database is filled before the status says so.
    FillsBeforeSaying,
    /// The status tells of the owner before the Job is made.
    SaysBeforeDoing,
    /// The bucket is noted as there before it is asked for.
    NotesBeforeDoing,
    /// What is deleted is known by its name alone.
    DeletesByName,
    /// A status whose write was not answered counts as written.
    TakesTimeoutForDone,
    /// After a conflict nobody looks again.
    IgnoresConflict,
    /// After a failure nobody looks again.
    GivesUp,
    /// Objects are applied even when nothing differs.
    WritesWhenIdle,
    /// The custom resource is not held until all is gone.
    ForgetsToHold,
    /// The custom resource is let go before all is gone.
    LetsGoEarly,
}

#[cfg(feature = "seeded-bugs")]
mod chosen {
    use std::sync::{Mutex, PoisonError};

    use super::Bug;

    static CHOSEN: Mutex<Option<Bug>> = Mutex::new(None);

    impl Bug {
        /// Every mistake.
        pub const ALL: [Self; 11] = [
            Self::SecretAnewOnConflict,
            Self::FillsBeforeSaying,
            Self::SaysBeforeDoing,
            Self::NotesBeforeDoing,
            Self::DeletesByName,
            Self::TakesTimeoutForDone,
            Self::IgnoresConflict,
            Self::GivesUp,
            Self::WritesWhenIdle,
            Self::ForgetsToHold,
            Self::LetsGoEarly,
        ];

        /// From now on all operators of this process make this mistake, and no other.
        pub fn choose(bug: Option<Self>) {
            *CHOSEN.lock().unwrap_or_else(PoisonError::into_inner) = bug;
        }

        /// Whether it is to be made.
        pub fn is_made(self) -> bool {
            *CHOSEN.lock().unwrap_or_else(PoisonError::into_inner) == Some(self)
        }
    }
}

#[cfg(not(feature = "seeded-bugs"))]
impl Bug {
    /// Never.
    pub const fn is_made(self) -> bool {
        false
    }
}
