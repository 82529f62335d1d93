package relay

import (
	"context"
	"encoding/json"
	"fmt"
	"io"
	"sync"
	"time"

	"monorelay/domain/exchange"
	"monorelay/domain/provider"
	"monorelay/domain/routing"
	"monorelay/ports"
)

// How long a provider's own list of models is believed, how soon a failed question is asked again, and how long and how
// large the answer may be.
const (
	listFresh   = 10 * time.Minute
	listRetry   = 30 * time.Second
	listTimeout = 5 * time.Second
	listLimit   = 8 << 20 // bytes
)

// Model is one model as clients see it.
type Model struct {
	ID      string
	Created int64 // Unix seconds
	OwnedBy string
}

// Models lists the models that clients can ask for.
type Models struct {
	table    ports.RoutingTable
	upstream ports.Upstream
	now      ports.Clock
	since    int64 // stands for the creation of what has no such time

	mu    sync.Mutex
	lists map[*provider.Provider]*list
}

// list is what one provider says of its models.
type list struct {
	mu      sync.Mutex // held while the provider is asked
	models  []Model
	askedAt time.Time
	failed  bool
}

// NewModels returns the use case over its ports.
func NewModels(table ports.RoutingTable, upstream ports.Upstream, now ports.Clock) *Models {
	return &Models{table: table, upstream: upstream, now: now, since: now().Unix(), lists: map[*provider.Provider]*list{}}
}

// Execute returns every alias, every model that a provider's include list names, and where that leaves it open, what the
// provider itself lists: each once, in this order. A provider that does not answer has the list it gave
// before, or none.
func (u *Models) Execute(ctx context.Context) []Model {
	table := u.table()
	var out []Model
	seen := map[string]bool{}
	add := func(m Model) {
		if !seen[m.ID] {
			seen[m.ID] = true
			out = append(out, m)
		}
	}
	for _, name := range table.AliasNames() {
		add(Model{ID: name, Created: u.since, OwnedBy: "monorelay"})
	}
	own := u.ask(ctx, table)
	for i, p := range table.Providers() {
		for _, name := range p.Models.Named() {
			if p.Models.Takes(name) {
				add(Model{ID: name, Created: u.since, OwnedBy: p.Name})
			}
		}
		for _, m := range own[i] {
			if p.Models.Takes(m.ID) {
				add(m)
			}
		}
	}
	return out
}

// ask returns what each provider lists whose configuration leaves it open, all asked at once.
func (u *Models) ask(ctx context.Context, table *routing.Table) [][]Model {
	providers := table.Providers()
	own := make([][]Model, len(providers))
	u.forgetOthers(providers)
	var wg sync.WaitGroup
	for i, p := range providers {
		if p.Models.Open() && p.Dialect != provider.Anthropic {
			wg.Go(func() { own[i] = u.own(ctx, p) })
		}
	}
	wg.Wait()
	return own
}

// forgetOthers drops the lists of providers that are configured no more.
func (u *Models) forgetOthers(providers []*provider.Provider) {
	u.mu.Lock()
	defer u.mu.Unlock()
	kept := make(map[*provider.Provider]*list, len(providers))
	for _, p := range providers {
		if kept[p] = u.lists[p]; kept[p] == nil {
			kept[p] = new(list)
		}
	}
	u.lists = kept
}

func (u *Models) own(ctx context.Context, p *provider.Provider) []Model {
	u.mu.Lock()
	l := u.lists[p]
	u.mu.Unlock()
	if l == nil {
		l = new(list) // another goroutine works with another table
	}
	l.mu.Lock()
	defer l.mu.Unlock()
	validity := listFresh
	if l.failed {
		validity = listRetry
	}
	if age := u.now().Sub(l.askedAt); 0 <= age && age < validity {
		return l.models
	}
	models, err := u.fetch(ctx, p)
	l.askedAt, l.failed = u.now(), err != nil
	if err == nil {
		l.models = models
	}
	return l.models
}

func (u *Models) fetch(ctx context.Context, p *provider.Provider) (_ []Model, err error) {
	defer func() {
		if r := recover(); r != nil {
			err = fmt.Errorf("panic while the models of %s were listed: %v", p.Name, r)
		}
	}()
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), listTimeout) // the answer serves others too
	defer cancel()
	reply, err := u.upstream.Call(ctx, ports.Call{Provider: p, Endpoint: exchange.Models})
	if err != nil {
		return nil, err
	}
	defer func() { _ = reply.Body.Close() }()
	if reply.Status != 200 {
		return nil, fmt.Errorf("list models of %s: status %d", p.Name, reply.Status)
	}
	var answer struct {
		Data []struct {
			ID      string  `json:"id"`
			Created float64 `json:"created"`
			OwnedBy string  `json:"owned_by"`
		} `json:"data"`
	}
	if err := json.NewDecoder(io.LimitReader(reply.Body, listLimit)).Decode(&answer); err != nil {
		return nil, fmt.Errorf("list models of %s: %w", p.Name, err)
	}
	models := make([]Model, 0, len(answer.Data))
	for _, m := range answer.Data {
		if m.ID == "" {
			continue
		}
		model := Model{ID: m.ID, Created: int64(m.Created), OwnedBy: m.OwnedBy}
		if model.OwnedBy == "" {
			model.OwnedBy = p.Name
		}
		if model.Created <= 0 {
			model.Created = u.since
		}
		models = append(models, model)
	}
	return models, nil
}
