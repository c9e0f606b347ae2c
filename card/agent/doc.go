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
//	listeners, err := agent.Listen(9443)                   // 127.0.0.1 and ::1
//	for _, l := range listeners {
//		go http.Serve(l, a.Handler())                      // plain HTTP, loopback only
//	}
//
// examples/agent is a whole one.
//
// The agent never signs bytes that a page chose, never tells a page who holds a
// card, and keeps no passcode: the bytes of a form are cleared once it is done
// with. It takes connections over the loopback interface alone, and refuses a
// Host header that isn't 127.0.0.1, [::1] or localhost with its own port, so a
// name that somebody's DNS points at 127.0.0.1 reaches nothing. Nor does a process
// of another user of the machine: the system is asked, for each request, whose the
// connection is. That can be told on Linux alone; elsewhere New refuses, unless
// [Config].OneUser says that the machine has one user. Programs of the same user
// are not kept out, for they may claim any origin, and could read the screen and the
// keyboard as well; nor is whoever comes through one of them, such as a port forwarder.
// They can start nothing but a task, for which a person types.
//
// A page can't tell the agent from a program that took its port before it. The agent
// then doesn't start; but what a page gives away meanwhile, a ticket with its handle,
// goes to that program, and so would a passcode that is typed into a page of its own,
// which is worth nothing without the card. On a machine with several users, start the
// agent before anybody else can log in, or have the system keep its port: on Linux one
// below 1024, or a socket that the service manager holds.
//
// One holder is signed in at a time, by one card, to any number of pages. A
// second reader may hold somebody else's card, for a task whose act names it: issue,
// presence, renew, repair, clear, and unlock and passcode at a desk. Whatever a
// holder does alone is refused with that card meanwhile, and when it leaves, nothing
// ends. Each task logs its card in itself and out again; the other card stays as
// it was.
//
// # The interface, version 1
//
// Requests of pages carry an Origin header, which must be one of Config.Origins,
// byte for byte; bodies are JSON without unknown members. Every "no" is
// application/problem+json with a Wardkey rule. New members may appear in
// answers; what is here stays.
//
//	GET /v1/status        → 200 {version,system?,build?,agent?,readers,refusal?}
//	GET /v1/doctor        → 200 {ok,system?,build?,agent?,checks:[{check,says?,refusal?}]}
//	POST /v1/tasks        {kind,server?,handle?,bind?,act?,reader?} → 201 {task,page}
//	GET /v1/tasks/{task}  → 200 {task,kind,state,step?,result?,refusal?}
//	DELETE /v1/tasks/{task} → 204
//	GET /v1/events        → 200 text/event-stream
//	GET /v1/agent.js      → 200 an ES module that does all of this
//
// status: readers is a list of {reader,name,state,serial?,signedIn?,notAfter?,
// daysLeft?,renewalOpen?,mend?,mendPage?,refusal?}. state is absent, present,
// finalTry, locked, blank, or unknown for what can't be read. serial is told of
// a blank card alone. mend names what would help: unlock, renew, or ra-agent; and
// mendPage where, from [Config].Pages. A module that hangs is told by refusal, beside
// the reader or for all. system and build are the workstation's, agent is the
// release of this package.
//
// doctor: a checkup of the workstation ([Doctor]), which names each of the servers, and
// no origin but the one that asks. Programs print it by `go run ./examples/agent -doctor`.
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
//	unlock    server handle        a code, then a new passcode; with act, at a desk, the new passcode alone
//	passcode                       the holder changes the passcode; with server, bind and act, at a desk, the card speaks for the act first
//
// page is to be opened in a window of its own. state is waiting (for the
// person), working, done or refused; the last two are final. refusal beside
// waiting is what the person is asked to mend. A task waits for 20 minutes.
//
// Errors of all: host.refused, user.refused, origin.refused. Of status: card's own,
// such as module.failed. Of POST: server.refused, request.invalid, task.many (32 tasks
// in all, 16 of one origin), and for issue, repair, clear, renew without bind and
// unlock at a desk, whose handle is opened at once, server.unreachable, act.kind, act.invalid and
// the server's own. Of GET and DELETE: task.unknown, also for a task of another
// origin; of DELETE: task.busy, for a step that has begun is not stopped. Of
// events: task.many (64 listen).
//
// Events are inserted {reader}, removed {reader,signedIn}, and task
// {task,state,step} to the origin that started it. signedIn says that the
// card's sessions have just ended.
//
// # From a browser
//
// [Script] is an ES module without dependencies, also at /v1/agent.js, that does all
// of this: Agent has status, doctor, start, task, wait, cancel, listen and run, and
// rejects with a Refusal. [Client] does the same for programs in Go.
//
// A browser lets only secure contexts ask, and Chrome and Edge have their person
// asked before: the permission loopback-network (Local Network Access). The module
// says by targetAddressSpace what it is after, and tells a page without it why:
// page.insecure, browser.denied, browser.unanswered, or agent.absent where nothing
// answers. An administrator answers for everybody by the policy
// LoopbackNetworkAllowedForUrls, or before version 146
// LocalNetworkAccessAllowedForUrls, with the origins of the pages. Where the
// permission isn't there yet, the module can't be fetched from the agent either, so
// a page does well to serve Script itself. A page with
// Cross-Origin-Opener-Policy: same-origin can't follow the window that run opens, and
// takes start and wait instead, or same-origin-allow-popups.
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
// host.refused, user.refused, task.unknown, form.invalid; as a page for a browser, which asks
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
// # A module that hangs
//
// A call of the card's module can't be stopped. One that takes longer than
// [Config].CallLimit is left behind: its task is refused with module.hung, and
// nothing that comes after the call is done. What the call itself does to the card
// stands, whenever it does it: of a passcode that was being changed, the old or the
// new one may hold. Until it returns no lease of that card is renewed, so its
// sessions end at their servers, and other tasks with it are refused. A card that
// doesn't even say what it is hides no other in the status, after five seconds; tasks
// with another card go on where the page names its reader or the act its card, and are
// refused where the one that hangs may be meant. Where the module doesn't list its
// readers any more, this holds for all cards. The status and the checkup still answer,
// and say so.
//
// # Unlocking
//
// Alone, a holder gets a code by an address on the profile; at a desk, somebody else
// has opened the act, with the holder there. Either way the holder types the new
// passcode, which is checked for its form and stays here. The reset of
// internal/cardprotocol is followed to the letter: cut short at any point, the card
// is locked or has its new passcode.
// While the reset runs, this process holds that one card's security officer PIN
// in memory, and no other's. A reset that was interrupted (card pulled, server
// away) is finished by typing the passcode again within ten minutes; after that,
// or when the process ends, the person asks for a new code, or whoever helps opens
// the act again.
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
// refusals are passed on as they came. Where [Config].Pages has an address for what
// is wrong, the refusal carries it as the fact page, and the agent's page as a link.
//
// # What it was run on
//
// Linux (amd64), with Chromium. For Windows it is only built, for macOS only vetted.
package agent
