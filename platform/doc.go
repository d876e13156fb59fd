// Package platform says what the device has and how it is doing: the space on its disks and its memory.
//
// It measures and does not judge: how much of the space or memory ebb may use is for the packages that ask. It imports
// nothing else of ebb. What differs between operating systems is in small files of its own.
package platform
