package main

import (
	"archive/tar"
	"archive/zip"
	"bytes"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"encoding/pem"
	"fmt"
	"io/fs"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"

	"golang.org/x/crypto/x509roots/fallback/bundle"
)

// platforms are those that there is an image for: the Makefile's architecture is the platform's, and its variant.
var platforms = []platform{{"amd64", ""}, {"arm64", ""}, {"arm", "v7"}, {"arm", "v6"}, {"riscv64", ""}}

type platform struct{ architecture, variant string }

func (p platform) ours() string { return p.architecture + p.variant }

func (p platform) String() string { return strings.TrimSuffix(p.architecture+"-"+p.variant, "-") }

// blob is something that is named by its hash.
type blob struct {
	digest string // sha256:…
	data   []byte
}

func newBlob(data []byte) blob {
	sum := sha256.Sum256(data)
	return blob{"sha256:" + hex.EncodeToString(sum[:]), data}
}

// file is where a blob lies in a layout.
func (b blob) file() string { return "blobs/sha256/" + strings.TrimPrefix(b.digest, "sha256:") }

func jsonBlob(v any) (blob, error) {
	data, err := json.Marshal(v)
	return newBlob(data), err
}

// descriptor names a blob to those who read an image (OCI image specification, descriptor).
type descriptor struct {
	MediaType   string            `json:"mediaType"`
	Digest      string            `json:"digest"`
	Size        int               `json:"size"`
	Platform    *ociPlatform      `json:"platform,omitempty"`
	Annotations map[string]string `json:"annotations,omitempty"`
}

type ociPlatform struct {
	Architecture string `json:"architecture"`
	OS           string `json:"os"`
	Variant      string `json:"variant,omitempty"`
}

func (b blob) descriptor(mediaType string) descriptor {
	return descriptor{MediaType: mediaType, Digest: b.digest, Size: len(b.data)}
}

// imageConfig says how the image of a platform is run (OCI image specification, config; Docker's for Healthcheck).
type imageConfig struct {
	Created string `json:"created"`
	ociPlatform
	Config runConfig `json:"config"`
	RootFS struct {
		Type  string   `json:"type"`
		Diffs []string `json:"diff_ids"`
	} `json:"rootfs"`
	History []map[string]any `json:"history"`
}

// manifest lists what an image is made of.
type manifest struct {
	SchemaVersion int          `json:"schemaVersion"`
	MediaType     string       `json:"mediaType"`
	Config        descriptor   `json:"config"`
	Layers        []descriptor `json:"layers"`
}

type index struct {
	SchemaVersion int          `json:"schemaVersion"`
	MediaType     string       `json:"mediaType"`
	Manifests     []descriptor `json:"manifests"`
}

const (
	ociIndex    = "application/vnd.oci.image.index.v1+json"
	ociManifest = "application/vnd.oci.image.manifest.v1+json"
	ociConfig   = "application/vnd.oci.image.config.v1+json"
	ociLayer    = "application/vnd.oci.image.layer.v1.tar+gzip"
)

// images makes images of firmware/docker/Dockerfile, without a daemon: one that `docker load` takes for each platform, and
// one in OCI's layout that has all of them, for registries.
func images(j job) error {
	if err := j.imageFiles(); err != nil {
		return err
	}
	recipe, err := os.ReadFile(j.firmware("docker/Dockerfile"))
	if err != nil {
		return err
	}
	var all []descriptor
	var blobs []blob
	for _, p := range platforms {
		d, err := readDockerfile(string(recipe), j.root, map[string]string{
			"TARGETARCH": p.architecture, "TARGETVARIANT": p.variant, "VERSION": j.version, "COMMIT": j.commit,
			"CREATED": j.time.Format("2006-01-02T15:04:05Z"), "LICENSE_ID": j.licence,
		})
		if err != nil {
			return fmt.Errorf("firmware/docker/Dockerfile: %w", err)
		}
		m, made, err := j.imageOf(p, d)
		if err != nil {
			return fmt.Errorf("%s: %w", p, err)
		}
		all, blobs = append(all, m), append(blobs, made...)
	}
	return j.layout("ebb-image-all.tar", all, blobs)
}

// imageOf makes the image of a platform, writes it as a file of its own, and returns its manifest and all that it needs.
func (j job) imageOf(p platform, d dockerfile) (descriptor, []blob, error) {
	var plain bytes.Buffer
	if err := d.files.tar(&plain, "", j.time); err != nil {
		return descriptor{}, nil, err
	}
	packed, err := d.files.tarGz("", j.time)
	if err != nil {
		return descriptor{}, nil, err
	}
	c := imageConfig{Created: j.time.Format("2006-01-02T15:04:05Z"), Config: d.config}
	c.ociPlatform = ociPlatform{p.architecture, "linux", p.variant}
	c.RootFS.Type, c.RootFS.Diffs = "layers", []string{newBlob(plain.Bytes()).digest}
	c.History = []map[string]any{{"created": c.Created, "created_by": "firmware/docker/Dockerfile"}}
	config, err := jsonBlob(c)
	if err != nil {
		return descriptor{}, nil, err
	}
	layer := newBlob(packed)
	m, err := jsonBlob(manifest{2, ociManifest, config.descriptor(ociConfig), []descriptor{layer.descriptor(ociLayer)}})
	if err != nil {
		return descriptor{}, nil, err
	}
	named := m.descriptor(ociManifest)
	named.Platform = &c.ociPlatform
	return named, []blob{config, layer, m}, j.dockerArchive(p, config, layer)
}

// dockerArchive writes an image as `docker save` does. Podman keeps a health check of this form only.
func (j job) dockerArchive(p platform, config, layer blob) error {
	m, err := jsonBlob([]map[string]any{{
		"Config": config.file(), "Layers": []string{layer.file()}, "RepoTags": []string{"ebb:latest", "ebb:" + j.version},
	}})
	if err != nil {
		return err
	}
	var t tree
	t.add("manifest.json", 0o644, m.data)
	t.add(config.file(), 0o644, config.data)
	t.add(layer.file(), 0o644, layer.data)
	return write(filepath.Join(j.out, "ebb-image-"+p.String()+".tar"), func(f *os.File) error { return t.tar(f, "", j.time) })
}

// layout writes images as OCI's layout does, as one that has something for each platform.
func (j job) layout(name string, manifests []descriptor, blobs []blob) error {
	all, err := jsonBlob(index{2, ociIndex, manifests})
	if err != nil {
		return err
	}
	one := all.descriptor(ociIndex)
	one.Annotations = map[string]string{"org.opencontainers.image.ref.name": "latest"}
	top, err := jsonBlob(index{2, ociIndex, []descriptor{one}})
	if err != nil {
		return err
	}
	var t tree
	t.add("oci-layout", 0o644, []byte(`{"imageLayoutVersion":"1.0.0"}`))
	t.add("index.json", 0o644, top.data)
	for _, b := range append(blobs, all) {
		t.add(b.file(), 0o644, b.data)
	}
	return write(filepath.Join(j.out, name), func(f *os.File) error { return t.tar(f, "", j.time) })
}

// imageFiles lays what every image has besides ebb into build/out/image: a directory for volumes that everybody may write
// to, the zones of Go, and the certificate authorities that Go knows of and that are trusted without conditions.
func (j job) imageFiles() error {
	dir := filepath.Join(j.binary, "image")
	if err := os.RemoveAll(dir); err != nil {
		return err
	}
	var authorities bytes.Buffer
	for root := range bundle.Roots() {
		if root.Constraint == nil {
			if err := pem.Encode(&authorities, &pem.Block{Type: "CERTIFICATE", Bytes: root.Certificate}); err != nil {
				return err
			}
		}
	}
	files := map[string][]byte{
		"etc/ssl/certs/ca-certificates.crt": authorities.Bytes(),
		"etc/passwd":                        []byte("root:x:0:0:root:/ebb:/sbin/nologin\nebb:x:1000:1000:ebb:/ebb:/sbin/nologin\n"),
		"etc/group":                         []byte("root:x:0:\nebb:x:1000:\n"),
	}
	goroot, err := exec.Command("go", "env", "GOROOT").Output()
	if err != nil {
		return fmt.Errorf("where is Go? %w", err)
	}
	zones, err := zip.OpenReader(filepath.Join(strings.TrimSpace(string(goroot)), "lib/time/zoneinfo.zip"))
	if err != nil {
		return err
	}
	defer zones.Close()
	for _, zone := range zones.File {
		if zone.FileInfo().IsDir() {
			continue
		}
		if files["usr/share/zoneinfo/"+zone.Name], err = fs.ReadFile(zones, zone.Name); err != nil {
			return err
		}
	}
	for name, data := range files {
		path := filepath.Join(dir, name)
		if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
			return err
		}
		if err := os.WriteFile(path, data, 0o644); err != nil {
			return err
		}
	}
	volume := filepath.Join(dir, "ebb")
	if err := os.Mkdir(volume, 0o755); err != nil {
		return err
	}
	return os.Chmod(volume, 0o777|fs.ModeSticky) // a named volume takes its mode from here
}

// copyFrom adds what is at a path of the host, as COPY does: a directory's contents, or a file.
func (t *tree) copyFrom(from, to string) error {
	return filepath.WalkDir(from, func(path string, e fs.DirEntry, err error) error {
		if err != nil {
			return err
		}
		within, err := filepath.Rel(from, path)
		if err != nil {
			return err
		}
		name := strings.TrimPrefix(filepath.ToSlash(filepath.Join(to, within)), "/")
		info, err := e.Info()
		if err != nil {
			return err
		}
		h, err := tar.FileInfoHeader(info, "")
		if err != nil {
			return err
		}
		switch mode := uint32(h.Mode); {
		case name == "":
		case e.IsDir():
			t.mkdir(name)
			i := slices.IndexFunc(*t, func(f file) bool { return f.name == name })
			(*t)[i].mode = mode
		default:
			data, err := os.ReadFile(path)
			if err != nil {
				return err
			}
			t.add(name, mode, data)
		}
		return nil
	})
}
