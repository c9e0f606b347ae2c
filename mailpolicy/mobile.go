// SPDX-License-Identifier: Apache-2.0

package mailpolicy

import "context"

// ChangeMobile changes where the holder is reached, and ends a recovery whose code
// may have gone to the number before. The number given at
// registration stays the one for activation passwords. Before the holder has a
// password of their own only the administration service may correct it
// (mail.account.mobile).
func (a *Accounts) ChangeMobile(ctx context.Context, token, mobile string) error {
	number, err := parseMobile(mobile)
	if err != nil {
		return err
	}
	return a.changeMobile(ctx, token, "mail.mobile.changed", func(r *AccountRecord) { r.Mobile = number })
}

// HideMobile keeps the holder's number out of the directory, or shows it there.
// Recovery goes on using it.
func (a *Accounts) HideMobile(ctx context.Context, token string, hidden bool) error {
	action := "mail.mobile.shown"
	if hidden {
		action = "mail.mobile.hidden"
	}
	return a.changeMobile(ctx, token, action, func(r *AccountRecord) { r.Hidden = hidden })
}

// DeleteMobile takes the holder's number away, after which they can't recover
// the account alone. The call without warned is the Refusal mail.mobile.delete,
// which is the warning to show; nothing is changed by it.
func (a *Accounts) DeleteMobile(ctx context.Context, token string, warned bool) error {
	if _, err := a.Session(ctx, token); err != nil {
		return err
	}
	if !warned {
		return Rules().Refuse("mail.mobile.delete")
	}
	return a.changeMobile(ctx, token, "mail.mobile.deleted", func(r *AccountRecord) { r.Mobile = "" })
}

func (a *Accounts) changeMobile(ctx context.Context, token, action string, fn func(*AccountRecord)) error {
	return a.change(ctx, token, action, func(ctx context.Context, tx StoreTx, r *AccountRecord) error {
		if r.Activation != ActivationDone {
			return Rules().Refuse("mail.account.mobile")
		}
		before := r.Mobile
		fn(r)
		if r.Mobile == before {
			return nil
		}
		return tx.DeleteRecovery(ctx, r.Address)
	})
}

// DirectoryEntry is what the directory shows of an account.
type DirectoryEntry struct {
	Address, Name, Site string
	// Mobile is empty where the holder hides it or has none.
	Mobile string
}

// Directory lists what colleagues see of a site's accounts, as SiteAccounts
// does; accounts that receive no mail are not in it, so there may be fewer than
// limit. next is what to go on after, "" at the end. Refusal: mail.site.ods.
func (a *Accounts) Directory(ctx context.Context, ods, after string, limit int) (entries []DirectoryEntry, next string, err error) {
	accounts, err := a.SiteAccounts(ctx, ods, after, limit)
	if err != nil {
		return nil, "", err
	}
	for _, account := range accounts {
		if !account.State.Can(Receive) {
			continue
		}
		e := DirectoryEntry{Address: account.Address, Name: account.Name, Site: account.Site}
		if !account.MobileHidden {
			e.Mobile = account.Mobile
		}
		entries = append(entries, e)
	}
	if len(accounts) == atMost(limit) {
		next = accounts[len(accounts)-1].Address
	}
	return entries, next, nil
}
