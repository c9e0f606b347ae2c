// SPDX-License-Identifier: Apache-2.0

package pki

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"math/big"
	"os"
	"path/filepath"
	"regexp"
	"sync"
)

// MemoryNumbers is a CRLNumbers for the life of a process. The zero value is
// empty.
type MemoryNumbers struct {
	mu      sync.Mutex
	highest map[string]*big.Int
}

// Raise implements CRLNumbers.
func (m *MemoryNumbers) Raise(_ context.Context, series string, number *big.Int) (*big.Int, error) {
	m.mu.Lock()
	defer m.mu.Unlock()
	if before := m.highest[series]; before != nil && before.Cmp(number) >= 0 {
		return new(big.Int).Set(before), nil
	}
	if m.highest == nil {
		m.highest = map[string]*big.Int{}
	}
	m.highest[series] = new(big.Int).Set(number)
	return new(big.Int).Set(number), nil
}

// FileNumbers is a CRLNumbers in a folder, one small file a series. One process
// uses a folder at a time.
type FileNumbers struct {
	dir    string
	mu     sync.Mutex
	memory MemoryNumbers // what is known to be on disk
}

// NewFileNumbers uses a folder that exists.
func NewFileNumbers(dir string) (*FileNumbers, error) {
	info, err := os.Stat(dir)
	if err != nil {
		return nil, fmt.Errorf("pki: list numbers: %w", err)
	}
	if !info.IsDir() {
		return nil, fmt.Errorf("pki: list numbers: %s is not a folder", dir)
	}
	return &FileNumbers{dir: dir}, nil
}

var seriesForm = regexp.MustCompile(`^[0-9a-f]{64}$`)

// Raise implements CRLNumbers. A file that can't be read is an error, and so a
// refusal: it isn't taken for a series that is new.
func (f *FileNumbers) Raise(ctx context.Context, series string, number *big.Int) (*big.Int, error) {
	if !seriesForm.MatchString(series) {
		return nil, errors.New("pki: list numbers: not a series")
	}
	f.mu.Lock()
	defer f.mu.Unlock()
	path := filepath.Join(f.dir, series+".number")
	before, err := f.stored(ctx, path, series)
	if err != nil || before.Cmp(number) >= 0 {
		return before, err
	}
	if err := replaceFile(path, []byte(number.String()+"\n"), 0o600); err != nil {
		return nil, fmt.Errorf("pki: list numbers: %w", err)
	}
	return f.memory.Raise(ctx, series, number)
}

// stored returns the highest number so far, -1 when there is none.
func (f *FileNumbers) stored(ctx context.Context, path, series string) (*big.Int, error) {
	none := big.NewInt(-1)
	known, err := f.memory.Raise(ctx, series, none)
	if err != nil || known.Cmp(none) > 0 {
		return known, err
	}
	text, err := os.ReadFile(path)
	if errors.Is(err, fs.ErrNotExist) {
		return none, nil
	}
	if err != nil {
		return nil, fmt.Errorf("pki: list numbers: %w", err)
	}
	number, ok := new(big.Int).SetString(string(text[:max(0, len(text)-1)]), 10)
	if !ok || number.Sign() < 0 || text[len(text)-1] != '\n' {
		return nil, fmt.Errorf("pki: list numbers: %s is damaged", path)
	}
	return f.memory.Raise(ctx, series, number)
}
