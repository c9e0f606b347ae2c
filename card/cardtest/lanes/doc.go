// SPDX-License-Identifier: Apache-2.0

// Package lanes is tests only: it holds other makers' PKCS#11 modules to
// cardtest's suite, and shows on each that a key outlives the removal of its
// card.
//
//	go test -v -run TestPulledAndReinserted ./card/cardtest/lanes
//
// prints a line for each of five modules, with what crypto11 answers when the same
// is done to it:
//
//	claim 2: OpenSC on pcscd: wardkey signs again; crypto11: …
//
// # The lanes
//
//   - NSS softokn, bare and under cardtest's shim: a store in files, made for the
//     test. It has no security officer, never locks and can't be pulled; the shim
//     makes a card of it.
//   - opencryptoki's software token, bare and under the shim: RSA only. It has a
//     security officer and locks at the third wrong PIN.
//   - p11-kit's client: the card is a virtual one in p11-kit's server, another
//     process. Killing the server is pulling the card.
//   - OpenSC on pcscd, with vsmartcard's virtual reader and the PIV card of
//     internal/pivapplet: readers' events, counters that the card keeps, and a PUK,
//     are real here. Nothing can write keys to this card.
//
// SoftHSM, bare and under the shim, has its lane in cardtest itself.
//
// # What they need
//
// Linux, the packages that scripts/setup.sh names, and for opencryptoki and OpenSC
// root, or sudo without a password: their daemons run in namespaces of their own
// (mounts, network, IPC, process ids), so that nothing of the machine's is used,
// changed or disturbed; vsmartcard's reader listens on all addresses, here those
// of an empty network. A user namespace doesn't do, because card.Open refuses
// modules that belong to nobody. Where the tools or the namespaces are missing a
// lane is skipped, and fails if REQUIRE names it (internal/need).
//
// # What was found
//
// Each test declares its module's departures from the suite with the reason. What
// is no departure, and has to be known by who uses the module:
//
//   - NSS (3.87): two tokens have the same serial, one of which only computes; a
//     handle that died with its login answers CKR_HOST_MEMORY.
//   - opencryptoki (3.8.1): its lock is C_Login's; C_SetPIN takes the right PIN of a
//     locked token. C_Finalize closes a file descriptor twice, the second time
//     whatever has got its number meanwhile. A process does well to initialise it
//     once and never finalise it.
//   - p11-kit's client (0.24.1): each C_GetFunctionList gives another instance, with
//     a connection and sessions of its own. When its server goes, every call, also
//     C_GetSlotList, answers CKR_DEVICE_ERROR for ever; initialised without a server,
//     it has no slots for ever. C_Finalize and C_Initialize mend both.
//   - OpenSC (0.23): what it has read it answers from memory, while the card is out,
//     until the slots are listed or the card is spoken to. C_Logout sends a PIV card
//     no command: it stays verified. When a card is pulled while several threads
//     sign, they wait for one another for ever; package card has one thread at a
//     card.
package lanes
