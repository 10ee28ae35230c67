package main

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"fmt"
	"io"
	"net/http"
	"time"
)

const (
	probeInterval = 50 * time.Millisecond
	probeTimeout  = 5 * time.Second
	probeBytesMax = 4 << 10
)

// probe asks the API server, as its administrator, whether a path answers 200.
type probe struct {
	client *http.Client
	server string
	token  string
}

func newProbe(credentials credentials) probe {
	roots := x509.NewCertPool()
	roots.AppendCertsFromPEM(credentials.authority)
	return probe{
		client: &http.Client{
			Transport: &http.Transport{TLSClientConfig: &tls.Config{RootCAs: roots}},
			Timeout:   probeTimeout,
		},
		server: credentials.server,
		token:  credentials.token,
	}
}

// wait polls path until it answers 200, the child dies or ctx ends.
func (p probe) wait(ctx context.Context, path string, of *child) error {
	defer p.client.CloseIdleConnections()
	ticks := time.NewTicker(probeInterval)
	defer ticks.Stop()
	for {
		err := p.once(ctx, path)
		if err == nil {
			return nil
		}
		select {
		case <-of.exited:
			return of.failure()
		case <-ctx.Done():
			return fmt.Errorf("%s: %s is not there in time (%w): %w; its log ends with:\n%s",
				of.name, path, context.Cause(ctx), err, tail(of.logFile))
		case <-ticks.C:
		}
	}
}

func (p probe) once(ctx context.Context, path string) error {
	request, err := http.NewRequestWithContext(ctx, http.MethodGet, p.server+path, nil)
	if err != nil {
		return err
	}
	request.Header.Set("Authorization", "Bearer "+p.token)
	response, err := p.client.Do(request)
	if err != nil {
		return err
	}
	defer response.Body.Close()
	body, err := io.ReadAll(io.LimitReader(response.Body, probeBytesMax))
	if err != nil {
		return err
	}
	if response.StatusCode != http.StatusOK {
		return fmt.Errorf("%s: %s", response.Status, body)
	}
	return nil
}
