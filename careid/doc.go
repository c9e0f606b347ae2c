// SPDX-License-Identifier: Apache-2.0

// Package careid is the domain of care identities: who a person is, which roles they hold, which card they sign in
// with, and who may do what for them. It runs on the server, does no I/O of its own, and knows neither a card nor a
// certificate authority but through the standard library's types.
//
//	store, err := sqlstore.Open(ctx, sqlstore.Config{DB: db})
//	master, err := careid.NewSoftwareMaster(secret)
//	service, err := careid.New(careid.Config{
//		Store: store, CA: authority, Sender: mailer, CardMaster: master,
//		Servers: []string{"https://care.example"}, Origins: []string{"https://care.example"},
//	})
//	err = service.Resume(ctx)
//
// # People
//
// The first RA manager is made by [Service.Bootstrap]. Everybody else comes through Apply for Care ID:
// [Service.Invite], [Service.Submit] by the applicant, [Service.RecordCheck], [Service.Approve]. A profile has a user
// id of 12 digits and is in the care of one organisation. [Service.OpenProfile], the old direct way, always refuses.
//
// A new name is a new card: [Service.Rename] orders it, and the old one keeps its name until the new one is confirmed.
// What somebody may do in clinical systems is a [Position] of the organisation, with national codes and workgroups,
// given and taken by [Service.AssignPosition] and [Service.EndPosition]. Who moves takes the card along: the one
// organisation lets them go ([Service.Release]) and the other takes them over ([Service.TakeOver]), which ends and begins
// their positions in one act. Who leaves care hands the card in ([Service.LeaveCare]); [Service.LeaverChecklist] is what
// there is to do; who comes back has their own user id again ([Service.ReopenProfile]). Nobody has two profiles: an
// applicant who tells their National Insurance number and date of birth is found again by a mark under
// [Config.AuthenticatorKey], and one who tells neither is for those who check to know. [Service.Report] is an organisation's people with what they hold. A lost card is a case of two
// steps, opened by [Service.ReportLoss].
//
// # Actors
//
// What is done for somebody takes an [Actor]: a live session, in a role, at an organisation ([Service.Actor]). The
// role table is [Permissions]; each action looks at it, at the session and at the role again in its own transaction.
// Nobody acts on their own record in a role of the Registration Authority. [Operator] is the program itself and may
// only look.
//
// # Cards and acts
//
// Work on a card is an act ([Service.OpenAct]): the server opens it and hands out a handle, an agent takes it up
// ([Service.OpenHandle]), makes keys and sends requests ([Service.Requests]), and the new key confirms it
// ([Service.Confirm]). Only then does the new pair count. The requests are stored before the CA is called, so every
// step may be repeated; [Service.Resume] finishes what a stop left open. The holder's presence is evidence, never a
// flag: a proof by the card, or the attested sight of a document where the card can't sign. A card that is locked, or
// whose holder may not change the passcode alone, is helped at a desk by an act too, in which only the holder types.
//
// # Cards of other issuers
//
// A card that another authority made is bound to a profile by an act of the kind Bind: the Registration Authority sees
// the person and a document, and the card's own fresh proof for this act is verified against the [OutsideIssuer] of
// [Config.Outside], whose subject must name the profile's user id. From then on it signs in, alerts, is lost, cancelled
// and refused by the rules of any card; its certificate's status is asked of its issuer, and is as fresh as what that
// publishes. Here nobody renews, repairs or clears it, and nobody unlocks it unless [Service.ImportSOPIN] was told its
// security officer PIN: those refusals name the issuer, and so does an alert. A certificate that its issuer has renewed
// is bound again, by the same act. To cancel it unbinds it: revoking is the issuer's.
//
// # Signing in
//
// [Service.Nonce], [Service.Answer] and [Service.Redeem] are the card protocol, which package cardhttp speaks over
// HTTP. A session lasts eight hours of the calendar at most and, unless the card's binding is keep, as long as the
// agent renews its lease; a card that is pulled, lost, cancelled or under unlock ends it at once, and so does a
// revocation at the CA, which [Service.Session] asks each time, and [Service.Due] for sessions that nobody uses. The cookie that carries the token should have no
// lifetime of its own; a browser that restores its tabs restores it too, and only the lease stands in between. Where an
// organisation's overlay of the rule session.idle is shorter, a session that is not used locks, and a step-up by its own
// card goes on with it. The first use of a card records the [Terms] that it accepts.
//
// # Other authenticators
//
// Beside cards a profile has security keys, Windows Hello, iPads, an authenticator app and a mail account
// ([Service.RegisterAuthenticator]). Their protocols are the caller's, or package webauthn's, which says what each use
// showed; a [Use] is believed. For them the store keeps each credential with its id, [CredentialKey], name and last use:
// [Service.Credential] finds one, [Service.CredentialsOf] those of a person, [Service.NewChallenge] and
// [Service.TakeChallenge] are challenges that any server takes once, and a Use counts the signature counter on in one
// statement, so that of a copied key's answers one is refused. [Service.SignInWith] takes one or more of them and
// [Assurance] says what they come to: the kind's level for a device that asked for its PIN or a biometric, AAL2 for a
// password and a code, and AAL1 for anything alone that is one factor, with which nobody is signed in. Adding and
// removing them takes a fresh session as strong as the strongest thing on the profile. The codes of apps are checked here
// (RFC 6238 on the calendar clock): each works once on any number of servers, and tries are counted before a code is
// looked at. A person is called by one random [Service.UserHandle] on all of them. Their secrets lie in the store encrypted under [Config.AuthenticatorKey], and those sealed under
// [Config.EarlierAuthenticatorKeys] still open. The calendar must not go back, or apps are refused until it has caught
// up.
//
// # Unlocking
//
// [Service.OpenUnlock], [Service.StartUnlock] and [Service.RedeemUnlock] lead from a code to a reset act, in which
// [Service.ResetOpened] and [Service.ResetConfirm] move the card from one security officer PIN to the next. PINs
// derive from a [CardMaster] and leave only sealed to the agent's key. The workstation that does a reset holds that
// one card's PIN in memory during the act. A code has five tries, a card ten in 24 hours and a hundred in a row; then
// the Registration Authority unlocks it at the desk, which ends the row, or clears it and issues it again.
//
// # Refusals, rules, audit
//
// Every "no" is a *wardkey.Refusal of the rulebook ([Rules]), reached by errors.As through any wrapping; every number is
// a dated, cited value in it ([PolicyAt]). Each change appends one line to a hash chain in its own transaction, and each
// refused change one line that names the rule ([Service.VerifyAudit]; [Service.AuditAnchor] exports an anchor to keep
// elsewhere, which [Service.VerifyAuditAgainst] and the offline verifier examples/auditcheck look for); a proof whose
// form, signature or audience does not hold is logged alone, since nothing it says of itself is known. No passcode, code,
// key or token is kept in clear anywhere, nor written to the log or the audit. Messages leave after the commit and live
// in memory only: a code that a crash loses is asked for again.
//
// # What is published
//
// Some answers need no store, only a rulebook and a day, and each comes with its [Ground]: the rule, its dates and its
// source. [CapabilityAt] says what the old services and the new ones let a role do, to the second at which a feature was
// switched off, and [CapabilitiesAt] sets them side by side; [Route] gives the published steps of an errand and
// [FindService] a service by any of its names. [Compat] is the two matrices of systems and browsers, [Methods] what a
// program can sign in with, [ShowSignInButton] why a button is not there, [Reach] the network that a service needs, and
// [Doctor] looks at all of it on a declared [Workstation]. [Factors] and [SecondFactorAfter] tell what an authenticator
// shows. [Desks] leads from a refusal to somebody who can be reached, and what a Service with [Config.Desks] refuses to
// somebody whom it knows has that as its Contact. What is unknown is refused, unless a rule says that it passes. The page
// docs/refusals.md lists every refusal of this package.
//
// # Clocks
//
// Now is the calendar: certificates, sessions, codes, invitations. Wall is the wire: nonces, presence, leases, the ten
// minutes of a reset. Service and Store must have the same two.
//
// # Not yet
//
// The federation of mail accounts is not here: a mail account counts as its password alone, whatever more it asked for,
// and the caller has checked it. Package webauthn speaks for security keys and Windows Hello; for iPads nobody does, and
// which of their models are good enough is the caller's to say. The cards of an outside issuer are believed at the level
// of the service's own: there is no level for each issuer. What an outside card's issuer revokes is known when its lists
// or its responder say so, which may be hours after, where the service's own CA is asked each time.
package careid
