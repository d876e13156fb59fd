// Ebb is the command: `ebb run` is the agent, and every other command talks to a
// running agent over its HTTP API.
//
// It reads arguments, finds the agent, and writes its answers for people. What
// an agent is and does is for package agent.
package main
