// SPDX-License-Identifier: Apache-2.0

// Package agent is the loopback service between a browser and the smartcards of
// a workstation. A page of an allowed origin starts a task; the person types
// passcodes only into the agent's own page, which names the origin that asks;
// the agent posts what the card signed straight to a configured server.
//
//	a, err := agent.New(agent.Config{
//		Module:  module, // card.Open
//		Servers: []string{"https://care.example"},
//		Origins: []string{"https://portal.example"},
//	})
//	go a.Run(ctx)                                          // watches the readers
//	http.Serve(listenerOn127001, a.Handler())              // loopback only
//
// The agent never signs bytes that a page chose, never tells a page who holds a
// card, and keeps no passcode: the bytes of a form are cleared once it is done
// with. It takes connections over the loopback interface alone, and refuses a
// Host header that isn't 127.0.0.1, [::1] or localhost with its own port, so a
// name that somebody's DNS points at 127.0.0.1 reaches nothing. Programs are not
// kept out by any of this, for they may claim any origin: those of the same user
// could read the screen and the keyboard as well; on a host where several users
// work at once, those of the others reach the agent too, so it is not for such
// hosts yet. Neither can start anything but a task, for which a person types.
//
// One holder is signed in at a time, by one card, to any number of pages. A
// second reader may hold somebody else's card, for the task that names it; when
// that card leaves, nothing ends. Each task logs its card in itself and out
// again.
//
// # The interface, version 1
//
// Requests of pages carry an Origin header, which must be one of Config.Origins,
// byte for byte; bodies are JSON without unknown members. Every "no" is
// application/problem+json with a Wardkey rule. New members may appear in
// answers; what is here stays.
//
//	GET /v1/status        → 200 {version, readers:[{reader,name,state,serial?,signedIn?,notAfter?,daysLeft?,renewalOpen?,mend?}]}
//	POST /v1/tasks        {kind,server?,handle?,bind?,act?,reader?} → 201 {task,page}
//	GET /v1/tasks/{task}  → 200 {task,kind,state,step?,result?,refusal?}
//	DELETE /v1/tasks/{task} → 204
//	GET /v1/events        → 200 text/event-stream
//	GET /v1/agent.js      → 200 an ES module that does all of this
//
// status: state is absent, present, finalTry, locked or blank. serial is told of
// a blank card alone. mend names what would help: unlock, renew, or ra-agent.
//
// tasks: a server's ticket is the body, with reader added where the page knows
// the reader. What each kind needs:
//
//	signin    server bind          the result goes, with the cookie behind bind, to the server's POST session
//	stepup    server bind          as signin, for a session that is there: POST session with purpose stepup
//	presence  server bind act      the holder of the card in the reader is here, for this act; the server records it
//	issue     server handle        the holder chooses a passcode; keys, certificates
//	renew     server handle        new keys and certificates; with bind and act, the old key agrees first (the holder's own)
//	repair    server handle        what the card has lost
//	clear     server handle        the card is emptied
//	unlock    server handle        a code, then a new passcode
//	passcode                       the holder changes the passcode
//
// page is to be opened in a window of its own. state is waiting (for the
// person), working, done or refused; the last two are final. refusal beside
// waiting is what the person is asked to mend. A task waits for 20 minutes.
//
// Errors of all: host.refused, origin.refused. Of status: card's own, such as
// module.failed. Of POST: server.refused, request.invalid, task.many (32 tasks in
// all, 16 of one origin), and for issue, repair, clear and renew without bind,
// whose handle is opened at once, server.unreachable, act.kind, act.invalid and
// the server's own. Of GET and DELETE: task.unknown, also for a task of another
// origin; of DELETE: task.busy, for a step that has begun is not stopped. Of
// events: task.many (64 listen).
//
// Events are inserted {reader}, removed {reader,signedIn}, and task
// {task,state,step} to the origin that started it. signedIn says that the
// card's sessions have just ended.
//
// # The page
//
// GET /v1/tasks/{task}/page shows one form; POST takes it, from this page only
// (its Origin, a csrf field). Steps and their fields:
//
//	passcode  passcode
//	choose    newPasscode, newPasscode2
//	change    passcode, newPasscode, newPasscode2
//	agree
//	channel   channel: email or text
//	code      code, newPasscode, newPasscode2; or again=yes
//	resume    newPasscode, newPasscode2
//
// and in each, hidden: csrf, step, form (a form counts once, however often it is
// sent), card (the one that was in the reader when it was shown; what is typed
// goes to no other), and where it is shown final=yes: the person was told that
// this is the last try. cancel=yes stops the task. The passcode is sent to the
// card once for each time it is typed, and never by itself again.
//
// The answer to POST is 303 to the page, which shows where the task is. Errors:
// host.refused, task.unknown, form.invalid; as a page for a browser, which asks
// for text/html, else as everywhere.
//
// # What ends a session
//
// When the signed-in card leaves its reader, every server that it is signed in
// to is told, and beside it Config.RemovalCommand is run, at once. A lease, renewed while
// the card is seen, covers a workstation that dies. Putting the card back
// revives nothing, and readers that no longer answer renew no lease. What is not
// noticed: a card that leaves and returns between two looks (card.Config.Poll)
// before any task has used it, which is before it holds a session.
//
// # Unlocking
//
// The code goes to an address on the profile; the new passcode is checked for
// its form and stays here. The reset of internal/cardprotocol is followed to the
// letter: cut short at any point, the card is locked or has its new passcode.
// While the reset runs, this process holds that one card's security officer PIN
// in memory, and no other's. A reset that was interrupted (card pulled, server
// away) is finished by typing the passcode again within ten minutes; after that,
// or when the process ends, the person asks for a new code.
//
// # What a server may do
//
// Servers are configured, not trusted with everything. An act makes two keys
// under ids that nothing else on the card has, and writes certificates for those
// keys and for the one person whom their issuer named on this card before; it
// takes away nothing that another issuer put there. Redirects are not followed.
// What stays with the server: which card is issued, renewed, repaired, emptied
// or unlocked, and the words of its refusals and messages.
//
// # Errors
//
// Rulebook has a row for each error of package card and of this one. A server's
// refusals are passed on as they came.
package agent
