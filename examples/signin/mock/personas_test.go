// SPDX-License-Identifier: Apache-2.0

package mock_test

import (
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/wardkey-sdk/wardkey/examples/signin/mock"
)

func TestPersonasOfAFile(t *testing.T) {
	for name, c := range map[string]struct{ file, says string }{
		"a user id of eleven digits":    {`[{"sub":"12345678901","given_name":"A","family_name":"B"}]`, "12 digits"},
		"a user id with a letter":       {`[{"sub":"12345678901x","given_name":"A","family_name":"B"}]`, "12 digits"},
		"a user id with other digits":   {`[{"sub":"١٢٣٤٥٦٧٨٩٠١٢","given_name":"A","family_name":"B"}]`, "12 digits"},
		"a user id as a number":         {`[{"sub":123456789012,"given_name":"A","family_name":"B"}]`, "sub"},
		"no user id":                    {`[{"given_name":"A","family_name":"B"}]`, "12 digits"},
		"another uid":                   {`[{"sub":"123456789012","uid":"1","given_name":"A","family_name":"B"}]`, "repeat sub"},
		"another nhsid_useruid":         {`[{"sub":"123456789012","nhsid_useruid":"1","given_name":"A","family_name":"B"}]`, "repeat sub"},
		"the same twice":                {`[{"sub":"123456789012","given_name":"A","family_name":"B"},{"sub":"123456789012","given_name":"C","family_name":"D"}]`, "number 2"},
		"no name":                       {`[{"sub":"123456789012","given_name":"A"}]`, "family_name"},
		"a level of four":               {`[{"sub":"123456789012","given_name":"A","family_name":"B","idassurancelevel":4}]`, "0 to 3"},
		"a level in words":              {`[{"sub":"123456789012","given_name":"A","family_name":"B","idassurancelevel":"high"}]`, "0 to 3"},
		"a member that userinfo lacks":  {`[{"sub":"123456789012","given_name":"A","family_name":"B","password":"x"}]`, "password"},
		"roles that are no list":        {`[{"sub":"123456789012","given_name":"A","family_name":"B","nhsid_nrbac_roles":{}}]`, "nhsid_nrbac_roles"},
		"a role without its id":         {`[{"sub":"123456789012","given_name":"A","family_name":"B","nhsid_nrbac_roles":[{"org_code":"RBA","role_code":"R8001"}]}]`, "person_roleid"},
		"lists that don't fit together": {`[{"sub":"123456789012","given_name":"A","family_name":"B","nhsid_nrbac_roles":[{"person_orgid":"000000000001","person_roleid":"000000000002","org_code":"RBA","role_code":"R8001","activities":["One"]}]}]`, "parallel"},
		"nobody":                        {`[]`, "empty"},
		"an object":                     {`{}`, "personas"},
		"something behind it":           {`[{"sub":"123456789012","given_name":"A","family_name":"B"}] []`, "follows"},
	} {
		t.Run(name, func(t *testing.T) {
			_, err := mock.ParsePersonas([]byte(c.file))
			require.ErrorContains(t, err, c.says)
		})
	}
	people, err := mock.ParsePersonas([]byte(`[{"sub":"012345678901","uid":"012345678901","given_name":"Asha","family_name":"Patel","idassurancelevel":"2"}]`))
	require.NoError(t, err)
	require.Equal(t, "PATEL Asha", people[0].Name)
	require.Equal(t, 2, people[0].IdentityLevel)
}

func TestBuiltInPersonas(t *testing.T) {
	people, err := mock.Personas()
	require.NoError(t, err)
	require.Len(t, people, 6)
	require.Equal(t, 3, people[0].IdentityLevel)
}
