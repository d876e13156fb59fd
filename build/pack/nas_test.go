package main

import (
	"strings"
	"testing"
)

func TestNumericVersionsSortAsVersionsDo(t *testing.T) {
	for version, want := range map[string]string{
		"1.2.3-alpha.4": "1.2.3-4", "1.2.3-beta.1": "1.2.3-100001", "1.2.3-rc.2": "1.2.3-200002", "1.2.3": "1.2.3-300000",
		"1.2": "", "1.2.3-alpha.100000": "",
	} {
		if got, err := numericVersion(version); got != want || (err == nil) != (want != "") {
			t.Errorf("%s is spelt %q (%v)", version, got, err)
		}
	}
}

// TestTailOfQPKGIsWhatAppCenterReads has fields of the lengths that QDK gives: 10, 40, 10, 20, 10, 10.
func TestTailOfQPKGIsWhatAppCenterReads(t *testing.T) {
	tail := qpkgTail(5_000_000-100, "1.2.3")
	if len(tail) != 100 {
		t.Fatalf("it has %d bytes", len(tail))
	}
	// 5,000,000 × 3589 + 1,000,000,000 = 18,945,000,000, of which the first ten digits count.
	if tail[40:50] != "1894500000" || strings.TrimSpace(tail[60:80]) != "ebb" || strings.TrimSpace(tail[80:90]) != "1.2.3" ||
		tail[90:] != "QNAPQPKG  " {
		t.Errorf("%q", tail)
	}
}

func TestIconHasATransparentCornerAndColoursInside(t *testing.T) {
	img := icon(64)
	if _, _, _, a := img.At(0, 0).RGBA(); a != 0 {
		t.Error("the corner is not transparent")
	}
	seen := map[any]bool{}
	for i := range 64 {
		seen[img.At(42, i)] = true
	}
	if len(seen) < 5 {
		t.Errorf("there are %d colours from top to bottom", len(seen))
	}
}
