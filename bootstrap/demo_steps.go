package bootstrap

import (
	"encoding/base64"
	"regexp"
	"strconv"
	"strings"
	"time"
)

const (
	demoPassword = "securepassword123"
	demoShortTTL = time.Second // how long tokens live at the strict relay
	demoSpoken   = "Each of these words arrives as soon as it is there."
)

func is(of, want string) demoCheck   { return demoCheck{of: of, want: want} }
func like(of, want string) demoCheck { return demoCheck{of: of, want: want, pattern: true} }

// signedIn is what an answer with a token must have.
func signedIn(username, seconds string, administers bool) []demoCheck {
	return []demoCheck{
		is("status", "200"),
		like("access_token", `^[\w-]+\.[\w-]+\.[\w-]+$`),
		is("token_type", "bearer"),
		is("expires_in", seconds),
		like("user.id", `^[1-9]\d*$`),
		is("user.username", username),
		is("user.email", username+"@example.com"),
		is("user.is_admin", strconv.FormatBool(administers)),
		is("user.is_super_admin", strconv.FormatBool(administers)),
	}
}

// said is what the answer to a chat must have.
func said(text string) []demoCheck {
	return []demoCheck{
		is("status", "200"),
		is("header X-MonoRelay-Provider", "echo"),
		is("object", "chat.completion"),
		is("model", "gpt-4o"),
		is("choices.0.message.role", "assistant"),
		is("choices.0.message.content", text),
		is("choices.0.finish_reason", "stop"),
		like("usage.total_tokens", `^[1-9]\d*$`),
	}
}

// refused is what a 401 must have. A credential that was presented is spoken of in the challenge (RFC 6750, section 3).
func refused(code, advice string) []demoCheck {
	challenge := like("header WWW-Authenticate", `^Bearer realm="monorelay", error="invalid_token", error_description=".+"$`)
	if code == "missing_credentials" {
		challenge = is("header WWW-Authenticate", `Bearer realm="monorelay"`)
	}
	return []demoCheck{
		is("status", "401"), challenge, is("error.code", code), is("error.type", "authentication_error"),
		like("error.message", regexp.QuoteMeta(advice)),
	}
}

func chat(text string) string {
	return `{"model": "gpt-4o", "messages": [{"role": "user", "content": "` + text + `"}]}`
}

// impersonate returns the token with another account's id in it, under the signature that it had.
func impersonate(token string) string {
	parts := strings.Split(token, ".")
	if len(parts) != 3 {
		return token
	}
	claims, err := base64.RawURLEncoding.DecodeString(parts[1])
	if err != nil {
		return token
	}
	parts[1] = base64.RawURLEncoding.EncodeToString(regexp.MustCompile(`"sub":"\d+"`).ReplaceAll(claims, []byte(`"sub":"1"`)))
	return strings.Join(parts, ".")
}

// demoSteps returns the whole demo.
func demoSteps() []demoStep {
	var steps []demoStep
	for _, part := range [][]demoStep{accountSteps(), relaySteps(), refusalSteps(), strictSteps()} {
		steps = append(steps, part...)
	}
	return steps
}

func accountSteps() []demoStep {
	return []demoStep{
		{
			part:  "An account",
			title: "Register the first account", method: "POST", path: "/api/auth/register",
			body:   `{"username": "alice", "email": "alice@example.com", "password": "` + demoPassword + `"}`,
			checks: signedIn("alice", "86400", true),
			proves: "The first account ever registered is the super admin, and is signed in for 24 hours.",
		},
		{
			title: "Log in", method: "POST", path: "/api/auth/login",
			body:   `{"username": "alice", "password": "` + demoPassword + `"}`,
			checks: signedIn("alice", "86400", true),
			learn:  []demoLesson{{name: "alice", path: "access_token"}},
			proves: "A login gives a new token of the same kind, which the next steps use.",
		},
		{
			title: "Ask who the token belongs to", method: "GET", path: "/api/auth/me", header: "Authorization: Bearer {alice}",
			checks: []demoCheck{is("status", "200"), is("username", "alice"), is("is_super_admin", "true"), is("is_active", "true")},
			proves: "The token stands for alice.",
		},
	}
}

func relaySteps() []demoStep {
	shown := []string{"model", "choices", "usage"}
	return []demoStep{
		{
			part:  "The relay",
			title: "A chat, with alice's token", method: "POST", path: "/v1/chat/completions", header: "Authorization: Bearer {alice}",
			body: chat("Hello from alice"), checks: said("Hello from alice"),
			proves: "OpenAI's API, with a token of this server's in the place of OpenAI's key.",
		},
		{
			title: "A chat, with the access key", method: "POST", path: "/v1/chat/completions", header: "Authorization: Bearer {access key}",
			body: chat("Hello from a program"), checks: said("Hello from a program"), show: shown,
			proves: "A program needs no account: the access key, made at the first start, will do.",
		},
		{
			title: "The same, in the other header", method: "POST", path: "/v1/chat/completions", header: "X-Access-Key: {access key}",
			body: chat("Hello again"), checks: said("Hello again"), show: shown,
			proves: "X-Access-Key is for programs that use the header Authorization for something else.",
		},
		{
			title: "A stream", method: "POST", path: "/v1/chat/completions", header: "Authorization: Bearer {alice}",
			body: strings.TrimSuffix(chat(demoSpoken), "}") + `, "stream": true}`,
			checks: []demoCheck{
				is("status", "200"), like("header Content-Type", `^text/event-stream\b`), is("stream text", demoSpoken),
				is("stream words", strconv.Itoa(len(strings.Fields(demoSpoken)))),
				is("stream arrival", "one by one"), is("stream end", "[DONE]"),
			},
			proves: "Each word is passed on when it comes, and [DONE] says that nothing is missing.",
		},
		{
			title: "The models", method: "GET", path: "/v1/models", header: "Authorization: Bearer {access key}",
			checks: []demoCheck{
				is("status", "200"), is("object", "list"), is("data.0.id", "echo"), is("data.0.object", "model"),
				is("data.0.owned_by", "monorelay"),
			},
			proves: "The list is what the providers offer, and here that is the echo.",
		},
	}
}

func refusalSteps() []demoStep {
	shown := []string{"error"}
	return []demoStep{
		{
			part: "Six ways to be refused", note: "Each is a 401 that says which it is, and how to mend it.",
			title: "Without a credential", method: "GET", path: "/v1/models", show: shown,
			checks: refused("missing_credentials", "Authorization: Bearer <token>"),
			proves: "1 of 6: nothing was presented.",
		},
		{
			title: "With a wrong access key", method: "GET", path: "/v1/models", header: "X-Access-Key: not-the-access-key", show: shown,
			checks: refused("invalid_access_key", "server.access_key"),
			proves: "2 of 6: the key is not the one that this relay knows.",
		},
		{
			title: "A second account, for the next two", method: "POST", path: "/api/auth/register",
			body:   `{"username": "bob", "email": "bob@example.com", "password": "` + demoPassword + `"}`,
			checks: signedIn("bob", "86400", false),
			learn: []demoLesson{
				{name: "bob", path: "access_token"}, {name: "bob as alice", path: "access_token", as: impersonate}, {name: "bob's id", path: "user.id"},
			},
			proves: "Only the first account is an administrator: bob is an ordinary user.",
		},
		{
			title: "With a forged token: bob's, edited to say that it is alice's", method: "GET", path: "/api/auth/me",
			header: "Authorization: Bearer {bob as alice}", show: shown,
			checks: refused("invalid_token", "Log in again"),
			proves: "3 of 6: the signature does not fit what the token says.",
		},
		{
			title: "alice deactivates bob", method: "PATCH", path: "/api/users/{bob's id}", header: "Authorization: Bearer {alice}",
			body:   `{"is_active": false}`,
			checks: []demoCheck{is("status", "200"), is("username", "bob"), is("is_active", "false")},
			proves: "Administrators look after accounts under /api/users.",
		},
		{
			title: "With bob's token", method: "GET", path: "/v1/models", header: "Authorization: Bearer {bob}", show: shown,
			checks: refused("account_inactive", "administrator"),
			proves: "4 of 6: the account is inactive, and its token stopped counting at once.",
		},
	}
}

func strictSteps() []demoStep {
	shown := []string{"error"}
	return []demoStep{
		{
			part: "Another configuration",
			note: "A second relay, at {strict}, has the same database and secrets, and is configured with " +
				"access_key_enabled: false and access_token_ttl: 1s.",
			title: "A login there", method: "POST", path: "{strict}/api/auth/login",
			body:   `{"username": "alice", "password": "` + demoPassword + `"}`,
			checks: signedIn("alice", "1", true),
			learn:  []demoLesson{{name: "short", path: "access_token"}},
			proves: "The same account, and a token for one second.",
		},
		{
			title: "With the access key, which is right but switched off", method: "GET", path: "{strict}/v1/models",
			header: "Authorization: Bearer {access key}", show: shown,
			checks: refused("access_key_disabled", "access_key_enabled: true"),
			proves: "5 of 6: this relay takes no access key, and does not say whether it was the right one.",
		},
		{
			title: "With the token for one second, a second later", method: "GET", path: "{strict}/v1/models", pause: demoShortTTL + 100*time.Millisecond,
			header: "Authorization: Bearer {short}", show: shown,
			checks: refused("token_expired", "/api/auth/login"),
			proves: "6 of 6: the token has expired.",
		},
	}
}
