#!/bin/sh
# Runs the tests that meet other CPUs under qemu-user: big-endian ones, those with 32 bits, those that want numbers
# aligned. The environment says for which, as Go wants it.
#
#	GOARCH=mips GOMIPS=softfloat build/emulate.sh qemu-mips-static
#
# Left out is what qemu-user cannot do: a process of many threads that starts another waits for ever in qemu 7.2, and what
# the kernel says of a TCP connection comes in the machine's own order of bytes. So are tests that ask this machine's
# kernel about mounts, routes and processes, which have nothing to do with the CPU.
set -eu
cd "$(dirname "$0")/.."
qemu=$1
"$(dirname "$0")/install.sh" emulate "$qemu=qemu-user-static"
export GOOS=linux CGO_ENABLED=0
emulate() { go test -vet=off -count=1 -timeout 60m -exec "$qemu" "$@"; }

emulate ./agent/swarm ./quota ./quota/disk ./quota/line/govern ./quota/memory ./agent/peersource
emulate -skip 'TestTheKernelTellsWhatIsOnTheWire' ./quota/line
emulate -skip 'OnAFullDisk' ./agent/prefs
emulate ./agent/peerwire
emulate -skip 'TestKilledAtAnyMoment|TestStoreInUse|TestRefusedWrites' ./quota/disk/fragstore
emulate -run 'TestCounters|TestLoad|TestMemory|TestNetworks|TestPosition|TestPower|TestPressure|TestReport|TestSQM|TestTemperature|TestConfinement|TestFiles' ./platform
# What foreground makes of files; its other tests start peers, and are the lab's business.
emulate -run 'TestEveryByteOfAPiece|TestFilesOfAnother|TestOnlyBlocks|TestNoMoreFiles|TestPoolFollows|TestAFileThatIsGone|TestFilesStay|TestTopLevel|TestNothingBut|TestSurvey|TestMissingTrusts|TestDeletingTouches|TestStateSurvives' ./agent/foreground
emulate -run TestLeecherDownloadsIdenticalBytesFromSeed ./build/lab
