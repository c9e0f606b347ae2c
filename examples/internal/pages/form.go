// SPDX-License-Identifier: Apache-2.0

package pages

import (
	"bytes"
	"encoding/json"
	"errors"
	"io"
	"maps"
	"mime"
	"net/http"
	"net/url"
	"slices"
	"strconv"
	"strings"
)

// formType is what a browser's form comes as.
const formType = "application/x-www-form-urlencoded"

// Read decodes a JSON body or an HTML form into a struct; a form's names are
// the JSON members, with dots and numbers for what is inside, such as
// "documents.0.kind". A field of a form is always text, for a flag "true". An
// empty body leaves the struct as it is.
func (s *Site) Read(w http.ResponseWriter, r *http.Request, into any) error {
	kind, _, _ := mime.ParseMediaType(r.Header.Get("Content-Type"))
	data, err := io.ReadAll(http.MaxBytesReader(w, r.Body, maxBody))
	if err != nil {
		return s.Refuse("request.invalid").Because(err)
	}
	defer clear(data)
	if kind == formType {
		form, err := url.ParseQuery(string(data))
		if err != nil {
			return s.Refuse("request.invalid").Because(errForm) // err quotes it
		}
		clear(data)
		object, err := nested(form)
		if err != nil {
			return s.Refuse("request.invalid").Because(err)
		}
		if data, err = json.Marshal(object); err != nil {
			return s.Refuse("request.invalid").Because(err)
		}
	} else if len(data) > 0 && kind != "application/json" {
		return s.Refuse("request.invalid")
	}
	if len(data) == 0 {
		return nil
	}
	decoder := json.NewDecoder(bytes.NewReader(data))
	decoder.DisallowUnknownFields()
	if err := decoder.Decode(into); err != nil || decoder.More() {
		return s.Refuse("request.invalid").Because(errors.New("the body has another form")) // its text may hold a secret
	}
	return nil
}

// maxDepth is how far a field's name goes inward: "documents.0.kind" is 3. The
// bound keeps a long name of dots from becoming half a million objects.
const maxDepth = 3

var errForm = errors.New("pages: the form can't be read, or the names of its fields don't fit together")

// nested makes a form's dotted names into objects and lists. A field that is
// empty is empty text, which is how somebody takes a value away; inside objects
// and lists, where it is a line that was not filled in, it is left out.
func nested(form url.Values) (map[string]any, error) {
	root := map[string]any{}
	for _, name := range slices.Sorted(maps.Keys(form)) { // "a" before "a.b"
		values := form[name]
		depth := strings.Count(name, ".")
		if depth >= maxDepth {
			return nil, errForm
		}
		if values[0] == "" && depth > 0 {
			continue
		}
		at := root
		parts := strings.Split(name, ".")
		for _, part := range parts[:len(parts)-1] {
			if at[part] == nil {
				at[part] = map[string]any{}
			}
			inner, ok := at[part].(map[string]any)
			if !ok {
				return nil, errForm
			}
			at = inner
		}
		at[parts[len(parts)-1]] = values[0]
	}
	listed(root)
	return root, nil
}

// listed turns objects whose members are 0, 1, 2 … into lists.
func listed(object map[string]any) {
	for name, value := range object {
		inner, ok := value.(map[string]any)
		if !ok {
			continue
		}
		listed(inner)
		list := make([]any, 0, len(inner))
		for i := range len(inner) {
			if v, ok := inner[strconv.Itoa(i)]; ok {
				list = append(list, v)
			}
		}
		if len(list) == len(inner) && len(list) > 0 {
			object[name] = list
		}
	}
}

// Flag is yes or no: JSON's true and false, or a form's "true" and "".
type Flag bool

// UnmarshalJSON takes those four.
func (f *Flag) UnmarshalJSON(data []byte) error {
	switch string(data) {
	case `true`, `"true"`:
		*f = true
	case `false`, `""`:
		*f = false
	default:
		return errForm
	}
	return nil
}

// Secret is a password on its way in. It can be cleared and shows nothing.
type Secret []byte

// UnmarshalJSON takes a JSON string.
func (s *Secret) UnmarshalJSON(data []byte) error {
	var text string
	if err := json.Unmarshal(data, &text); err != nil {
		return err
	}
	*s = []byte(text)
	return nil
}

// String shows nothing.
func (Secret) String() string { return "…" }
