//! Letters as `.eml` files: for a first try without any mail server.

use std::path::PathBuf;

use super::{Letter, SendError, Transport};

/// Writes each letter as `<id>.eml` into a folder; a letter that is sent again replaces its file.
#[derive(Debug)]
pub struct FileTransport {
    folder: PathBuf,
}

impl FileTransport {
    /// Letters go into `folder`, which is made when the first one arrives.
    pub fn new(folder: impl Into<PathBuf>) -> Self {
        Self { folder: folder.into() }
    }
}

#[async_trait::async_trait]
impl Transport for FileTransport {
    async fn send(&self, letter: &Letter) -> Result<(), SendError> {
        let bytes = letter.message().map_err(|error| SendError::Refused(error.into()))?.formatted();
        let path = self.folder.join(format!("{}.eml", letter.id));
        let partial = path.with_extension("partial");
        let write = async {
            tokio::fs::create_dir_all(&self.folder).await?;
            tokio::fs::write(&partial, bytes).await?;
            tokio::fs::rename(&partial, &path).await
        };
        write.await.map_err(|error: std::io::Error| SendError::Later(error.into()))
    }
}
