package main

import (
	"fmt"
	"os"
	"path/filepath"
	"regexp"

	"github.com/goreleaser/nfpm/v2"
	_ "github.com/goreleaser/nfpm/v2/apk"
	_ "github.com/goreleaser/nfpm/v2/arch"
	_ "github.com/goreleaser/nfpm/v2/deb"
	"github.com/goreleaser/nfpm/v2/files"
	_ "github.com/goreleaser/nfpm/v2/rpm"
)

// distributions are nfpm's names of formats.
var distributions = []string{"deb", "rpm", "apk", "archlinux"}

// linuxArchitectures pairs the Makefile's names with nfpm's, which it turns into each format's own: arm5 is armel to
// Debian. What Debian calls armhf begins with ARMv7, but Raspberry Pi OS and Alpine mean ARMv6 by it, which runs on both.
var linuxArchitectures = map[string][]struct{ ours, nfpm string }{
	"deb":       {{"amd64", "amd64"}, {"arm64", "arm64"}, {"armv6", "arm7"}, {"armv5", "arm5"}, {"riscv64", "riscv64"}},
	"rpm":       {{"amd64", "amd64"}, {"arm64", "arm64"}, {"armv7", "arm7"}, {"armv5", "arm5"}, {"riscv64", "riscv64"}},
	"apk":       {{"amd64", "amd64"}, {"arm64", "arm64"}, {"armv7", "arm7"}, {"armv6", "arm6"}, {"riscv64", "riscv64"}},
	"archlinux": {{"amd64", "amd64"}, {"arm64", "arm64"}, {"armv7", "arm7"}, {"armv5", "arm5"}, {"riscv64", "riscv64"}},
}

const (
	about    = "lends spare disk and bandwidth to torrent swarms that need help"
	homepage = "https://ebb.invalid/" // there is none yet, and some formats want one
	author   = "The ebb authors <ebb@ebb.invalid>"
)

// zshCompletions is where zsh looks for a package's completions.
var zshCompletions = map[string]string{
	"deb": "/usr/share/zsh/vendor-completions/_ebb", "rpm": "/usr/share/zsh/site-functions/_ebb",
	"apk": "/usr/share/zsh/site-functions/_ebb", "archlinux": "/usr/share/zsh/site-functions/_ebb",
}

// linux makes the packages of the distributions: Debian's, rpm's, Alpine's and Arch's.
func linux(j job) error {
	for _, format := range distributions {
		for _, a := range linuxArchitectures[format] {
			if !j.wants(a.ours) {
				continue
			}
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
	case "apk":
		info.Depends = []string{"ca-certificates"}
		info.Description = "ebb " + about // one line
		info.APK.Scripts.PostUpgrade = j.firmware("linux/postinstall.sh")
		info.VersionSchema, info.Prerelease = "none", ""
		if info.Version, err = alpineVersion(j.version); err != nil {
			return err
		}
	case "archlinux":
		info.Depends = []string{"ca-certificates"}
		info.ArchLinux.Scripts.PostUpgrade = j.firmware("linux/postinstall.sh")
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
		file(filepath.Join(j.binary, "ebb.1"), "/usr/share/man/man1/ebb.1", 0o644),
		file(filepath.Join(j.binary, "ebb.bash"), "/usr/share/bash-completion/completions/ebb", 0o644),
		file(filepath.Join(j.binary, "ebb.zsh"), zshCompletions[format], 0o644),
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

var semantic = regexp.MustCompile(`^([0-9]+\.[0-9]+\.[0-9]+)(?:-(alpha|beta|rc)(?:\.([0-9]+))?)?$`)

// alpineVersion spells a version of semver.org as apk does: 1.2.3-alpha.4 is 1.2.3_alpha4.
func alpineVersion(version string) (string, error) {
	parts := semantic.FindStringSubmatch(version)
	switch {
	case parts == nil:
		return "", fmt.Errorf("the version %q is not of the form 1.2.3 or 1.2.3-alpha.4 (alpha, beta or rc)", version)
	case parts[2] == "":
		return parts[1], nil
	}
	return parts[1] + "_" + parts[2] + parts[3], nil
}
