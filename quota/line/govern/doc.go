// Package govern decides what the background may use of the line. It is pure: a Sample goes in, a Decision comes out,
// and there is no clock, no I/O and no lock. So a household can be simulated for hours in a moment (world_test.go is
// one).
//
// A Controller has one direction for sending and one for receiving. In each tick
//
//  1. whereabouts tells whether this machine is the router, where the counters show what the whole household uses;
//  2. probeSense weighs what our connections say of the queue against what a probe beyond the line says, and patience takes
//     away what never moves: what is left is the delay of the line's queue;
//  3. each direction observes its part of the sample: what it now believes of its line, and what others take;
//  4. each direction decides: its queueSense judges the queue, its line takes note, and its limit follows;
//  5. reason says to the owner what the background does, and who needs what it does not have.
//
// Rates are bytes per second on the wire, until a Decision converts its limits to payload.
package govern
