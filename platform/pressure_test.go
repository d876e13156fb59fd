package platform

import (
	"errors"
	"io/fs"
	"os"
	"testing"
	"time"
)

const psi = "some avg10=12.50 avg60=1.00 avg300=0.10 total=2000000\nfull avg10=2.25 avg60=0.20 avg300=0.00 total=1000000\n"

func TestPressureOfTheMachine(t *testing.T) {
	want := Pressure{Some: 0.125, Full: 0.0225, SomeTotal: 2 * time.Second, FullTotal: time.Second}
	f := tree(t, map[string]string{"proc/pressure/memory": psi, "proc/pressure/cpu": "some avg10=100.00 avg60=0 avg300=0 total=1\n"})
	if got, err := f.MemoryPressure(); err != nil || got != want {
		t.Errorf("got %+v, %v", got, err)
	}
	if got, err := f.CPUPressure(); err != nil || got != (Pressure{Some: 1, SomeTotal: time.Microsecond}) {
		t.Errorf("without a line 'full': got %+v, %v", got, err)
	}
}

func TestPressureIsTheWorstOfMachineAndGroup(t *testing.T) {
	group := "some avg10=20.00 avg60=0 avg300=0 total=1000000\nfull avg10=0.00 avg60=0 avg300=0 total=3000000\n"
	for name, c := range map[string]struct {
		files map[string]string
		want  Pressure
	}{
		"both": {map[string]string{"proc/pressure/memory": psi, "sys/fs/cgroup/a/b/memory.pressure": group},
			Pressure{0.2, 0.0225, 2 * time.Second, 3 * time.Second}},
		"the group's alone": {map[string]string{"sys/fs/cgroup/a/b/memory.pressure": group},
			Pressure{0.2, 0, time.Second, 3 * time.Second}},
		"a container that sees the host's path": {map[string]string{"sys/fs/cgroup/memory.pressure": group},
			Pressure{0.2, 0, time.Second, 3 * time.Second}},
		"the machine's alone": {map[string]string{"proc/pressure/memory": psi, "sys/fs/cgroup/a/b/cgroup.procs": ""},
			Pressure{0.125, 0.0225, 2 * time.Second, time.Second}},
	} {
		c.files["proc/self/cgroup"] = "4:memory:/elsewhere\n0::/a/b\n"
		if got, err := tree(t, c.files).MemoryPressure(); err != nil || got != c.want {
			t.Errorf("%s: got %+v, %v", name, got, err)
		}
	}
}

func TestPressureThatIsNotMeasured(t *testing.T) {
	if got, err := tree(t, nil).MemoryPressure(); !errors.Is(err, fs.ErrNotExist) || got != (Pressure{}) {
		t.Errorf("got %+v, %v", got, err)
	}
	for _, text := range []string{
		"", "full avg10=0.00 total=0\n", "some avg10=101 total=0\n", "some avg10=-1 total=0\n", "some avg10=NaN total=0\n",
		"some avg10=1 total=-1\n", "some avg10=1 total=9223372036854775807\n", "some avg10=\n", "some avg10=1 total=99999999999999999999\n",
	} {
		if got, err := tree(t, map[string]string{"proc/pressure/memory": text}).MemoryPressure(); err == nil || got != (Pressure{}) {
			t.Errorf("%q: got %+v, %v", text, got, err)
		}
	}
}

func TestPressureOfThisMachine(t *testing.T) {
	if _, err := os.ReadFile("/proc/pressure/memory"); err != nil {
		t.Logf("NOT COVERED HERE: %v", err)
		return
	}
	for _, read := range []func() (Pressure, error){System.MemoryPressure, System.CPUPressure} {
		if got, err := read(); err != nil || got.Some > 1 || got.Full > got.Some+0.05 {
			t.Errorf("got %+v, %v", got, err)
		}
	}
}

func FuzzPressure(f *testing.F) {
	f.Add(psi)
	f.Fuzz(func(t *testing.T, text string) {
		p, err := parsePressure(text)
		if err != nil && p != (Pressure{}) {
			t.Fatalf("%+v, %v", p, err)
		}
		if !(p.Some >= 0 && p.Some <= 1 && p.Full >= 0 && p.Full <= 1 && p.SomeTotal >= 0 && p.FullTotal >= 0) {
			t.Fatalf("%+v", p)
		}
	})
}

func BenchmarkMemoryPressure(b *testing.B) {
	b.ReportAllocs()
	for b.Loop() {
		if _, err := System.MemoryPressure(); err != nil {
			b.Fatal(err)
		}
	}
}
