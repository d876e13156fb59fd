package quota

import "fmt"

// Bytes writes a number of bytes for people. It is rounded up to a tenth of the unit, so that whoever frees as much as
// it says has freed enough.
func Bytes(n int64) string {
	units := []string{"KiB", "MiB", "GiB", "TiB", "PiB"}
	size := int64(1 << 10)
	for len(units) > 1 && n > 1023*size+size*9/10 {
		size <<= 10
		units = units[1:]
	}
	whole, tenths := n/size, (n%size*10+size-1)/size
	if tenths == 10 {
		whole, tenths = whole+1, 0
	}
	if tenths == 0 {
		return fmt.Sprintf("%d %s", whole, units[0])
	}
	return fmt.Sprintf("%d.%d %s", whole, tenths, units[0])
}
