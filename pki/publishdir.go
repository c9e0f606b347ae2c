// SPDX-License-Identifier: Apache-2.0

package pki

import (
	"bytes"
	"context"
	"crypto/x509"
	"errors"
	"fmt"
	"io/fs"
	"math/big"
	"os"
	"path/filepath"
	"runtime"
)

// Publish writes what PublishHandler serves into a folder, for a web server that
// stands before it: crl/0.crl and so on, aia/issuing.cer and aia/root.cer. Each
// file is replaced whole, by a rename after it and before its folder is synced,
// and only when it changed; a list doesn't give way to one with a lower number,
// but for a moment when several servers write into one folder at once. Call it
// after Due. Lists that can't be signed now stay as they are; the error
// joins all failures.
func (ca *CA) Publish(ctx context.Context, dir string) error {
	for _, below := range []string{"crl", "aia"} {
		if err := os.MkdirAll(filepath.Join(dir, below), 0o755); err != nil { // #nosec G301 -- a web server reads it
			return fmt.Errorf("pki: publish: %w", err)
		}
	}
	errs := []error{
		publishFile(filepath.Join(dir, "aia", "issuing.cer"), ca.issuer.Raw, nil),
		publishFile(filepath.Join(dir, "aia", "root.cer"), ca.chain[len(ca.chain)-1].Raw, nil),
	}
	for shard := range ca.profile.shards {
		errs = append(errs, ca.publishList(ctx, filepath.Join(dir, "crl", fmt.Sprintf("%d.crl", shard)), shard))
	}
	return errors.Join(errs...)
}

// publishList writes the newest list of a shard. Another server may write a later
// one between the look at what stands there and the rename, so it looks again.
func (ca *CA) publishList(ctx context.Context, path string, shard int) error {
	for {
		list, _, err := ca.publishedList(ctx, shard)
		if err != nil {
			return err
		}
		if err := publishFile(path, list.DER, ca.mayReplace(list)); err != nil {
			return err
		}
		state, err := ca.ledger.Shard(ctx, ca.keyID, shard)
		if err != nil || state.Number <= list.Number {
			return err
		}
	}
}

// mayReplace keeps a list from replacing a later one, which another server may
// have written.
func (ca *CA) mayReplace(list CRL) func(before []byte) bool {
	return func(before []byte) bool {
		old, err := x509.ParseRevocationList(before)
		return err != nil || old.Number == nil || old.Number.Cmp(big.NewInt(list.Number)) <= 0 ||
			old.CheckSignatureFrom(ca.issuer) != nil
	}
}

// publishFile puts data under a name, durably, unless it stands there already or
// may not replace what does.
func publishFile(path string, data []byte, may func(before []byte) bool) error {
	before, err := os.ReadFile(path) // #nosec G304 -- the caller's folder
	switch {
	case err == nil && (bytes.Equal(before, data) || may != nil && !may(before)):
		return nil
	case err != nil && !errors.Is(err, fs.ErrNotExist):
		return fmt.Errorf("pki: publish: %w", err)
	}
	if err := replaceFile(path, data, 0o644); err != nil {
		return fmt.Errorf("pki: publish: %w", err)
	}
	return nil
}

// replaceFile puts new contents in place of a file, durably, all or nothing.
func replaceFile(path string, data []byte, mode fs.FileMode) error {
	dir := filepath.Dir(path)
	f, err := os.CreateTemp(dir, ".new-*")
	if err != nil {
		return err
	}
	_, err = f.Write(data)
	err = errors.Join(err, f.Chmod(mode), f.Sync(), f.Close())
	if err == nil {
		err = os.Rename(f.Name(), path)
	}
	if err != nil {
		return errors.Join(err, os.Remove(f.Name()))
	}
	if runtime.GOOS == "windows" { // no folder can be flushed there
		return nil
	}
	folder, err := os.Open(dir) // #nosec G304 -- the caller's folder
	if err != nil {
		return err
	}
	return errors.Join(folder.Sync(), folder.Close())
}
