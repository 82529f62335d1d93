package envelope_test

import (
	"bytes"
	"encoding/json"
	"strings"
	"testing"
	"unicode/utf8"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"monorelay/domain/envelope"
	"monorelay/domain/fault"
)

func TestReadFindsModelAndStream(t *testing.T) {
	t.Parallel()
	tests := []struct {
		name, body, model string
		stream            bool
	}{
		{"the least body", `{"model":"m"}`, "m", false},
		{"white space everywhere", " \n{ \"model\" :\t\"m\" , \"stream\" : true }\r\n", "m", true},
		{"the model last, after nested fields", `{"messages":[{"role":"user","content":[{},[],"model"]}],"stream":false,"model":"gpt-4o"}`, "gpt-4o", false},
		{"a key in escapes is the key", `{"\u006dodel":"m","str\u0065am":true}`, "m", true},
		{"a value in escapes", `{"model":"a\u002Fb\/c\ud83d\ude00"}`, "a/b/c😀", false},
		{"a null stream is none", `{"model":"m","stream":null}`, "m", false},
		{"nested fields of the same name do not count", `{"model":"m","x":{"model":"n","Model":1,"stream":true}}`, "m", false},
		{"other fields twice", `{"model":"m","x":1,"x":2}`, "m", false},
		{"odd numbers", `{"model":"m","a":-0.0e+00,"b":1E400,"c":123456789012345678901234567890}`, "m", false},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			e, err := envelope.Read([]byte(tt.body))
			require.NoError(t, err)
			assert.Equal(t, tt.model, e.Model)
			assert.Equal(t, tt.stream, e.Stream)
		})
	}
}

func TestReadRefuses(t *testing.T) {
	t.Parallel()
	tests := []struct {
		name, body string
		want       *fault.Error
		param      string
	}{
		{"nothing", "", envelope.ErrBadJSON, ""},
		{"an array", `[]`, envelope.ErrBadJSON, ""},
		{"a byte order mark", "\ufeff{\"model\":\"m\"}", envelope.ErrBadJSON, ""},
		{"a second document", `{"model":"m"}{}`, envelope.ErrBadJSON, ""},
		{"a trailing comma", `{"model":"m",}`, envelope.ErrBadJSON, ""},
		{"a cut body", `{"model":"m"`, envelope.ErrBadJSON, ""},
		{"bad UTF-8", "{\"model\":\"m\",\"x\":\"\xff\"}", envelope.ErrBadJSON, ""},
		{"a NUL in a string", "{\"model\":\"m\x00\"}", envelope.ErrBadJSON, ""},
		{"a leading zero", `{"model":"m","n":01}`, envelope.ErrBadJSON, ""},
		{"an unknown escape", `{"model":"\x41"}`, envelope.ErrBadJSON, ""},
		{"a short escape", `{"model":"\u12"}`, envelope.ErrBadJSON, ""},
		{"a signed escape", `{"model":"\u+123"}`, envelope.ErrBadJSON, ""},
		{"depth without end", `{"model":"m","x":` + strings.Repeat("[", 1_000_000), envelope.ErrBadJSON, ""},
		{"ten thousand levels", `{"model":"m","x":` + strings.Repeat("[", 10_000) + strings.Repeat("]", 10_000) + `}`, envelope.ErrBadJSON, ""},
		{"no model", `{"messages":[]}`, envelope.ErrMissing, "model"},
		{"an empty model", `{"model":""}`, envelope.ErrWrongType, "model"},
		{"a null model", `{"model":null}`, envelope.ErrWrongType, "model"},
		{"a list of models", `{"model":["m"]}`, envelope.ErrWrongType, "model"},
		{"a model without end", `{"model":"` + strings.Repeat("m", 257) + `"}`, envelope.ErrWrongType, "model"},
		{"half a surrogate pair", `{"model":"\ud800"}`, envelope.ErrWrongType, "model"},
		{"two high surrogates", `{"model":"\ud800\ud800"}`, envelope.ErrWrongType, "model"},
		{"a stream in words", `{"model":"m","stream":"true"}`, envelope.ErrWrongType, "stream"},
		{"two models", `{"model":"a","model":"b"}`, envelope.ErrAmbiguous, "model"},
		{"two models, one in escapes", `{"model":"a","mode\u006c":"b"}`, envelope.ErrAmbiguous, "model"},
		{"Model beside model", `{"model":"a","Model":"b"}`, envelope.ErrAmbiguous, "model"},
		{"MODEL alone", `{"MODEL":"a"}`, envelope.ErrAmbiguous, "model"},
		{"a long s in stream", `{"model":"m","ſtream":true}`, envelope.ErrAmbiguous, "stream"},
		{"the same in escapes", `{"model":"m","\u017ftream":true}`, envelope.ErrAmbiguous, "stream"},
		{"a Kelvin sign in max_tokens", `{"model":"m","max_to` + "\u212a" + `ens":1}`, envelope.ErrAmbiguous, "max_tokens"},
		{"N for n", `{"model":"m","N":2}`, envelope.ErrAmbiguous, "n"},
		{"two n", `{"model":"m","n":1,"n":2}`, envelope.ErrAmbiguous, "n"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			_, err := envelope.Read([]byte(tt.body))
			require.ErrorIs(t, err, tt.want)
			assert.Equal(t, tt.param, fault.Of(err).Param)
			assert.Equal(t, fault.Invalid, fault.KindOf(err))
		})
	}
}

func TestWithModelChangesNothingElse(t *testing.T) {
	t.Parallel()
	body := []byte("{ \"x\":1.50e+1,\t\"model\" : \"fa\\u0073t\" ,\"model_\":\"\\u00e9é\"}\n")
	e, err := envelope.Read(body)
	require.NoError(t, err)
	require.Equal(t, "fast", e.Model)

	out := e.WithModel(body, `open"ai/gpt`)
	const want = "{ \"x\":1.50e+1,\t\"model\" : \"open\\\"ai/gpt\" ,\"model_\":\"\\u00e9é\"}\n"
	assert.Equal(t, want, string(out)) //nolint:testifylint // each byte counts, and not only what it means
	assert.Same(t, &body[0], &e.WithModel(body, "fast")[0], "the same model costs no copy")
}

// FuzzRead holds the scanner to encoding/json: what it takes is JSON and says the same there, and what it refuses as
// grammar is not JSON.
func FuzzRead(f *testing.F) {
	f.Add([]byte(`{"model":"m","stream":true,"messages":[{"role":"user","content":"hi \u00e9 \"q\" \\ \/"}]}`))
	f.Add([]byte(`{"model":"m","a":[1,-2.5e3,true,false,null,{},[]],"n":1}`))
	f.Add([]byte(`{"Model":"m"}`))
	f.Add([]byte("{\"model\":\"" + strings.Repeat("x", 40) + "\"}"))
	f.Fuzz(func(t *testing.T, body []byte) {
		e, err := envelope.Read(body)
		isObject := json.Valid(body) && bytes.HasPrefix(bytes.TrimLeft(body, " \t\r\n"), []byte("{"))
		if err != nil {
			if f := fault.Of(err); f.Is(envelope.ErrBadJSON) && !strings.Contains(f.Detail, "levels deep") {
				require.False(t, isObject && utf8.Valid(body), "refused as no JSON: %s", err)
			}
			return
		}
		require.True(t, isObject, "taken, but no JSON object")
		var want struct {
			Model  string
			Stream bool
		}
		require.NoError(t, json.Unmarshal(body, &want))
		require.Equal(t, want.Model, e.Model)
		require.Equal(t, want.Stream, e.Stream)

		changed := e.WithModel(body, "other/model")
		again, err := envelope.Read(changed)
		require.NoError(t, err)
		require.Equal(t, "other/model", again.Model)
		require.Equal(t, e.Stream, again.Stream)
		var before, after map[string]json.RawMessage
		require.NoError(t, json.Unmarshal(body, &before))
		require.NoError(t, json.Unmarshal(changed, &after))
		delete(before, "model")
		delete(after, "model")
		require.Equal(t, before, after)
	})
}

func BenchmarkRead(b *testing.B) {
	prompt := strings.Repeat("Tell me about relays, and about \\\"streams\\\". ", 90)
	body := []byte(`{"model":"gpt-4o","stream":true,"messages":[{"role":"user","content":"` + prompt + `"}]}`)
	b.SetBytes(int64(len(body)))
	b.ReportAllocs()
	for b.Loop() {
		if _, err := envelope.Read(body); err != nil {
			b.Fatal(err)
		}
	}
}
