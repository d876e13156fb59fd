package main

import (
	"fmt"
	"os"
	"path/filepath"

	"github.com/goreleaser/nfpm/v2"
	_ "github.com/goreleaser/nfpm/v2/apk"
	_ "github.com/goreleaser/nfpm/v2/arch"
	_ "github.com/goreleaser/nfpm/v2/deb"
	"github.com/goreleaser/nfpm/v2/files"
	_ "github.com/goreleaser/nfpm/v2/rpm"
)

// distributions are nfpm's names of formats.
var distributions = []string{"deb", "rpm", "apk", "archlinux"}

// linuxArchitectures pairs the Makefile's names with nfpm's, which it turns into each format's own: armv7 is armhf to
// Debian and armv7hl to rpm, armv5 is armel.
var linuxArchitectures = []struct{ ours, nfpm string }{
	{"amd64", "amd64"}, {"arm64", "arm64"}, {"armv7", "arm7"}, {"armv5", "arm5"}, {"riscv64", "riscv64"},
}

const (
	about    = "lends spare disk and bandwidth to torrent swarms that need help"
	homepage = "https://ebb.invalid/" // there is none yet, and some formats want one
	author   = "The ebb authors <ebb@ebb.invalid>"
)

// linux makes the packages of the distributions: Debian's, rpm's, Alpine's and Arch's.
func linux(j job) error {
	for _, a := range linuxArchitectures {
		for _, format := range distributions {
			if err := j.distribution(format, a.ours, a.nfpm); err != nil {
				return fmt.Errorf("%s for %s: %w", format, a.ours, err)
			}
		}
	}
	return nil
}

func (j job) distribution(format, ours, theirs string) error {
	packager, err := nfpm.Get(format)
	if err != nil {
		return err
	}
	info := nfpm.WithDefaults(&nfpm.Info{
		Name: "ebb", Arch: theirs, Platform: "linux", Version: j.version, VersionSchema: "semver", Release: "1",
		Section: "net", Priority: "optional", Maintainer: author, Homepage: homepage, License: j.licence,
		Description: "ebb " + about + "\nand gives both back the moment their owner wants them.",
		MTime:       j.time,
		Overridables: nfpm.Overridables{
			Umask: 0o022,
			Scripts: nfpm.Scripts{
				PostInstall: j.firmware("linux/postinstall.sh"),
				PreRemove:   j.firmware("linux/preremove.sh"),
				PostRemove:  j.firmware("linux/postremove.sh"),
			},
			Contents: j.linuxContents(format, ours),
			RPM:      nfpm.RPM{BuildHost: "ebb", Summary: about, Group: "Applications/Internet"},
		},
	})
	switch format {
	case "deb":
		info.Recommends = []string{"ca-certificates"}
	case "rpm":
		info.Depends = []string{"ca-certificates", "/usr/sbin/useradd"}
	case "apk", "archlinux":
		info.Depends = []string{"ca-certificates"}
	}
	if format == "apk" {
		info.APK.Scripts.PostUpgrade = j.firmware("linux/postinstall.sh")
	}
	if err := info.Validate(); err != nil {
		return err
	}
	name := filepath.Join(j.out, packager.ConventionalFileName(info))
	return write(name, func(f *os.File) error { return packager.Package(info, f) })
}

// linuxContents is what is installed, and where.
func (j job) linuxContents(format, architecture string) files.Contents {
	file := func(source, target string, mode os.FileMode) *files.Content {
		return &files.Content{Source: source, Destination: target, FileInfo: &files.ContentFileInfo{Mode: mode, MTime: j.time}}
	}
	config := file(j.firmware("linux/ebb.toml"), "/etc/ebb/ebb.toml", 0o640)
	config.Type = files.TypeConfigNoReplace
	contents := files.Contents{
		file(j.ebb(architecture), "/usr/bin/ebb", 0o755),
		config,
		file(j.firmware("linux/ebb.1"), "/usr/share/man/man1/ebb.1", 0o644),
		file(j.firmware("linux/ebb.bash"), "/usr/share/bash-completion/completions/ebb", 0o644),
	}
	if format == "apk" {
		return append(contents, file(j.firmware("linux/ebb.openrc"), "/etc/init.d/ebb", 0o755))
	}
	return append(contents, file(j.firmware("systemd/ebb.service"), "/usr/lib/systemd/system/ebb.service", 0o644))
}

// write makes a file of what fill writes, and none if fill fails.
func write(name string, fill func(*os.File) error) error {
	f, err := os.CreateTemp(filepath.Dir(name), ".pack-")
	if err != nil {
		return err
	}
	defer os.Remove(f.Name())
	defer f.Close()
	if err := fill(f); err != nil {
		return err
	}
	if err := f.Chmod(0o644); err != nil {
		return err
	}
	if err := f.Close(); err != nil {
		return err
	}
	return os.Rename(f.Name(), name)
}
