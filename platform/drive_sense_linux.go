package platform

// ataAnswer is what an ATA disk's registers say after CHECK POWER MODE.
type ataAnswer struct {
	status, count byte
}

// Bits of the register Status: ATA Command Set (ACS).
const (
	ataBusy        = 1 << 7
	ataReady       = 1 << 6
	ataFault       = 1 << 5
	ataDataRequest = 1 << 3
	ataError       = 1 << 0
)

// standby reads the power mode from the register Count: 00h and 01h are Standby_z and Standby_y; 80h to 83h are the
// idle modes, in which the disk turns, and FFh is active or idle. It does so only if the disk says that it has carried
// out the command: a bridge that does not know it and answers with zeros would else be a disk in standby.
func (a ataAnswer) standby() (bool, error) {
	if a.status&(ataBusy|ataReady|ataFault|ataDataRequest|ataError) != ataReady {
		return false, errNoAnswer
	}
	return a.count <= 1, nil
}

// parseSense finds the registers in the sense data that ATA PASS-THROUGH returns; ok is false if they are not there.
// The formats are those of SCSI Primary Commands (SPC), with what SCSI / ATA Translation (SAT) puts into them:
// "ATA Status Return sense data descriptor", and "Fixed format sense data INFORMATION field for the ATA PASS-THROUGH
// commands".
func parseSense(sense []byte) (answer ataAnswer, ok bool) {
	if len(sense) < 8 {
		return ataAnswer{}, false
	}
	switch sense[0] & 0x7f {
	case 0x70: // fixed
		// Only the additional sense code "ATA pass-through information available", 00h 1Dh, says what the field holds.
		if len(sense) < 14 || sense[12] != 0 || sense[13] != 0x1d {
			return ataAnswer{}, false
		}
		return ataAnswer{status: sense[4], count: sense[6]}, true
	case 0x72: // descriptors
		descriptors := sense[8:min(len(sense), 8+int(sense[7]))]
		for len(descriptors) >= 2 {
			kind, length := descriptors[0], 2+int(descriptors[1])
			if length > len(descriptors) {
				break
			}
			if kind == 0x09 && length >= 14 {
				return ataAnswer{status: descriptors[13], count: descriptors[5]}, true
			}
			descriptors = descriptors[length:]
		}
	}
	return ataAnswer{}, false
}
