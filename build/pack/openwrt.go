package main

import (
	"bytes"
	"compress/gzip"
	"crypto/sha256"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"slices"
	"strings"
)

// openwrtArchitectures are OpenWrt's names of CPUs, and the binary that runs on each. What follows golang-values.mk: an
// ARM without the VFP that GOARM=7 uses gets less, and MIPS needs no FPU at all.
var openwrtArchitectures = map[string][]string{
	"amd64": {"x86_64"},
	"386":   {"i386_pentium4"},
	"arm64": {"aarch64_generic", "aarch64_cortex-a53", "aarch64_cortex-a72", "aarch64_cortex-a76"},
	"armv5": {"arm_arm926ej-s", "arm_cortex-a7", "arm_cortex-a9", "arm_fa526", "arm_xscale"},
	"armv6": {"arm_arm1176jzf-s_vfp"},
	"armv7": {"arm_cortex-a5_vfpv4", "arm_cortex-a7_neon-vfpv4", "arm_cortex-a7_vfpv4", "arm_cortex-a8_vfpv3",
		"arm_cortex-a9_neon", "arm_cortex-a9_vfpv3-d16", "arm_cortex-a15_neon-vfpv4"},
	"loong64":  {"loongarch64_generic"},
	"mips":     {"mips_24kc", "mips_4kec", "mips_mips32"},
	"mips64":   {"mips64_mips64r2", "mips64_octeonplus"},
	"mips64le": {"mips64el_mips64r2"},
	"mipsle":   {"mipsel_24kc", "mipsel_24kc_24kf", "mipsel_74kc", "mipsel_mips32"},
	"riscv64":  {"riscv64_generic", "riscv64_riscv64"},
}

// openwrtPackage is a package of OpenWrt, in either of its formats.
type openwrtPackage struct {
	name, about string
	depends     []string
	user        string   // user:group that are made for it; may be empty
	conffiles   []string // files that an upgrade leaves alone
	files       tree
}

// openwrt makes ebb, and its view for LuCI, a directory for each of OpenWrt's architectures: .ipk for opkg (up to 24.10)
// and .apk in apk's third format (from 25.12).
func openwrt(j job) error {
	for ours, theirs := range openwrtArchitectures {
		if !j.wants(ours) {
			continue
		}
		p, err := j.openwrtEbb(ours)
		if err != nil {
			return err
		}
		if err := j.openwrtWrite(p, theirs); err != nil {
			return fmt.Errorf("%s: %w", ours, err)
		}
	}
	luci, err := j.openwrtLuci()
	if err != nil {
		return err
	}
	return j.openwrtWrite(luci, []string{"all"})
}

func (j job) openwrtEbb(architecture string) (p openwrtPackage, err error) {
	p = openwrtPackage{
		name: "ebb", about: "ebb " + about, depends: []string{"ca-bundle"}, user: "ebb:ebb",
		conffiles: []string{"/etc/config/ebb", "/etc/ebb/ebb.toml"},
	}
	from := func(name string) string { return j.firmware("openwrt/ebb/files/" + name) }
	p.files.mkdir("etc/ebb")
	return p, p.files.read(
		source{j.ebb(architecture), "usr/bin/ebb", 0o755},
		source{from("ebb.config"), "etc/config/ebb", 0o644},
		source{from("ebb.init"), "etc/init.d/ebb", 0o755},
		source{from("ebb.defaults"), "etc/uci-defaults/50_ebb", 0o755},
		source{from("ebb.capabilities.json"), "etc/capabilities/ebb.json", 0o644},
		source{from("merge.awk"), "usr/share/ebb/merge.awk", 0o644},
		source{from("ebb.upgrade"), "lib/upgrade/keep.d/ebb", 0o644},
	)
}

func (j job) openwrtLuci() (p openwrtPackage, err error) {
	p = openwrtPackage{name: "luci-app-ebb", about: "LuCI support for ebb", depends: []string{"luci-base", "ebb"}}
	from := func(name string) string { return j.firmware("openwrt/luci-app-ebb/" + name) }
	return p, p.files.read(
		source{from("htdocs/luci-static/resources/view/ebb.js"), "www/luci-static/resources/view/ebb.js", 0o644},
		source{from("root/usr/share/luci/menu.d/luci-app-ebb.json"), "usr/share/luci/menu.d/luci-app-ebb.json", 0o644},
		source{from("root/usr/share/rpcd/acl.d/luci-app-ebb.json"), "usr/share/rpcd/acl.d/luci-app-ebb.json", 0o644},
	)
}

// openwrtWrite writes a package in both formats, for architectures that take the same files.
func (j job) openwrtWrite(p openwrtPackage, architectures []string) error {
	version, err := alpineVersion(j.version)
	if err != nil {
		return err
	}
	data, err := p.files.tarGz("./", j.time)
	if err != nil {
		return err
	}
	contents, err := j.openwrtAPK(p, version, "").contents() // the same for all of them, and slow to compress
	if err != nil {
		return err
	}
	for _, arch := range architectures {
		dir := filepath.Join(j.out, "openwrt", arch)
		if err := os.MkdirAll(dir, 0o755); err != nil {
			return err
		}
		// opkg sorts as Debian does: ~ comes before everything.
		ipkVersion := strings.Replace(j.version, "-", "~", 1) + "-r1"
		name := filepath.Join(dir, p.name+"_"+ipkVersion+"_"+arch+".ipk")
		if err := write(name, func(f *os.File) error { return j.ipk(f, p, ipkVersion, arch, data) }); err != nil {
			return err
		}
		name = filepath.Join(dir, p.name+"-"+version+"-r1.apk")
		if err := write(name, func(f *os.File) error { return j.openwrtAPK(p, version+"-r1", arch).write(f, contents) }); err != nil {
			return err
		}
	}
	return nil
}

// The scripts of OpenWrt's packages. What they do is OpenWrt's own: make the user, run uci-defaults, enable, start, stop.
const (
	openwrtPreamble = "#!/bin/sh\n[ \"${IPKG_NO_SCRIPT}\" = 1 ] && exit 0\n[ -s \"${IPKG_INSTROOT}/lib/functions.sh\" ] || exit 0\n. \"${IPKG_INSTROOT}/lib/functions.sh\"\n"
	apkPreamble     = openwrtPreamble + "export root=\"${IPKG_INSTROOT}\"\nexport pkgname=%s\n"
	ipkPostinst     = openwrtPreamble + "default_postinst \"$0\" \"$@\"\n"
	ipkPrerm        = openwrtPreamble + "default_prerm \"$0\" \"$@\"\n"
)

// ipk writes the format of opkg: a compressed tar of the format's version and of two compressed tars, one of files and
// one of what opkg has to know.
func (j job) ipk(w io.Writer, p openwrtPackage, version, arch string, data []byte) error {
	var control strings.Builder
	fmt.Fprintf(&control, "Package: %s\nVersion: %s\nDepends: %s\n", p.name, version, strings.Join(append([]string{"libc"}, p.depends...), ", "))
	fmt.Fprintf(&control, "Source: ebb\nSourceName: ebb\nLicense: %s\nSection: net\nURL: %s\nMaintainer: %s\n", j.licence, homepage, author)
	if p.user != "" {
		fmt.Fprintf(&control, "Require-User: %s\n", p.user)
	}
	fmt.Fprintf(&control, "SourceDateEpoch: %d\nArchitecture: %s\nInstalled-Size: %d\nDescription: %s\n",
		j.time.Unix(), arch, p.files.size(), p.about)
	var meta tree
	meta.add("control", 0o644, []byte(control.String()))
	meta.add("postinst", 0o755, []byte(ipkPostinst))
	meta.add("prerm", 0o755, []byte(ipkPrerm))
	if len(p.conffiles) > 0 {
		meta.add("conffiles", 0o644, []byte(strings.Join(p.conffiles, "\n")+"\n"))
	}
	packed, err := meta.tarGz("./", j.time)
	if err != nil {
		return err
	}
	var outer tree
	outer.add("debian-binary", 0o644, []byte("2.0\n"))
	outer.add("data.tar.gz", 0o644, data)
	outer.add("control.tar.gz", 0o644, packed)
	z, err := gzip.NewWriterLevel(w, gzip.NoCompression) // what is in it is compressed
	if err != nil {
		return err
	}
	if err := outer.tar(z, "./", j.time); err != nil {
		return err
	}
	return z.Close()
}

// openwrtAPK is a package in apk's format. What opkg reads from its control file, OpenWrt's scripts find in
// lib/apk/packages here.
func (j job) openwrtAPK(p openwrtPackage, version, arch string) apkPackage {
	files := slices.Clone(p.files)
	place := "lib/apk/packages/" + p.name
	if p.user != "" {
		files.add(place+".rusers", 0o644, []byte(p.user+"\n"))
	}
	var list, conffiles, sums bytes.Buffer
	for _, f := range files.sorted() {
		if !f.dir {
			fmt.Fprintf(&list, "/%s\n", f.name)
		}
		if slices.Contains(p.conffiles, "/"+f.name) {
			fmt.Fprintf(&sums, "/%s %x\n", f.name, sha256.Sum256(f.data))
		}
	}
	for _, name := range p.conffiles {
		fmt.Fprintln(&conffiles, name)
	}
	files.add(place+".list", 0o644, list.Bytes())
	if len(p.conffiles) > 0 {
		files.add(place+".conffiles", 0o644, conffiles.Bytes())
		files.add(place+".conffiles_static", 0o644, sums.Bytes())
	}
	if arch == "all" {
		arch = "noarch"
	}
	preamble := fmt.Sprintf(apkPreamble, p.name)
	install := "add_group_and_user\ndefault_postinst\n"
	return apkPackage{
		name: p.name, version: version, about: p.about, arch: arch, licence: j.licence, origin: "ebb", maintainer: author,
		url: homepage, depends: append([]string{"libc"}, p.depends...), files: files, built: j.time,
		scripts: apkScripts{
			postInstall: preamble + install, preDeinstall: preamble + "default_prerm\n",
			postUpgrade: preamble + "export PKG_UPGRADE=1\n" + install,
		},
	}
}
