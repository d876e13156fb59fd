package platform

import (
	"path/filepath"
	"testing"
)

func TestPower(t *testing.T) {
	supply := func(name, file string) string { return filepath.Join("sys/class/power_supply", name, file) }
	for name, c := range map[string]struct {
		files map[string]string
		want  Power
		known bool
	}{
		"no supplies": {},
		"mains": {map[string]string{supply("ac", "type"): "Mains\n", supply("ac", "online"): "1\n"},
			Power{false, -1}, true},
		"a battery that is being charged": {map[string]string{supply("ac", "type"): "Mains\n", supply("ac", "online"): "1\n",
			supply("bat", "type"): "Battery\n", supply("bat", "status"): "Charging\n", supply("bat", "capacity"): "40\n"},
			Power{false, 40}, true},
		"a battery that helps out the mains": {map[string]string{supply("usb", "type"): "USB\n", supply("usb", "online"): "2\n",
			supply("bat", "type"): "Battery\n", supply("bat", "status"): "Discharging\n"},
			Power{false, -1}, true},
		"a battery alone": {map[string]string{supply("bat", "type"): "Battery\n", supply("bat", "status"): "Discharging\n", supply("bat", "capacity"): "101\n"},
			Power{true, -1}, true},
		"a battery, and mains that is off": {map[string]string{supply("ac", "type"): "Mains\n", supply("ac", "online"): "0\n",
			supply("bat0", "type"): "Battery\n", supply("bat0", "status"): "Unknown\n", supply("bat0", "capacity"): "7\n",
			supply("bat1", "type"): "Battery\n", supply("bat1", "status"): "Discharging\n", supply("bat1", "capacity"): "64\n"},
			Power{true, 64}, true},
		"a battery that has not said what it does": {map[string]string{supply("bat", "type"): "Battery\n"}, Power{false, -1}, true},
		"an uninterruptible supply": {map[string]string{supply("ups", "type"): "UPS\n", supply("ups", "status"): "Discharging\n", supply("ups", "capacity"): "80\n"},
			Power{true, 80}, true},
		"a mouse": {map[string]string{supply("mouse", "type"): "Battery\n", supply("mouse", "scope"): "Device\n", supply("mouse", "status"): "Discharging\n"},
			Power{}, false},
		"nonsense": {map[string]string{supply("x", "type"): "Coal\n", supply("y", "type"): "Mains\n", supply("y", "online"): "\n"}, Power{}, false},
	} {
		got, err := tree(t, c.files).Power()
		if got != c.want || (err == nil) != c.known {
			t.Errorf("%s: got %+v, %v; want %+v", name, got, err, c.want)
		}
	}
}
