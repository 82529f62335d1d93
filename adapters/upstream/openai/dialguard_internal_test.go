package openai

import (
	"net"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

func TestGuards(t *testing.T) {
	t.Parallel()
	const (
		public   = iota // both let it pass
		private         // only that for private addresses does
		metadata        // none does
	)
	tests := map[string]int{
		"1.1.1.1": public, "8.8.8.8": public, "104.18.7.192": public, "9.255.255.255": public, "11.0.0.0": public, "100.63.255.255": public, "100.128.0.0": public,
		"126.255.255.255": public, "128.0.0.0": public, "169.253.255.255": public, "169.255.0.0": public, "172.15.255.255": public, "172.32.0.0": public,
		"192.0.1.0": public, "192.167.255.255": public, "192.169.0.0": public, "198.17.255.255": public, "198.20.0.0": public, "223.255.255.255": public,
		"2606:4700::1111": public, "2001:4860:4860::8888": public, "2400:cb00::1": public, "2001:200::1": public, "::ffff:1.1.1.1": public, "64:ff9b::1.1.1.1": public,

		"127.0.0.1": private, "127.255.255.254": private, "0.0.0.0": private, "0.1.2.3": private, "10.0.0.1": private, "10.255.255.255": private, "100.64.0.1": private,
		"100.127.255.255": private, "172.16.0.1": private, "172.31.255.255": private, "192.168.0.1": private, "192.0.0.1": private, "192.0.2.1": private, "192.88.99.1": private,
		"198.18.0.1": private, "198.19.255.255": private, "198.51.100.1": private, "203.0.113.1": private, "224.0.0.1": private, "240.0.0.1": private, "255.255.255.255": private,
		"::": private, "::1": private, "::127.0.0.1": private, "::10.0.0.1": private, "::ffff:127.0.0.1": private, "::ffff:10.0.0.1": private, "::ffff:0.0.0.0": private,
		"::ffff:0:127.0.0.1": private, "64:ff9b::7f00:1": private, "64:ff9b::10.0.0.1": private, "64:ff9b:1::1": private, "100::1": private, "2001::1": private, "2001:db8::1": private,
		"2002:7f00:1::": private, "3fff::1": private, "5f00::1": private, "fc00::1": private, "fd00::1": private, "fdff:ffff::1": private, "fec0::1": private, "ff02::1": private,

		"169.254.169.254": metadata, "169.254.170.2": metadata, "169.254.0.1": metadata, "::ffff:169.254.169.254": metadata, "64:ff9b::a9fe:a9fe": metadata,
		"fe80::1": metadata, "fe80::1%lo": metadata, "fe80::a9fe:a9fe": metadata, "fd00:ec2::254": metadata, "fd20:ce::254": metadata, "100.100.100.200": metadata,
		"192.0.0.192": metadata, "168.63.129.16": metadata,
	}
	for address, class := range tests {
		endpoint := net.JoinHostPort(address, "443")
		assert.Equal(t, class >= private, refusePrivate(t.Context(), "tcp", endpoint, nil) != nil, "%s, of the guard for public addresses", address)
		assert.Equal(t, class == metadata, refuseMetadata(t.Context(), "tcp", endpoint, nil) != nil, "%s, of the guard for private addresses", address)
	}
	for _, nonsense := range []string{"", "localhost:80", "127.0.0.1", "::1:80:", "x", "/tmp/socket"} {
		require.Error(t, refusePrivate(t.Context(), "tcp", nonsense, nil), nonsense)
		require.Error(t, refuseMetadata(t.Context(), "tcp", nonsense, nil), nonsense)
	}
}

func TestNamesPrivate(t *testing.T) {
	t.Parallel()
	for host, want := range map[string]bool{
		"localhost": true, "localhost:11434": true, "LocalHost:80": true, "localhost.": true, "localhost.:80": true, "models.localhost": true, "a.b.localhost:1": true,
		"127.0.0.1": true, "127.0.0.1:8080": true, "10.1.2.3": true, "192.168.1.1:80": true, "172.20.0.2": true, "100.64.0.1": true, "[::1]": true, "[::1]:80": true,
		"[fd00::1]:80": true, "[::ffff:127.0.0.1]:80": true, "[::FFFF:10.0.0.1]": true, "0.0.0.0:80": true, "169.254.169.254": true, "[64:ff9b::7f00:1]": true,

		"": false, "api.openai.com": false, "api.openai.com:443": false, "1.1.1.1": false, "[2606:4700::1111]:443": false, "localhost.example.com": false,
		"notlocalhost": false, "127.0.0.1.nip.io": false, "127.1": false, "2130706433": false, "0x7f000001": false, "0177.0.0.1": false, "ollama": false, "host.docker.internal": false,
	} {
		assert.Equal(t, want, namesPrivate(host), host)
	}
}
