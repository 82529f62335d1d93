package throttle_test

import (
	"testing"
	"time"

	"github.com/stretchr/testify/assert"

	"monorelay/domain/throttle"
)

var now = time.Date(2026, 11, 24, 8, 0, 0, 0, time.UTC)

func TestSchedule(t *testing.T) {
	t.Parallel()
	tests := []struct {
		failures int
		want     time.Duration
	}{
		{0, 0},
		{1, 0},
		{2, 0},
		{3, 0},
		{4, 0},
		{5, 0},
		{6, time.Second},
		{7, 2 * time.Second},
		{8, 4 * time.Second},
		{9, 8 * time.Second},
		{10, 16 * time.Second},
		{11, 32 * time.Second},
		{12, 64 * time.Second},
		{13, 128 * time.Second},
		{14, 256 * time.Second},
		{15, 512 * time.Second},
		{16, 15 * time.Minute},
		{17, 15 * time.Minute},
		{70, 15 * time.Minute},
		{1 << 40, 15 * time.Minute},
	}
	for _, tt := range tests {
		r := throttle.Record{Failures: tt.failures, Last: now}
		assert.Equal(t, tt.want, r.Wait(now), "after %d failures", tt.failures)
	}
}

func TestWait(t *testing.T) {
	t.Parallel()
	tests := []struct {
		name string
		last time.Time
		want time.Duration // after eight failures, which cost four seconds
	}{
		{"at once", now, 4 * time.Second},
		{"a second later", now.Add(-time.Second), 3 * time.Second},
		{"a moment too early", now.Add(-4*time.Second + time.Microsecond), time.Microsecond},
		{"in time", now.Add(-4 * time.Second), 0},
		{"long after", now.Add(-1000 * time.Hour), 0},
		{"the clock was set back by a second", now.Add(time.Second), 4 * time.Second},
		{"the clock was set back by a year", now.AddDate(1, 0, 0), 4 * time.Second},
		{"no time is known", time.Time{}, 0},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			assert.Equal(t, tt.want, throttle.Record{Failures: 8, Last: tt.last}.Wait(now))
		})
	}
}

func TestFailed(t *testing.T) {
	t.Parallel()
	tests := []struct {
		name   string
		before throttle.Record
		want   int
	}{
		{"the first failure", throttle.Record{}, 1},
		{"another one", throttle.Record{Failures: 7, Last: now.Add(-time.Minute)}, 8},
		{"another one within the day", throttle.Record{Failures: 7, Last: now.Add(-throttle.Forgotten)}, 8},
		{"another one when the day is over", throttle.Record{Failures: 7, Last: now.Add(-throttle.Forgotten - time.Microsecond)}, 1},
		{"another one after the clock was set back", throttle.Record{Failures: 7, Last: now.AddDate(1, 0, 0)}, 8},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			r := tt.before.Failed(now.In(time.FixedZone("", 3600)))
			assert.Equal(t, throttle.Record{Failures: tt.want, Last: now}, r)
			assert.Equal(t, time.UTC, r.Last.Location())
		})
	}
}

// Somebody who guesses whenever he may gets about a hundred guesses a day.
func TestADayOfGuessing(t *testing.T) {
	t.Parallel()
	var r throttle.Record
	at, guesses := now, 0
	for at.Before(now.Add(24 * time.Hour)) {
		at = at.Add(r.Wait(at))
		r = r.Failed(at)
		guesses++
	}
	assert.InDelta(t, 110, guesses, 5)
}
