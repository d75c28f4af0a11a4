//! Reading files that somebody else may put there, and may exchange at any moment: what is looked at is what was opened.

use std::{
    io::{self, Read as _},
    path::Path,
};

use cap_std::{
    ambient_authority,
    fs::{Dir, File, OpenOptions, OpenOptionsExt as _},
};

/// A pipe without a writer and a device without a carrier are opened at once, and then found not to be files.
fn options() -> OpenOptions {
    let mut options = OpenOptions::new();
    options
        .read(true)
        .custom_flags((rustix::fs::OFlags::NONBLOCK | rustix::fs::OFlags::NOCTTY).bits().cast_signed());
    options
}

/// The bytes of a regular file wherever it leads; one with more than `most` is refused, and not read.
pub(crate) fn read(path: &Path, most: u64) -> io::Result<Vec<u8>> {
    take(File::open_ambient_with(path, &options(), ambient_authority())?, most)
}

/// As [`read`], of a file below `folder`, which is below `base`. Neither the folder nor the file leads out of what it is
/// below, whatever links there are and however they change meanwhile.
pub(crate) fn read_below(base: &Path, folder: &Path, name: &Path, most: u64) -> io::Result<Vec<u8>> {
    let folder = Dir::open_ambient_dir(base, ambient_authority())?.open_dir(folder)?;
    take(folder.open_with(name, &options())?, most)
}

/// Whether a file was refused because it is not below its folder: a refusal of ours, not of the system.
pub(crate) fn leads_out(error: &io::Error) -> bool {
    error.kind() == io::ErrorKind::PermissionDenied && error.raw_os_error().is_none()
}

fn take(file: File, most: u64) -> io::Result<Vec<u8>> {
    let metadata = file.metadata()?;
    if metadata.is_dir() {
        return Err(io::Error::new(io::ErrorKind::IsADirectory, "it is a directory"));
    }
    if !metadata.is_file() {
        return Err(io::Error::other("it is not a regular file"));
    }
    if metadata.len() > most {
        return Err(io::ErrorKind::FileTooLarge.into());
    }
    let expected = usize::try_from(metadata.len()).unwrap_or_default();
    let mut bytes = Vec::with_capacity(expected + 1);
    file.take(most + 1).read_to_end(&mut bytes)?;
    // It has grown meanwhile, or never told its size.
    if bytes.len() as u64 > most {
        return Err(io::ErrorKind::FileTooLarge.into());
    }
    Ok(bytes)
}

#[cfg(test)]
mod tests {
    use super::*;

    /// What the system makes up when it is read says that it has no bytes at all, as does a file that grows meanwhile.
    #[cfg(target_os = "linux")]
    #[test]
    fn a_file_with_more_than_it_told_is_refused() {
        let made_up = Path::new("/proc/self/maps");
        assert_eq!(std::fs::metadata(made_up).unwrap().len(), 0);
        assert!(read(made_up, 1 << 20).is_ok_and(|text| text.len() > 100));
        assert_eq!(read(made_up, 100).unwrap_err().kind(), io::ErrorKind::FileTooLarge);
    }
}
