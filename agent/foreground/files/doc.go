// Package files keeps the files of downloads: which files a torrent has, what they are called on the disk, where they
// are, and which of them are open. It knows nothing of rain, which reads and writes them through [Store.Open].
//
//   - A torrent names its files as it likes. [Fit] makes of that names which the file system takes, all distinct; and
//     what is on disk already keeps the names that it has there.
//   - Where the files of a download are is its [Place]. It is written down before the first file is made, and holds
//     until the download is forgotten: over restarts, under another version's rules for names, and when the owner
//     names another directory for new downloads.
//   - A [Layout] says which bytes of which file a piece is.
//   - Files are made sparse, where the file system has holes, at full length and with the modes that the umask leaves.
//     Nothing outside of the directory is made, opened or deleted, whatever links there are or come to be.
//   - At most 64 files are open for all downloads together. What passes through them is not kept in the page cache,
//     which is the household's.
//
// The package leaves to others how much room there is, and when a download may use it.
package files
