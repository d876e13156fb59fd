#!/usr/bin/env bash
# Installs what the packages are tried with. apk-tools 3 is not in Debian: where APK names one, it is used.
exec "$(dirname "$0")/../install.sh" packagetest debootstrap=debootstrap rpm=rpm pacman=pacman-package-manager \
	busybox=busybox-static shellcheck=shellcheck ip=iproute2 jq=jq file=file xmllint=libxml2-utils python3=python3-yaml podman=podman runc=runc qemu-arm-static=qemu-user-static systemd-analyze=systemd
