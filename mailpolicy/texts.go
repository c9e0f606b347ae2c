// SPDX-License-Identifier: Apache-2.0

package mailpolicy

import (
	"context"
	"strings"
	"time"
)

// text is a message whose last line is a secret.
type text struct{ to, body, secret string }

// textTimeout bounds one delivery, so that a gateway that hangs does not hold
// the queue.
const textTimeout = 30 * time.Second

// queueActivation hands an activation password to the sender.
func (a *Accounts) queueActivation(address, to string, password []byte) {
	a.queueText(to, "Your password to activate "+address+" is below. It works once. Type it exactly as it appears.", string(password), address)
}

// queueText hands a text that ends with a secret to the sender. It lives in
// memory only: where the queue is full or the process dies, the holder asks for
// another.
func (a *Accounts) queueText(to, body, secret, address string) {
	body += "\n" + secret
	a.closing.RLock()
	defer a.closing.RUnlock()
	if a.closed {
		a.config.Log.Warn("mail: text not sent: closed", "address", address)
		return
	}
	select {
	case a.texts <- text{to: to, body: body, secret: secret}:
	default:
		a.config.Log.Warn("mail: text not sent: too many are waiting", "address", address)
	}
}

func (a *Accounts) sendTexts() {
	defer close(a.done)
	for t := range a.texts {
		ctx, cancel := context.WithTimeout(context.Background(), textTimeout)
		if err := a.config.Sender.Send(ctx, "text", t.to, "", t.body); err != nil {
			// A sender may quote what it was asked to send, in a URL for one.
			a.config.Log.Warn("mail: text not sent", "err", strings.ReplaceAll(err.Error(), t.secret, "***"))
		}
		cancel()
	}
}

// Close sends the texts that are waiting and stops; texts of later calls are
// dropped. It waits no longer than ctx.
func (a *Accounts) Close(ctx context.Context) error {
	a.closing.Lock()
	if !a.closed {
		a.closed = true
		close(a.texts)
	}
	a.closing.Unlock()
	select {
	case <-a.done:
		return nil
	case <-ctx.Done():
		return ctx.Err()
	}
}
