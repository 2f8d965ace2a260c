//! Letters kept in memory, for tests: what was sent, and the ways in which sending goes wrong.

use std::sync::{Mutex, PoisonError};

use super::{Letter, SendError, Transport};

/// What a [`MemoryTransport`] does with the next letters.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum MemoryBehaviour {
    /// Takes them.
    #[default]
    Accept,
    /// Refuses them for now.
    Later,
    /// Refuses them for good.
    Refuse,
    /// Takes them, and the answer is lost: the caller hears "later".
    TakeAndLoseAnswer,
    /// Takes them and never answers; for tests that kill the sender meanwhile. The one case in which `send` waits without end.
    TakeAndHang,
}

/// Keeps letters instead of sending them.
#[derive(Debug, Default)]
pub struct MemoryTransport {
    state: Mutex<(MemoryBehaviour, Vec<Letter>)>,
}

impl MemoryTransport {
    /// Changes what happens to the letters that follow.
    pub fn behave(&self, behaviour: MemoryBehaviour) {
        self.state.lock().unwrap_or_else(PoisonError::into_inner).0 = behaviour;
    }

    /// All letters taken so far, copies included, oldest first.
    pub fn sent(&self) -> Vec<Letter> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner).1.clone()
    }

    /// Forgets what was sent and returns it.
    pub fn take(&self) -> Vec<Letter> {
        std::mem::take(&mut self.state.lock().unwrap_or_else(PoisonError::into_inner).1)
    }
}

#[async_trait::async_trait]
impl Transport for MemoryTransport {
    async fn send(&self, letter: &Letter) -> Result<(), SendError> {
        letter.message().map_err(|error| SendError::Refused(error.into()))?;
        let behaviour = {
            let mut state = self.state.lock().unwrap_or_else(PoisonError::into_inner);
            if !matches!(state.0, MemoryBehaviour::Later | MemoryBehaviour::Refuse) {
                state.1.push(letter.clone());
            }
            state.0
        };
        match behaviour {
            MemoryBehaviour::Accept => Ok(()),
            MemoryBehaviour::Later => Err(SendError::Later("told to refuse for now".into())),
            MemoryBehaviour::Refuse => Err(SendError::Refused("told to refuse for good".into())),
            MemoryBehaviour::TakeAndLoseAnswer => Err(SendError::Later("told to lose the answer".into())),
            MemoryBehaviour::TakeAndHang => std::future::pending().await,
        }
    }
}
