package platform

import (
	"errors"
	"path/filepath"
	"strings"
)

// Temperature is that of one thermal zone, a place in the machine, in degrees Celsius.
type Temperature struct {
	Zone    string // the driver's name: cpu-thermal, x86_pkg_temp, …
	Degrees float64
	// Where the kernel acts: it slows the processors down, tells the programs, and switches the machine off. 0 where
	// the zone has no such point.
	Passive, Hot, Critical float64
}

// Temperatures returns the machine's thermal zones: Documentation/driver-api/thermal/sysfs-api.rst. (gopsutil prefers
// the sensors of class hwmon. These have no points to act at, and asking some disks keeps them from falling asleep.)
func (f Files) Temperatures() ([]Temperature, error) {
	class := filepath.Join(f.Sys, "class", "thermal")
	zones, _ := entries(class, "thermal_zone", 64)
	var found []Temperature
	for _, zone := range zones {
		dir := filepath.Join(class, zone)
		degrees, ok := millidegrees(filepath.Join(dir, "temp"))
		if !ok {
			continue // a radio that is off has none
		}
		t := Temperature{Degrees: degrees}
		t.Zone, _ = attribute(filepath.Join(dir, "type"))
		points, _ := entries(dir, "trip_point_", 64)
		for _, point := range points {
			prefix, ok := strings.CutSuffix(point, "_type")
			if !ok {
				continue
			}
			at, ok := millidegrees(filepath.Join(dir, prefix+"_temp"))
			if !ok || at <= 0 { // unused points are at 0, or far below
				continue
			}
			kind, _ := attribute(filepath.Join(dir, point))
			for name, to := range map[string]*float64{"passive": &t.Passive, "hot": &t.Hot, "critical": &t.Critical} {
				if kind == name && (*to == 0 || at < *to) {
					*to = at
				}
			}
		}
		found = append(found, t)
	}
	if len(found) == 0 {
		return nil, errors.New("this machine has no thermometer that the kernel knows")
	}
	return found, nil
}

// millidegrees reads a temperature, if it is one that a running machine could have.
func millidegrees(path string) (degrees float64, ok bool) {
	n, err := number(path)
	if err != nil || n < -60_000 || n > 250_000 {
		return 0, false
	}
	return float64(n) / 1000, true
}
