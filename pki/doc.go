// SPDX-License-Identifier: Apache-2.0

// Package pki is a certificate authority for the pair of certificates on a care
// smartcard: their profile, their life and their revocation.
//
// # Use
//
// Three parts make a CA: a Signer, which holds the issuing key (pki/stepca makes
// the hierarchy and is one), a Ledger (pki/sqlstore, on SQLite or PostgreSQL),
// and a Profile.
//
//	authority, err := stepca.Open(ctx, stepca.Config{Dir: dir, Passphrase: ask})
//	ledger, err := sqlstore.Open(ctx, sqlstore.Config{DB: db})
//	profile, err := pki.NewProfile(pki.ProfileConfig{Base: "http://pki.example.org", UPNSuffix: "care.example.org"})
//	ca, err := pki.New(pki.Config{Signer: authority, Chain: authority.Chain(), Ledger: ledger, Profile: profile})
//	pair, err := ca.Issue(ctx, "act-1", pkix.Name{CommonName: "Amina Osei", SerialNumber: "555000000017"}, csrs)
//
// csrs are the two requests of a card, authentication and signing. Issue and Renew
// make pairs, Revoke ends, holds and releases a certificate, Verify and Status tell
// how one stands, Expiring, Issued and Lineage walk over what there is,
// OCSPHandler, PublishHandler and Publish tell the world, and Due is called every
// second for what the calendar asks, reminders included.
//
// Elsewhere, where there is no ledger, a [Verifier] decides whether a certificate
// of this hierarchy or of others can be relied on. It learns the status from a
// [CRLChecker], which reads lists, and an [OCSPChecker], which asks responders;
// both may take what they read from a [Fetcher], which goes where the
// certificates point. For this hierarchy, roots is the issuing CA: the root
// publishes nothing about it.
//
//	fetcher, err := pki.NewFetcher(pki.FetcherConfig{})
//	lists, err := pki.NewCRLChecker(pki.CRLCheckerConfig{Source: fetcher})
//	responders, err := pki.NewOCSPChecker(pki.OCSPCheckerConfig{Source: fetcher})
//	verifier, err := pki.NewVerifier(pki.VerifierConfig{Roots: roots, Sources: []pki.StatusSource{responders, lists}})
//	path, err := verifier.Verify(ctx, chain, pki.PurposeAuthentication, time.Time{})
//
// # What is on a card
//
// The words MUST and MUST NOT are those of RFC 2119. Each point is enforced on
// what comes back from the signer before it is committed, byte for byte.
//
// Every certificate:
//   - MUST be X.509 version 3, with a serial number of 128 random bits that is
//     positive and that no certificate of the ledger has (RFC 5280 §4.1.2.2).
//   - MUST be valid in whole seconds UTC, from the second of issuance (less
//     Backdate, which is none unless configured) for Years calendar years less
//     one second, since notAfter is inclusive (§4.1.2.5). A day that the last
//     year doesn't have becomes the last of its month: issued on 29 February
//     2024, it ends on 27 February 2027 at 23:59:59, if issued at midnight, and
//     on 28 February otherwise.
//   - MUST NOT outlive its issuer, nor any certificate above that.
//   - MUST have the subject O, OU (both from the profile), CN and serialNumber,
//     in this order and nothing else. serialNumber is the 12-digit user id, by
//     which people are told apart; CN, which is for reading, is the user id, a
//     space and the name. The name has 1 to 51 characters, so that a CN has no
//     more than 64 (appendix A.1), doesn't begin with a combining mark, and has
//     no control, invisible, bidirectional or unassigned character, no space but
//     the ASCII one, and none of , + = / ; < > " \ #.
//   - MUST carry, and nothing beside: basicConstraints, critical, cA false
//     (§4.2.1.9); keyUsage, critical (§4.2.1.3); subjectKeyIdentifier and
//     authorityKeyIdentifier (§4.2.1.1, §4.2.1.2); authorityInfoAccess with
//     OCSP and caIssuers (§4.2.2.1); one CRL distribution point (§4.2.1.13);
//     certificatePolicies if the profile has policies (§4.2.1.4); and what its
//     use adds.
//   - MUST NOT take anything from a certificate request but the key.
//
// The authentication certificate MUST have keyUsage digitalSignature alone,
// extendedKeyUsage clientAuth and smartcardLogon (1.3.6.1.4.1.311.20.2.2), and a
// subjectAltName of one otherName, the user principal name: user id @ suffix.
//
// The signing certificate MUST have keyUsage nonRepudiation alone, no
// extendedKeyUsage and no subjectAltName.
//
// Keys MUST be P-256, P-384, P-521, or RSA of 2048 to 8192 bits with an odd
// exponent from 65537 on, and MUST NOT have been in any act of the ledger
// before, whoever asked and however it ended, nor be one that Config.Compromised
// knows. Requests MUST be signed by their key with SHA-256 or stronger (RFC 2986
// §3).
//
// # Renewal
//
// A pair can be renewed in [notAfter − RenewalWindow, notAfter], closed at both
// ends, while it is the newest of its lineage. It must be neither revoked nor on
// hold, both when the new one is asked for and when that is committed. The new one
// has the old one's subject and is otherwise made from the profile of today; the
// old one stays good until its end.
//
// # Crashes
//
// An act is recorded durably before the key signs, then signed, committed, and
// only then returned. Whatever moment a process is killed at, the ledger knows
// every serial number that was ever signed. An act found pending is finished,
// under its own serials, or closed as revoked; until then OCSP answers unknown. A
// signer that is away loses nothing: acts stay open, and everyone is told at once
// (ErrSignerUnavailable) until it is back.
//
// # Audit
//
// Each change writes a row of a chain of hashes in its own transaction, and the
// rows hold or pin all that decides something. VerifyAudit names the first row,
// of the chain or of the tables beside it, that isn't as it was written: one who
// changes or removes a certificate, a revocation or a list's number in the
// database is seen. One who rebuilds the chain too, or puts an old copy back, is
// seen by an anchor kept elsewhere (examples/auditcheck takes them). The rows of
// older ledgers say less; pki/sqlstore tells what.
//
// # Revocation
//
// A certificate belongs to one of Shards lists by the low bits of its serial
// number, for ever. Each list is complete for its shard, says so in a critical
// issuingDistributionPoint (RFC 5280 §5.2.5), has a number that is never used
// twice (§5.2.3), and lists a certificate until one list after its end (§3.3).
// OCSP answers come from the ledger; see OCSPHandler. CardEvent says which reason a
// lost card or a leaver has (§5.3.1).
//
// # Departures and limits
//
//   - RFC 5280 §4.2.1.9: basicConstraints is critical in certificates of people
//     too, which the clause leaves open. §4.2.1.4: policies have no qualifiers.
//   - RFC 5280 §5.2.4: delta lists are not made. §5.2.5: the scope names the
//     shard's address alone and not onlyContainsUserCerts, since OCSP signers are
//     in it too.
//   - RFC 5280 §6.3: the root publishes no list: an issuing CA is not revoked by
//     this package. To give one up, end its hierarchy.
//   - RFC 6960 §4.1.2: requests need no signature, and one is not looked at.
//     §4.4.7, §4.4.8: a preferred algorithm is ignored, and a certificate that was
//     never issued is unknown, not revoked.
//   - Validity of three years exceeds what the CA/Browser Forum allows for
//     S/MIME: this is a private hierarchy.
//   - Keys that share a factor with another key, or come from a known bad
//     generator other than ROCA's, such as Debian's of 2006 to 2008, are refused
//     only where Config.Compromised knows them.
//   - One profile and one issuing CA are served below a Base.
//   - A reminder is sent twice when the process dies after Config.Remind sent it
//     and before that is recorded.
//   - No certificate and no list is signed before one that was signed already
//     (ErrClock), ClockTolerance aside. After a clock that stood in the future,
//     issuing and lists wait until that date, and OCSP as soon as it needs another
//     signing certificate.
package pki
