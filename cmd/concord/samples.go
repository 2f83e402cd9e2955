package main

import (
	"github.com/concord-tx/concord/mq"
	"github.com/concord-tx/concord/orchestrator/txn"
	"github.com/concord-tx/concord/tc"
	"github.com/concord-tx/concord/web"
)

// samples are the numbers of the parts that package web does not know.
func (n *node) samples() []web.Sample {
	all := append(append(n.seataSamples(), n.callbackSamples()...), n.taskSamples()...)
	return append(all, n.engine.samples()...)
}

func counter(name, help string, value int64) web.Sample {
	return web.Sample{Name: name, Help: help, Counter: true, Value: float64(value)}
}

func gauge(name, help string, value int64) web.Sample {
	return web.Sample{Name: name, Help: help, Value: float64(value)}
}

func labelled(label, value string, s web.Sample) web.Sample {
	s.Label, s.LabelValue = label, value
	return s
}

// messageSamples are the numbers of the messages of branches.
func messageSamples(t *mq.TopicTransport) []web.Sample {
	published, failed, pending := t.Numbers()
	return []web.Sample{
		counter("tx_messages_published_total", "Messages of branches that were published.", published),
		counter("tx_messages_failed_total", "Attempts to publish a message that failed.", failed),
		gauge("tx_messages_open", "Messages of branches that are being published.", pending),
	}
}

// seataSamples are the numbers of the Seata server.
func (n *node) seataSamples() []web.Sample {
	st := n.seata.Stats()
	samples := []web.Sample{
		gauge("tx_sessions", "Connections of Seata clients.", st.Sessions),
		counter("tx_sessions_accepted_total", "Connections of Seata clients ever.", st.Accepted),
		gauge("tx_requests_open", "Requests of Seata clients that wait for an answer.", st.Requests),
		counter("tx_seata_read_bytes_total", "Bytes from Seata clients.", st.BytesIn),
		counter("tx_seata_written_bytes_total", "Bytes to Seata clients.", st.BytesOut),
		counter("tx_seata_writes_total", "Writes to sockets of Seata clients.", st.Writes),
		counter("tx_commands_sent_total", "Phase-two commands sent to Seata clients.", st.CommandsSent),
		gauge("tx_commands_open", "Phase-two commands without an answer now.", st.CommandsOpen),
		counter("tx_commands_answered_total", "Phase-two commands that were answered.", st.Answered),
		counter("tx_commands_timed_out_total", "Phase-two commands not answered in time.", st.TimedOut),
		counter("tx_commands_dropped_total", "Phase-two commands whose session ended.", st.Dropped),
		counter("tx_answers_stray_total", "Answers that nobody waited for.", st.StrayAnswers),
		counter("tx_auth_failures_total", "Registrations with a wrong signature.", st.AuthFailures),
	}
	for i := range st.FramesIn {
		class := tc.Class(i).String()
		samples = append(samples,
			labelled("class", class, counter("tx_seata_frames_in_total", "Frames from Seata clients.", st.FramesIn[i])),
			labelled("class", class, counter("tx_seata_frames_out_total", "Frames to Seata clients.", st.FramesOut[i])))
	}
	for i := range st.Faults {
		if fault := tc.Fault(i); fault != tc.FaultNone {
			samples = append(samples, labelled("fault", fault.String(),
				counter("tx_session_faults_total", "Sessions closed and requests refused.", st.Faults[i])))
		}
	}
	return samples
}

// sessions lists the connected clients for the API.
func (n *node) sessions() []web.Session {
	var out []web.Session
	for _, s := range n.seata.Sessions() {
		version := s.TMVersion
		if version == "" {
			version = s.RMVersion
		}
		out = append(out, web.Session{
			Client: s.Client, Application: s.Application, Group: s.Group, Version: version, TM: s.TM, RM: s.RM,
			Codec: s.Codec, Resources: s.Resources, Requests: s.Requests, Commands: s.Commands,
			ConnectedAt: txn.MillisOf(s.Since),
		})
	}
	return out
}
