// Package memory decides how much memory the parts of ebb may have, and what is shed when the machine runs short of it.
//
// The sizes that are set once, by what the machine or the cgroup has, stand in sizes.go. Everything else moves: a Watch
// looks at the memory every two seconds, a Governor, which is pure, says how many connections the background may then
// have, and the Watch passes that on. The background yields before the kernel has to take memory from somebody.
//
// What the memory is, package platform says. What a connection costs and which of them end is left to the background.
package memory
