package main

import (
	"os"
	"path/filepath"
	"reflect"
	"strings"
	"testing"
	"time"
)

func TestDockerfileIsFollowed(t *testing.T) {
	root := t.TempDir()
	if err := os.MkdirAll(filepath.Join(root, "files/data"), 0o755); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(filepath.Join(root, "files/data/x"), []byte("x"), 0o640); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(filepath.Join(root, "ebb-armv7"), []byte("elf"), 0o755); err != nil {
		t.Fatal(err)
	}
	d, err := readDockerfile(`# comment
FROM scratch
ARG ARCH
COPY files/ /
COPY ebb-${ARCH} /usr/bin/ebb
LABEL a="1 2" \
      b="${ARCH}"
ENV X="y"
USER 1000:1000
EXPOSE 80/tcp 81/udp
VOLUME ["/data"]
HEALTHCHECK --interval=30s --retries=3 CMD ["ebb", "status"]
ENTRYPOINT ["/usr/bin/ebb"]
CMD ["run"]
`, root, map[string]string{"ARCH": "armv7"})
	if err != nil {
		t.Fatal(err)
	}
	want := runConfig{
		User: "1000:1000", ExposedPorts: map[string]struct{}{"80/tcp": {}, "81/udp": {}}, Env: []string{"X=y"},
		Entrypoint: []string{"/usr/bin/ebb"}, Cmd: []string{"run"}, Volumes: map[string]struct{}{"/data": {}},
		Labels:      map[string]string{"a": "1 2", "b": "armv7"},
		Healthcheck: &healthcheck{Test: []string{"CMD", "ebb", "status"}, Interval: 30 * time.Second, Retries: 3},
	}
	if !reflect.DeepEqual(d.config, want) {
		t.Errorf("%+v", d.config)
	}
	var names []string
	for _, f := range d.files.sorted() {
		names = append(names, f.name)
	}
	if got := strings.Join(names, " "); got != "data data/x usr usr/bin usr/bin/ebb" {
		t.Errorf("copied: %s", got)
	}
}

func TestDockerfileWithMoreThanIsKnownIsRefused(t *testing.T) {
	for _, text := range []string{
		"FROM debian", "FROM scratch\nRUN make", "COPY a b c", "COPY absent /", "ARG UNKNOWN", "ENV X=y", "CMD run",
		"HEALTHCHECK NONE", `HEALTHCHECK --interval=x CMD ["a"]`, `HEALTHCHECK --start-interval=1s CMD ["a"]`,
	} {
		if _, err := readDockerfile(text, t.TempDir(), nil); err == nil {
			t.Errorf("%q is taken", text)
		}
	}
}
