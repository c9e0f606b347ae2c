// SPDX-License-Identifier: Apache-2.0

package tour

// What the people of the story type, long enough that none of it stands
// anywhere by chance.
const (
	nursePasscode  = "27182818"
	leaverPasscode = "31415926"
	freshPasscode  = "62831853" // the nurse's, after the unlock
	openedPasscode = "16180339" // the nurse's, after the unlock at the desk
	deskPasscode   = "23571113" // the nurse's, changed at the desk
	wrongPasscode  = "90731426" // nobody's
	mailPassword   = "three-willows-by-a-river"
)

// What stands in the messages that are to be encrypted.
const (
	secureMark    = "secure-letter-58209"
	pickupMark    = "pickup-letter-49445"
	hiddenMark    = "hidden-letter-92307"
	correctedMark = "corrected-letter-81640"
	portalMark    = "portal-letter-62862"
)

// Typed lists every passcode and password that the tour types besides the
// staff's, so that a test can look for them where none may ever be: in logs,
// audits and errors. Codes and activation passwords are in the inbox.
//
// What the messages say that are to be encrypted must not be there either.
func Typed() []string {
	return []string{nursePasscode, leaverPasscode, freshPasscode, openedPasscode, deskPasscode, wrongPasscode, mailPassword, secureMark, pickupMark, hiddenMark, correctedMark, portalMark}
}
