package platform

import (
	"path/filepath"
	"reflect"
	"testing"
)

func TestTemperatures(t *testing.T) {
	zone := func(n, file string) string { return filepath.Join("sys/class/thermal/thermal_zone"+n, file) }
	got, err := tree(t, map[string]string{
		zone("0", "type"): "cpu-thermal\n", zone("0", "temp"): "48312\n",
		zone("0", "trip_point_0_type"): "critical\n", zone("0", "trip_point_0_temp"): "110000\n",
		zone("0", "trip_point_1_type"): "hot\n", zone("0", "trip_point_1_temp"): "95000\n",
		zone("0", "trip_point_2_type"): "passive\n", zone("0", "trip_point_2_temp"): "85000\n",
		zone("0", "trip_point_3_type"): "passive\n", zone("0", "trip_point_3_temp"): "80000\n", // the first to act
		zone("0", "trip_point_4_type"): "active\n", zone("0", "trip_point_4_temp"): "60000\n", // a fan
		zone("1", "type"): "outdoors\n", zone("1", "temp"): "-12000\n",
		zone("1", "trip_point_0_type"): "critical\n", zone("1", "trip_point_0_temp"): "-274000\n", // not used
		zone("1", "trip_point_1_type"): "hot\n", zone("1", "trip_point_1_temp"): "-5000\n",
		zone("2", "type"): "radio\n", zone("2", "temp"): "\n", // it is off
		zone("3", "type"): "broken\n", zone("3", "temp"): "-274000\n",
		zone("4", "temp"):                             "20000\n",
		"sys/class/thermal/cooling_device0/type":      "fan\n",
		"sys/class/thermal/cooling_device0/temp":      "1\n",
		"sys/class/hwmon/hwmon0/temp1_input":          "50000\n", // a disk, which asking would wake
		zone("4", "trip_point_0_type/is/a/directory"): "",
	}).Temperatures()
	want := []Temperature{
		{Zone: "cpu-thermal", Degrees: 48.312, Passive: 80, Hot: 95, Critical: 110},
		{Zone: "outdoors", Degrees: -12},
		{Degrees: 20},
	}
	if err != nil || !reflect.DeepEqual(got, want) {
		t.Errorf("got  %+v, %v\nwant %+v", got, err, want)
	}
	if got, err := tree(t, nil).Temperatures(); err == nil {
		t.Errorf("no thermometer: got %+v", got)
	}
}
