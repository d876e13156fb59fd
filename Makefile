# Every target can be run on its own; the README says what each is for. `make interop` and `make netlab` need Debian
# and root, the others need Go and no network once the modules are there.

# The version, the commit and its time are git's; without git, say them here.
VERSION ?= $(shell build/version.sh)
COMMIT  ?= $(shell git rev-parse --short=12 HEAD 2>/dev/null)
SOURCE_DATE_EPOCH ?= $(or $(shell git log -1 --format=%ct 2>/dev/null),0)
export VERSION COMMIT SOURCE_DATE_EPOCH
# The licence of ebb is for its owner to choose: an identifier of SPDX. Packages take it from here.
export LICENSE_ID ?= LicenseRef-unset

RAIN := github.com/cenkalti/rain/v2
# rain tells peers its version, which it learns at link time only.
RAIN_VERSION = $(patsubst v%,%,$(shell go list -m -f '{{.Version}}' $(RAIN)))

OUT     := build/out
LDFLAGS  = -s -w -X ebb/agent.Version=$(VERSION) -X main.commit=$(COMMIT) -X $(RAIN)/torrent.Version=$(RAIN_VERSION)
# Nothing of the machine that builds gets into a binary: the same commit is the same bytes everywhere. HTTP/2 is left out:
# trackers, feeds and the page do without, and it would be a twenty-fifth of the program.
BUILD    = CGO_ENABLED=0 go build -tags nethttpomithttp2 -modfile $(OUT)/go.mod -trimpath -buildvcs=false -ldflags '$(LDFLAGS)'

# The race detector needs a C compiler. The tests do not.
RACE := $(if $(shell command -v $$(go env CC)),-race)

# How long each fuzz target runs.
FUZZTIME ?= 20s

.DEFAULT_GOAL := build
.PHONY: build run demo test test32 check layers interop hostile netlab cross fuzz bench clean

# ebb is linked with rain less its RPC server; build/rain says why.
LINKED := $(OUT)/go.mod
$(LINKED): go.mod go.sum $(shell find build/rain -type f)
	go run ./build/rain $(OUT)

build: $(LINKED)
	$(BUILD) -o $(OUT)/ebb ./agent/ebb

run: build
	$(OUT)/ebb run

# `make demo DEMO=once` ends by itself. The demo is linked as ebb is, so that its stock peers say what version they are.
demo: build
	go run -ldflags '$(LDFLAGS)' ./build/lab/demo

test:
	$(if $(RACE),,@echo 'no C compiler: testing without the race detector')
	go test $(RACE) -timeout 10m ./...
	cd build/pack && go vet ./... && go test ./...

# What goes wrong only where addresses have 32 bits: an x86-64 kernel runs these.
test32:
	GOARCH=386 go test -timeout 5m -run TestFullIndex ./quota/disk/fragstore
	GOARCH=386 go test -timeout 5m ./agent/peerwire ./agent/swarm ./agent/prefs

check: layers
	@unformatted=$$(find . -path ./$(OUT) -prune -o -name '*.go' -print | xargs gofmt -l); if [ -n "$$unformatted" ]; then echo "gofmt would change: $$unformatted"; exit 1; fi
	go vet ./...
	go vet -tags interop ./build/interop/
	go vet -tags netlab ./build/netlab/
	go tool staticcheck ./...
	go tool staticcheck -tags interop ./build/interop/
	go tool staticcheck -tags netlab ./build/netlab/

# Imports point down: agent/doc.go has the drawing, build/layers/main.go the table.
layers:
	go run ./build/layers

interop: build
	build/interop/install.sh
	go test -tags interop -count=1 -v -timeout 15m ./build/interop/

# Strangers' attacks on the real binary, all at once, beside an honest peer. `make hostile ATTACK=20s` is shorter.
ATTACK ?= 2m
hostile: build
	go run ./build/hostile -for $(ATTACK)

netlab:
	build/netlab/install.sh
	go test -tags netlab -count=1 -v -timeout 60m ./build/netlab/

# Architectures have Go's names, except for these.
ARCHITECTURES := amd64 386 arm64 armv5 armv6 armv7 mips mipsle mips64 mips64le riscv64 ppc64le loong64
GO_armv5    := GOARCH=arm GOARM=5
GO_armv6    := GOARCH=arm GOARM=6
GO_armv7    := GOARCH=arm GOARM=7
GO_mips     := GOARCH=mips GOMIPS=softfloat
GO_mipsle   := GOARCH=mipsle GOMIPS=softfloat
GO_mips64   := GOARCH=mips64 GOMIPS64=softfloat
GO_mips64le := GOARCH=mips64le GOMIPS64=softfloat

# All of them, measured against the budget; `make cross-mipsle` is one of them.
cross: $(ARCHITECTURES:%=cross-%)
	build/sizes.sh $(ARCHITECTURES:%=$(OUT)/ebb-linux-%)
.PHONY: $(ARCHITECTURES:%=cross-%) sizes floor
$(ARCHITECTURES:%=cross-%): cross-%: $(LINKED)
	GOOS=linux $(or $(GO_$*),GOARCH=$*) $(BUILD) -o $(OUT)/ebb-linux-$* ./agent/ebb

# What devices install: build/pack says how each kind is made, firmware/ has what goes in. Go, make and git are enough.
PACKAGES := $(OUT)/packages
PACK      = cd build/pack && go run . -root ../.. -out ../../$(PACKAGES)
.PHONY: packages packagetest linux openwrt nas image release
packages: linux openwrt nas
linux: $(addprefix cross-,amd64 arm64 armv7 armv6 armv5 riscv64) documents
	$(PACK) linux

openwrt: $(filter-out cross-ppc64le,$(ARCHITECTURES:%=cross-%))
	$(PACK) openwrt

nas: $(addprefix cross-,amd64 arm64 armv7 armv6 armv5)
	$(PACK) nas

# Images for containers, without a daemon: firmware/docker/Dockerfile says what is in them.
image: $(addprefix cross-,amd64 arm64 armv7 armv6 riscv64)
	$(PACK) image

# All of it, with the binaries, a bill of materials (CycloneDX), the licences of what is linked, and the sums.
release: cross
	rm -rf $(PACKAGES)
	$(MAKE) packages image
	$(PACK) release

# What people read and what their shells complete is what this version says of itself. Root's defaults, whoever builds.
.PHONY: documents
documents: build
	$(OUT)/ebb manual >$(OUT)/ebb.1
	$(OUT)/ebb completion bash >$(OUT)/ebb.bash
	$(OUT)/ebb completion zsh >$(OUT)/ebb.zsh

# Each package installed and removed by its own tools, in a root of its own (root, Debian; installs what it needs).
packagetest: packages image
	build/packagetest/install.sh
	build/packagetest/run.sh $(PACKAGES)

# Tests on foreign CPUs, under qemu-user, which is slow: half an hour for each on two cores. What is for 386, an x86-64
# kernel runs itself; under qemu-i386 7.2 threads of Go end in a segmentation violation.
EMULATED := mipsle mips armv5 arm64 riscv64 386
QEMU_mipsle  := qemu-mipsel-static
QEMU_mips    := qemu-mips-static
QEMU_armv5   := qemu-arm-static
QEMU_arm64   := qemu-aarch64-static
QEMU_riscv64 := qemu-riscv64-static
QEMU_386     := env
.PHONY: emulate boot $(EMULATED:%=emulate-%)
emulate: $(EMULATED:%=emulate-%)
$(EMULATED:%=emulate-%): emulate-%:
	$(or $(GO_$*),GOARCH=$*) build/emulate.sh $(QEMU_$*)

# A MIPS router of 128 MB in qemu, with Debian's kernel: boots, runs, ends.
boot: cross-mipsle
	build/boot.sh

# What rain alone weighs on a router.
floor: $(LINKED)
	GOOS=linux $(GO_mipsle) $(BUILD) -o $(OUT)/floor-linux-mipsle ./build/floor
	build/sizes.sh $(OUT)/floor-linux-mipsle

fuzz:
	@grep -r --include='*_test.go' -E '^func Fuzz' . | sed -E 's|^\./(.*)/[^/]*:func (Fuzz[A-Za-z0-9_]*).*|\1 \2|' | \
	while read -r package target; do \
		echo "$$package $$target"; \
		go test -run '^$$' -fuzz "^$$target$$" -fuzztime $(FUZZTIME) -fuzzminimizetime 100x "./$$package" || exit 1; \
	done

# What is promised, measured: tables of figures beside their bounds. `make bench BENCH=code` takes a quarter of an hour,
# BENCH=line an hour.
bench:
	go run ./build/bench $(BENCH)

clean:
	rm -rf $(OUT)
