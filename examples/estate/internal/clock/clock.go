// SPDX-License-Identifier: Apache-2.0

// Package clock is the estate's calendar: the machine's clock plus an offset
// that a person moves forward, so that three years pass in an afternoon.
//
//	calendar, err := clock.Open(clock.Config{File: "dir/clock"})
//	calendar.Add(90 * 24 * time.Hour)
//	rooms.Config{Now: calendar.Now} // Wall stays the machine's own
//
// It moves forward only: certificates, CRLs and codes that were made can't be
// unmade by turning back. The offset is in a file and survives a restart.
package clock

import (
	"errors"
	"fmt"
	"os"
	"strconv"
	"strings"
	"sync"
	"time"

	"github.com/wardkey-sdk/wardkey/examples/internal/kept"
)

// Reach is how far ahead of the machine the calendar may be: the life of the
// estate's issuing certificate ends before it.
const Reach = 50 * 366 * 24 * time.Hour

var (
	// ErrBackward is a move that is not forward.
	ErrBackward = errors.New("clock: the calendar moves forward only")
	// ErrTooFar is a move past Reach.
	ErrTooFar = errors.New("clock: the calendar can't be moved that far")
)

// Config says where the offset is kept. File is needed.
type Config struct {
	File string
	Wall func() time.Time // the machine's clock; default time.Now
}

func (c Config) withDefaults() Config {
	if c.Wall == nil {
		c.Wall = time.Now
	}
	return c
}

// Clock is safe for concurrent use.
type Clock struct {
	file string
	wall func() time.Time

	mu     sync.RWMutex
	offset time.Duration
}

// Open reads the offset, or starts at the machine's time where there is none.
func Open(config Config) (*Clock, error) {
	config = config.withDefaults()
	file := config.File
	c := &Clock{file: file, wall: config.Wall}
	text, err := os.ReadFile(file)
	if errors.Is(err, os.ErrNotExist) {
		return c, nil
	}
	if err != nil {
		return nil, fmt.Errorf("clock: %w", err)
	}
	seconds, err := strconv.ParseInt(strings.TrimSpace(string(text)), 10, 64)
	if err != nil || seconds < 0 || seconds > int64(Reach/time.Second) {
		return nil, fmt.Errorf("clock: %s does not hold a number of seconds that this estate could have been moved by", file)
	}
	c.offset = time.Duration(seconds) * time.Second
	return c, nil
}

// Now is the estate's time.
func (c *Clock) Now() time.Time {
	c.mu.RLock()
	defer c.mu.RUnlock()
	return c.wall().Add(c.offset)
}

// Ahead is how far the calendar stands before the machine's clock.
func (c *Clock) Ahead() time.Duration {
	c.mu.RLock()
	defer c.mu.RUnlock()
	return c.offset
}

// Add moves the calendar forward by d, or up to a second more so that the
// offset stays in whole seconds, and returns the new time once the move is on
// disk. A d that is not above zero is ErrBackward, a calendar beyond Reach
// ErrTooFar; the clock then stays as it is.
func (c *Clock) Add(d time.Duration) (time.Time, error) {
	if d <= 0 {
		return time.Time{}, ErrBackward
	}
	if rest := d % time.Second; rest != 0 && d <= Reach {
		d += time.Second - rest
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	if d > Reach-c.offset {
		return time.Time{}, ErrTooFar
	}
	if err := c.write(c.offset + d); err != nil {
		return time.Time{}, err
	}
	c.offset += d
	return c.wall().Add(c.offset), nil
}

// write replaces the file in one step, so that a crash leaves the old offset
// or the new one.
func (c *Clock) write(offset time.Duration) error {
	if err := kept.Replace(c.file, fmt.Appendln(nil, int64(offset/time.Second))); err != nil {
		return fmt.Errorf("clock: keeping the move: %w", err)
	}
	return nil
}
