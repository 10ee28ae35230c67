package main

import (
	"errors"
	"fmt"
	"net/url"
	"time"

	"go.etcd.io/etcd/server/v3/embed"
	"go.etcd.io/etcd/server/v3/etcdmain"
)

const (
	etcdReadyDeadline = 60 * time.Second
	etcdBytesMax      = 4 << 30
)

// runEtcd is the stock etcd with the given flags. It ends the process itself
// when etcd fails.
func runEtcd(args []string) error {
	etcdmain.Main(append([]string{"etcd"}, args...))
	return nil
}

// startEtcd starts a single-member etcd inside this process and waits until it
// serves. With fsync off (quicker, and right for a throw-away store) a power
// cut may lose writes.
func startEtcd(layout layout, clientPort, peerPort int, fsync bool) (*embed.Etcd, error) {
	client, err := loopbackURL(clientPort)
	if err != nil {
		return nil, err
	}
	peer, err := loopbackURL(peerPort)
	if err != nil {
		return nil, err
	}
	config := embed.NewConfig()
	config.Dir = layout.path("etcd")
	config.ListenClientUrls, config.AdvertiseClientUrls = []url.URL{client}, []url.URL{client}
	config.ListenPeerUrls, config.AdvertisePeerUrls = []url.URL{peer}, []url.URL{peer}
	config.InitialCluster = config.InitialClusterFromName(config.Name)
	config.UnsafeNoFsync = !fsync
	config.LogLevel = "warn"
	config.LogOutputs = []string{layout.path("etcd.log")}
	// A lone member elects itself after the election timeout, so keep it short.
	config.TickMs, config.ElectionMs = 20, 200
	config.QuotaBackendBytes = etcdBytesMax

	etcd, err := embed.StartEtcd(config)
	if err != nil {
		return nil, fmt.Errorf("start etcd: %w", err)
	}
	select {
	case <-etcd.Server.ReadyNotify():
		return etcd, nil
	case err = <-etcd.Err():
	case <-time.After(etcdReadyDeadline):
		err = errors.New("not ready in " + etcdReadyDeadline.String())
	}
	etcd.Close()
	return nil, fmt.Errorf("start etcd: %w; its log ends with:\n%s", err, tail(layout.path("etcd.log")))
}

func loopbackURL(port int) (url.URL, error) {
	parsed, err := url.Parse(fmt.Sprintf("http://127.0.0.1:%d", port))
	if err != nil {
		return url.URL{}, fmt.Errorf("make etcd's address: %w", err)
	}
	return *parsed, nil
}
