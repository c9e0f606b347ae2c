// SPDX-License-Identifier: Apache-2.0

package careidtest_test

import (
	"bytes"
	"context"
	"crypto"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/x509"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"syscall"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/wardkey-sdk/wardkey/careid"
	"github.com/wardkey-sdk/wardkey/careid/careidtest"
	"github.com/wardkey-sdk/wardkey/careid/sqlstore"
	"github.com/wardkey-sdk/wardkey/internal/crashtest"
	"github.com/wardkey-sdk/wardkey/pki"
	"github.com/wardkey-sdk/wardkey/pki/pkitest"
	pkistore "github.com/wardkey-sdk/wardkey/pki/sqlstore"
	"github.com/wardkey-sdk/wardkey/pki/stepca"
)

// site is a hospital in a folder: what the killed process and the test that looks after it share. The server's tables,
// careid's and the authority's, are in one database; the card and the agent's memory are files.
type site struct {
	*careidtest.Hospital
	dir    string
	ledger *pkistore.Ledger
	person careidtest.Person
	card   *plastic
	agent  *memory
	close  func() error
	saves  int
}

// plastic is what the card holds.
type plastic struct {
	SOPIN      []byte
	Locked     bool
	Keys       [][]byte // PKCS #8: authentication, signing
	Certs      [][]byte
	NewKeys    [][]byte // of a renewal that is not confirmed
	NewCerts   [][]byte
	Profile    careid.Profile
	WrongSOPIN int // tries of the security officer's PIN, until one is right
}

// memory is what the agent, its page and the person before it know. It goes when the workstation dies.
type memory struct {
	Now     time.Time // the calendar
	Session string
	Step    int // how many steps were answered

	Request, Code   string // an unlock
	Key             []byte
	Asked, Answered int // tries of the code: sent, and answered
	Token           string
	Candidates      []careid.SealedSOPIN
	Next            []byte

	Act, Handle string // a renewal
	Done        bool
}

const siteSerial = "8000000000000077"

var siteOpens = time.Date(2026, 1, 5, 9, 0, 0, 0, time.UTC)

// noAuthority is what is never asked.
type noAuthority struct{ careid.CA }

// openSite opens the hospital of a folder, with its authority or without.
func openSite(dir string, withCA bool) (*site, error) {
	s := &site{Hospital: new(careidtest.Hospital), dir: dir, card: new(plastic), agent: new(memory)}
	if err := errors.Join(s.load("card", s.card), s.load("agent", s.agent)); err != nil {
		return nil, err
	}
	if s.agent.Now.IsZero() {
		s.agent.Now = siteOpens
	}
	s.Clock, s.Wall, s.Inbox, s.Mail = new(careidtest.Clock), new(careidtest.Clock), new(careidtest.Inbox), new(careidtest.Mail)
	s.Clock.Set(s.agent.Now)
	s.Wall.Set(siteOpens)
	for _, address := range []string{firstMail, secondMail} {
		s.Mail.Set(address, careidtest.Mailbox{Active: true, PolicyAccepted: true})
	}
	ctx := context.Background()
	var err error
	if s.DB, err = crashtest.OpenDB(dir); err != nil {
		return nil, err
	}
	if s.Store, err = sqlstore.Open(ctx, sqlstore.Config{DB: s.DB, Now: s.Clock.Now, Wall: s.Wall.Now}); err != nil {
		return nil, err
	}
	s.close = func() error { return errors.Join(s.Store.Close(), s.DB.Close()) }
	var ca careid.CA = noAuthority{}
	if withCA {
		if ca, err = s.authority(ctx); err != nil {
			return nil, err
		}
		s.close = func() error { return errors.Join(s.ledger.Close(), s.Store.Close(), s.DB.Close()) }
	}
	s.Config = careid.Config{
		Store: s.Store, CA: ca, Mail: s.Mail, Sender: s.Inbox, CardMaster: siteMaster(),
		Servers: []string{careidtest.Server}, Origins: []string{careidtest.Origin}, Now: s.Clock.Now, Wall: s.Wall.Now,
	}
	if s.Service, err = careid.New(s.Config); err != nil {
		return nil, err
	}
	s.person = careidtest.Person{Profile: s.card.Profile, Card: &careidtest.Card{Serial: siteSerial, Passcode: []byte(careidtest.Passcode)}}
	s.person.Card.Keys, s.person.Card.Certificates, err = pairOf(s.card.Keys, s.card.Certs)
	return s, err
}

func siteMaster() *careid.SoftwareMaster {
	master, err := careid.NewSoftwareMaster([]byte("the master secret of this site, "))
	if err != nil {
		panic(err) // it is long enough
	}
	return master
}

// authority is the CA whose ledger is in the same database. Its key stands in clear beside it: deriving one from a
// passphrase in each killed process would be most of the test's time.
func (s *site) authority(ctx context.Context) (*pki.CA, error) {
	var held struct{ Keys, Chain [][]byte }
	if err := s.load("authority", &held); err != nil {
		return nil, err
	}
	key, chain, err := pairOf(held.Keys, held.Chain)
	if err != nil {
		return nil, err
	}
	signer, err := stepca.New(chain, key[0])
	if err != nil {
		return nil, err
	}
	if s.ledger, err = pkistore.Open(ctx, pkistore.Config{DB: s.DB}); err != nil {
		return nil, err
	}
	profile, err := pki.NewProfile(pki.ProfileConfig{Base: "http://pki.example.org", UPNSuffix: "care.example.org", Shards: 1, Years: 3})
	if err != nil {
		return nil, err
	}
	return pki.New(pki.Config{Signer: signer, Chain: chain, Ledger: s.ledger, Profile: profile, Now: s.Clock.Now})
}

// makeSite builds the hospital: its first RA manager with a card. A renewal's is a day before the card's end, an
// unlock's has a locked card, and all but that one's have somebody signed in.
func makeSite(t *testing.T, dir, flow string) {
	t.Helper()
	ctx := context.Background()
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	require.NoError(t, err)
	a, err := stepca.Open(ctx, stepca.Config{IssuingKey: stepca.Held{Signer: key}, Now: func() time.Time { return siteOpens.AddDate(-1, 0, 0) }})
	require.NoError(t, err)
	s := &site{dir: dir}
	require.NoError(t, s.save("authority", map[string][][]byte{"Keys": {keyDER(t, key)}, "Chain": {a.Chain()[0].Raw, a.Chain()[1].Raw}}))
	require.NoError(t, errors.Join(s.save("card", plastic{}), s.save("agent", memory{})))
	s, err = openSite(dir, true)
	require.NoError(t, err)
	defer func() { require.NoError(t, s.close()) }()
	founded, err := s.Service.Bootstrap(ctx, careid.Founder{
		Given: "Ruth", Family: "Okafor", Organisation: careidtest.Organisation, Email: "ruth.okafor@nhs.net", Mobile: "07700900001", Card: siteSerial,
	})
	require.NoError(t, err)
	require.NoError(t, s.Personalise(ctx, s.person.Card, founded.Act.Handle))
	c := s.person.Card
	*s.card = plastic{SOPIN: c.SOPIN, Profile: founded.Profile, Locked: flow == "unlock"}
	for i := range c.Keys {
		s.card.Keys = append(s.card.Keys, keyDER(t, c.Keys[i]))
		s.card.Certs = append(s.card.Certs, c.Certificates[i].Raw)
	}
	if flow == "renewal" {
		s.Clock.Set(c.Certificates[0].NotAfter.Add(-24 * time.Hour))
	}
	s.agent.Now = s.Clock.Now()
	if flow != "unlock" {
		in, err := s.SignIn(ctx, c)
		require.NoError(t, err)
		s.agent.Session = in.Token
	}
	require.NoError(t, errors.Join(s.save("card", s.card), s.save("agent", s.agent)))
}

func keyDER(t *testing.T, key crypto.Signer) []byte {
	t.Helper()
	der, err := x509.MarshalPKCS8PrivateKey(key)
	require.NoError(t, err)
	return der
}

// pairOf reads keys and certificates.
func pairOf(ders, certs [][]byte) (keys []crypto.Signer, out []*x509.Certificate, err error) {
	for _, der := range ders {
		key, err := x509.ParsePKCS8PrivateKey(der)
		if err != nil {
			return nil, nil, err
		}
		keys = append(keys, key.(crypto.Signer))
	}
	out, err = x509.ParseCertificates(bytes.Join(certs, nil))
	return keys, out, err
}

// requests signs what the CA is asked with, anew each time.
func requests(keys [][]byte) ([][]byte, error) {
	signers, _, err := pairOf(keys, nil)
	if err != nil {
		return nil, err
	}
	var out [][]byte
	for _, key := range signers {
		csr, err := pkitest.Request(key)
		if err != nil {
			return nil, err
		}
		out = append(out, csr.Raw)
	}
	return out, nil
}

func (s *site) load(name string, into any) error {
	data, err := os.ReadFile(filepath.Join(s.dir, name))
	if err != nil {
		return err
	}
	return json.Unmarshal(data, into)
}

// save replaces a file as a whole: a card and an agent's memory don't tear.
func (s *site) save(name string, what any) error {
	if s.saves++; fmt.Sprint(s.saves) == os.Getenv(childSave) {
		return syscall.Kill(os.Getpid(), syscall.SIGKILL)
	}
	data, err := json.Marshal(what)
	if err != nil {
		return err
	}
	path := filepath.Join(s.dir, name)
	if err := os.WriteFile(path+".new", data, 0o600); err != nil {
		return err
	}
	return os.Rename(path+".new", path)
}

func (s *site) saveAgent() error { return s.save("agent", s.agent) }
func (s *site) saveCard() error  { return s.save("card", s.card) }
