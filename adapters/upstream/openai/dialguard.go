package openai

import (
	"context"
	"fmt"
	"net"
	"net/netip"
	"strings"
	"syscall"
)

// metadata are the addresses under which clouds give out credentials. No provider of models is there.
var metadata = prefixes("169.254.0.0/16", "fe80::/10", "fd00:ec2::254/128", "fd20:ce::254/128", "100.100.100.200/32", "192.0.0.192/32", "168.63.129.16/32")

// special are the networks that are not part of the public Internet: IANA's registries of special-purpose addresses for
// IPv4 and IPv6.
var special = prefixes(
	"0.0.0.0/8", "10.0.0.0/8", "100.64.0.0/10", "127.0.0.0/8", "169.254.0.0/16", "172.16.0.0/12", "192.0.0.0/24",
	"192.0.2.0/24", "192.88.99.0/24", "192.168.0.0/16", "198.18.0.0/15", "198.51.100.0/24", "203.0.113.0/24", "224.0.0.0/4",
	"240.0.0.0/4",
	"::/3", "2001::/23", "2001:db8::/32", "2002::/16", "3fff::/20", "4000::/2", "8000::/1", // all but 2000::/3 is no global unicast
)

// nat64 stands for the IPv4 address at its end (RFC 6052): it is how a host without IPv4 reaches it.
var nat64 = netip.MustParsePrefix("64:ff9b::/96")

func prefixes(texts ...string) []netip.Prefix {
	out := make([]netip.Prefix, len(texts))
	for i, text := range texts {
		out[i] = netip.MustParsePrefix(text)
	}
	return out
}

func in(list []netip.Prefix, a netip.Addr) bool {
	a = a.Unmap().WithZone("")
	if nat64.Contains(a) {
		bytes := a.As16()
		a = netip.AddrFrom4([4]byte(bytes[12:]))
	}
	for _, p := range list {
		if p.Contains(a) {
			return true
		}
	}
	return false
}

// refuseMetadata and refusePrivate look at an address after its name was resolved and before it is connected to, so that
// no name can change its meaning in between.

func refuseMetadata(_ context.Context, _, address string, _ syscall.RawConn) error {
	return refuse(metadata, address)
}

func refusePrivate(_ context.Context, _, address string, _ syscall.RawConn) error {
	if err := refuse(metadata, address); err != nil {
		return err
	}
	return refuse(special, address)
}

func refuse(list []netip.Prefix, address string) error {
	ap, err := netip.ParseAddrPort(address)
	if err != nil {
		return fmt.Errorf("refused to connect to %s: not an address", address)
	}
	if in(list, ap.Addr()) {
		return fmt.Errorf("refused to connect to %s: not a public address (allow_private of the provider allows private ones)", ap.Addr())
	}
	return nil
}

// namesPrivate reports whether the host of a base URL is itself localhost or a private address: whoever writes that means
// it.
func namesPrivate(hostport string) bool {
	host := hostport
	if h, _, err := net.SplitHostPort(hostport); err == nil {
		host = h
	}
	host = strings.ToLower(strings.TrimSuffix(strings.Trim(host, "[]"), "."))
	if host == "localhost" || strings.HasSuffix(host, ".localhost") {
		return true
	}
	a, err := netip.ParseAddr(host)
	return err == nil && in(special, a)
}
