package echo

import (
	"cmp"
	"encoding/json"
	"strings"
)

// question is what the provider reads of a chat request.
type question struct {
	Model    string `json:"model"`
	Stream   bool   `json:"stream"`
	Messages []struct {
		Role    string          `json:"role"`
		Content json.RawMessage `json:"content"`
	} `json:"messages"`
	StreamOptions struct {
		IncludeUsage bool `json:"include_usage"`
	} `json:"stream_options"`
}

// lastWords returns the text of the last message of the user, or of the last message if none is the user's.
func (q question) lastWords() string {
	var users, last string
	for _, m := range q.Messages {
		text := textOf(m.Content)
		if text == "" {
			continue
		}
		last = text
		if m.Role == "user" {
			users = text
		}
	}
	return cmp.Or(users, last)
}

// textOf reads a content that is a text, or a list of parts of which some are.
func textOf(content json.RawMessage) string {
	var text string
	if json.Unmarshal(content, &text) == nil {
		return text
	}
	var parts []struct {
		Text string `json:"text"`
	}
	if json.Unmarshal(content, &parts) != nil {
		return ""
	}
	var all []string
	for _, p := range parts {
		if p.Text != "" {
			all = append(all, p.Text)
		}
	}
	return strings.Join(all, " ")
}

// usage counts words for tokens.
func (q question) usage(answer string) *usage {
	prompt := 0
	for _, m := range q.Messages {
		prompt += len(strings.Fields(textOf(m.Content)))
	}
	completion := len(strings.Fields(answer))
	return &usage{PromptTokens: prompt, CompletionTokens: completion, TotalTokens: prompt + completion}
}

func (q question) completion(id string, created int64, text string) completion {
	stop := "stop"
	return completion{
		ID: id, Object: "chat.completion", Created: created, Model: q.Model,
		Choices: []choice{{Message: &message{Role: "assistant", Content: text}, FinishReason: &stop}},
		Usage:   q.usage(text),
	}
}

// events returns the whole stream: a word an event.
func (q question) events(id string, created int64, text string) []string {
	stop := "stop"
	chunk := completion{ID: id, Object: "chat.completion.chunk", Created: created, Model: q.Model}
	var out []string
	add := func(choices []choice, u *usage) {
		chunk.Choices, chunk.Usage = choices, u
		data, err := json.Marshal(chunk)
		if err != nil {
			panic("echo: encode a chunk: " + err.Error()) // its types have nothing that can't be encoded
		}
		out = append(out, "data: "+string(data)+"\n\n")
	}
	role := "assistant"
	for word := range strings.SplitAfterSeq(text, " ") {
		add([]choice{{Delta: &message{Role: role, Content: word}}}, nil)
		role = ""
	}
	add([]choice{{Delta: &message{}, FinishReason: &stop}}, nil)
	if q.StreamOptions.IncludeUsage {
		add([]choice{}, q.usage(text))
	}
	return append(out, "data: [DONE]\n\n")
}

// What follows is the wire form of OpenAI's answers.

type completion struct {
	ID      string   `json:"id"`
	Object  string   `json:"object"`
	Created int64    `json:"created"`
	Model   string   `json:"model"`
	Choices []choice `json:"choices"`
	Usage   *usage   `json:"usage,omitempty"`
}

type choice struct {
	Index        int      `json:"index"`
	Message      *message `json:"message,omitempty"`
	Delta        *message `json:"delta,omitempty"`
	FinishReason *string  `json:"finish_reason"`
}

type message struct {
	Role    string `json:"role,omitempty"`
	Content string `json:"content,omitempty"`
}

type usage struct {
	PromptTokens     int `json:"prompt_tokens"`
	CompletionTokens int `json:"completion_tokens"`
	TotalTokens      int `json:"total_tokens"`
}

type modelList struct {
	Object string  `json:"object"`
	Data   []model `json:"data"`
}

type model struct {
	ID      string `json:"id"`
	Object  string `json:"object"`
	Created int64  `json:"created"`
	OwnedBy string `json:"owned_by"`
}

type errorAnswer struct {
	Error struct {
		Message string  `json:"message"`
		Type    string  `json:"type"`
		Param   *string `json:"param"`
		Code    string  `json:"code"`
	} `json:"error"`
}

func failure(code, text string) errorAnswer {
	var a errorAnswer
	a.Error.Message, a.Error.Type, a.Error.Code = text, "invalid_request_error", code
	return a
}
