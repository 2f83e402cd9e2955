package main

import (
	"context"
	"fmt"
	"time"

	"github.com/concord-tx/concord/internal/config"
	"github.com/concord-tx/concord/orchestrator"
	"github.com/concord-tx/concord/web"
)

// liveSettings is what counts on this node now: its own configuration with the cluster's settings on top.
type liveSettings struct {
	config  *config.Config
	version int64
	all     map[string]orchestrator.Setting
}

// settingsEvery is how often changed settings are looked for.
const settingsEvery = time.Second

// watchSettings follows the cluster's settings until ctx ends.
func (m *cluster) watchSettings(ctx context.Context) error {
	ticker := time.NewTicker(settingsEvery)
	defer ticker.Stop()
	for {
		if err := m.readSettings(ctx); err != nil && ctx.Err() == nil {
			m.logger.Debug("settings of the cluster were not read", "err", err)
		}
		select {
		case <-ctx.Done():
			return nil
		case <-ticker.C:
		}
	}
}

// readSettings takes over what has changed. A setting that this node does not understand, because another version wrote
// it, is left out.
func (m *cluster) readSettings(ctx context.Context) error {
	all, version, err := m.store.Settings(ctx)
	if err != nil {
		return fmt.Errorf("read the settings of the cluster: %w", err)
	}
	if version == m.live.Load().version {
		return nil
	}
	next := m.overlay(all)
	next.version = version
	m.live.Store(next)
	m.coordinator.Tune(next.config.Rules(), next.config.Runtime())
	if m.decisions != nil {
		m.decisions.SetMode(modeOf(next.config))
	}
	m.logger.Info("settings of the cluster are in force", "version", version, "changed", len(next.all))
	return nil
}

// overlay puts the cluster's settings on top of the node's own.
func (m *cluster) overlay(all []orchestrator.Setting) *liveSettings {
	next := &liveSettings{config: m.config, all: make(map[string]orchestrator.Setting)}
	values := make(map[string]string, len(all))
	for _, s := range all {
		values[s.Key], next.all[s.Key] = s.Value, s
	}
	if changed, err := m.config.With(values); err == nil {
		next.config = changed
		return next
	}
	for _, s := range all { // one of them is at fault: take those that can be taken
		changed, err := next.config.With(map[string]string{s.Key: s.Value})
		if err != nil {
			m.logger.Warn("setting of the cluster is not understood and left out", "setting", s.Key, "err", err)
			delete(next.all, s.Key)
			continue
		}
		next.config = changed
	}
	return next
}

// Settings implements web.Settings.
func (m *cluster) Settings(ctx context.Context) ([]web.SettingView, error) {
	if err := m.readSettings(ctx); err != nil {
		return nil, err
	}
	now := m.live.Load()
	var views []web.SettingView
	for _, key := range config.Live() {
		views = append(views, m.viewSetting(now, key))
	}
	return views, nil
}

func (m *cluster) viewSetting(now *liveSettings, key config.Key) web.SettingView {
	v := web.SettingView{Key: key.Name, Value: key.Text(now.config), Own: key.Text(m.config), Doc: key.Doc}
	if s, changed := now.all[key.Name]; changed {
		v.Changed, v.ChangedBy = true, s.ChangedBy
		v.ChangedAt = s.ChangedAt.Time().Format(time.RFC3339)
	}
	return v
}

// PutSetting implements web.Settings.
func (m *cluster) PutSetting(ctx context.Context, key, value, actor string) (web.SettingView, error) {
	for _, k := range config.Live() {
		if k.Name != key {
			continue
		}
		if value != "" {
			if _, err := m.live.Load().config.With(map[string]string{key: value}); err != nil {
				return web.SettingView{}, &web.SettingError{Key: key, Text: err.Error()}
			}
		}
		if _, err := m.store.PutSetting(ctx, key, value, actor); err != nil {
			return web.SettingView{}, fmt.Errorf("change a setting of the cluster: %w", err)
		}
		if err := m.readSettings(ctx); err != nil {
			return web.SettingView{}, err
		}
		return m.viewSetting(m.live.Load(), k), nil
	}
	return web.SettingView{}, &web.SettingError{Key: key, Text: config.ErrNotLive.Error(), Unknown: true}
}
