package main

import "testing"

func TestAlpineSpellsVersionsInItsOwnWay(t *testing.T) {
	for version, want := range map[string]string{
		"1.2.3": "1.2.3", "0.1.0-alpha": "0.1.0_alpha", "0.1.0-alpha.230": "0.1.0_alpha230", "2.0.0-rc.1": "2.0.0_rc1",
		"1.2": "", "1.2.3-dev": "", "1.2.3-alpha.x": "", "": "",
	} {
		if got, err := alpineVersion(version); got != want || (err == nil) != (want != "") {
			t.Errorf("%q is spelt %q, not %q (%v)", version, got, want, err)
		}
	}
}
