// SPDX-License-Identifier: Apache-2.0

package mailpolicy

import "context"

// MaxListed is the most that one call lists: enough for a page of any size, and
// little enough to hold in memory.
const MaxListed = 500

// atMost is a limit within its bounds.
func atMost(limit int) int {
	if limit < 1 || limit > MaxListed {
		return MaxListed
	}
	return limit
}

// Sites lists sites by their ODS codes, as the store orders text: up to limit
// of those that come after the code given, which is "" for the first. A limit
// that is not from 1 to MaxListed is MaxListed. Who goes on asks with the last
// code; fewer than limit are the end. It asks for no Actor: whoever calls it has
// made sure that all sites may be seen.
func (a *Accounts) Sites(ctx context.Context, after string, limit int) ([]Site, error) {
	return list(ctx, a, func(ctx context.Context, tx StoreTx) ([]Site, error) { return tx.Sites(ctx, after, atMost(limit)) })
}

// SiteAccounts lists the accounts of a site by their addresses, as Sites does
// with sites; after is an address in lower case. One that can't be restored any
// more is not listed once Due has seen it. An unknown site has none.
// Refusal: mail.site.ods.
func (a *Accounts) SiteAccounts(ctx context.Context, ods, after string, limit int) ([]Account, error) {
	ods, err := ParseODS(ods)
	if err != nil {
		return nil, err
	}
	p, err := a.Policy()
	if err != nil {
		return nil, err
	}
	records, err := list(ctx, a, func(ctx context.Context, tx StoreTx) ([]AccountRecord, error) {
		return tx.SiteAccounts(ctx, ods, after, atMost(limit))
	})
	accounts := make([]Account, 0, len(records))
	for _, r := range records {
		accounts = append(accounts, p.view(r))
	}
	return accounts, err
}

// SiteShared lists the shared mailboxes of a site by their addresses; its quota
// bounds them. An unknown site has none. Refusal: mail.site.ods.
func (a *Accounts) SiteShared(ctx context.Context, ods string) ([]Shared, error) {
	ods, err := ParseODS(ods)
	if err != nil {
		return nil, err
	}
	return list(ctx, a, func(ctx context.Context, tx StoreTx) ([]Shared, error) { return tx.SiteShared(ctx, ods) })
}

func list[T any](ctx context.Context, a *Accounts, read func(context.Context, StoreTx) ([]T, error)) ([]T, error) {
	var found []T
	err := a.config.Store.Read(ctx, func(ctx context.Context, tx StoreTx) error {
		var err error
		found, err = read(ctx, tx)
		return err
	})
	return found, err
}
