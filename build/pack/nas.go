package main

import (
	"bytes"
	"crypto/md5"
	"fmt"
	"os"
	"path/filepath"
	"strconv"
	"strings"
)

// nas makes what NAS devices install: Synology's .spk, QNAP's .qpkg, Home Assistant's add-on, and the definitions for
// those that run containers.
func nas(j job) error {
	for _, a := range synologyArchitectures {
		if j.wants(a.ours) {
			if err := j.spk(a.ours, a.name, a.theirs); err != nil {
				return fmt.Errorf("spk for %s: %w", a.name, err)
			}
		}
	}
	for _, a := range qnapArchitectures {
		if j.wants(a.ours) {
			if err := j.qpkg(a.ours, a.name, a.machines); err != nil {
				return fmt.Errorf("qpkg for %s: %w", a.name, err)
			}
		}
	}
	if err := j.homeAssistant(); err != nil {
		return fmt.Errorf("homeassistant: %w", err)
	}
	for _, name := range []string{"unraid.xml", "truenas.yaml", "casaos.yaml"} {
		data, err := os.ReadFile(j.firmware("nas/" + name))
		if err != nil {
			return err
		}
		if err := j.put("ebb-"+name, data); err != nil {
			return err
		}
	}
	data, err := iconPNG(256)
	if err != nil {
		return err
	}
	return j.put("ebb-icon.png", data)
}

// put writes one file among the packages.
func (j job) put(name string, data []byte) error {
	return write(filepath.Join(j.out, name), func(f *os.File) error {
		_, err := f.Write(data)
		return err
	})
}

// synologyArchitectures are Synology's names of platforms (developer guide of DSM 7, appendix A), by the CPU that they
// have. Those of ARMv7 have a VFPv3.
var synologyArchitectures = []struct{ ours, name, theirs string }{
	{"amd64", "x86_64", "x86_64 apollolake avoton braswell broadwell broadwellnk broadwellnkv2 broadwellntbap bromolow cedarview denverton epyc7002 epyc7003ntb geminilake geminilakenk grantley icelaked kvmx64 purley r1000 r1000nk v1000 v1000nk"},
	{"arm64", "armv8", "armv8 rtd1296 rtd1619 rtd1619b armada37xx"},
	{"armv7", "armv7", "armv7 alpine alpine4k armada370 armada375 armada38x armadaxp monaco"},
}

// numericVersion spells a version with numbers alone, as Synology's INFO wants it: what is on the way to 1.2.3 comes
// before it.
func numericVersion(version string) (string, error) {
	parts := semantic.FindStringSubmatch(version)
	if parts == nil {
		_, err := alpineVersion(version) // says what is wrong
		return "", err
	}
	const step = 100_000
	rank := map[string]int{"alpha": 0, "beta": step, "rc": 2 * step, "": 3 * step}[parts[2]]
	n, _ := strconv.Atoi(parts[3]) // none is 0
	if n >= step {
		return "", fmt.Errorf("the version %q has too large a number", version)
	}
	return fmt.Sprintf("%s-%d", parts[1], rank+n), nil
}

// spk makes a package for DSM 7: a plain tar of what Package Center has to know, its scripts, and a compressed tar.
func (j job) spk(ours, name, theirs string) error {
	from := func(name string) string { return j.firmware("nas/synology/" + name) }
	var files tree
	if err := files.read(source{j.ebb(ours), "bin/ebb", 0o755}, source{from("ebb.sc"), "app/ebb.sc", 0o644},
		source{from("app-config"), "app/config", 0o644}); err != nil {
		return err
	}
	for _, side := range []int{16, 24, 32, 48, 64, 72, 256} {
		picture, err := iconPNG(side)
		if err != nil {
			return err
		}
		files.add(fmt.Sprintf("app/images/ebb-%d.png", side), 0o644, picture)
	}
	packed, err := files.tarGz("", j.time)
	if err != nil {
		return err
	}
	version, err := numericVersion(j.version)
	if err != nil {
		return err
	}
	info, err := os.ReadFile(from("INFO"))
	if err != nil {
		return err
	}
	var spk tree
	spk.add("INFO", 0o644, []byte(os.Expand(string(info), func(key string) string {
		return map[string]string{
			"VERSION": version, "ARCH": theirs, "KIB": strconv.Itoa((files.size() + 1023) / 1024), "MD5": fmt.Sprintf("%x", md5.Sum(packed)),
		}[key]
	})))
	spk.add("package.tgz", 0o644, packed)
	for _, script := range []string{"preinst", "postinst", "preuninst", "postuninst", "preupgrade", "postupgrade", "start-stop-status"} {
		if err := spk.read(source{from(script), "scripts/" + script, 0o755}); err != nil {
			return err
		}
	}
	if err := spk.read(source{from("privilege"), "conf/privilege", 0o644}, source{from("resource"), "conf/resource", 0o644},
		source{from("install_uifile"), "WIZARD_UIFILES/install_uifile", 0o644}); err != nil {
		return err
	}
	for file, side := range map[string]int{"PACKAGE_ICON.PNG": 64, "PACKAGE_ICON_256.PNG": 256} {
		picture, err := iconPNG(side)
		if err != nil {
			return err
		}
		spk.add(file, 0o644, picture)
	}
	return write(filepath.Join(j.out, "ebb-"+version+"-synology-"+name+".spk"), func(f *os.File) error { return spk.tar(f, "", j.time) })
}

// qnapArchitectures are QNAP's names of platforms, and what uname -m says there.
var qnapArchitectures = []struct{ ours, name, machines string }{
	{"amd64", "x86_64", "x86_64"}, {"arm64", "arm_64", "aarch64"}, {"armv7", "arm-x41", "armv7l"},
	{"armv5", "arm-x19", "armv5te*"},
}

// qpkg makes a package of QNAP's: a script, a compressed tar that it unpacks, and 100 bytes that App Center reads (QDK,
// appendix A: model, reserved, name, version, and a mark).
func (j job) qpkg(ours, name, machines string) error {
	from := func(name string) string { return j.firmware("nas/qnap/" + name) }
	var files tree
	if err := files.read(source{j.ebb(ours), "bin/ebb", 0o755}, source{from("ebb.sh"), "ebb.sh", 0o755},
		source{from("uninstall.sh"), ".uninstall.sh", 0o755}); err != nil {
		return err
	}
	for file, draw := range map[string]func() ([]byte, error){
		"ebb.gif":      func() ([]byte, error) { return iconGIF(64, false) },
		"ebb_80.gif":   func() ([]byte, error) { return iconGIF(80, false) },
		"ebb_gray.gif": func() ([]byte, error) { return iconGIF(64, true) },
	} {
		picture, err := draw()
		if err != nil {
			return err
		}
		files.add(".icons/"+file, 0o644, picture)
	}
	packed, err := files.tarGz("", j.time)
	if err != nil {
		return err
	}
	header, err := os.ReadFile(from("header.sh"))
	if err != nil {
		return err
	}
	version := strings.NewReplacer("alpha.", "a", "alpha", "a", "beta.", "b", "rc.", "rc").Replace(j.version)
	if len(version) > qpkgField {
		version = version[:qpkgField]
	}
	script := strings.NewReplacer("@MACHINES@", machines, "@VERSION@", version, "@LINES@", strconv.Itoa(bytes.Count(header, []byte("\n"))+1),
		"@BYTES@", strconv.Itoa(len(packed))).Replace(string(header))
	qpkg := append([]byte(script), packed...)
	qpkg = append(qpkg, "QDK\xff"...) // an area for signatures, with none
	return j.put("ebb_"+j.version+"_"+name+".qpkg", append(qpkg, qpkgTail(len(qpkg), version)...))
}

// qpkgField is the length of most fields of the tail, in bytes.
const qpkgField = 10

// qpkgTail is the end of a file of which so many bytes stand before it. Among what is reserved there is a number made of
// the file's whole length, which App Center checks (QDK's qpkg_encrypt.c).
func qpkgTail(before int, version string) string {
	const tail, key, offset = 100, 3589, 1_000_000_000
	check := strconv.Itoa((before+tail)*key + offset)[:qpkgField]
	return fmt.Sprintf("%-40s%-10s%-10s%-20s%-10s%-10s", "", check, "", "ebb", version, "QNAPQPKG")
}

// homeAssistant makes a folder for /addons, of which Home Assistant builds the add-on.
func (j job) homeAssistant() error {
	var t tree
	for _, name := range []string{"config.yaml", "Dockerfile"} {
		data, err := os.ReadFile(j.firmware("nas/homeassistant/" + name))
		if err != nil {
			return err
		}
		t.add("ebb/"+name, 0o644, bytes.ReplaceAll(data, []byte("${VERSION}"), []byte(j.version)))
	}
	for theirs, ours := range map[string]string{"amd64": "amd64", "aarch64": "arm64", "armv7": "armv7", "armhf": "armv6"} {
		if err := t.read(source{j.ebb(ours), "ebb/ebb-" + theirs, 0o755}); err != nil {
			return err
		}
	}
	if err := j.imageFiles(); err != nil {
		return err
	}
	for _, dir := range []string{"etc", "usr"} {
		if err := t.copyFrom(filepath.Join(j.binary, "image", dir), "ebb/files/"+dir); err != nil {
			return err
		}
	}
	for name, side := range map[string]int{"icon.png": 128, "logo.png": 250} {
		picture, err := iconPNG(side)
		if err != nil {
			return err
		}
		t.add("ebb/"+name, 0o644, picture)
	}
	packed, err := t.tarGz("", j.time)
	if err != nil {
		return err
	}
	return j.put("ebb-homeassistant.tar.gz", packed)
}
