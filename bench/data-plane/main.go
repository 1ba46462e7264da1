// Go's httputil.ReverseProxy before one instance, as `net/http` users would write it: HTTP on one port, HTTPS with HTTP/2 on another,
// TLS with the instance's name checked and kept connections behind. No log, no headers of its own: the bare proxy.
package main

import (
	"crypto/tls"
	"crypto/x509"
	"flag"
	"log"
	"net/http"
	"net/http/httputil"
	"net/url"
	"os"
)

func main() {
	plain := flag.String("http", "", "address")
	secure := flag.String("https", "", "address")
	target := flag.String("target", "", "host:port of the instance")
	name := flag.String("name", "", "guid of the instance")
	ca := flag.String("ca", "", "file with the CA of instances")
	certificate := flag.String("cert", "", "certificate shown to instances")
	key := flag.String("key", "", "its key")
	serverCertificate := flag.String("server-cert", "", "certificate shown to clients")
	serverKey := flag.String("server-key", "", "its key")
	flag.Parse()

	pem, err := os.ReadFile(*ca)
	if err != nil {
		log.Fatal(err)
	}
	roots := x509.NewCertPool()
	roots.AppendCertsFromPEM(pem)
	pair, err := tls.LoadX509KeyPair(*certificate, *key)
	if err != nil {
		log.Fatal(err)
	}
	proxy := httputil.NewSingleHostReverseProxy(&url.URL{Scheme: "https", Host: *target})
	proxy.Transport = &http.Transport{
		TLSClientConfig:     &tls.Config{RootCAs: roots, Certificates: []tls.Certificate{pair}, ServerName: *name},
		MaxIdleConns:        1024,
		MaxIdleConnsPerHost: 1024,
	}
	go func() { log.Fatal(http.ListenAndServe(*plain, proxy)) }()
	log.Fatal(http.ListenAndServeTLS(*secure, *serverCertificate, *serverKey, proxy))
}
