package platform_test

import (
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"

	"ebb/platform"
)

func TestDiskUsageIsThatOfTheFileSystem(t *testing.T) {
	dir := t.TempDir()
	got, err := platform.DiskUsage(dir)
	if err != nil {
		t.Fatal(err)
	}
	var stat syscall.Statfs_t
	if err := syscall.Statfs(dir, &stat); err != nil {
		t.Fatal(err)
	}
	if want := int64(stat.Blocks) * int64(stat.Bsize); got.Total != want {
		t.Errorf("total: got %d, want %d", got.Total, want)
	}
	// Root's reserve is not free, and other programs may write meanwhile.
	if got.Free < 0 || got.Free > got.Total-int64(stat.Blocks-stat.Bfree)*int64(stat.Bsize)+1<<30 {
		t.Errorf("free: %d of %d", got.Free, got.Total)
	}
}

func TestDiskUsageOfWhatDoesNotExistYetIsThatOfItsParent(t *testing.T) {
	dir := t.TempDir()
	want, err := platform.DiskUsage(dir)
	if err != nil {
		t.Fatal(err)
	}
	got, err := platform.DiskUsage(filepath.Join(dir, "state", "fragments", "ab"))
	if err != nil || got.Total != want.Total {
		t.Errorf("absolute: got %+v, %v; want %+v", got, err, want)
	}
	t.Chdir(dir)
	got, err = platform.DiskUsage("state/fragments")
	if err != nil || got.Total != want.Total {
		t.Errorf("relative: got %+v, %v; want %+v", got, err, want)
	}
}

func TestDiskUsageBelowAFileIsAnError(t *testing.T) {
	file := filepath.Join(t.TempDir(), "file")
	if err := os.WriteFile(file, nil, 0o600); err != nil {
		t.Fatal(err)
	}
	path := filepath.Join(file, "below")
	if got, err := platform.DiskUsage(path); err == nil || !strings.Contains(err.Error(), path) {
		t.Errorf("got %+v, %v", got, err)
	}
}

func TestAllocatedCountsBlocksAndNotHoles(t *testing.T) {
	const length, hole = 256 << 10, 64 << 20
	full, sparse := create(t), create(t)
	if _, err := full.Write([]byte(strings.Repeat("x", length))); err != nil {
		t.Fatal(err)
	}
	if err := sparse.Truncate(hole); err != nil {
		t.Fatal(err)
	}
	if got := platform.Allocated(synced(t, full)); got < length || got > 2*length {
		t.Errorf("a full file of %d bytes occupies %d", length, got)
	}
	if got := platform.Allocated(synced(t, sparse)); got > hole/64 {
		t.Errorf("a hole of %d bytes occupies %d", hole, got)
	}
}

func create(t *testing.T) *os.File {
	t.Helper()
	file, err := os.Create(filepath.Join(t.TempDir(), "file"))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { file.Close() })
	return file
}

func synced(t *testing.T, file *os.File) os.FileInfo {
	t.Helper()
	if err := file.Sync(); err != nil {
		t.Fatal(err)
	}
	info, err := file.Stat()
	if err != nil {
		t.Fatal(err)
	}
	return info
}

func TestAllocatedOfAFileFromElsewhereIsItsLength(t *testing.T) {
	if got := platform.Allocated(foreign{}); got != 12345 {
		t.Errorf("got %d", got)
	}
}

// foreign is what a file system other than the operating system's might say of a file.
type foreign struct{}

func (foreign) Name() string       { return "foreign" }
func (foreign) Size() int64        { return 12345 }
func (foreign) Mode() fs.FileMode  { return 0o600 }
func (foreign) ModTime() time.Time { return time.Time{} }
func (foreign) IsDir() bool        { return false }
func (foreign) Sys() any           { return nil }
