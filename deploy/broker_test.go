package deploy

import (
	"os"
	"path"
	"strconv"
	"strings"
	"testing"
	"time"
)

// readConf returns the settings of a broker.
func readConf(t *testing.T, name string) map[string]string {
	t.Helper()
	conf := map[string]string{}
	for line := range strings.Lines(string(read(t, name))) {
		line = strings.TrimSpace(line)
		if line == "" || strings.HasPrefix(line, "#") {
			continue
		}
		key, value, ok := strings.Cut(line, "=")
		if !ok || conf[key] != "" || key != strings.TrimSpace(key) || value != strings.TrimSpace(value) {
			t.Errorf("%s: %q is no setting, or the second of its name", name, line)
		}
		conf[key] = value
	}
	return conf
}

// known lists the keys that these files may have, because a broker says nothing of those that it does not know.
func known() map[string]bool {
	keys := map[string]bool{}
	for key := range strings.FieldsSeq(`brokerClusterName brokerName brokerId brokerRole listenPort storePathRootDir
		storePathCommitLog flushDiskType inSyncReplicas totalReplicas slaveTimeout syncFlushTimeout transactionTimeOut
		transactionCheckInterval transactionCheckMax transactionOpBatchInterval endTransactionThreadPoolNums
		fileReservedTime deleteWhen cleanFileForciblyEnable autoCreateTopicEnable autoCreateSubscriptionGroup
		defaultTopicQueueNums maxMessageSize waitTimeMillsInSendQueue mappedFileSizeCommitLog timerWheelEnable`) {
		keys[key] = true
	}
	return keys
}

func number(t *testing.T, conf map[string]string, key string) int64 {
	t.Helper()
	n, err := strconv.ParseInt(conf[key], 10, 64)
	if err != nil {
		t.Errorf("%s: %v", key, err)
	}
	return n
}

// brokers returns the configuration file of each broker of a profile, by service.
func brokers(t *testing.T, profile string) map[string]map[string]string {
	t.Helper()
	out := map[string]map[string]string{}
	for name, s := range readCompose(t).Services {
		if len(s.Profiles) != 1 || s.Profiles[0] != profile {
			continue
		}
		for _, v := range s.Volumes {
			if from, ok := strings.CutSuffix(v, ":/etc/rocketmq/broker.conf:ro"); ok {
				out[name] = readConf(t, strings.TrimPrefix(from, "./"))
			}
		}
		if out[name] == nil {
			t.Errorf("%s has no configuration", name)
		}
	}
	return out
}

func TestProfilesOfBrokersDoNotClash(t *testing.T) {
	t.Parallel()
	single, ha := brokers(t, "single"), brokers(t, "ha")
	if len(single) != 1 || len(ha) != 4 {
		t.Fatalf("%d and %d brokers", len(single), len(ha))
	}
	who := map[string]string{}
	for _, set := range []map[string]map[string]string{single, ha} {
		for name, conf := range set {
			id := conf["brokerName"] + "/" + conf["brokerId"]
			if other := who[id]; other != "" {
				t.Errorf("%s and %s are both %s", name, other, id)
			}
			who[id] = name
		}
	}
	for name, conf := range ha {
		if conf["brokerId"] != "0" && who[conf["brokerName"]+"/0"] == "" {
			t.Errorf("%s is the slave of nobody", name)
		}
	}
	files, err := os.ReadDir("rocketmq")
	if err != nil || len(files) != len(single)+len(ha) {
		t.Errorf("%d files for %d brokers, %v", len(files), len(single)+len(ha), err)
	}
	if env := string(read(t, ".env")); !strings.Contains(env, "COMPOSE_PROFILES=single\n") {
		t.Errorf("without a choice there would be no broker: .env is %q", env)
	}
}

func TestBrokersWriteTwice(t *testing.T) {
	t.Parallel()
	for name, conf := range brokers(t, "ha") {
		role := map[string]string{"0": "SYNC_MASTER"}[conf["brokerId"]]
		if role == "" {
			role = "SLAVE"
		}
		if conf["brokerRole"] != role {
			t.Errorf("%s: role %s with id %s", name, conf["brokerRole"], conf["brokerId"])
		}
		if conf["inSyncReplicas"] != "2" || conf["totalReplicas"] != "2" {
			t.Errorf("%s answers before there are two copies", name)
		}
	}
	for name, conf := range brokers(t, "single") {
		if conf["brokerRole"] != "ASYNC_MASTER" || conf["inSyncReplicas"] != "" {
			t.Errorf("%s waits for a slave that it does not have", name)
		}
	}
}

// sendTimeout is how long rocketmq-client-go v2.1.2 waits for the answer to a message.
const sendTimeout = 3 * time.Second

// packMemory is for how long mq/rocketmq and store/mysql remember packs; a check-back of an older one is not answered.
const packMemory = 72 * time.Hour

func TestBrokersHaveTheSettingsThatMatter(t *testing.T) {
	t.Parallel()
	keys := known()
	files, err := os.ReadDir("rocketmq")
	if err != nil {
		t.Fatal(err)
	}
	for _, f := range files {
		conf := readConf(t, path.Join("deploy/rocketmq", f.Name()))
		for key := range conf {
			if !keys[key] {
				t.Errorf("%s: %s is not among the known keys", f.Name(), key)
			}
		}
		if conf["haMasterAddress"] != "" {
			t.Errorf("%s: haMasterAddress stops a slave from learning its master's address", f.Name())
		}
		if conf["flushDiskType"] != "SYNC_FLUSH" || conf["autoCreateTopicEnable"] != "false" {
			t.Errorf("%s: %s, autoCreateTopicEnable %s", f.Name(), conf["flushDiskType"], conf["autoCreateTopicEnable"])
		}
		for _, key := range []string{"slaveTimeout", "syncFlushTimeout"} {
			if n := number(t, conf, key); n <= 0 || time.Duration(n)*time.Millisecond > sendTimeout*2/3 {
				t.Errorf("%s: %s is %d ms, the client waits %s", f.Name(), key, n, sendTimeout)
			}
		}
		checks := time.Duration(number(t, conf, "transactionCheckMax")) *
			time.Duration(number(t, conf, "transactionCheckInterval")) * time.Millisecond
		kept := time.Duration(number(t, conf, "fileReservedTime")) * time.Hour
		if checks < kept {
			t.Errorf("%s: the broker gives up after %s, before the message is %s old", f.Name(), checks, kept)
		}
		if conf["cleanFileForciblyEnable"] != "false" {
			t.Errorf("%s: a disk that is nearly full has messages deleted that nobody has consumed", f.Name())
		}
		if kept >= packMemory {
			t.Errorf("%s: messages live for %s, packs are remembered for %s", f.Name(), kept, packMemory)
		}
		if n := number(t, conf, "maxMessageSize"); n < 2<<20 {
			t.Errorf("%s: a pack of 1 MiB may not fit into %d", f.Name(), n)
		}
		if conf["storePathRootDir"] != "/store" || !strings.HasPrefix(conf["storePathCommitLog"], "/store/") {
			t.Errorf("%s: what is stored is not on the volume", f.Name())
		}
	}
}
