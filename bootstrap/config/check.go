package config

import (
	"net"
	"net/netip"
	"net/url"
	"regexp"
	"slices"
	"strconv"
	"strings"
)

// Provider types.
const (
	TypeOpenAI    = "openai"
	TypeAnthropic = "anthropic"
	TypeEcho      = "echo"
)

// typeAPI is the old program's word for "speaks the vendor's HTTP API"; which vendor's, it told from
// the address.
const typeAPI = "api"

// normalise fills in what follows from other values.
func (d *decoder) normalise(c *Config) {
	for i := range c.Providers {
		p := &c.Providers[i]
		if p.Type != "" && p.Type != typeAPI {
			continue
		}
		p.Type = TypeOpenAI
		if u, err := url.Parse(p.BaseURL); err == nil && strings.EqualFold(u.Hostname(), "api.anthropic.com") {
			p.Type = TypeAnthropic
		}
	}
	for model, price := range c.Prices {
		if _, set := d.where[place{path: "prices"}.named(model, false).key("cached_input").path]; !set {
			price.CachedInput = price.Input
			c.Prices[model] = price
		}
	}
}

// check looks for mistakes that the type of a value doesn't show.
func (d *decoder) check(c *Config) {
	d.checkServer(c.Server)
	d.checkURLs(c)
	names, met := make([]string, len(c.Providers)), map[string]bool{}
	for i, p := range c.Providers {
		names[i] = p.Name
		d.checkProvider(p)
		if met[strings.ToLower(p.Name)] {
			d.wrong(place{path: "providers"}.named(p.Name, true).path, "stands twice; the case of a provider's name makes no difference")
		}
		met[strings.ToLower(p.Name)] = true
	}
	d.checkMapping(c, names)
	d.checkAliases(c.Routing.Aliases)
	d.checkComplexity(c.Routing.Complexity)
}

// wrong notes a mistake in the value at a path, unless it has one already, or is not set because
// what it would be part of has one.
func (d *decoder) wrong(path, problem string) {
	for p := path; p != ""; p = parent(p) {
		if d.faulty[p] {
			return
		}
		if _, set := d.where[p]; set {
			break
		}
	}
	d.report(d.origin(path), path, problem)
}

// origin is where the value at a path was set; if it was not, where the closest thing around it was.
func (d *decoder) origin(path string) source {
	for {
		if at, set := d.where[path]; set {
			return at
		}
		path = parent(path)
	}
}

// parent cuts the last step off a path.
func parent(path string) string {
	if strings.HasSuffix(path, "]") {
		return path[:max(0, strings.LastIndex(path, "["))]
	}
	return path[:max(0, strings.LastIndex(path, "."))]
}

const (
	shortestJWTSecret = 32 // bytes, HS256's own size: RFC 7518, 3.2
	weakAccessKey     = 16
	longestCredential = 8 << 10
)

// examples are what the secrets of manuals and sample files have in them.
var examples = regexp.MustCompile(`(?i)change[-_ ]?(me|this|in)|\byour[-_ ]|\bexample|replace[-_ ]?(me|this|with)|` +
	`placeholder|super[-_ ]?secret`)

func (d *decoder) checkServer(s Server) {
	if !isHost(s.Host) {
		d.wrong("server.host", "must be an IP address or a host name, without port; 0.0.0.0 listens on every address")
	}
	switch {
	case s.AccessKey == "":
	case len(s.AccessKey) > longestCredential:
		d.wrong("server.access_key", "must not be longer than 8 KiB")
	case !sendable(s.AccessKey.Reveal()):
		d.wrong("server.access_key", "has a control character or a space at an end, which no client could send")
	case s.AccessKeyEnabled && (len(s.AccessKey) < weakAccessKey || examples.MatchString(s.AccessKey.Reveal())):
		d.warn(d.origin("server.access_key"), "server.access_key",
			"is short or comes from an example, and so is easily guessed; make one with: openssl rand -hex 32")
	}
	switch {
	case s.JWTSecret == "":
	case len(s.JWTSecret) < shortestJWTSecret:
		d.wrong("server.jwt_secret", "must have at least 32 bytes; leave it empty to have one made")
	case examples.MatchString(s.JWTSecret.Reveal()):
		d.wrong("server.jwt_secret", "comes from an example, so anyone can forge tokens; leave it empty to have one made")
	}
	if s.DataDir == "" || strings.ContainsAny(s.DataDir, "?#%\x00") {
		d.wrong("server.data_dir", "must be a directory, without any of ? # % in its name")
	}
	if s.PublicHost != "" && !isPublicHost(s.PublicHost) {
		d.wrong("server.public_host", "must be a host name or a URL such as https://relay.example.com")
	}
	for i, origin := range s.CORSOrigins {
		if origin != "*" && !isOrigin(origin) {
			d.wrong(d.item("server.cors_origins", i), `must be "*" or an origin such as https://app.example.com, without a path`)
		}
	}
}

// item is the path of an element of a list that may come from the environment, where it has none.
func (d *decoder) item(path string, i int) string {
	if d.where[path].env {
		return path
	}
	return path + "[" + strconv.Itoa(i) + "]"
}

func (d *decoder) checkURLs(c *Config) {
	if problem := databaseProblem(c.Database.URL.Reveal()); problem != "" {
		d.wrong("database.url", problem)
	}
	if text := c.Redis.URL.Reveal(); text != "" {
		u, err := url.Parse(text)
		if err != nil || (u.Scheme != "redis" && u.Scheme != "rediss") || !isHost(u.Hostname()) || !isPort(u.Port()) {
			d.wrong("redis.url", "must be a URL such as redis://:password@host:6379/0; "+percent)
		}
	}
	if listen := c.Metrics.Listen; listen != "" {
		host, port, err := net.SplitHostPort(listen)
		if err != nil || (host != "" && !isHost(host)) || port == "" || !isPort(port) {
			d.wrong("metrics.listen", "must be host:port, such as 127.0.0.1:9787, or empty for no metrics")
		}
	}
}

// percent is why a URL with a password in it usually fails.
const percent = "special characters in the password must be percent-encoded"

func databaseProblem(text string) string {
	scheme, rest, found := strings.Cut(text, "://")
	switch {
	case text == "":
		return ""
	case !found:
		return "must be a URL such as sqlite://data/monorelay.db or mysql://user:password@host:3306/monorelay"
	case scheme == "sqlite":
		if rest == "" || strings.ContainsAny(rest, "?#\x00") {
			return "must name a file and nothing else: sqlite://data/monorelay.db"
		}
		return ""
	case scheme != "mysql" && scheme != "mariadb":
		return "must begin with sqlite://, mysql:// or mariadb://"
	}
	u, err := url.Parse(text)
	switch {
	case err != nil || strings.Contains(text, "#"):
		return "is not a well-formed URL; " + percent
	case !isHost(u.Hostname()) || !isPort(u.Port()):
		return "must name a host: mysql://user:password@host:3306/monorelay"
	case len(u.Path) < len("/x") || strings.ContainsAny(u.Path[1:], "/@"):
		return "must name a database: mysql://user:password@host:3306/monorelay"
	case !isTLSOnly(u.RawQuery):
		return "may have one parameter: tls, which is true, false, skip-verify or preferred"
	}
	return ""
}

// isTLSOnly reports whether a query asks for nothing, or for a kind of TLS and no more.
func isTLSOnly(query string) bool {
	params, err := url.ParseQuery(query)
	tls, set := params["tls"]
	switch {
	case err != nil:
		return false
	case !set:
		return len(params) == 0
	}
	return len(params) == 1 && len(tls) == 1 && slices.Contains([]string{"true", "false", "skip-verify", "preferred"}, tls[0])
}

var providerName = regexp.MustCompile(`^[A-Za-z0-9._-]{1,64}$`)

func (d *decoder) checkProvider(p Provider) {
	at := place{path: "providers"}.named(p.Name, true)
	if !providerName.MatchString(p.Name) {
		d.wrong(at.path, "a provider's name has 1 to 64 of letters, digits and . _ -")
	}
	d.checkHeaders(p.Headers, at.key("headers"))
	if !p.Enabled {
		return
	}
	if p.Type == TypeEcho {
		return
	}
	for i, key := range p.Keys {
		path := at.key("keys").index(i).key("key").path
		switch {
		case !key.Enabled:
		case key.Key == "":
			d.wrong(path, "must be set; or set enabled: false")
		case !sendable(key.Key.Reveal()):
			d.wrong(path, "has a control character or a space at an end, which no request can carry")
		}
	}
	address := at.key("base_url").path
	keyless := p.Type == TypeOpenAI && len(p.Keys) == 0 && (isLocal(p.BaseURL) || d.faulty[address])
	if !keyless && !slices.ContainsFunc(p.Keys, func(k Key) bool { return k.Enabled }) {
		d.wrong(at.key("keys").path, "needs an enabled key; or set enabled: false")
	}
	if problem := addressProblem(p.BaseURL); problem != "" {
		d.wrong(address, problem)
	}
}

// addressProblem tells what is wrong with a provider's address.
func addressProblem(text string) string {
	const want = "must be an http or https URL such as https://api.openai.com/v1"
	u, err := url.Parse(text)
	switch {
	case text == "":
		return "must be set: " + strings.TrimPrefix(want, "must be ")
	case err != nil || (u.Scheme != "http" && u.Scheme != "https") || !isHost(u.Hostname()) || !isPort(u.Port()) ||
		strings.ContainsAny(text, " \t"):
		return want
	case u.User != nil:
		return "must not have a user or a password in it; keys belong under keys"
	case strings.ContainsAny(text, "?#"):
		return "must not have a query or a fragment"
	}
	return ""
}

// isLocal reports whether a provider's address, with a mistake or without, names this machine or a
// private network.
func isLocal(text string) bool {
	if !strings.Contains(text, "://") {
		text = "http://" + text
	}
	u, err := url.Parse(text)
	if err != nil {
		return false
	}
	host := strings.ToLower(strings.TrimSuffix(u.Hostname(), "."))
	if host == "localhost" || strings.HasSuffix(host, ".localhost") {
		return true
	}
	ip, err := netip.ParseAddr(host)
	return err == nil && (ip.IsPrivate() || ip.IsLoopback() || ip.IsLinkLocalUnicast())
}

// reserved are the headers that the relay sets itself, or that belong to one connection (RFC 9110, 7.6.1).
var reserved = []string{
	"authorization", "connection", "content-length", "host", "keep-alive", "proxy-authenticate",
	"proxy-authorization", "proxy-connection", "te", "trailer", "transfer-encoding", "upgrade",
}

// token is what RFC 9110, 5.6.2 lets a header's name be.
var token = regexp.MustCompile("^[!#$%&'*+.^_`|~0-9A-Za-z-]+$")

func (d *decoder) checkHeaders(headers []Header, at place) {
	met := map[string]bool{}
	for _, h := range headers {
		path, name := at.named(h.Name, false).path, strings.ToLower(h.Name)
		switch {
		case !token.MatchString(h.Name):
			d.wrong(path, "is not a header's name")
		case slices.Contains(reserved, name):
			d.wrong(path, "is a header that the relay sets itself; it can't be forced")
		case met[name]:
			d.wrong(path, "stands twice; the case of a header's name makes no difference")
		case !sendable(h.Value):
			d.wrong(path, "has a control character or a space at an end, which no header can carry")
		}
		met[name] = true
	}
}

// checkMapping sees to it that every mapping names a provider. Mappings to a provider that was left
// out go with it.
func (d *decoder) checkMapping(c *Config, names []string) {
	at := place{path: "model_routing.provider_mapping"}
	c.Routing.ProviderMapping = slices.DeleteFunc(c.Routing.ProviderMapping, func(m Mapping) bool {
		path := at.named(m.Pattern, false).path
		if d.dropped[m.Provider] {
			d.warn(d.origin(path), path, "names a provider that is left out; the mapping is left out too")
			return true
		}
		if !slices.Contains(names, m.Provider) {
			d.wrong(path, "there is no provider of that name"+hint(m.Provider, names))
		}
		return false
	})
}

// checkAliases refuses aliases that differ in case only, and those that lead back to themselves, each
// circle once.
func (d *decoder) checkAliases(aliases []Alias) {
	at := place{path: "model_routing.aliases"}
	byName := map[string]Alias{}
	for _, a := range aliases {
		name := strings.ToLower(a.Name)
		if _, met := byName[name]; met {
			d.wrong(at.named(a.Name, false).path, "stands twice; the case of an alias makes no difference")
			continue
		}
		byName[name] = a
		if len(a.Targets) == 0 || slices.Contains(a.Targets, "") {
			d.wrong(at.named(a.Name, false).path, "must name a model, or several")
		}
	}
	const open, done = 1, 2
	state := map[string]int{}
	var trail []string
	var visit func(name string)
	visit = func(name string) {
		state[name] = open
		trail = append(trail, name)
		for _, target := range byName[name].Targets {
			target = strings.ToLower(target)
			if _, alias := byName[target]; !alias || state[target] == done {
				continue
			}
			if state[target] == open {
				d.circle(byName, trail[slices.Index(trail, target):], at)
				continue
			}
			visit(target)
		}
		trail = trail[:len(trail)-1]
		state[name] = done
	}
	for _, a := range aliases {
		if name := strings.ToLower(a.Name); state[name] == 0 {
			visit(name)
		}
	}
}

func (d *decoder) circle(byName map[string]Alias, trail []string, at place) {
	var steps []string
	for _, name := range append(slices.Clone(trail), trail[0]) {
		steps = append(steps, strconv.Quote(byName[name].Name))
	}
	d.wrong(at.named(byName[trail[0]].Name, false).path, "leads back to itself: "+strings.Join(steps, " -> "))
}

func (d *decoder) checkComplexity(c Complexity) {
	if !c.Enabled {
		return
	}
	for key, model := range map[string]string{"simple": c.Simple, "moderate": c.Moderate, "complex": c.Complex} {
		if model == "" {
			d.wrong("model_routing.complexity."+key, "must name a model while complexity routing is enabled")
		}
	}
}

var hostName = regexp.MustCompile(`^[A-Za-z0-9_]([A-Za-z0-9_.-]{0,251}[A-Za-z0-9_.])?$`)

func isHost(text string) bool {
	if _, err := netip.ParseAddr(text); err == nil {
		return true
	}
	return hostName.MatchString(text)
}

// isPort accepts no port too: the scheme has one then.
func isPort(text string) bool {
	n, err := strconv.Atoi(text)
	return text == "" || err == nil && n >= 0 && n <= 65535
}

func isOrigin(text string) bool {
	u, err := url.Parse(text)
	return err == nil && (u.Scheme == "http" || u.Scheme == "https") && isHost(u.Hostname()) && isPort(u.Port()) &&
		strings.EqualFold(text, u.Scheme+"://"+u.Host)
}

func isPublicHost(text string) bool {
	if isHost(text) {
		return true
	}
	if !strings.Contains(text, "://") {
		text = "http://" + text
	}
	u, err := url.Parse(text)
	return err == nil && (u.Scheme == "http" || u.Scheme == "https") && isHost(u.Hostname()) && isPort(u.Port()) &&
		u.User == nil && !strings.ContainsAny(text, "?#")
}

// sendable reports whether a text can be the value of a header as it is.
func sendable(text string) bool {
	return text == strings.Trim(text, " \t") && !strings.ContainsFunc(text, func(r rune) bool {
		return r < ' ' && r != '\t' || r == 0x7f
	})
}
