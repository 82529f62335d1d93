package exchange_test

import (
	"strconv"
	"testing"

	"github.com/stretchr/testify/assert"

	"monorelay/domain/exchange"
)

func TestJudge(t *testing.T) {
	t.Parallel()
	tests := []struct {
		want     exchange.Verdict
		statuses []int
	}{
		{exchange.Final, []int{200, 201, 202, 204, 206, 400, 404, 405, 406, 409, 410, 413, 415, 418, 422, 424, 451}},
		{exchange.RejectedKey, []int{401, 402, 403}},
		{exchange.TryNext, []int{408, 429, 500, 501, 502, 503, 504, 520, 524, 529, 599}},
		{exchange.Redirected, []int{300, 301, 302, 303, 304, 307, 308, 399}},
	}
	for _, tt := range tests {
		for _, status := range tt.statuses {
			t.Run(strconv.Itoa(status), func(t *testing.T) {
				t.Parallel()
				assert.Equal(t, tt.want, exchange.Judge(status))
			})
		}
	}
}
