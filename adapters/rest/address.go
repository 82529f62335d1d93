package rest

import (
	"net"
	"net/netip"
	"slices"
	"strings"

	"github.com/gofiber/fiber/v2"
)

// clientAddress returns where the request comes from: the peer, or what a trusted peer says of it. X-Forwarded-For is
// read from the right, where each proxy adds the one it heard from: the first that is no trusted proxy counts, and
// whatever stands left of it may be invented.
func clientAddress(c *fiber.Ctx, trusted []netip.Prefix) netip.Addr {
	address := peer(c.Context().RemoteAddr())
	if len(trusted) == 0 || !isIn(trusted, address) {
		return address
	}
	lines := c.Request().Header.PeekAll(fiber.HeaderXForwardedFor)
	for _, line := range slices.Backward(lines) {
		for _, text := range slices.Backward(strings.Split(string(line), ",")) {
			hop, err := netip.ParseAddr(strings.TrimSpace(text))
			if err != nil {
				return address
			}
			address = hop.Unmap().WithZone("")
			if !isIn(trusted, address) {
				return address
			}
		}
	}
	return address
}

func peer(a net.Addr) netip.Addr {
	if tcp, ok := a.(*net.TCPAddr); ok {
		return tcp.AddrPort().Addr().Unmap().WithZone("")
	}
	return netip.Addr{}
}

func isIn(list []netip.Prefix, a netip.Addr) bool {
	for _, p := range list {
		if p.Contains(a) {
			return true
		}
	}
	return false
}

// network returns the address, or the /64 of an IPv6 one, which one customer has to himself.
func network(a netip.Addr) string {
	if a.Is6() {
		if p, err := a.Prefix(64); err == nil {
			return p.String()
		}
	}
	return a.String()
}
