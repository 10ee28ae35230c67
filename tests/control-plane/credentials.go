package main

import (
	"crypto/rand"
	"encoding/base64"
	"encoding/hex"
	"errors"
	"fmt"
)

// tokenBytes is the length of the administrator's bearer token before its
// hexadecimal form.
const tokenBytes = 24

// credentials are what a client needs to reach the API server.
type credentials struct {
	server    string
	token     string
	authority []byte
}

// kubeconfigFormat takes the server, the authority, and the administrator's
// certificate and key (the last three in base64).
const kubeconfigFormat = `apiVersion: v1
kind: Config
current-context: test
clusters:
- name: test
  cluster: {server: %q, certificate-authority-data: %s}
users:
- name: admin
  user: {client-certificate-data: %s, client-key-data: %s}
contexts:
- name: test
  context: {cluster: test, user: admin}
`

// writeCredentials makes the throw-away PKI, the administrator's token and the
// kubeconfig of the API server at the given URL.
func writeCredentials(layout layout, server string) (credentials, error) {
	authority, err := newAuthority()
	if err != nil {
		return credentials{}, err
	}
	serving, err := authority.issue(servingCertificate())
	if err != nil {
		return credentials{}, err
	}
	administrator, err := authority.issue(administratorCertificate())
	if err != nil {
		return credentials{}, err
	}
	signing, err := newSigningKey()
	if err != nil {
		return credentials{}, err
	}
	raw := make([]byte, tokenBytes)
	if _, err := rand.Read(raw); err != nil {
		return credentials{}, fmt.Errorf("make the administrator's token: %w", err)
	}
	token := hex.EncodeToString(raw)
	base64Of := base64.StdEncoding.EncodeToString
	kubeconfig := fmt.Sprintf(kubeconfigFormat, server, base64Of(authority.certificatePEM),
		base64Of(administrator.certificatePEM), base64Of(administrator.keyPEM))
	err = errors.Join(
		layout.write("ca.crt", authority.certificatePEM),
		layout.write("apiserver.crt", serving.certificatePEM),
		layout.write("apiserver.key", serving.keyPEM),
		layout.write("admin.crt", administrator.certificatePEM),
		layout.write("admin.key", administrator.keyPEM),
		layout.write("sa.pub", signing.publicPEM),
		layout.write("sa.key", signing.privatePEM),
		layout.write("token", []byte(token)),
		layout.write("tokens.csv", []byte(token+`,admin,admin,"system:masters"`+"\n")),
		layout.write("server", []byte(server)),
		layout.write("kubeconfig", []byte(kubeconfig)),
	)
	return credentials{server: server, token: token, authority: authority.certificatePEM}, err
}
