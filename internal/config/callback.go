package config

import "time"

func (c *checker) callback(f *Config) {
	k := &f.Callback
	between(c, "callback.timeout", k.Timeout, 100*time.Millisecond, time.Hour)
	chosen := c.origin["callback.timeout"] != "" && c.origin["callback.timeout"] != "default"
	c.failIf(chosen && k.Timeout >= f.Retry.Answer, "callback.timeout", "%v is not less than retry.answer, %v, so that a "+
		"call would be given up while it is under way", k.Timeout, f.Retry.Answer)
	between(c, "callback.inFlight", k.InFlight, 1, 100_000)
	between(c, "callback.perTarget", k.PerTarget, 1, 10_000)
	between(c, "callback.queued", k.Queued, 1, 1_000_000)
	between(c, "callback.failures", k.Failures, 1, 10_000)
	between(c, "callback.retryPercent", k.RetryPercent, 1, 100_000)
	between(c, "callback.retryRate", k.RetryRate, 1, 1_000_000)
	for i, secret := range k.Secrets {
		c.failIf(len(secret) < 16, "callback.secrets", "secret %d has %d bytes; it needs 16", i+1, len(secret))
	}
}
