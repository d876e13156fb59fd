// Package govern decides what the background may use of the line. It is pure: a Sample goes in, a Decision comes out,
// and there is no clock, no I/O and no lock. So thousands of households can be played in a minute (package house does).
//
// A Controller has one direction for sending and one for receiving. In each tick
//
//  1. whereabouts tells whether this machine is the router, where the counters show what the whole household uses;
//  2. ways make one delay of what our connections say, and calm knows what of it is usual: what is above that is
//     measured in bounds, made of the ways' own noise and of the line's own pace;
//  3. probeSense weighs it against what a probe beyond the line says;
//  4. each direction observes its part of the sample: what it now believes of its line, and what others take;
//  5. each direction decides: its queueSense finds out by trying whose the queue is, its line takes note, and its limit
//     follows;
//  6. reason says to the owner what the background does, and who needs what it does not have.
//
// Rates are bytes per second on the wire, until a Decision converts its limits to payload. A Pacer spreads what a limit
// lets through.
//
// # Where the ideas come from
//
//   - From TCP Vegas, TCP-LP and TCP Nice: a queue begins where the round trip rises above its own base, long before
//     anything is lost, and who wants to be a scavenger gives way there and then.
//   - From LEDBAT and what is said of it: a target in milliseconds is too much on one line and too little on the next,
//     and a base that is only ever the least seen makes latecomers unfair. So there is no target here but a bound
//     from noise and pace; and as in LEDBAT++, whether a delay is ours is found out by slowing down for a moment.
//   - From PCC Vivace and Proteus: do not assume what a delay means, try. Send less, and see whether it follows; send
//     more, and see whether it comes. Proteus's scavenger judges a delay against its own noise; so do we, by what
//     the kernel tells of each way's.
//   - From BBR: what a line carries is what arrived while a queue stood; estimates are worth something while they are
//     used up only; and a belief must be tried again at times. From CUBIC, how: gently around what was found, faster
//     the longer nothing happens.
//   - From CAKE's autorate-ingress and the scripts that do so from outside: a single reflector that says something says
//     nothing. One late answer, one odd peer, one tick are not believed: it takes two in a row, and a third of what was
//     sent.
package govern
