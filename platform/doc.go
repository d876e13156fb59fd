// Package platform says what the device has and how it is doing: the space on its disks, the drives below and whether
// they sleep; the way to the internet, what passes through it and what the line carries; and memory, processors,
// temperature and power.
//
// It measures and does not judge: how much of the space or memory ebb may use is for the packages that ask. It imports
// nothing else of ebb. What differs between operating systems is in small files of its own.
//
// All but the disks is read by way of Files, which tests lay out themselves; Files.Report says in plain words what was
// found and what was not. Files are read up to a bound, and what they do not tell is an error or a false, not a guess.
package platform
