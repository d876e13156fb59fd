package platform

import (
	"errors"
	"path/filepath"
)

// Power is where the machine's power comes from.
type Power struct {
	OnBattery bool
	Charge    int // of the fullest battery, in per cent; -1 if there is none, or it does not tell
}

// Power asks the machine's supplies. Most routers and NAS devices have none that tell anything: that is the error.
func (f Files) Power() (Power, error) {
	class := filepath.Join(f.Sys, "class", "power_supply")
	names, err := entries(class, "", 64)
	if err != nil || len(names) == 0 {
		return Power{}, errors.New("this machine does not say where its power comes from")
	}
	power := Power{Charge: -1}
	var known, mains, discharging bool
	for _, name := range names {
		dir := filepath.Join(class, name)
		if scope, _ := attribute(filepath.Join(dir, "scope")); scope == "Device" {
			continue // of a mouse, a keyboard, …
		}
		switch kind, _ := attribute(filepath.Join(dir, "type")); kind {
		case "Battery", "UPS":
			known = true
			if status, _ := attribute(filepath.Join(dir, "status")); status == "Discharging" {
				discharging = true
			}
			if charge, err := number(filepath.Join(dir, "capacity")); err == nil && charge >= 0 && charge <= 100 {
				power.Charge = max(power.Charge, int(charge))
			}
		case "Mains", "USB", "Wireless":
			if online, err := number(filepath.Join(dir, "online")); err == nil {
				known = true
				mains = mains || online > 0 // 2 is 'programmable', for USB
			}
		}
	}
	if !known {
		return Power{}, errors.New("this machine's power supplies do not say anything")
	}
	power.OnBattery = discharging && !mains
	return power, nil
}
