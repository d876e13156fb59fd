// Ebb is the command: `ebb run` is the agent, and the other commands talk to a running agent over its HTTP API. `ebb
// doctor` also works where none runs.
//
// It reads arguments, finds the agent, and writes its answers for people. What an agent is and does is for package
// agent.
package main
